//! One connection through the wiretap: a thread for each direction, and one that explains.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use super::entry::{Side, now};
use super::explain::{Show, explain};

/// The most bytes that are passed on at a time.
const MAX_PIECE: usize = 16 * 1024;

/// How many bytes may wait to be explained. They wait if a terminal is paused, or if more is sent
/// than can be explained in time.
const MAX_QUEUED: usize = 16 * 1024 * 1024;

/// What an event takes in the queue besides its bytes.
const EVENT_SIZE: usize = 128;

/// What one side has done.
pub struct Event {
    pub at: Duration,
    pub from: Side,
    pub what: What,
}

pub enum What {
    /// The client has connected.
    Connected,
    /// These bytes have arrived.
    Sent(Vec<u8>),
    /// It has ended its direction (FIN).
    Ended,
    /// It cannot be reached, or has gone without an orderly end (RST).
    Lost(io::Error),
    /// Too much waits to be explained: this event and all later ones are missing.
    TooMuch,
}

impl Event {
    fn size(&self) -> usize {
        let bytes = if let What::Sent(bytes) = &self.what { bytes.len() } else { 0 };
        EVENT_SIZE + bytes
    }
}

/// The end of the queue that the threads of the two directions have. They never wait for the other.
struct Queue {
    sender: Sender<Event>,
    /// How many bytes wait. Once there are too many, the explainer gives up.
    size: Arc<AtomicUsize>,
}

impl Queue {
    fn push(&self, from: Side, what: What) {
        let event = Event { at: now(), from, what };
        if self.size.load(Relaxed) <= MAX_QUEUED {
            self.size.fetch_add(event.size(), Relaxed);
            _ = self.sender.send(event); // (fails if the explainer has given up)
        }
    }
}

/// Passes on each byte between `client` and `target` in both directions, until both have ended, in
/// threads of its own. Another thread explains them.
///
/// # Errors
/// No thread can be started.
pub fn tap(client: TcpStream, target: String, connection: u32, show: Arc<Show>) -> io::Result<()> {
    let (sender, events) = channel::<Event>();
    let queue = Queue { sender, size: Arc::default() };
    let size = queue.size.clone();
    let events = events.into_iter().map(move |event| {
        let is_too_much = size.fetch_sub(event.size(), Relaxed) > MAX_QUEUED;
        if is_too_much { Event { what: What::TooMuch, ..event } } else { event }
    });
    thread::Builder::new().spawn(move || explain(connection, events, show))?;
    thread::Builder::new().spawn(move || {
        queue.push(Side::Client, What::Connected);
        if let Err(e) = connect(&client, &target, &queue) {
            queue.push(Side::Server, What::Lost(e));
        }
    })?;
    Ok(())
}

/// Connects to `target`. This thread is for what the client sends, another one for the server.
fn connect(client: &TcpStream, target: &str, queue: &Queue) -> io::Result<()> {
    let server = &TcpStream::connect(target)?;
    thread::scope(|scope| {
        let back = || pass_on(Side::Server, server, client, queue);
        thread::Builder::new().spawn_scoped(scope, back)?;
        pass_on(Side::Client, client, server, queue);
        Ok(())
    })
}

/// One direction: whatever `source` sends, until it ends, is passed on to `sink`.
fn pass_on(from: Side, mut source: &TcpStream, mut sink: &TcpStream, queue: &Queue) {
    _ = sink.set_nodelay(true); // no byte waits for the next one
    let mut buffer = vec![0; MAX_PIECE];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => {
                queue.push(from, What::Ended);
                _ = sink.shutdown(Shutdown::Write);
                return;
            }
            Ok(n) => {
                // First the copy: so the answer to these bytes is queued after them.
                queue.push(from, What::Sent(buffer[..n].to_vec()));
                if sink.write_all(&buffer[..n]).is_err() {
                    return; // the thread of the other direction reads why
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => {
                queue.push(from, What::Lost(e));
                _ = sink.shutdown(Shutdown::Read); // wakes the other thread: nothing is left to do
                return;
            }
        }
    }
}
