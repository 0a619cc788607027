//! A serial queue: runs tasks one at a time, in the order in which they came.
//!
//! The listener of a session is called on many threads: those of its connections, the clock's, those of
//! whoever ends it. No call may overlap with another, or overtake one. And who ends a session may hold a
//! lock that the listener takes too: so it is told on another thread.
//!
//! Chapter 17 of the book.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::net::clock::{self, Timer};
use crate::net::{lock, survives};

/// A serial queue. A clone is the same one.
#[derive(Clone, Default)]
pub(super) struct Serial(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Default)]
struct State {
    /// Some thread runs a task, and then all that wait.
    busy: bool,
    /// How many threads are in [`Serial::run`] and wait until none is: to wake nobody is a system call
    /// too.
    blocked: usize,
    waiting: VecDeque<Task>,
    /// Tries again to start a thread, where none could be had.
    retry: Option<Timer>,
}

type Task = Box<dyn FnOnce() + Send>;

impl Serial {
    /// Runs `task` on this thread as soon as no other runs. (A task that calls it waits for itself.)
    pub fn run(&self, task: impl FnOnce()) {
        let mut state = lock(&self.0.state);
        if state.busy {
            state.blocked += 1;
            let idle = self.0.idle.wait_while(state, |state| state.busy);
            state = idle.unwrap_or_else(PoisonError::into_inner);
            state.blocked -= 1;
        }
        state.busy = true;
        drop(state);
        survives(task);
        self.run_waiting();
    }

    /// Runs `task` after all that came before: on this thread, or on the one that runs a task now.
    pub fn submit(&self, task: impl FnOnce() + Send + 'static) {
        if self.push(Box::new(task)) {
            self.run_waiting();
        }
    }

    /// The same, but never on this thread, unless a task that runs on it calls this: then after that.
    pub fn defer(&self, task: impl FnOnce() + Send + 'static) {
        if self.push(Box::new(task)) {
            self.start_thread();
        }
    }

    /// Whether a task runs.
    pub fn is_busy(&self) -> bool {
        lock(&self.0.state).busy
    }

    /// Answers whether the caller is to see to it that what waits is run.
    fn push(&self, task: Task) -> bool {
        let mut state = lock(&self.0.state);
        state.waiting.push_back(task);
        let idle = !state.busy;
        state.busy = true;
        idle
    }

    fn start_thread(&self) {
        let queue = self.clone();
        if thread::Builder::new().spawn(move || queue.run_waiting()).is_err() {
            // No thread to be had: some may have ended by then.
            let queue = self.clone();
            let again = clock::after(Duration::from_secs(1), move || queue.start_thread());
            lock(&self.0.state).retry = Some(again);
        }
    }

    fn run_waiting(&self) {
        loop {
            let mut state = lock(&self.0.state);
            let Some(task) = state.waiting.pop_front() else {
                state.busy = false;
                if state.blocked > 0 {
                    self.0.idle.notify_one();
                }
                return;
            };
            drop(state);
            survives(task);
        }
    }
}
