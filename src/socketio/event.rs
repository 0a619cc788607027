//! An event that has arrived, on either side.
//!
//! Chapter 22 of the book.

use std::sync::{Arc, Mutex};

use super::args::{Args, IntoArgs};
use super::codec::TooManyAttachments;
use super::lock;
use crate::json::Value;
use crate::net::report::report;

/// An event that the other end has emitted; `S` is the type of the socket. A clone is the same
/// event: it can be acknowledged later.
#[derive(Clone)]
pub struct Event<S> {
    /// The name of the event.
    pub name: String,
    /// The arguments.
    pub args: Args,
    /// The socket that received the event.
    pub socket: S,
    acknowledge: Option<Acknowledge>,
}

/// Sends the acknowledgement; taken out when it has been called.
type Acknowledge = Arc<Mutex<Option<Box<SendAck>>>>;

type SendAck = dyn FnOnce(&[Value]) -> Result<(), TooManyAttachments> + Send;

/// What has become of an event that was emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emitted {
    /// It has been written, or waits behind others for the other end to read.
    Sent,
    /// On the client: it waits for the socket to connect or, with
    /// [`retries`](super::ClientOptions::retries), for its acknowledgement. On the server, only with
    /// [`Recovery`](super::Recovery): it waits for the client to come back.
    Queued,
    /// It is lost: the socket has been disconnected, or the event is volatile and cannot be written
    /// at once.
    Dropped,
    /// It has more than ten binary values, at which the other end would end the session. Nothing is
    /// sent, and a line on stderr says which event it was. (Not with [`Parser::MessagePack`], which
    /// has no attachments.)
    ///
    /// [`Parser::MessagePack`]: super::Parser::MessagePack
    TooManyAttachments,
}

impl<S> Event<S> {
    pub(super) fn new(name: String, args: Vec<Value>, socket: S) -> Event<S> {
        Event { name, args: Args(args), socket, acknowledge: None }
    }

    /// The same event, whose sender waits for an acknowledgement.
    pub(super) fn with_ack(
        self,
        send: impl FnOnce(&[Value]) -> Result<(), TooManyAttachments> + Send + 'static,
    ) -> Event<S> {
        Event { acknowledge: Some(Arc::new(Mutex::new(Some(Box::new(send))))), ..self }
    }

    /// Acknowledges the event, if its sender waits for that and is still connected; only once. With
    /// more than ten binary values, nothing is sent but a line to stderr.
    pub fn ack(&self, values: impl IntoArgs) {
        let send = self.acknowledge.as_ref().and_then(|acknowledge| lock(acknowledge).take());
        if let Some(Err(e)) = send.map(|send| send(values.into_args().as_ref())) {
            report(&format!("Not sent: the acknowledgement of \"{}\" has {e}", self.name));
        }
    }

    /// Whether the sender waits for an acknowledgement.
    pub fn wants_ack(&self) -> bool {
        self.acknowledge.is_some()
    }
}
