//! The acknowledgements of a broadcast: one list, to which each receiver adds its own.
//!
//! Each receiver has a callback in its [`Acks`](super::acks::Acks), all under the same id. Together
//! they have one timer and no thread: whoever brings the last acknowledgement calls `done`.
//!
//! Chapter 20 of the book.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{error, fmt, mem, thread};

use super::acks::{AckError, Callback};
use super::args::Args;
use super::socket::Socket;
use super::{catch_panic, lock};
use crate::net::clock::{self, FOREVER, Timer};

/// Not every receiver of a broadcast has acknowledged it. (In npm an `Error` with `responses`.)
#[derive(Clone, PartialEq)]
pub struct BroadcastAckError {
    /// Why the others are not waited for: their time has passed; all of them have been disconnected;
    /// or nothing was emitted, because a listener of a receiver cannot wait.
    pub reason: AckError,
    /// The acknowledgements that have arrived, in the order of arrival.
    pub answers: Vec<Args>,
    /// The sockets that have not acknowledged it.
    pub missing: Vec<Socket>,
}

impl fmt::Display for BroadcastAckError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (missing, all) = (self.missing.len(), self.missing.len() + self.answers.len());
        write!(f, "{} ({missing} of {all} clients have not answered)", self.reason)
    }
}

impl fmt::Debug for BroadcastAckError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("BroadcastAckError")
            .field("reason", &self.reason)
            .field("answers", &self.answers)
            .field("missing", &self.missing.iter().map(Socket::id).collect::<Vec<_>>())
            .finish()
    }
}

impl error::Error for BroadcastAckError {}

/// Is called once, with the acknowledgements of all, or with those that have arrived.
pub(super) type Done = Box<dyn FnOnce(Result<Vec<Args>, BroadcastAckError>) + Send>;

/// A broadcast whose acknowledgements are awaited. A clone is the same one.
#[derive(Clone)]
pub(super) struct Answers(Arc<Inner>);

struct Inner {
    /// The id of the acknowledgements.
    id: u64,
    state: Mutex<State>,
}

struct State {
    /// The receivers, each until it has acknowledged.
    missing: Vec<Option<Socket>>,
    answers: Vec<Args>,
    /// How many may still acknowledge.
    awaited: usize,
    /// It is taken out when it is called.
    done: Option<Done>,
    timer: Option<Timer>,
}

impl Answers {
    /// Nobody has acknowledged the event with this id yet.
    pub fn new(id: u64, receivers: &[Socket], done: Done) -> Answers {
        let state = State {
            missing: receivers.iter().cloned().map(Some).collect(),
            answers: Vec::new(),
            awaited: receivers.len(),
            done: Some(done),
            timer: None,
        };
        Answers(Arc::new(Inner { id, state: Mutex::new(state) }))
    }

    /// The callback of the receiver with this number.
    pub fn callback(&self, number: usize) -> Callback {
        let answers = self.clone();
        Box::new(move |result| answers.add(number, result))
    }

    fn add(&self, number: usize, result: Result<Args, AckError>) {
        let mut state = lock(&self.0.state);
        state.awaited -= 1;
        if let Ok(args) = result {
            state.answers.push(args);
            state.missing.get_mut(number).map(Option::take);
        }
        let last = state.awaited == 0;
        drop(state);
        if last {
            self.finish(AckError::Disconnected); // those that are missing have been disconnected
        }
    }

    /// Calls `done`, once: the others are not waited for any more, for this reason.
    pub fn finish(&self, reason: AckError) {
        let mut state = lock(&self.0.state);
        let Some(done) = state.done.take() else { return };
        let answers = mem::take(&mut state.answers);
        let missing: Vec<Socket> = mem::take(&mut state.missing).into_iter().flatten().collect();
        let timer = state.timer.take();
        drop(state);
        drop(timer); // under no lock
        missing.iter().for_each(|socket| socket.acks().forget(self.0.id));
        let result = match missing.is_empty() {
            true => Ok(answers),
            false => Err(BroadcastAckError { reason, answers, missing }),
        };
        catch_panic(|| done(result)); // the client whose acknowledgement was the last is not to blame
    }

    /// How long to wait: without receivers, not at all.
    pub fn time(&self, timeout: Option<Duration>) -> Duration {
        match lock(&self.0.state).awaited {
            0 => Duration::ZERO,
            _ => timeout.unwrap_or(FOREVER),
        }
    }

    /// Finishes after that time: on a thread of its own, because `done` may take long.
    pub fn finish_after(&self, time: Duration) {
        let answers = self.clone();
        let timer = clock::after(time, move || {
            let late = answers.clone();
            let thread = thread::Builder::new().spawn(move || late.finish(AckError::Timeout));
            if thread.is_err() {
                answers.finish(AckError::Timeout);
            }
        });
        let mut state = lock(&self.0.state);
        let unused = if state.done.is_some() { state.timer.replace(timer) } else { Some(timer) };
        drop(state);
        drop(unused); // under no lock
    }
}
