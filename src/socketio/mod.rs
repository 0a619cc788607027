//! Floor 3, events: a name and its arguments instead of a message. What `socket.io` calls itself.
//!
//! Below, a message is text or bytes, and what they mean is left to whoever sends them. Here it
//! gets a form that JavaScript knows, and on that form stands everything else, an idea a file:
//!
//! | file | idea | chapter |
//! | --- | --- | --- |
//! | [`json`] | values as text: what the arguments of an event look like on the wire | 15 |

pub mod json;
