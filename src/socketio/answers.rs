//! The acknowledgements of a broadcast: one list, to which each receiver adds its own.
//!
//! Each receiver has a callback in its [`Acks`](super::acks::Acks), all under the same id. Together
//! they have one timer and no thread: whoever brings the last acknowledgement calls `done`.
//!
//! Chapter 26 of the book.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use std::{error, fmt, mem, thread};

use super::acks::{AckError, Callback};
use super::adapter::{Pending, REQUEST_TIMEOUT};
use super::args::Args;
use super::socket::Socket;
use super::{catch_panic, lock};
use crate::json::Value;
use crate::net::clock::{self, FOREVER, Timer};

/// Not every receiver of a broadcast has acknowledged it. (In npm an `Error` with `responses`.)
#[derive(Clone, PartialEq)]
pub struct BroadcastAckError {
    /// Why the others are not waited for: their time has passed; all of them have been disconnected;
    /// or nothing was emitted, because a listener of a receiver cannot wait, or the event has too
    /// many attachments.
    pub reason: AckError,
    /// The acknowledgements that have arrived, in the order of arrival.
    pub answers: Vec<Args>,
    /// The sockets that have not acknowledged it.
    pub missing: Vec<Socket>,
    /// How many clients of other servers have not. (A server that has not said how many it has
    /// counts as one.)
    pub missing_elsewhere: usize,
}

impl fmt::Display for BroadcastAckError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let missing = self.missing.len() + self.missing_elsewhere;
        let all = missing + self.answers.len();
        write!(f, "{} ({missing} of {all} clients have not answered)", self.reason)
    }
}

impl fmt::Debug for BroadcastAckError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("BroadcastAckError")
            .field("reason", &self.reason)
            .field("answers", &self.answers)
            .field("missing", &self.missing.iter().map(Socket::id).collect::<Vec<_>>())
            .field("missing_elsewhere", &self.missing_elsewhere)
            .finish()
    }
}

impl error::Error for BroadcastAckError {}

/// Is called once, with the acknowledgements of all, or with those that have arrived.
pub(super) type Done = Box<dyn FnOnce(Result<Vec<Args>, BroadcastAckError>) + Send>;

/// Calls `done` with an error, on a thread of its own.
pub(super) fn fail(error: BroadcastAckError, done: Done) {
    _ = thread::Builder::new().name("answers error".into()).spawn(move || done(Err(error)));
}

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
    /// How many may still acknowledge: receivers, and of those on other servers.
    awaited: usize,
    awaited_elsewhere: usize,
    /// The request to the other servers.
    request: Option<Pending>,
    /// It is taken out when it is called.
    done: Option<Done>,
    timer: Option<Timer>,
}

impl Answers {
    /// Nobody has acknowledged the event with this id yet. `servers` others are to be asked.
    pub fn new(id: u64, receivers: &[Socket], servers: usize, done: Done) -> Answers {
        let state = State {
            missing: receivers.iter().cloned().map(Some).collect(),
            answers: Vec::new(),
            awaited: receivers.len(),
            awaited_elsewhere: servers,
            request: None,
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
        self.finish_if_last(state);
    }

    /// The other servers have been asked.
    pub fn asked(&self, request: Pending) {
        let mut state = lock(&self.0.state);
        let unused = match state.done {
            Some(_) => state.request.replace(request),
            None => Some(request),
        };
        drop(state);
        drop(unused); // under no lock
    }

    /// Another server says how many clients it has, and then what each of them has answered.
    pub fn add_elsewhere(&self, response: &Value) {
        let mut state = lock(&self.0.state);
        match (response["clientCount"].as_u64(), response.get("packet")) {
            (Some(count), _) => {
                let clients = usize::try_from(count).unwrap_or(usize::MAX);
                let others = state.awaited_elsewhere.saturating_sub(1); // the server itself
                state.awaited_elsewhere = others.saturating_add(clients);
            }
            (None, Some(value)) if state.awaited_elsewhere > 0 => {
                state.awaited_elsewhere -= 1;
                state.answers.push(Args(vec![value.clone()])); // only the first value is passed on
            }
            _ => return,
        }
        self.finish_if_last(state);
    }

    fn finish_if_last(&self, state: MutexGuard<State>) {
        let last = state.awaited == 0 && state.awaited_elsewhere == 0;
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
        let (timer, request) = (state.timer.take(), state.request.take());
        let missing_elsewhere = state.awaited_elsewhere;
        drop(state);
        drop((timer, request)); // under no lock
        missing.iter().for_each(|socket| socket.acks().forget(self.0.id));
        let result = match missing.len() + missing_elsewhere {
            0 => Ok(answers),
            _ => Err(BroadcastAckError { reason, answers, missing, missing_elsewhere }),
        };
        catch_panic(|| done(result)); // the client whose acknowledgement was the last is not to blame
    }

    /// How long to wait: without receivers, not at all.
    pub fn time(&self, timeout: Option<Duration>) -> Duration {
        let state = lock(&self.0.state);
        match (state.awaited, state.awaited_elsewhere) {
            (0, 0) => Duration::ZERO,
            (_, 0) => timeout.unwrap_or(FOREVER),
            (_, _) => timeout.unwrap_or(REQUEST_TIMEOUT), // a server may end without an answer
        }
    }

    /// Finishes after that time: on a thread of its own, because `done` may take long.
    pub fn finish_after(&self, time: Duration) {
        let answers = self.clone();
        let timer = clock::after(time, move || {
            let late = answers.clone();
            let thread = thread::Builder::new()
                .name("answers timeout".into())
                .spawn(move || late.finish(AckError::Timeout));
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
