//! The Redis adapter: what a server tells the others, and hears from them.
//!
//! Each server publishes its broadcasts and its requests in Redis, and has subscribed to those of
//! the others. So a room has members on all of them. The channels and messages are those of npm's
//! `@socket.io/redis-adapter`: some of the servers may be Node's.
//!
//! One thread reads the subscription. What is published goes through an outbox: no thread waits for
//! the network. While Redis is away, each server goes on with its own clients.
//!
//! Chapter 28 of the book.

mod cluster;
mod emitter;
mod link;
mod message;
mod requests;

pub use cluster::{Cluster, RemoteSocket};
pub use emitter::RedisEmitter;
pub(super) use emitter::event;
pub use link::Redis;
pub(super) use message::{RequestKind, Target};
pub use requests::RequestError;
pub(super) use requests::{Pending, REQUEST_TIMEOUT};
