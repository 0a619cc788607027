//! What needs nothing but Rust: the modules over real sockets on loopback, with a peer that is written by
//! hand, and the programs. It is one program, because most tests wait, and so wait at the same time.

#[path = "../common/mod.rs"]
mod common;

mod adapter;
mod advisories;
mod book;
mod client;
mod deflate;
mod engineio;
mod http;
mod json;
mod msgpack;
mod net;
mod outbox;
mod programs;
mod redis;
mod socketio;
mod under_fire;
mod value;
mod wiretap;
mod ws;
