//! The events of a client that the server acknowledges.
//!
//! Chapter 24 of the book.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Socket;
use crate::engineio::Outgoing;
use crate::json::Value;
use crate::socketio::acks::{AckError, AckSocket, Callback, Timeout};
use crate::socketio::codec::TooManyAttachments;
use crate::socketio::packet::Kind;
use crate::socketio::{Args, IntoArgs, lock};

impl Socket {
    /// Sets how long to wait for the acknowledgement of the event that is emitted next:
    /// `socket.timeout(time).emit_with_ack(name, values)`. The time while it is not connected
    /// counts. With [`Options::retries`](super::Options::retries), each try has that time.
    pub fn timeout(&self, time: Duration) -> Timeout<'_> {
        Timeout::new(self, Some(time))
    }

    /// Emits an event, and waits for its acknowledgement: for
    /// [`Options::ack_timeout`](super::Options::ack_timeout) or, without that, until the end of the
    /// connection. While it is not connected, it waits until it is. See [`Timeout::emit_with_ack`].
    ///
    /// # Errors
    /// As for that.
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit).
    pub fn emit_with_ack(&self, name: &str, values: impl IntoArgs) -> Result<Args, AckError> {
        Timeout::new(self, None).emit_with_ack(name, values)
    }

    /// Emits an event, and awaits its acknowledgement for the same time; see
    /// [`Timeout::emit_with_callback`].
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit).
    pub fn emit_with_callback(
        &self,
        name: &str,
        values: impl IntoArgs,
        callback: impl FnOnce(Result<Args, AckError>) + Send + 'static,
    ) {
        Timeout::new(self, None).emit_with_callback(name, values, callback);
    }

    /// Sends an acknowledgement, if the socket still has the `id` that it had when the event
    /// arrived: in another session, the number of the acknowledgement would be that of another
    /// event.
    pub(super) fn acknowledge(
        &self,
        ack: u64,
        id: &str,
        values: &[Value],
    ) -> Result<(), TooManyAttachments> {
        let answer = self.0.parser.encode(Kind::Ack, &self.0.namespace, Some(ack), values)?;
        let _in_order = lock(&self.0.buffer);
        if let Some(sender) = self.sender().filter(|_| self.id().as_deref() == Some(id)) {
            sender.send_outgoing(&answer); // if it fails, the session has ended
        }
        Ok(())
    }

    /// Encodes an event, with the id of its acknowledgement if it wants one.
    pub(super) fn encode_event(
        &self,
        id: Option<u64>,
        name: &str,
        values: impl IntoArgs,
    ) -> Result<Outgoing, TooManyAttachments> {
        let values = values.into_args();
        self.0.parser.encode_event(&self.0.namespace, id, name, values.as_ref())
    }

    pub(super) fn next_ack(&self) -> u64 {
        self.0.next_ack.fetch_add(1, Relaxed)
    }

    /// Whether its client exists. (When that is dropped, its thread may hold the manager for longer.)
    pub(super) fn has_client(&self) -> bool {
        self.0.manager.upgrade().is_some_and(|manager| lock(&manager.sockets).contains(self))
    }
}

impl AckSocket for Socket {
    fn emit_expecting(
        &self,
        name: &str,
        values: &[Value],
        timeout: Option<Duration>,
        callback: Callback,
    ) {
        let id = self.next_ack();
        // First, because it may panic: then no acknowledgement is awaited.
        let outgoing = self.encode_event(Some(id), name, values);
        let Ok(outgoing) = outgoing else {
            self.0.acks.expect(id, timeout, callback);
            self.0.acks.fail(id, AckError::TooManyAttachments);
            return;
        };
        if self.0.retries.is_enabled() && self.has_client() {
            _ = self.emit_until_acknowledged(id, outgoing, timeout, Some(callback));
            return;
        }
        self.0.acks.expect(id, timeout.or(self.0.retries.ack_timeout), callback);
        if self.has_client() {
            self.send(Some(id), outgoing, false);
        } else {
            self.0.acks.fail(id, AckError::Disconnected);
        }
    }

    fn receives_here(&self) -> bool {
        self.0.manager.upgrade().is_some_and(|manager| manager.runs_here())
    }
}
