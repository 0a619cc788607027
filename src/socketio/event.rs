//! An event that has arrived, on either side.
//!
//! Chapter 19 of the book.

use std::sync::{Arc, Mutex};

use super::args::{Args, IntoArgs};
use super::lock;
use crate::json::Value;

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
type Acknowledge = Arc<Mutex<Option<Box<dyn FnOnce(&[Value]) + Send>>>>;

impl<S> Event<S> {
    pub(super) fn new(name: String, args: Vec<Value>, socket: S) -> Event<S> {
        Event { name, args: Args(args), socket, acknowledge: None }
    }

    /// The same event, whose sender waits for an acknowledgement.
    pub(super) fn with_ack(self, send: impl FnOnce(&[Value]) + Send + 'static) -> Event<S> {
        Event { acknowledge: Some(Arc::new(Mutex::new(Some(Box::new(send))))), ..self }
    }

    /// Acknowledges the event, if its sender waits for that and is still connected; only once.
    ///
    /// # Panics
    /// There are more than ten binary values.
    pub fn ack(&self, values: impl IntoArgs) {
        let send = self.acknowledge.as_ref().and_then(|acknowledge| lock(acknowledge).take());
        if let Some(send) = send {
            send(values.into_args().as_ref());
        }
    }

    /// Whether the sender waits for an acknowledgement.
    pub fn wants_ack(&self) -> bool {
        self.acknowledge.is_some()
    }
}
