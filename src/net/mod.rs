//! Bytes: TCP and Unix sockets, and a thread for each client. What Node calls `net`.
//!
//! A connection is a stream of bytes in each direction. It has no messages, no events, and does not
//! know of other connections. Each file adds one of these:
//!
//! | file | what it adds |
//! | --- | --- |
//! | [`server`] | a thread for each client, a limit, an orderly end |
//! | [`framing`] | where one message ends and the next begins |
//! | [`report`] | lines on stderr that never block a client's thread for long |
//! | [`stream`] | TCP or a Unix socket as one type |
//! | [`outbox`] | any thread may send, and a slow client delays nobody |
//! | [`backoff`] | how long to wait before the next attempt to connect |
//! | [`events`] | `on`, `once`, `off`, `emit` |
//! | [`clock`] | timers |
//! | `sync` | two functions that the others share |

pub mod backoff;
pub mod clock;
pub mod events;
pub mod framing;
pub mod outbox;
pub mod report;
pub mod server;
pub mod stream;
mod sync;

pub use backoff::Backoff;
pub use events::Emitter;
pub use outbox::Outbox;
pub use server::{Options, Server};
pub use stream::Stream;
pub(crate) use sync::{catch_panic, lock};
