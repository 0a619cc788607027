//! Writes lines for whoever watches a server, and waits for nobody who does not read them.
//!
//! A program's stdout and stderr are often pipes, and a pipe that nobody reads is full at some time: who
//! writes to it then waits for ever. So one thread does the writing, from a bounded queue. Who has a line
//! to say waits until it has been written, so that lines stay in order with what happens; but no longer
//! than a second, and not at all behind a line that cannot be written. Once the queue is full,
//! lines are dropped.
//!
//! Chapter 03 of the book.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{lock, survives};

/// How many lines may wait to be written.
const MAX_QUEUED: usize = 256;

/// How long a line that is being written is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

static STDERR: LazyLock<Lines> = LazyLock::new(|| Lines::new(|line| eprintln!("{line}")));

/// Says on stderr what no caller can be told.
pub(crate) fn report(line: &str) {
    STDERR.say(line);
}

/// Starts what [`report`] needs: once a server has run out of threads, it is too late.
pub(super) fn prepare() {
    LazyLock::force(&STDERR);
}

/// Writes lines by a thread of its own, which ends with it.
///
/// ```
/// use sockets_by_hand::net::report::Lines;
/// use std::io::{Write, stdout};
///
/// let lines = Lines::new(|line| _ = writeln!(stdout(), "{line}"));
/// lines.say("Server listening on port 3000");
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
    /// How many lines have been put into the queue, and how many of them have been written.
    queued: u64,
    written: u64,
    /// A line has been waited for in vain, and none has been written since.
    stuck: bool,
    /// Nobody writes what is put into the queue now.
    closed: bool,
}

impl Lines {
    /// Calls `write` for each line that is said, one after the other. If it panics, that is the end
    /// of this line alone. (Without a thread to be had, all lines are dropped.)
    pub fn new(write: impl Fn(&str) + Send + 'static) -> Lines {
        let shared = Arc::new(Shared::default());
        let lines = shared.clone();
        let started = thread::Builder::new().spawn(move || lines.write_all(write));
        lock(&shared.state).closed = started.is_err();
        Lines(shared)
    }

    /// Writes `line`, [escaped], after those that were said before. It may be dropped; see
    /// [above](self).
    //
    // A client's thread says a line when it begins, and keeps what stack and memory that has taken: with a
    // channel for each line it was 5 KiB.
    pub fn say(&self, line: &str) {
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
            let waited = self.0.changed.wait_timeout_while(state, PATIENCE, waits);
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
    /// Writes what is queued, until no more can come.
    fn write_all(&self, write: impl Fn(&str)) {
        let mut state = lock(&self.state);
        loop {
            let empty = |state: &mut State| state.queue.is_empty() && !state.closed;
            let woken = self.changed.wait_while(state, empty);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            let Some(line) = state.queue.pop_front() else { return };
            drop(state);
            survives(|| write(&line));
            state = lock(&self.state);
            (state.written, state.stuck) = (state.written + 1, false);
            self.changed.notify_all(); // who said it may have gone on
        }
    }
}

/// Shows control characters as Rust writes them, except tabs. What others send may hold commands to
/// the terminal (`\u{1b}[2J` clears its screen), or a line end and a line that they made up.
///
/// ```
/// use sockets_by_hand::net::report::escaped;
///
/// assert_eq!(escaped("안녕\nClient lost\u{1b}[2J"), r"안녕\nClient lost\u{1b}[2J");
/// ```
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && c != '\t' {
            true => shown.extend(c.escape_debug()),
            false => shown.push(c),
        }
    }
    shown
}
