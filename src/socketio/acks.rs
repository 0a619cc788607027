//! Acknowledgements: who waits for them, until when.
//!
//! An event that wants an acknowledgement carries an id, and so does its acknowledgement. Whoever
//! waits is a callback in a map, under that id: the acknowledgement, the timeout or the end of the
//! connection takes it out and calls it.
//!
//! Chapter 22 of the book.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use std::{error, fmt, mem, thread};

use super::args::{Args, IntoArgs};
use super::{catch_panic, lock};
use crate::json::Value;
use crate::net::clock::{self, Timer};

/// Why there is no acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckError {
    /// It did not arrive in time.
    Timeout,
    /// The socket has been disconnected.
    Disconnected,
    /// The thread that would wait is the one that would have to receive it: that of a listener of
    /// the same connection. Wait on another thread, or use a callback.
    Deadlock,
    /// The event has more than ten binary values, and nothing was sent: see
    /// [`Emitted::TooManyAttachments`](super::Emitted::TooManyAttachments).
    TooManyAttachments,
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            AckError::Timeout => "operation has timed out",
            AckError::Disconnected => "socket has been disconnected",
            AckError::Deadlock => "a listener cannot wait for an acknowledgement of its own client",
            AckError::TooManyAttachments => "the event has more than ten attachments",
        })
    }
}

impl error::Error for AckError {}

/// Is called once: with the arguments of the acknowledgement, or with the reason why there is none.
pub type Callback = Box<dyn FnOnce(Result<Args, AckError>) + Send>;

/// A socket of either side, which emits events that are acknowledged.
pub(super) trait AckSocket {
    /// Emits an event that wants an acknowledgement. `callback` is called later, and never within
    /// this call. Without a timeout, it is called at the end of the connection at the latest.
    fn emit_expecting(
        &self,
        name: &str,
        values: &[Value],
        timeout: Option<Duration>,
        callback: Callback,
    );

    /// Whether this thread is the one that receives its acknowledgements now: a listener of its
    /// connection runs on it.
    fn receives_here(&self) -> bool;
}

/// A socket, and how long to wait for the acknowledgement of the event that it emits: what
/// `timeout` of a [`Socket`](super::Socket) or a [`ClientSocket`](super::ClientSocket) returns.
#[derive(Clone, Copy)]
#[must_use = "a timeout does nothing before an event is emitted"]
pub struct Timeout<'a> {
    socket: &'a dyn AckSocket,
    time: Option<Duration>,
}

impl<'a> Timeout<'a> {
    pub(super) fn new(socket: &'a dyn AckSocket, time: Option<Duration>) -> Timeout<'a> {
        Timeout { socket, time }
    }

    /// Emits an event, waits for its acknowledgement, and returns the arguments of that
    /// (`socket.timeout(ms).emitWithAck`).
    ///
    /// ```
    /// # use sockets_by_hand::socketio::{AckError, Args, Socket};
    /// # use std::time::Duration;
    /// fn name(socket: &Socket) -> Result<Args, AckError> {
    ///     socket.timeout(Duration::from_secs(5)).emit_with_ack("name?", ())
    /// }
    /// ```
    ///
    /// # Errors
    /// None arrives in time ([`AckError::Timeout`]); the socket is disconnected
    /// ([`AckError::Disconnected`]); a listener of the same connection calls this
    /// ([`AckError::Deadlock`]), or the event has more than ten binary values
    /// ([`AckError::TooManyAttachments`]): then nothing is emitted.
    ///
    /// # Panics
    /// As for the `emit` of the socket.
    pub fn emit_with_ack(&self, name: &str, values: impl IntoArgs) -> Result<Args, AckError> {
        if self.socket.receives_here() {
            return Err(AckError::Deadlock);
        }
        let (sender, receiver) = mpsc::channel();
        self.emit_with_callback(name, values, move |result| _ = sender.send(result));
        receiver.recv().unwrap_or(Err(AckError::Disconnected))
    }

    /// Emits an event. `callback` is called with its acknowledgement, or with the reason why there
    /// is none (`socket.timeout(ms).emit(name, …, callback)`): later, and never within this call.
    /// (On the thread that reads, on one that disconnects the socket, or on another.)
    ///
    /// # Panics
    /// As for the `emit` of the socket; then no acknowledgement is awaited.
    pub fn emit_with_callback(
        &self,
        name: &str,
        values: impl IntoArgs,
        callback: impl FnOnce(Result<Args, AckError>) + Send + 'static,
    ) {
        let values = values.into_args();
        self.socket.emit_expecting(name, values.as_ref(), self.time, Box::new(callback));
    }
}

/// The acknowledgements that one socket awaits. A clone is the same list.
#[derive(Clone, Default)]
pub struct Acks(Arc<Mutex<Awaited>>);

type Awaited = HashMap<u64, (Callback, Option<Timer>)>;

impl Acks {
    /// Awaits the acknowledgement `id`, for that time if there is a timeout.
    pub fn expect(&self, id: u64, timeout: Option<Duration>, callback: Callback) {
        let mut awaited = lock(&self.0);
        let timer = timeout.map(|timeout| {
            let acks = Arc::downgrade(&self.0);
            clock::after(timeout, move || {
                let Some(acks) = acks.upgrade().map(Acks) else { return };
                // A callback may take long: it runs on the thread of the timers only if no other
                // can be started.
                if !acks.fail(id, AckError::Timeout) {
                    acks.resolve(id, Err(AckError::Timeout));
                }
            })
        });
        awaited.insert(id, (callback, timer));
    }

    /// Does not await an acknowledgement any more. Its callback is not called.
    pub fn forget(&self, id: u64) {
        let awaited = lock(&self.0).remove(&id);
        drop(awaited); // not under the lock: the callback may hold the last reference to a socket
    }

    /// Resolves an acknowledgement with an error, on a thread of its own: the caller may hold a
    /// lock that the callback takes. Returns `false` if no thread can be started; then the timeout,
    /// if there is one, will resolve it.
    pub fn fail(&self, id: u64, why: AckError) -> bool {
        let acks = self.clone();
        thread::Builder::new()
            .name("ack error".into())
            .spawn(move || acks.resolve(id, Err(why)))
            .is_ok()
    }

    /// Calls the callback of an acknowledgement. One that is not awaited, or no longer, is ignored.
    pub fn resolve(&self, id: u64, result: Result<Args, AckError>) {
        let awaited = lock(&self.0).remove(&id);
        if let Some((callback, _)) = awaited {
            callback(result);
        }
    }

    /// Whether this acknowledgement is still awaited.
    pub fn is_awaited(&self, id: u64) -> bool {
        lock(&self.0).contains_key(&id)
    }

    /// Resolves all with [`AckError::Disconnected`].
    pub fn disconnected(&self) {
        resolve_disconnected(self.take(&[]));
    }

    /// Removes all but those whose event has not been sent yet (`unsent`), and returns their
    /// callbacks.
    pub fn take(&self, unsent: &[u64]) -> Vec<Callback> {
        let mut awaited = lock(&self.0);
        let all = mem::take(&mut *awaited).into_iter();
        let (kept, removed): (Awaited, Awaited) = all.partition(|(id, _)| unsent.contains(id));
        *awaited = kept;
        removed.into_values().map(|(callback, _)| callback).collect()
    }
}

/// Calls all callbacks with [`AckError::Disconnected`]. One that panics does not keep the others
/// from being called.
pub fn resolve_disconnected(callbacks: Vec<Callback>) {
    for callback in callbacks {
        catch_panic(|| callback(Err(AckError::Disconnected)));
    }
}
