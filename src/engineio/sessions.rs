//! The sessions of a server, and which of them a request belongs to.
//!
//! Chapter 20 of the book.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::session::Session;
use super::{Options, Refusal};
use crate::http::{Request, Response};
use crate::net::{lock, server::Handle};

/// All sessions of a server, and its options.
pub(super) struct Sessions {
    pub options: Options,
    /// Once the server has been closed, no session is opened any more.
    pub handle: Handle,
    by_id: Mutex<HashMap<String, Session>>,
}

impl Sessions {
    pub fn new(options: Options, handle: Handle) -> Arc<Sessions> {
        Arc::new(Sessions { options, handle, by_id: Mutex::default() })
    }

    /// Adds a new session; `false` if its id is empty, or another session has it.
    pub fn insert(&self, session: &Session) -> bool {
        let mut sessions = lock(&self.by_id);
        let is_usable = !session.id().is_empty() && !sessions.contains_key(session.id());
        if is_usable {
            sessions.insert(session.id().to_string(), session.clone());
        }
        is_usable
    }

    pub fn remove(&self, id: &str) -> Option<Session> {
        lock(&self.by_id).remove(id)
    }

    pub fn all(&self) -> Vec<Session> {
        lock(&self.by_id).values().cloned().collect()
    }

    pub fn len(&self) -> usize {
        lock(&self.by_id).len()
    }

    /// The session that a request belongs to; `None` if the request is a handshake that is
    /// accepted.
    pub fn find(&self, request: &Request, upgrade: bool) -> Result<Option<Session>, Refusal> {
        let transport = request.query("transport").unwrap_or_default();
        if !self.options.transports.contains(&&*transport) {
            return Err(Refusal::UnknownTransport);
        }
        let is_version_4 = request.query("EIO").as_deref() == Some("4");
        if let Some(sid) = request.query("sid") {
            let session = lock(&self.by_id).get(&sid).cloned().ok_or(Refusal::UnknownSid)?;
            session.confirm();
            return match session.transport() {
                current if !upgrade && (current, &*transport) != ("polling", "polling") => {
                    Err(Refusal::TransportMismatch(current))
                }
                _ if !is_version_4 => Err(Refusal::ProtocolMismatch),
                _ => Ok(Some(session)),
            };
        }
        if request.method != "GET" {
            return Err(Refusal::BadHandshakeMethod);
        }
        if upgrade != (transport == "websocket") {
            return Err(Refusal::TransportHandshakeError);
        }
        if self.handle.is_closed() || !(self.options.allow_request)(request) {
            return Err(Refusal::Forbidden);
        }
        if !is_version_4 {
            return Err(Refusal::UnsupportedProtocolVersion);
        }
        Ok(None)
    }

    /// Makes room for one session more. At the limit, the session that has been without a `GET` for
    /// longest is removed: a client that only opens sessions keeps nobody else out. Returns `false`
    /// if there is no such session.
    pub fn make_room(&self) -> bool {
        let sessions = lock(&self.by_id);
        if sessions.len() < self.options.max_connections {
            return true;
        }
        let idle = sessions.values().filter_map(|s| Some((s.idle_since()?, s)));
        let oldest = idle.min_by_key(|(since, _)| *since).map(|(_, session)| session.clone());
        drop(sessions);
        oldest.inspect(Session::evict).is_some()
    }

    /// Whether a request is for the path of the sessions.
    pub fn is_path_of(&self, request: &Request) -> bool {
        request.path().starts_with(&self.options.path)
    }

    /// The response that refuses a request. Before, the listener receives the error.
    pub fn refuse(&self, request: &Request, refusal: Refusal) -> Response {
        if let Some(error) = refusal.error(request) {
            (self.options.connection_error)(&error);
        }
        refusal.response(self.options.cors(request))
    }
}
