//! What a conversation means: each direction has a language, and each language a file.

use std::sync::Arc;
use std::time::Duration;

use super::bytes::{preview, short_dump, text};
use super::entry::{Entry, Layer, MAX_BYTES, Side, now};
use super::tap::{Events, What};

/// Receives each entry.
pub type Show = dyn Fn(&Entry) + Send + Sync;

/// Where entries go, and what they have in common.
pub struct Scribe {
    connection: u32,
    at: Duration,
    from: Side,
    show: Arc<Show>,
}

impl Scribe {
    /// Shows an entry about `bytes`, the first of `length`.
    pub fn say(
        &self,
        layer: Layer,
        text: String,
        details: Vec<String>,
        bytes: &[u8],
        length: usize,
    ) {
        let bytes = bytes[..bytes.len().min(MAX_BYTES)].to_vec();
        let Scribe { connection, at, from, .. } = *self;
        (self.show)(&Entry { connection, at, from, layer, text, details, bytes, length });
    }

    /// Shows an entry about the connection itself.
    pub fn note(&self, text: String) {
        self.say(Layer::Tcp, text, Vec::new(), &[], 0);
    }
}

/// Explains one connection, from its first byte to its last.
pub fn explain(connection: u32, events: &Events, show: Arc<Show>) {
    let mut scribe = Scribe { connection, at: now(), from: Side::Client, show };
    let mut lengths = [0_u64; 2];
    while let Some(event) = events.next() {
        (scribe.at, scribe.from) = (event.at, event.from);
        let length = &mut lengths[event.from as usize];
        match event.what {
            What::Connected(address) => scribe.note(format!("connects from {address}")),
            What::Sent(bytes) => {
                plain(&bytes, *length, &scribe);
                *length += bytes.len() as u64;
            }
            What::Ended => scribe.note(format!("ends its direction (FIN) after {length} bytes")),
            What::Lost(e) => return scribe.note(format!("is lost: {e}")),
            What::Behind => return scribe.note("too much to explain: only passed on now".into()),
        }
    }
}

/// Bytes of no known language.
fn plain(bytes: &[u8], offset: u64, scribe: &Scribe) {
    let details = match text(bytes) {
        Some(_) => Vec::new(),
        None => short_dump(bytes, offset),
    };
    scribe.say(Layer::Tcp, preview(bytes, bytes.len()), details, bytes, bytes.len());
}
