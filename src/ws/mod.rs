//! Messages: WebSocket (RFC 6455), server and client. What npm's `ws` does.
//!
//! A stream of [`net`](crate::net) carries bytes. A WebSocket carries messages, whole and in order.
//! Each end can find out whether the other is still there, and close the connection with a reason.
//! A WebSocket begins as an HTTP request, so that browsers can open one on the port that also
//! serves their pages.
//!
//! | file | what is in it |
//! | --- | --- |
//! | [`sha1`], [`base64`], [`random`], [`handshake`] | the opening handshake |
//! | [`frame`] | the header of a frame, and the mask |
//! | [`message`] | messages out of frames: fragments joined, UTF-8 checked |
//! | [`socket`] | an open WebSocket: one thread reads, any thread sends |
//! | [`deflate`] | DEFLATE: bytes in fewer bits |
//! | [`permessage`], `compression` | compressed messages: the negotiation, the messages |
//! | [`server`], `endpoint`, [`client`] | the two sides |
//! | [`error`] | what can go wrong, by who was at fault |

pub mod base64;
pub mod client;
mod compression;
pub mod deflate;
mod endpoint;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod message;
pub mod permessage;
pub mod random;
pub mod server;
pub mod sha1;
pub mod socket;

pub use client::{Client, connect};
pub use compression::PerMessageDeflate;
pub(crate) use endpoint::Endpoint;
pub use error::Error;
pub use message::{Close, Message};
pub use server::{Options, Server};
pub use socket::{Sender, Socket};

/// The most bytes that a message may have, unless the options set another limit.
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;
