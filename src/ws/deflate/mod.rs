//! DEFLATE (RFC 1951): bytes in fewer bits, as gzip, zip, PNG and WebSockets have them.
//!
//! Chapter 15 of the book.

pub mod bits;
mod block;
#[allow(clippy::module_inception)]
pub mod deflate;
pub mod gzip;
mod huffman;
pub mod inflate;
mod matches;
pub mod prefix;
