//! Commands: a client of Redis, as far as servers need one that share their rooms.
//!
//! Redis keeps values by their names (*keys*) in memory, and passes messages on between its
//! clients: whoever *subscribes* to a channel receives what others *publish* there.
//!
//! | file | what it adds |
//! | --- | --- |
//! | [`resp`] | commands and replies as bytes |
//! | [`url`] | where a server is, and who connects |
//! | [`connection`] | a connection: commands one after the other, or many at once; messages |
//!
//! ```no_run
//! use sockets_by_hand::redis::Connection;
//!
//! let mut redis = Connection::open("redis://127.0.0.1:6379")?;
//! redis.command(["SET", "user", "Ann"])?;
//! println!("{:?}", redis.command(["GET", "user"])?);
//! # Ok::<(), sockets_by_hand::redis::Error>(())
//! ```
//!
//! Chapter 27 of the book.

pub mod connection;
pub mod resp;
pub mod url;

pub use connection::{Connection, Error, Message, Receiver, Sender};
pub use resp::Reply;
