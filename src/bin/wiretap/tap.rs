//! One connection through the wiretap: a thread for each direction, and one that explains.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::entry::{Side, now};

/// How many bytes may wait to be explained. Whoever explains is then too far behind: its terminal
/// has been paused, or more is sent than can be explained in time.
const MAX_QUEUED: usize = 16 * 1024 * 1024;

/// What one side has done.
pub struct Event {
    pub at: Duration,
    pub from: Side,
    pub what: What,
}

pub enum What {
    /// The client has connected; its address.
    Connected(String),
    /// These bytes arrived.
    Sent(Vec<u8>),
    /// It has ended its direction (FIN).
    Ended,
    /// It cannot be reached, or has gone without an orderly end (RST).
    Lost(io::Error),
    /// The explainer is too far behind: nothing more is queued.
    Behind,
}

/// Connects to `target`, and passes on each byte in both directions, until both have ended.
///
/// # Errors
/// There is no thread for it.
pub fn tap(
    client: TcpStream,
    target: &str,
    explain: impl FnOnce(&Events) + Send + 'static,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let events = Events { receiver, queued: queued.clone() };
    thread::Builder::new().name("explain".into()).spawn(move || explain(&events))?;
    let queue = Queue { sender, queued, is_full: AtomicBool::new(false) };
    let address = client.peer_addr().map_or(String::new(), |address| address.to_string());
    queue.push(Side::Client, What::Connected(address));
    let server = match TcpStream::connect(target) {
        Ok(server) => server,
        Err(e) => {
            queue.push(Side::Server, What::Lost(e));
            return Ok(());
        }
    };
    thread::scope(|scope| {
        let answers = || pass_on(Side::Server, &server, &client, &queue);
        thread::Builder::new().spawn_scoped(scope, answers)?;
        pass_on(Side::Client, &client, &server, &queue);
        Ok(())
    })
}

/// One direction: whatever `source` sends, until it ends, is passed on to `sink`.
fn pass_on(from: Side, mut source: &TcpStream, mut sink: &TcpStream, queue: &Queue) {
    _ = sink.set_nodelay(true); // no byte waits for the next one
    let mut buffer = vec![0; 64 * 1024];
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

/// The end of the queue that the threads of the directions have. They never wait for the other end.
struct Queue {
    sender: Sender<Event>,
    queued: Arc<AtomicUsize>,
    is_full: AtomicBool,
}

impl Queue {
    fn push(&self, from: Side, mut what: What) {
        let queued = self.queued.fetch_add(size(&what), Relaxed);
        if queued > MAX_QUEUED {
            if self.is_full.swap(true, Relaxed) {
                return;
            }
            what = What::Behind;
        }
        _ = self.sender.send(Event { at: now(), from, what }); // fails once it has given up
    }
}

/// The end of the explainer.
pub struct Events {
    receiver: Receiver<Event>,
    queued: Arc<AtomicUsize>,
}

impl Events {
    /// Waits for the next event; `None` once both directions have ended.
    pub fn next(&self) -> Option<Event> {
        let event = self.receiver.recv().ok()?;
        self.queued.fetch_sub(size(&event.what), Relaxed);
        Some(event)
    }
}

/// How much memory it takes, roughly.
fn size(what: &What) -> usize {
    128 + if let What::Sent(bytes) = what { bytes.len() } else { 0 }
}
