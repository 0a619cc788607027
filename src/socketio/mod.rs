//! Events: Socket.IO 5, server and client. Names and arguments instead of messages.
//!
//! A session of [`engineio`](crate::engineio) carries messages. Here a message becomes an event,
//! with a name and arguments, which may be acknowledged. A client can be in several namespaces over
//! one session, and in each of them in rooms.
//!
//! | file | what is in it |
//! | --- | --- |
//! | [`packet`], [`codec`] | packets as text, and binary attachments |
//! | [`parser`] | either that, or MessagePack |
//! | [`event`], [`args`], [`listeners`] | an event, its arguments, who receives it |
//! | [`acks`] | acknowledgements of one client |
//! | [`socket`], [`handshake`] | a client in a namespace, on the server, and its handshake |
//! | [`namespace`], [`rooms`], [`broadcast`] | a namespace, its rooms, broadcasts |
//! | `connection` | a session with its sockets |
//! | [`io`] | the namespaces of a server |
//! | [`server`] | binds and serves |
//! | [`client`] | the other side, which reconnects by itself |
//! | [`recovery`] | what a client gets back that was away for a while |
//! | [`answers`] | acknowledgements of many clients |
//! | [`adapter`] | rooms over several servers, by way of Redis |
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
