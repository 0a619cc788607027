//! Floor 3, events: Socket.IO 5. Names and values instead of messages, answers, rooms, namespaces.
//!
//! A session of the landing below carries messages, whatever happens to its connections. Here a
//! message becomes an event with a name and values, which may be answered; a client can be in
//! several namespaces over one session; and in each, in rooms.
//!
//! | file | idea | chapter |
//! | --- | --- | --- |
//! | [`packet`], [`codec`] | what stands around the values, and bytes among them | 18, 21 |
//! | [`listeners`] | who listens to a socket | 18 |
//! | [`acks`] | answers that are awaited | 18 |
//! | [`args`] | what an event or an answer carries | 18 |
//! | [`socket`] | one client in one namespace | 18 |
//! | [`namespace`], [`rooms`] | who hears what | 19 |
//! | [`server`] | who comes in where | 19 |
//! | [`client`] | the other side, which comes back by itself | 20 |

pub mod acks;
pub mod args;
pub mod client;
pub mod codec;
pub mod listeners;
pub mod namespace;
pub mod packet;
pub mod rooms;
pub mod server;
pub mod socket;

pub use crate::engineio::Handle;
pub use crate::json::Value;
use crate::net::{lock, survives};
pub use acks::NoAnswer;
pub use args::Args;
pub use client::Client;
pub use listeners::Listeners;
pub use namespace::{Broadcast, ConnectError, Namespace};
pub use server::{Io, Options, Server};
pub use socket::{Event, Socket};
