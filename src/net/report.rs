//! Writes lines for whoever watches a server, and waits for nobody who does not read them.
//!
//! A program's stdout and stderr are often pipes, and a pipe that nobody reads is full at some time: who
//! writes to it then waits for ever. So one thread does the writing, from a bounded queue. Who has a line
//! to say waits until it has been written, so that lines stay in order with what happens; but no longer
//! than a second, and not at all behind a line that cannot be written. Once the queue is full,
//! lines are dropped.
//!
//! Chapter 03 of the book.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use super::survives;

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
pub struct Lines {
    queue: SyncSender<Line>,
    /// A line has been waited for in vain, and none has been written since.
    stuck: Arc<AtomicBool>,
}

/// A line, and who is told that it has been written.
type Line = (String, Sender<()>);

impl Lines {
    /// Calls `write` for each line that is said, one after the other. If it panics, that is the end
    /// of this line alone. (Without a thread to be had, all lines are dropped.)
    pub fn new(write: impl Fn(&str) + Send + 'static) -> Lines {
        let (queue, lines) = mpsc::sync_channel(MAX_QUEUED);
        let stuck = Arc::new(AtomicBool::new(false));
        let lines_stuck = stuck.clone();
        // If this fails, the queue has no other end, and nothing can be put into it.
        _ = thread::Builder::new().spawn(move || write_all(lines, &lines_stuck, write));
        Lines { queue, stuck }
    }

    /// Writes `line`, [escaped], after those that were said before. It may be dropped; see
    /// [above](self).
    pub fn say(&self, line: &str) {
        let (written, wait) = mpsc::channel();
        let queued = self.queue.try_send((escaped(line), written)).is_ok();
        if queued && !self.stuck.load(Relaxed) && wait.recv_timeout(PATIENCE).is_err() {
            self.stuck.store(true, Relaxed);
        }
    }
}

fn write_all(lines: Receiver<Line>, stuck: &AtomicBool, write: impl Fn(&str)) {
    for (line, written) in lines {
        survives(|| write(&line));
        stuck.store(false, Relaxed);
        _ = written.send(()); // who said it may have gone on
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
