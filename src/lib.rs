//! Three ways to talk over a network, built by hand on `std` alone, one layer upon the other.
//!
//! Think of a staircase. Each step takes what the one below gives, and adds one thing:
//!
//! | module | what you hold | what it adds to the module below | in Node |
//! | --- | --- | --- | --- |
//! | [`net`] | a stream of bytes | a thread for each client, messages within the stream, sending to many | `net` |
//! | [`http`] | requests and responses | a text that begins a connection, with limits | `http` |
//! | [`ws`] | messages | whole messages, a heartbeat, a closing handshake, browsers | `ws` |
//! | [`engineio`] | a session | it outlives its connections, which may be plain requests | `engine.io` |
//! | [`socketio`] | events | names and values, acknowledgements, namespaces, rooms | `socket.io` |
//!
//! Beside them stand [`mod@json`], the values that events carry and their text; [`value`], what makes them handy
//! in Rust; [`msgpack`], the same values as bytes; and [`redis`], a client of Redis, over which servers share
//! their rooms.
//!
//! `tutorial/from-node.md` lists the API of Node, of npm's `ws` and of Socket.IO beside the one here.
//!
//! Everything blocks, and every client has a thread: a function reads from top to bottom in the
//! order in which things happen. The book under `tutorial/` climbs the stairs, a chapter a file.

#![warn(missing_docs)]

pub mod engineio;
pub mod http;
pub mod json;
pub mod msgpack;
pub mod net;
pub mod redis;
pub mod socketio;
pub mod value;
pub mod ws;
