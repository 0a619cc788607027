//! The outbox of a connection: any thread may send, and a client that does not read delays nobody.
//!
//! As long as the client reads, whoever sends a message writes it to the socket. If the client does
//! not, the message is queued, and a thread (the *drain thread*) waits for the client; from then on,
//! `send` puts a message into the queue and returns. When the queue has been empty for a while, that
//! thread ends. When the queue is too long, or nothing is taken for too long, the client is dropped.
//!
//! A `write` waits if it finds no room: the other end has not read, the buffers of the kernel are
//! full. That is how TCP slows a sender down.
//!
//! Chapter 08 of the book.

use std::cell::Cell;
use std::collections::VecDeque;
use std::error;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::clock::{self, Timer};
use super::{Stream, lock};

/// A client is dropped when one more message comes while more bytes than this wait behind the
/// message that is being sent.
pub const MAX_QUEUED: usize = 16 * 1024 * 1024;

/// While more bytes than this wait, the client's own thread reads no more from it (back-pressure).
/// This much may wait for each client, however much waits for others.
pub const HIGH_WATER_MARK: usize = 1024 * 1024;

/// While this many bytes wait for all clients of the process together, none may have more than
/// [`HIGH_WATER_MARK`].
pub const MAX_QUEUED_TOTAL: usize = 256 * 1024 * 1024;

/// How many bytes of answers may wait that the other end causes by what it sends, such as pongs.
pub const MAX_ANSWERS: usize = 64 * 1024;

/// How long a client may take no byte at all while messages wait for it; and how long it may take
/// over all that is left, once its connection is to end.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How long a sender itself waits for room before it leaves the rest to the drain thread. (On a
/// Unix socket: for each piece of a large message. Windows does not say how much of a `write` that
/// timed out was sent. So there a sender never waits, the drain thread does all the writing, and a
/// client whose `write` times out is dropped.)
const WRITE_TIMEOUT: Duration = Duration::from_millis(5);

/// How often a thread waits for room within [`STALLS_TIME`]. A thread that broadcasts to many slow
/// clients leaves the rest of them to drain threads.
const MAX_STALLS: u32 = 5;

/// See [`MAX_STALLS`].
const STALLS_TIME: Duration = Duration::from_secs(1);

/// How long the drain thread waits for room before it looks at the deadline.
const DRAIN_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the drain thread stays after it last waited for room: the client is slow, and a sender
/// would have to wait again at its next message.
const DRAIN_KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How much memory a queued message takes besides its bytes.
pub const PER_MESSAGE_OVERHEAD: usize = 64;

/// How many messages go into one `write`.
const BATCH: usize = 64;

/// Sends messages to one client. A clone is the same outbox; all its methods may be called from
/// any thread, and none but those called `wait_…` waits longer than a few milliseconds.
///
/// ```
/// use sockets_by_hand::net::{Outbox, Stream};
/// use std::{io::Read, sync::Arc};
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let mut client = Stream::connect(listener.local_addr()?)?;
/// let outbox = Outbox::new(listener.accept()?.0.into())?;
///
/// let message: Arc<[u8]> = Arc::from(*b"Hello, all"); // encoded once, for any number of clients
/// outbox.send(message.clone()).unwrap();
/// outbox.end();
///
/// let mut received = String::new();
/// client.read_to_string(&mut received)?;
/// assert_eq!(received, "Hello, all");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: Stream,
    max_queued: usize,
    deadline: Duration,
    state: Mutex<State>,
    /// The drain thread has written something, or the client has been dropped.
    progress: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<[u8]>>,
    /// How much of the first message has been sent.
    sent: usize,
    /// How many bytes the queue takes.
    queued: Queued,
    writer: Writer,
    phase: Phase,
}

/// What may still be sent.
#[derive(Debug, Default)]
enum Phase {
    /// Any message.
    #[default]
    Open,
    /// What is queued.
    LastSent,
    /// What is queued, and then the end of the stream. The timer drops a client that takes too
    /// long.
    Ending { _timer: Option<Timer> },
    /// Nothing: the client has been dropped.
    Dropped(Dropped),
}

/// Who writes to the client.
#[derive(Debug, Default)]
enum Writer {
    /// Whichever thread sends.
    #[default]
    Sender,
    /// The drain thread.
    Drain,
    /// The drain thread, which is parked until there is something to write.
    Parked(Thread),
}

/// Why a client gets no more messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It reads more slowly than messages come: more than this many bytes wait, and one more came.
    TooSlow(usize),
    /// It took no byte for this long, the whole deadline.
    Stalled(Duration),
    /// The connection was to end, and the client did not take all that was left within this time.
    EndTimeout(Duration),
    /// The connection failed.
    Lost(ErrorKind),
    /// The last message has been sent ([`Outbox::send_last`], [`Outbox::end`]): none may follow.
    Ended,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Dropped::TooSlow(max_queued) => {
                write!(f, "the client is too slow: more than {max_queued} bytes wait for it")
            }
            Dropped::Stalled(time) => write!(f, "the client has read nothing for {time:?}"),
            Dropped::EndTimeout(time) => {
                write!(f, "the client has not read what was left within {time:?}")
            }
            Dropped::Lost(kind) => write!(f, "the connection failed: {kind}"),
            Dropped::Ended => write!(f, "the last message has been sent: none may follow"),
        }
    }
}

impl error::Error for Dropped {}

/// So that a handler which returns `io::Result` can use `?` on both.
impl From<Dropped> for io::Error {
    fn from(why: Dropped) -> io::Error {
        io::Error::other(why)
    }
}

impl Outbox {
    /// The outbox of `stream`: from now on, nothing else may write to that. The limits are
    /// [`MAX_QUEUED`] and [`DEADLINE`].
    ///
    /// # Errors
    /// The connection has already ended.
    pub fn new(stream: Stream) -> io::Result<Outbox> {
        Outbox::with_limits(stream, MAX_QUEUED, DEADLINE)
    }

    /// An outbox with other limits. The client is dropped when one more message comes while more
    /// than `max_queued` bytes wait behind the one being sent, or when it takes no byte for
    /// `deadline`. (While [`MAX_QUEUED_TOTAL`] bytes wait for all clients, its limit is
    /// [`HIGH_WATER_MARK`]. With `usize::MAX` there is no limit at all.)
    ///
    /// # Errors
    /// The connection has already ended, or `deadline` is zero.
    pub fn with_limits(
        stream: Stream,
        max_queued: usize,
        deadline: Duration,
    ) -> io::Result<Outbox> {
        let (state, progress) = (Mutex::default(), Condvar::new());
        let shared = Shared { stream, max_queued, deadline, state, progress };
        shared.set_write_timeout(WRITE_TIMEOUT)?;
        Ok(Outbox(Arc::new(shared)))
    }

    /// Sends `message` after all that were sent before. `Ok` means that it is written or queued,
    /// not that it has arrived.
    ///
    /// It becomes an `Arc` only if it must be queued. A message for many clients is best one
    /// already.
    ///
    /// # Errors
    /// The client has been dropped, now or earlier, and its connection ended.
    pub fn send(&self, message: impl AsRef<[u8]> + Into<Arc<[u8]>>) -> Result<(), Dropped> {
        self.0.send(&mut lock(&self.0.state), message)
    }

    /// Sends `message` as the last one: to send another is an error ([`Dropped::Ended`]). The
    /// connection stays open; see [`end`](Outbox::end).
    ///
    /// # Errors
    /// As for [`send`](Outbox::send).
    pub fn send_last(&self, message: impl AsRef<[u8]> + Into<Arc<[u8]>>) -> Result<(), Dropped> {
        let mut state = lock(&self.0.state);
        let sent = self.0.send(&mut state, message);
        if let Phase::Open = state.phase {
            state.phase = Phase::LastSent;
        }
        sent
    }

    /// Ends our side of the connection once all that was sent is written. For that the client has
    /// the `deadline` in all: no byte that it takes renews it.
    pub fn end(&self) {
        let mut state = lock(&self.0.state);
        if matches!(state.phase, Phase::Ending { .. } | Phase::Dropped(_)) {
            return;
        }
        if state.queue.is_empty() {
            state.phase = Phase::Ending { _timer: None };
            _ = self.0.stream.end(); // it may have ended already
            return;
        }
        let shared = Arc::downgrade(&self.0);
        let timer = clock::after(self.0.deadline, move || {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = lock(&shared.state);
            if !state.queue.is_empty() {
                shared.drop_client(&mut state, Dropped::EndTimeout(shared.deadline));
            }
        });
        state.phase = Phase::Ending { _timer: Some(timer) };
    }

    /// Waits while more than [`HIGH_WATER_MARK`] waits for the client, or so much that one more
    /// message would drop it. The client's own thread calls this before it reads on: it stops
    /// reading from a peer that does not read. (In Node: the `drain` event.)
    ///
    /// # Errors
    /// The client has been dropped, now or earlier.
    pub fn wait_for_room(&self) -> Result<(), Dropped> {
        let max = self.0.max_queued.min(HIGH_WATER_MARK);
        let full = |s: &mut State| s.waiting() > max && s.dropped().is_none();
        let state = self.0.progress.wait_while(lock(&self.0.state), full);
        state.unwrap_or_else(PoisonError::into_inner).dropped().map_or(Ok(()), Err)
    }

    /// Waits until all that was sent is written, or the client has been dropped.
    pub fn wait_until_sent(&self) {
        let busy = |s: &mut State| !s.queue.is_empty();
        drop(self.0.progress.wait_while(lock(&self.0.state), busy));
    }

    /// How many bytes wait behind the message that is being sent.
    pub fn queued(&self) -> usize {
        lock(&self.0.state).waiting()
    }

    /// Whether some of what was sent is not written yet.
    pub fn is_sending(&self) -> bool {
        !lock(&self.0.state).queue.is_empty()
    }

    /// Whether a message that is sent now would be written at once.
    pub fn is_writable(&self) -> bool {
        let state = lock(&self.0.state);
        state.queue.is_empty() && matches!(state.phase, Phase::Open)
    }

    /// Why the client was dropped, if it was. Its own thread asks when its `read` has ended.
    pub fn dropped(&self) -> Option<Dropped> {
        lock(&self.0.state).dropped()
    }
}

impl Shared {
    fn send(
        self: &Arc<Shared>,
        state: &mut State,
        message: impl AsRef<[u8]> + Into<Arc<[u8]>>,
    ) -> Result<(), Dropped> {
        let len = message.as_ref().len();
        match state.phase {
            Phase::Open => {}
            Phase::LastSent | Phase::Ending { .. } => return Err(Dropped::Ended),
            Phase::Dropped(why) => return Err(why),
        }
        if !matches!(state.writer, Writer::Sender) {
            let max_queued = queue_limit(self.max_queued);
            if state.waiting() > max_queued {
                return Err(self.drop_client(state, Dropped::TooSlow(max_queued)));
            }
            state.push(message.into());
            return Ok(());
        }
        if (cfg!(windows) || has_stalled_often()) && self.start_drain(state).is_ok() {
            state.push(message.into());
            return Ok(());
        }
        match self.stream.clone().write(message.as_ref()) {
            Ok(n) if n == len => return Ok(()),
            Ok(n) => state.sent = n,
            Err(e) if e.kind() == ErrorKind::TimedOut => state.sent = 0,
            Err(e) => return Err(self.drop_client(state, Dropped::Lost(e.kind()))),
        }
        count_stall();
        state.push(message.into());
        match self.start_drain(state) {
            Ok(()) => Ok(()),
            Err(e) => Err(self.drop_client(state, Dropped::Lost(e.kind()))),
        }
    }

    fn start_drain(self: &Arc<Shared>, state: &mut State) -> io::Result<()> {
        let shared = self.clone();
        let builder = thread::Builder::new().name("drain".into()).stack_size(64 * 1024);
        builder.spawn(move || drain(shared))?;
        state.writer = Writer::Drain;
        Ok(())
    }

    /// Writes what is queued, however long that takes. Returns `false` if the client has been
    /// dropped. Sets `waited` to the time at which a `write` last had to wait.
    fn write_queue(&self, waited: &mut Option<Instant>) -> bool {
        let mut progress = Instant::now();
        loop {
            let start = Instant::now();
            let state = lock(&self.state);
            if state.queue.is_empty() {
                return state.dropped().is_none();
            }
            let batch: Vec<_> = state.queue.iter().take(BATCH).cloned().collect();
            let mut parts: Vec<_> = batch.iter().map(|message| IoSlice::new(message)).collect();
            parts[0] = IoSlice::new(&batch[0][state.sent..]);
            drop(state); // others may queue while this thread waits

            let written = self.stream.clone().write_vectored(&parts);
            if start.elapsed() >= WRITE_TIMEOUT {
                *waited = Some(Instant::now());
            }
            let mut state = lock(&self.state);
            let why = match written {
                Ok(n) => {
                    progress = Instant::now();
                    state.advance(n);
                    if state.queue.is_empty() && state.is_ending() {
                        _ = self.stream.end();
                    }
                    self.progress.notify_all();
                    continue;
                }
                Err(e) if e.kind() != ErrorKind::TimedOut => Dropped::Lost(e.kind()),
                Err(_) if !cfg!(windows) && progress.elapsed() < self.deadline => continue,
                Err(_) => Dropped::Stalled(self.deadline),
            };
            self.drop_client(&mut state, why);
            return false;
        }
    }

    /// How long a `write` waits for room.
    fn set_write_timeout(&self, time: Duration) -> io::Result<()> {
        let time = if cfg!(windows) { self.deadline } else { time.min(self.deadline) };
        self.stream.set_write_timeout(Some(time))
    }

    /// Ends the connection, which wakes the client's own thread, and that thread cleans up.
    fn drop_client(&self, state: &mut State, why: Dropped) -> Dropped {
        self.stream.destroy();
        state.clear();
        self.progress.notify_all();
        let first = state.dropped().unwrap_or(why);
        state.phase = Phase::Dropped(first);
        first
    }
}

impl State {
    /// Queues a message for the drain thread.
    fn push(&mut self, message: Arc<[u8]>) {
        self.queued.set(self.queued.0 + message.len() + PER_MESSAGE_OVERHEAD);
        self.queue.push_back(message);
        if let Writer::Parked(thread) = mem::replace(&mut self.writer, Writer::Drain) {
            thread.unpark();
        }
    }

    /// How many bytes wait behind the first message.
    fn waiting(&self) -> usize {
        self.queued.0 - self.queue.front().map_or(0, |first| first.len() + PER_MESSAGE_OVERHEAD)
    }

    /// Removes from the queue the messages that `n` more written bytes complete.
    fn advance(&mut self, n: usize) {
        self.sent += n;
        while let Some(first) = self.queue.front().filter(|first| self.sent >= first.len()) {
            self.sent -= first.len();
            self.queued.set(self.queued.0 - first.len() - PER_MESSAGE_OVERHEAD);
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            self.clear();
        }
    }

    /// Frees the queue and its memory.
    fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.queued.set(0);
    }

    fn dropped(&self) -> Option<Dropped> {
        if let Phase::Dropped(why) = self.phase { Some(why) } else { None }
    }

    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. })
    }
}

/// The drain thread: writes what is queued. It stays as long as the client is slow, and then ends.
fn drain(mut shared: Arc<Shared>) {
    let mut waited = None;
    _ = shared.set_write_timeout(DRAIN_WRITE_TIMEOUT); // a failure shows in `write`
    while shared.write_queue(&mut waited) {
        let mut state = lock(&shared.state);
        if !state.queue.is_empty() {
            continue; // a message has come since
        }
        let stay = waited
            .map_or(Duration::ZERO, |at: Instant| DRAIN_KEEP_ALIVE.saturating_sub(at.elapsed()));
        if stay.is_zero() || state.is_ending() {
            _ = shared.set_write_timeout(WRITE_TIMEOUT);
            state.writer = Writer::Sender;
            return;
        }
        state.writer = Writer::Parked(thread::current());
        drop(state);
        // A weak reference: a parked thread does not keep the connection open.
        let parked = Arc::downgrade(&shared);
        drop(shared);
        thread::park_timeout(stay);
        let Some(upgraded) = parked.upgrade() else { return };
        shared = upgraded;
    }
}

thread_local! {
    /// How often this thread has waited for room, and since when that is counted.
    static STALLS: Cell<(u32, Option<Instant>)> = const { Cell::new((0, None)) };
}

/// Whether this thread has waited for room so often that it should not wait again now.
fn has_stalled_often() -> bool {
    let (stalls, since) = STALLS.get();
    stalls >= MAX_STALLS && since.is_some_and(|since| since.elapsed() < STALLS_TIME)
}

fn count_stall() {
    let (stalls, since) = STALLS.get();
    STALLS.set(match since.filter(|since| since.elapsed() < STALLS_TIME) {
        Some(since) => (stalls + 1, Some(since)),
        None => (1, Some(Instant::now())),
    });
}

/// How many bytes wait for all clients of the process together.
static TOTAL_QUEUED: AtomicUsize = AtomicUsize::new(0);

/// How many bytes wait for one client. They are part of [`TOTAL_QUEUED`] too.
#[derive(Debug, Default)]
pub(crate) struct Queued(pub usize);

impl Queued {
    pub fn set(&mut self, bytes: usize) {
        // (This addition wraps around, so that it can also subtract.)
        TOTAL_QUEUED.fetch_add(bytes.wrapping_sub(self.0), Relaxed);
        self.0 = bytes;
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Counts the answers that the other end causes and does not read.
#[derive(Debug, Default)]
pub(crate) struct Answers(usize);

impl Answers {
    /// Whether one more answer of `len` bytes may be sent. `all_sent` says that none waits now.
    pub fn allow(&mut self, len: usize, all_sent: bool) -> bool {
        if all_sent {
            self.0 = 0;
        }
        self.0 += len + PER_MESSAGE_OVERHEAD;
        all_sent || self.0 <= MAX_ANSWERS
    }
}

/// The limit of one client's queue at the moment: `max_queued`, or less while much waits for
/// others.
pub(crate) fn queue_limit(max_queued: usize) -> usize {
    match max_queued {
        usize::MAX => usize::MAX,
        max if TOTAL_QUEUED.load(Relaxed) < MAX_QUEUED_TOTAL => max,
        max => max.min(HIGH_WATER_MARK),
    }
}
