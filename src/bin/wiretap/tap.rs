//! One connection through the wiretap: a thread for each direction, and one that explains.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::entry::{Side, now};

/// The most bytes that are passed on at a time.
const MAX_PIECE: usize = 16 * 1024;

/// How many events may wait to be explained: 16 MiB, if all are long pieces. More wait if a terminal
/// is paused, or if more is sent than can be explained in time.
const MAX_QUEUED: usize = 1024;

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
}

/// The end of the queue that the threads of the two directions have. They never wait for the other.
struct Queue {
    sender: SyncSender<Event>,
    /// The explainer is too far behind, and has given up.
    is_full: Arc<AtomicBool>,
}

impl Queue {
    fn push(&self, from: Side, what: What) {
        if self.sender.try_send(Event { at: now(), from, what }).is_err() {
            self.is_full.store(true, Relaxed);
        }
    }
}

/// Connects to `target`, and passes on each byte in both directions, until both have ended.
///
/// # Errors
/// No thread can be started for it.
pub fn tap(
    client: TcpStream,
    target: &str,
    explain: impl FnOnce(Receiver<Event>, &AtomicBool) + Send + 'static,
) -> io::Result<()> {
    let (sender, events) = sync_channel(MAX_QUEUED);
    let is_full = Arc::new(AtomicBool::new(false));
    let queue = Queue { sender, is_full: is_full.clone() };
    thread::Builder::new().spawn(move || explain(events, &is_full))?;
    queue.push(Side::Client, What::Connected);
    let server = match TcpStream::connect(target) {
        Ok(server) => server,
        Err(e) => {
            queue.push(Side::Server, What::Lost(e));
            return Ok(());
        }
    };
    thread::scope(|scope| {
        let back = || pass_on(Side::Server, &server, &client, &queue);
        thread::Builder::new().spawn_scoped(scope, back)?;
        pass_on(Side::Client, &client, &server, &queue);
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
