//! Writes lines to stderr or stdout by a thread of their own, and never waits long for whoever
//! reads them.
//!
//! A program's stdout and stderr are often pipes. A pipe that nobody reads becomes full, and a
//! thread that writes to it then waits for ever. So one thread writes, from a bounded queue.
//! Whoever submits a line waits until it is written, so that lines stay in order with what happens:
//! but no longer than a second, and not at all behind a line that is stuck. When the queue is full,
//! lines are dropped.
//!
//! Chapter 04 of the book.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::sync::{catch_panic, lock};

/// How many lines the queue holds.
const MAX_QUEUED: usize = 256;

/// How long the caller waits until its line is written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

static STDERR: LazyLock<Lines> = LazyLock::new(|| Lines::new(|line| eprintln!("{line}")));

/// Writes to stderr an error that no caller can be given.
pub(crate) fn report(line: &str) {
    STDERR.write(line);
}

/// Starts the thread that [`report`] needs: once a server has run out of threads, it is too late.
pub(super) fn prepare() {
    LazyLock::force(&STDERR);
}

/// A queue of lines, and the thread that writes them. The thread ends when this is dropped.
///
/// ```
/// use sockets_by_hand::net::report::Lines;
/// use std::io::{Write, stdout};
///
/// let lines = Lines::new(|line| _ = writeln!(stdout(), "{line}"));
/// lines.write("Server listening on port 3000");
/// ```
pub struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<String>,
    /// How many lines have been queued, and how many of them have been written.
    queued: u64,
    written: u64,
    /// A line was not written in time, and none has been written since.
    stuck: bool,
    /// No line is taken any more.
    closed: bool,
}

impl Lines {
    /// Calls `write` for each line, one after the other, on a thread of its own. If it panics, only
    /// that line is lost. (If no thread can be started, all lines are dropped.)
    pub fn new(write: impl Fn(&str) + Send + 'static) -> Lines {
        let shared = Arc::new(Shared::default());
        let lines = shared.clone();
        let builder = thread::Builder::new().name("report".into());
        let started = builder.spawn(move || lines.write_all(write));
        lock(&shared.state).closed = started.is_err();
        Lines(shared)
    }

    /// Writes `line`, [escaped], after those that were submitted before. It may be dropped: see the
    /// [module](self).
    //
    // A client's thread writes a line when it begins, and keeps the stack and memory that this has
    // taken: with a channel for each line it was 5 KiB.
    pub fn write(&self, line: &str) {
        let line = escaped(line);
        let mut state = lock(&self.0.state);
        if state.closed || state.queue.len() == MAX_QUEUED {
            return;
        }
        state.queue.push_back(line);
        state.queued += 1;
        let number = state.queued;
        self.0.changed.notify_all();
        if !state.stuck {
            let waits = |state: &mut State| state.written < number;
            let waited = self.0.changed.wait_timeout_while(state, WRITE_TIMEOUT, waits);
            let (mut state, result) = waited.unwrap_or_else(PoisonError::into_inner);
            state.stuck |= result.timed_out();
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        lock(&self.0.state).closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// The thread: writes what is queued, until no more can come.
    fn write_all(&self, write: impl Fn(&str)) {
        let mut state = lock(&self.state);
        loop {
            let empty = |state: &mut State| state.queue.is_empty() && !state.closed;
            let woken = self.changed.wait_while(state, empty);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            let Some(line) = state.queue.pop_front() else { return };
            drop(state);
            catch_panic(|| write(&line));
            state = lock(&self.state);
            (state.written, state.stuck) = (state.written + 1, false);
            self.changed.notify_all(); // whoever submitted it may go on
        }
    }
}

/// Escapes control characters as Rust writes them, except tabs. Text from the network may hold
/// commands to the terminal (`\u{1b}[2J` clears its screen), or a line end and a forged line.
///
/// ```
/// use sockets_by_hand::net::report::escaped;
///
/// assert_eq!(escaped("안녕\nClient lost\u{1b}[2J"), r"안녕\nClient lost\u{1b}[2J");
/// ```
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && c != '\t' {
            true => escaped.extend(c.escape_debug()),
            false => escaped.push(c),
        }
    }
    escaped
}
