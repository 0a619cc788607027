//! Lets any thread send to a client, and keeps a client that does not read from stalling anyone.
//!
//! Picture a letter box with a postman. A letter is handed over at the door where the door is
//! open. Where it is not, the letter goes into the box, a postman (a thread) is called to wait at
//! the door, and everybody who comes with a letter from then on drops it into the box and goes. When
//! the box is empty, the postman goes home. When it overflows, or the door stays shut too long, the
//! address is struck off.
//!
//! "Waiting at the door" is a `write` that finds no room: the other end has not read, the kernel's
//! buffers are full, and the thread sleeps until there is room. That is how TCP slows a sender down.
//!
//! Chapter 06 of the book.

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

/// With more bytes than this waiting behind the message that is being sent, no more may follow.
pub const MAX_QUEUED: usize = 16 * 1024 * 1024;

/// While more than this waits, the client's own thread reads no more from it. So much may wait for
/// each client, however much waits for others.
pub const HIGH_WATER_MARK: usize = 1024 * 1024;

/// While so many bytes wait for all clients of the process together, no client may have more than
/// [`HIGH_WATER_MARK`].
pub const MAX_QUEUED_TOGETHER: usize = 256 * 1024 * 1024;

/// How many bytes of answers may wait that the other end provokes by what it sends, such as pongs.
pub const MAX_ANSWERS: usize = 64 * 1024;

/// How long a client may take no byte at all while messages wait for it; and how long it may take
/// over all that is left, once its connection is to end.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How long a sender itself waits for room before it leaves the rest to the drain thread. (On a Unix
/// socket, so long for each piece of a large message that the reader does take. Windows
/// does not say how much of a `write` that timed out was sent, so there a sender never waits, the
/// drain thread does all the writing, and a timeout is the end.)
const PATIENCE: Duration = Duration::from_millis(5);

/// How often a thread waits for room within [`STALLS_TIME`]: whoever sends to many that are slow
/// leaves the rest of them to drain threads.
const MAX_STALLS: u32 = 5;

/// See [`MAX_STALLS`].
const STALLS_TIME: Duration = Duration::from_secs(1);

/// How long the drain thread waits for room before it looks at the deadline.
const LONG_PATIENCE: Duration = Duration::from_secs(1);

/// How long after it last waited for room the drain thread stays: the client is slow, and a sender
/// would have to wait at its next message again.
const STAY: Duration = Duration::from_secs(10);

/// What a message takes that waits, besides its bytes: many small ones are a lot too.
pub const ENVELOPE: usize = 64;

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
/// let news: Arc<[u8]> = Arc::from(*b"Hello, all"); // made once, however many it is sent to
/// outbox.send(news.clone()).unwrap();
/// outbox.end();
///
/// let mut heard = String::new();
/// client.read_to_string(&mut heard)?;
/// assert_eq!(heard, "Hello, all");
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
    /// The drain thread has written something, or given up.
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
    last_sent: bool,
    ending: bool,
    /// Drops a client that takes too long over what is left at the end.
    end_timer: Option<Timer>,
    dropped: Option<Dropped>,
}

/// Who writes to the client.
#[derive(Debug, Default)]
enum Writer {
    /// Whoever sends.
    #[default]
    Sender,
    /// The drain thread.
    Drain,
    /// The drain thread too, which is parked until there is something to write.
    Parked(Thread),
}

/// Why a client gets no more messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It reads more slowly than messages come: over so many bytes wait, and one more came.
    TooSlow(usize),
    /// It took no byte for so long: the whole of the deadline.
    Stalled(Duration),
    /// The connection was to end, and the client did not take all that was left in so long.
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
    /// The outbox of `stream`, which from now on writes through it alone. ([`MAX_QUEUED`] bytes
    /// may wait, for [`DEADLINE`].)
    ///
    /// # Errors
    /// The connection has already ended.
    pub fn new(stream: Stream) -> io::Result<Outbox> {
        Outbox::with_limits(stream, MAX_QUEUED, DEADLINE)
    }

    /// The same with other limits: a client is dropped when one more message comes while over
    /// `max_queued` bytes wait behind the one being sent, or when it takes no byte for `deadline`.
    /// (Over [`HIGH_WATER_MARK`] it is also dropped while [`MAX_QUEUED_TOGETHER`] wait for all
    /// clients; but not if `max_queued` is `usize::MAX`: then there is no limit.)
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
        shared.be_patient_for(PATIENCE)?;
        Ok(Outbox(Arc::new(shared)))
    }

    /// Sends `message` after all that were sent before, whole or, if the client is dropped, not.
    /// `Ok` means that it is on its way, not that it has arrived.
    ///
    /// It becomes an `Arc` only if it must wait: a message for many is best one already.
    ///
    /// # Errors
    /// The client has been dropped, now or earlier, and its connection ended.
    pub fn send(&self, message: impl AsRef<[u8]> + Into<Arc<[u8]>>) -> Result<(), Dropped> {
        self.0.send(&mut lock(&self.0.state), message)
    }

    /// Sends `message` as the last one: whatever anybody sends later is an error. (The connection
    /// stays open; see [`end`](Outbox::end).)
    ///
    /// # Errors
    /// As for [`send`](Outbox::send).
    pub fn send_last(&self, message: impl AsRef<[u8]> + Into<Arc<[u8]>>) -> Result<(), Dropped> {
        let mut state = lock(&self.0.state);
        let sent = self.0.send(&mut state, message);
        state.last_sent = true;
        sent
    }

    /// Ends our side of the connection once all that was sent is out. For that the client has the
    /// `deadline` in all: no byte that it takes renews it.
    pub fn end(&self) {
        let mut state = lock(&self.0.state);
        if state.ending {
            return;
        }
        (state.last_sent, state.ending) = (true, true);
        if state.queue.is_empty() {
            _ = self.0.stream.end(); // if it has ended already, so much the better
            return;
        }
        let shared = Arc::downgrade(&self.0);
        state.end_timer = Some(clock::after(self.0.deadline, move || {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = lock(&shared.state);
            if !state.queue.is_empty() {
                shared.drop_client(&mut state, Dropped::EndTimeout(shared.deadline));
            }
        }));
    }

    /// Waits while more than [`HIGH_WATER_MARK`] waits for the client, or so much that one more
    /// message would drop it. Its own thread does so before it reads on: who takes no answers may ask
    /// no more questions. (What Node's `drain` event is for.)
    ///
    /// # Errors
    /// The client has been dropped, now or earlier.
    pub fn wait_for_room(&self) -> Result<(), Dropped> {
        let max = self.0.max_queued.min(HIGH_WATER_MARK);
        let full = |s: &mut State| s.waiting() > max && s.dropped.is_none();
        let state = self.0.progress.wait_while(lock(&self.0.state), full);
        state.unwrap_or_else(PoisonError::into_inner).dropped.map_or(Ok(()), Err)
    }

    /// Waits until all that was sent has left, or the client has been dropped.
    pub fn wait_until_sent(&self) {
        let busy = |s: &mut State| !s.queue.is_empty();
        drop(self.0.progress.wait_while(lock(&self.0.state), busy));
    }

    /// Whether some of what was sent has not left yet.
    pub fn is_sending(&self) -> bool {
        !lock(&self.0.state).queue.is_empty()
    }

    /// Whether what is sent now would leave at once.
    pub fn is_writable(&self) -> bool {
        let state = lock(&self.0.state);
        state.queue.is_empty() && !state.last_sent && state.dropped.is_none()
    }

    /// Why the client was dropped, if it was: its own thread asks when its `read` has ended.
    pub fn dropped(&self) -> Option<Dropped> {
        lock(&self.0.state).dropped
    }
}

impl Shared {
    fn send(
        self: &Arc<Shared>,
        state: &mut State,
        message: impl AsRef<[u8]> + Into<Arc<[u8]>>,
    ) -> Result<(), Dropped> {
        let len = message.as_ref().len();
        if let Some(why) = state.dropped {
            return Err(why);
        }
        if state.last_sent {
            return Err(Dropped::Ended);
        }
        if !matches!(state.writer, Writer::Sender) {
            let max_queued = max_queued_now(self.max_queued);
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
        thread::Builder::new().stack_size(64 * 1024).spawn(move || drain(shared))?;
        state.writer = Writer::Drain;
        Ok(())
    }

    /// Writes what is queued, waiting as long as it takes. Answers whether the client is still there,
    /// and sets `waited` to the time at which a `write` last had to wait.
    fn write_queue(&self, waited: &mut Option<Instant>) -> bool {
        let mut progress = Instant::now();
        loop {
            let start = Instant::now();
            let state = lock(&self.state);
            if state.queue.is_empty() {
                return state.dropped.is_none();
            }
            let batch: Vec<_> = state.queue.iter().take(BATCH).cloned().collect();
            let mut parts: Vec<_> = batch.iter().map(|message| IoSlice::new(message)).collect();
            parts[0] = IoSlice::new(&batch[0][state.sent..]);
            drop(state); // others may queue while this thread waits

            let written = self.stream.clone().write_vectored(&parts);
            if start.elapsed() >= PATIENCE {
                *waited = Some(Instant::now());
            }
            let mut state = lock(&self.state);
            let why = match written {
                Ok(n) => {
                    progress = Instant::now();
                    state.advance(n);
                    if state.queue.is_empty() && state.ending {
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
    fn be_patient_for(&self, time: Duration) -> io::Result<()> {
        let time = if cfg!(windows) { self.deadline } else { time.min(self.deadline) };
        self.stream.set_write_timeout(Some(time))
    }

    /// Ends the connection, which wakes the client's own thread; that one cleans up.
    fn drop_client(&self, state: &mut State, why: Dropped) -> Dropped {
        self.stream.destroy();
        state.clear();
        self.progress.notify_all();
        *state.dropped.get_or_insert(why)
    }
}

impl State {
    /// Puts a message behind all others, for the drain thread.
    fn push(&mut self, message: Arc<[u8]>) {
        self.queued.set(self.queued.0 + message.len() + ENVELOPE);
        self.queue.push_back(message);
        if let Writer::Parked(thread) = mem::replace(&mut self.writer, Writer::Drain) {
            thread.unpark();
        }
    }

    /// How many bytes wait behind the first message.
    fn waiting(&self) -> usize {
        self.queued.0 - self.queue.front().map_or(0, |first| first.len() + ENVELOPE)
    }

    /// Takes off the queue what `n` more written bytes complete.
    fn advance(&mut self, n: usize) {
        self.sent += n;
        while let Some(first) = self.queue.front().filter(|first| self.sent >= first.len()) {
            self.sent -= first.len();
            self.queued.set(self.queued.0 - first.len() - ENVELOPE);
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            self.clear();
        }
    }

    /// Lets go of the queue and its memory.
    fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.queued.set(0);
    }
}

/// The drain thread: writes what is queued. It stays while the client is slow, and then ends.
fn drain(mut shared: Arc<Shared>) {
    let mut waited = None;
    _ = shared.be_patient_for(LONG_PATIENCE); // a failure shows in `write`
    while shared.write_queue(&mut waited) {
        let mut state = lock(&shared.state);
        if !state.queue.is_empty() {
            continue; // a message has come since
        }
        let stay = waited.map_or(Duration::ZERO, |at: Instant| STAY.saturating_sub(at.elapsed()));
        if stay.is_zero() || state.ending {
            _ = shared.be_patient_for(PATIENCE);
            state.writer = Writer::Sender;
            return;
        }
        state.writer = Writer::Parked(thread::current());
        drop(state);
        // Without a share in the connection: it ends as soon as everybody else has let it go.
        let parked = Arc::downgrade(&shared);
        drop(shared);
        thread::park_timeout(stay);
        let Some(still_there) = parked.upgrade() else { return };
        shared = still_there;
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
static TOGETHER: AtomicUsize = AtomicUsize::new(0);

/// How many bytes wait for one client. They are counted among those of all clients too.
#[derive(Debug, Default)]
pub(crate) struct Queued(pub usize);

impl Queued {
    pub fn set(&mut self, bytes: usize) {
        // (This addition wraps around, so that it can also subtract.)
        TOGETHER.fetch_add(bytes.wrapping_sub(self.0), Relaxed);
        self.0 = bytes;
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Counts answers that the other end provokes and does not take.
#[derive(Debug, Default)]
pub(crate) struct Answers(usize);

impl Answers {
    /// Whether one more answer of `len` bytes may be sent. `all_sent`: nothing waits now.
    pub fn allow(&mut self, len: usize, all_sent: bool) -> bool {
        if all_sent {
            self.0 = 0;
        }
        self.0 += len + ENVELOPE;
        all_sent || self.0 <= MAX_ANSWERS
    }
}

/// How many bytes may wait for a client that may have `max_queued`, with all that waits for others.
pub(crate) fn max_queued_now(max_queued: usize) -> usize {
    match max_queued {
        usize::MAX => usize::MAX,
        max if TOGETHER.load(Relaxed) < MAX_QUEUED_TOGETHER => max,
        max => max.min(HIGH_WATER_MARK),
    }
}
