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
        ["client", "server"][self as usize]
    }
}

/// A protocol.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    pub name: &'static str,
    /// How far it is indented: a layer is carried by one with a smaller depth.
    pub depth: usize,
}

pub const TCP: Layer = Layer { name: "tcp", depth: 0 };
pub const HTTP: Layer = Layer { name: "http", depth: 1 };
pub const WEBSOCKET: Layer = Layer { name: "websocket", depth: 1 };
pub const ENGINE_IO: Layer = Layer { name: "engine.io", depth: 2 };
pub const SOCKET_IO: Layer = Layer { name: "socket.io", depth: 3 };

/// The time since the program started.
pub fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
