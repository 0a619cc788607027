//! Events: Socket.IO 5, server and client. Names and arguments instead of messages.
//!
//! A session of [`engineio`](crate::engineio) carries messages. Here a message becomes an event,
//! with a name and arguments, which may be acknowledged. A client can be in several namespaces over
//! one session, and in each of them in rooms.
//!
//! | file | what is in it | chapter |
//! | --- | --- | --- |
//! | [`packet`], [`codec`] | packets as text, and binary attachments | 19, 22 |
//! | [`parser`] | either that, or MessagePack | 22 |
//! | [`event`], [`args`], [`listeners`] | an event, its arguments, who receives it | 19 |
//! | [`acks`] | acknowledgements of one client | 19 |
//! | [`socket`], [`handshake`] | a client in a namespace, on the server, and its handshake | 19 |
//! | [`namespace`], [`rooms`], [`broadcast`] | a namespace, its rooms, broadcasts | 20 |
//! | `connection` | a session with its sockets | 20 |
//! | [`io`] | the namespaces of a server | 20 |
//! | [`server`] | binds and serves | 20 |
//! | [`client`] | the other side, which reconnects by itself | 21 |
//! | [`recovery`] | what a client gets back that was away for a while | 23 |
//! | [`answers`] | acknowledgements of many clients | 23 |
//! | [`adapter`] | rooms over several servers, by way of Redis | 24 |
//!
//! `namespace` and `socket` are two halves of one, and so are `connection` and `socket`: each holds
//! the other.

pub mod acks;
pub mod adapter;
pub mod answers;
pub mod args;
pub mod broadcast;
pub mod client;
pub mod codec;
mod connection;
pub mod event;
pub mod handshake;
pub mod io;
pub mod listeners;
pub mod namespace;
pub mod packet;
pub mod parser;
pub mod recovery;
pub mod rooms;
pub mod server;
pub mod socket;

pub use crate::engineio::Handle;
pub use crate::json::Value;
use crate::net::{catch_panic, lock};
pub use acks::{AckError, Timeout};
pub use adapter::{Cluster, Redis, RedisEmitter, RemoteSocket, RequestError};
pub use answers::BroadcastAckError;
pub use args::{Args, IntoArgs};
pub use broadcast::Broadcast;
pub use client::{Auth, Client, Options as ClientOptions, Socket as ClientSocket};
pub use event::{Emitted, Event};
pub use handshake::Handshake;
pub use io::{Io, ParentNamespace};
pub use listeners::Listeners;
pub use namespace::{ConnectError, Namespace};
pub use parser::Parser;
pub use recovery::Recovery;
pub use rooms::{IntoRooms, RoomEvent};
pub use server::{Options, Server};
pub use socket::Socket;
