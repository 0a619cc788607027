//! All servers together: what is asked of each of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::emitter::event;
use super::link::{Shared, response_channel};
use super::message::RequestKind;
use super::requests::RequestError;
use crate::json;
use crate::json::Value;
use crate::net::events::ListenerId;
use crate::net::lock;
use crate::net::report::report;
use crate::socketio::args::IntoArgs;
use crate::socketio::broadcast::Broadcast;
use crate::socketio::event::Event;
use crate::socketio::namespace::Namespace;
use crate::socketio::socket::Socket;

/// The sockets of a [`Broadcast`] on all servers. What it returns comes from the other servers too:
/// it waits for them, for 5 s at most. Without an adapter there is only this server.
pub struct Cluster<'a>(pub(in crate::socketio) &'a Broadcast);

/// A socket of this server or of another. To do something with it, choose the room of its id:
/// `io.r#in(&socket.id).disconnect_sockets(true)`.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteSocket {
    /// The id.
    pub id: String,
    /// The data of its handshake, as npm's servers have it: `headers`, `time`, `address`, `xdomain`,
    /// `secure`, `issued`, `url`, `query` and `auth`.
    pub handshake: Value,
    /// Its rooms.
    pub rooms: Vec<String>,
    /// What `set_data` has set there.
    pub data: Value,
}

impl Cluster<'_> {
    /// How many servers have the namespace, this one included (`adapter.serverCount`).
    ///
    /// # Errors
    /// Redis cannot be reached.
    pub fn server_count(&self) -> Result<usize, RequestError> {
        let Some(adapter) = self.0.adapter() else { return Ok(1) };
        adapter.shared().server_count(&self.0.namespace.name).map_err(RequestError::Redis)
    }

    /// The sockets (`io.fetchSockets`).
    ///
    /// # Errors
    /// Redis cannot be reached, or some servers do not answer in time.
    pub fn fetch_sockets(&self) -> Result<Vec<RemoteSocket>, RequestError> {
        let ours = self.0.fetch_sockets().iter().map(describe).collect();
        let answers = self.ask("sockets", ours, RequestKind::Fetch(self.0.target()))?;
        Ok(answers.iter().map(RemoteSocket::from_value).collect())
    }

    /// The names of all rooms of the namespace (`adapter.allRooms`).
    ///
    /// # Errors
    /// As for [`fetch_sockets`](Cluster::fetch_sockets).
    pub fn all_rooms(&self) -> Result<BTreeSet<String>, RequestError> {
        let members = lock(&self.0.namespace.members);
        let ours = members.rooms.all().into_keys().map(Value::from).collect();
        drop(members);
        let rooms = self.ask("rooms", ours, RequestKind::AllRooms)?;
        Ok(rooms.iter().filter_map(Value::as_str).map(String::from).collect())
    }

    /// Asks the other servers for a list, and appends theirs to ours.
    fn ask(
        &self,
        name: &str,
        ours: Vec<Value>,
        kind: RequestKind,
    ) -> Result<Vec<Value>, RequestError> {
        let Some(adapter) = self.0.adapter() else { return Ok(ours) };
        let items = |answer: &Value| answer[name].as_array().unwrap_or_default().to_vec();
        adapter.shared().ask(&self.0.namespace.name, kind, ours, items)
    }
}

impl Namespace {
    /// Calls `listener` for each event of that name that another server emits with
    /// [`server_side_emit`](Namespace::server_side_emit) (`io.on(name, …)`), on a thread of the
    /// adapter: it may not wait for other servers. If the other server waits for an answer, it is
    /// [`Event::ack`].
    pub fn on_server_side(
        &self,
        name: &str,
        listener: impl Fn(&Event<Namespace>) + Send + Sync + 'static,
    ) -> ListenerId {
        self.namespace.server_events.on(name, listener)
    }

    /// Emits an event to the other servers (`serverSideEmit`). That needs an adapter that knows
    /// them: without one this writes a warning to stderr, as npm's server does.
    ///
    /// # Panics
    /// The name is `connect`, `connection` or `new_namespace`.
    pub fn server_side_emit(&self, name: &str, values: impl IntoArgs) {
        let event = server_side_event(name, values);
        match self.adapter() {
            Some(adapter) => adapter.request(self.name(), RequestKind::ServerSideEmit(event)),
            None => report("this adapter does not support the serverSideEmit() functionality"),
        }
    }

    /// The same, and waits for one value from each of the other servers
    /// (`serverSideEmitWithAck`).
    ///
    /// # Errors
    /// Redis cannot be reached, or some servers do not answer in time.
    ///
    /// # Panics
    /// As for [`server_side_emit`](Namespace::server_side_emit).
    pub fn server_side_emit_with_ack(
        &self,
        name: &str,
        values: impl IntoArgs,
    ) -> Result<Vec<Value>, RequestError> {
        let event = server_side_event(name, values);
        let Some(adapter) = self.adapter() else { return Ok(Vec::new()) };
        let data = |answer: &Value| vec![answer["data"].clone()];
        adapter.shared().ask(self.name(), RequestKind::ServerSideEmit(event), Vec::new(), data)
    }
}

fn server_side_event(name: &str, values: impl IntoArgs) -> Vec<Value> {
    let reserved = ["connect", "connection", "new_namespace"].contains(&name);
    assert!(!reserved, "\"{name}\" is a reserved event name");
    event(name, values)
}

impl Shared {
    /// Emits an event of another server, which waits for an answer if its request has an id.
    pub(super) fn server_side_event(
        self: &Arc<Shared>,
        namespace: &Namespace,
        mut event: Vec<Value>,
        id: Option<String>,
    ) {
        let Value::String(name) = event.remove(0) else { return };
        let mut emitted = Event::new(name, event, namespace.clone());
        if let Some(id) = id {
            let shared = self.clone();
            let channel = response_channel(namespace);
            emitted = emitted.with_ack(move |values| {
                let data = values.first().cloned().unwrap_or(Value::Null);
                let answer = json!({"type": 6, "requestId": id, "data": data});
                shared.publish(&channel, answer.to_string().as_bytes());
                Ok(())
            });
        }
        namespace.namespace.server_events.emit_to_each(&emitted.name.clone(), &emitted);
    }
}

impl RemoteSocket {
    fn from_value(value: &Value) -> RemoteSocket {
        let rooms = value["rooms"].as_array().unwrap_or_default();
        RemoteSocket {
            id: value["id"].as_str().unwrap_or_default().to_string(),
            handshake: value["handshake"].clone(),
            rooms: rooms.iter().filter_map(Value::as_str).map(String::from).collect(),
            data: value["data"].clone(),
        }
    }
}

/// A socket of this server, as npm's servers describe it.
pub(super) fn describe(socket: &Socket) -> Value {
    json!({
        "id": socket.id(),
        "handshake": socket.handshake(),
        "rooms": socket.rooms(),
        "data": socket.data(),
    })
}
