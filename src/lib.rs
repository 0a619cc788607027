//! Three ways to talk over a network, built by hand on `std` alone, one floor upon the other.
//!
//! Think of a staircase. Each floor takes what the floor below gives, and adds one thing:
//!
//! | floor | what you hold | what it adds to the floor below | in Node |
//! | --- | --- | --- | --- |
//! | 1, [`net`] | a stream of bytes | a thread for each client, messages within the stream, sending to many | `net` |
//! | landing, [`http`] | requests and responses | a text that opens a conversation, with limits | `http` |
//! | 2, [`ws`] | messages | whole messages, signs of life, an orderly end, browsers | `ws` |
//! | landing, [`engineio`] | a session | it outlives its connections, which may be plain requests | `engine.io` |
//! | 3, [`socketio`] | events | names and values, answers to them, namespaces, rooms | `socket.io` |
//!
//! Everything blocks, and every client has a thread: a function reads from top to bottom in the
//! order in which things happen. The book under `tutorial/` climbs the stairs, a chapter a file.

#![warn(missing_docs)]

pub mod engineio;
pub mod http;
pub mod net;
pub mod socketio;
pub mod ws;
