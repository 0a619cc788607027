//! Floor 2, messages: WebSocket, as RFC 6455 has it, on both sides. What npm's `ws` does.
//!
//! A connection of floor 1 carries bytes. Here it carries messages, whole and in order, and either
//! end can see whether the other is still there, and say goodbye. It begins as an HTTP request, so
//! that browsers can open one, on the port that also serves their pages.
//!
//! | file | idea | chapter |
//! | --- | --- | --- |
//! | [`sha1`], [`base64`], [`random`], [`handshake`] | one request, one response, and no HTTP any more | 10 |
//! | [`frame`] | what stands before the bytes of a message | 11 |
//! | [`message`] | fragments joined, UTF-8 checked | 12 |
//! | [`socket`] | one thread reads, any thread sends | 12 |
//! | [`server`], [`client`] | either side of a WebSocket | 13 |
//! | [`error`] | who was at fault | 13 |

pub mod base64;
pub mod client;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod message;
pub mod random;
pub mod server;
pub mod sha1;
pub mod socket;

pub use client::{Client, connect};
pub use error::Error;
pub use message::{Close, Message};
pub use server::{Options, Server};
pub use socket::{Sender, Socket};

/// The most bytes that a message may have, unless the options say otherwise.
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;
