//! A serial queue: runs tasks one at a time, in the order in which they were submitted.
//!
//! The listener of a session is called by many threads: those of its connections, that of the
//! timers, and any thread that ends the session. No call may overlap with another, or overtake one.
//! A thread that ends a session may hold a lock that the listener takes too: then the listener is
//! called on another thread.
//!
//! Chapter 21 of the book.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::net::clock::{self, Timer};
use crate::net::{catch_panic, lock};

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
    /// Whether a thread runs a task, and then all that wait.
    busy: bool,
    /// The thread that runs a task now.
    runner: Option<ThreadId>,
    /// How many threads wait in [`Serial::run`]. (To notify none of them would be a system call
    /// too.)
    blocked: usize,
    waiting: VecDeque<Task>,
    /// Tries again to start a thread, if that failed.
    retry: Option<Timer>,
}

type Task = Box<dyn FnOnce() + Send>;

impl Serial {
    /// Runs `task` on this thread as soon as no other runs. (A task that calls this waits for
    /// itself.)
    pub fn run(&self, task: impl FnOnce()) {
        let mut state = lock(&self.0.state);
        if state.busy {
            state.blocked += 1;
            let idle = self.0.idle.wait_while(state, |state| state.busy);
            state = idle.unwrap_or_else(PoisonError::into_inner);
            state.blocked -= 1;
        }
        state.busy = true;
        state.runner = Some(thread::current().id());
        drop(state);
        catch_panic(task);
        self.run_waiting();
    }

    /// Runs `task` after all others: on this thread, or on the thread that runs a task now.
    pub fn submit(&self, task: impl FnOnce() + Send + 'static) {
        if self.push(Box::new(task)) {
            self.run_waiting();
        }
    }

    /// Runs `task` after all others, but not on this thread, unless a task that runs on it calls
    /// this.
    pub fn defer(&self, task: impl FnOnce() + Send + 'static) {
        if self.push(Box::new(task)) {
            self.start_thread();
        }
    }

    /// Whether a task runs.
    pub fn is_busy(&self) -> bool {
        lock(&self.0.state).busy
    }

    /// Whether a task runs on this thread: it is called by that task.
    pub fn runs_here(&self) -> bool {
        lock(&self.0.state).runner == Some(thread::current().id())
    }

    /// Returns whether the caller has to run the tasks that wait.
    fn push(&self, task: Task) -> bool {
        let mut state = lock(&self.0.state);
        state.waiting.push_back(task);
        let idle = !state.busy;
        state.busy = true;
        idle
    }

    fn start_thread(&self) {
        let queue = self.clone();
        if thread::Builder::new().name("serial".into()).spawn(move || queue.run_waiting()).is_err()
        {
            // No thread can be started now. Some may have ended in a second.
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
                state.runner = None;
                if state.blocked > 0 {
                    self.0.idle.notify_one();
                }
                return;
            };
            state.runner = Some(thread::current().id());
            drop(state);
            catch_panic(task);
        }
    }
}
