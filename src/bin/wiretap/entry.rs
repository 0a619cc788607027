//! What the explainers say, and the terminal and the page show.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How many bytes of a layer an entry keeps.
pub const MAX_BYTES: usize = 4096;

/// One thing that was said: a line of the terminal, an arrow of the page.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Counts from 1, in the order of accepting.
    pub connection: u32,
    /// Since the program started.
    pub at: Duration,
    /// Who said it.
    pub from: Side,
    /// The protocol that gives these bytes their meaning.
    pub layer: Layer,
    /// One line without control characters. A long payload is cut, and its length is there.
    pub text: String,
    /// More lines of the same layer: headers, the fields of a frame, a dump.
    pub details: Vec<String>,
    /// The bytes of this layer, at most [`MAX_BYTES`] of them.
    pub bytes: Vec<u8>,
    /// How many bytes there were.
    pub length: usize,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }

    pub fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// A protocol. Each is carried by one with a smaller depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Tcp,
    Http,
    WebSocket,
    EngineIo,
    SocketIo,
}

impl Layer {
    pub fn name(self) -> &'static str {
        match self {
            Layer::Tcp => "tcp",
            Layer::Http => "http",
            Layer::WebSocket => "websocket",
            Layer::EngineIo => "engine.io",
            Layer::SocketIo => "socket.io",
        }
    }

    /// How far it is indented.
    pub fn depth(self) -> usize {
        match self {
            Layer::Tcp => 0,
            Layer::Http | Layer::WebSocket => 1,
            Layer::EngineIo => 2,
            Layer::SocketIo => 3,
        }
    }
}

/// The time since the program started.
pub fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
