//! The upgrade of a session: a WebSocket is probed while the session polls.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::sender::{Purpose, Sender};
use super::{Endpoint, Error};
use crate::engineio::Packet;
use crate::engineio::events::Events;
use crate::net::Stream;
use crate::ws;

/// Starts a thread that probes a WebSocket. It ends when the server has answered, after
/// [`Options::timeout`](super::Options::timeout), or, unless it is connecting, with the session.
/// (Without that thread the session stays with polling.)
pub(super) fn start(endpoint: Endpoint, sender: &Sender, events: &Arc<Events>) {
    let (sender, events) = (sender.clone(), events.clone());
    _ = thread::Builder::new().name("upgrade probe".into()).spawn(move || {
        match probe(&endpoint, &sender) {
            Ok(socket) => {
                events.emit("upgrading", || "websocket".into());
                sender.probed(socket);
            }
            Err(e) => emit_error(&events, &e),
        }
    });
}

/// Opens a WebSocket, and sends a packet in each direction: there are networks that let nothing
/// through after the handshake.
fn probe(endpoint: &Endpoint, sender: &Sender) -> Result<ws::Socket, Error> {
    let deadline = Instant::now() + endpoint.options.timeout;
    let connected = |stream: &Stream| sender.connected(Purpose::Probe, stream);
    let mut socket = endpoint.websocket(deadline, connected)?;
    socket.send("2probe")?;
    match socket.read()?.and_then(Packet::from_message) {
        Some(Packet::Pong(probe)) if probe == "probe" => Ok(socket),
        _ => Err(Error::expected("the answer to a probe")),
    }
}

/// Upgrades the session to the WebSocket, if the probe has succeeded. No `GET` is on its way now,
/// and no `POST` when the upgrade packet is sent: so no packet is lost, and none overtakes another.
pub(super) fn upgrade(sender: &Sender, events: &Arc<Events>) -> Option<ws::Socket> {
    match sender.upgrade() {
        Ok(None) => None,
        Ok(Some(socket)) => {
            events.emit("upgrade", || "websocket".into());
            Some(socket)
        }
        Err(e) => {
            emit_error(events, &e);
            None
        }
    }
}

fn emit_error(events: &Events, e: &Error) {
    events.emit("upgradeError", || format!("probe error: {e}").into());
}
