//! The WebSockets of one path: who may open one, and the handler that each gets.
//!
//! Chapter 17 of the book.

use std::sync::Arc;

use super::server::{Clients, Listed, Options};
use super::socket::{Role, Socket};
use super::{Error, handshake};
use crate::http::{BODY_TIME, Connection, Request, Response};
use crate::net::{lock, server::Handle};

type Handler = dyn Fn(Socket) -> Result<(), Error> + Send + Sync;

/// Serves WebSockets, on a port that serves requests too. (`WebSocketServer` with `noServer`.)
pub(crate) struct Endpoint {
    options: Options,
    clients: Clients,
    handler: Box<Handler>,
}

impl Endpoint {
    /// An endpoint that runs `handler` for each WebSocket. Its clients are added to `clients`.
    pub fn new(
        options: Options,
        clients: Clients,
        handler: impl Fn(Socket) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Endpoint {
        clients.start_heartbeat(options.heartbeat);
        Endpoint { options, clients, handler: Box::new(handler) }
    }

    /// Whether a request asks for an upgrade on this path.
    pub fn matches(&self, request: &Request) -> bool {
        let path = self.options.path.as_ref();
        path.is_none_or(|path| path == request.path()) && handshake::is_upgrade(request)
    }

    /// Answers a handshake, and runs the handler for its WebSocket.
    ///
    /// # Errors
    /// The connection failed, or the handler returned an error.
    pub fn serve(
        &self,
        connection: Box<Connection>,
        request: Arc<Request>,
        handle: &Handle,
    ) -> Result<(), Error> {
        match self.open(connection, request, handle)? {
            Some((socket, _listed_until_the_end)) => (self.handler)(socket),
            None => Ok(()),
        }
    }

    /// Answers a handshake; `None` if it is refused.
    //
    // Not inlined: the thread of a silent client keeps the stack that it has used.
    #[inline(never)]
    #[allow(clippy::boxed_local, reason = "unboxed, it would be copied into the caller's frame")]
    fn open(
        &self,
        mut connection: Box<Connection>,
        request: Arc<Request>,
        handle: &Handle,
    ) -> Result<Option<(Socket, Listed<'_>)>, Error> {
        let body = connection.body(&request, 0, BODY_TIME);
        let (mut response, protocol) = match body.and_then(|_| self.negotiate(&request)) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                connection.finish(refusal)?;
                return Ok(None);
            }
        };
        let compression = self.options.per_message_deflate.as_ref();
        let compression =
            compression.and_then(|it| Some((it.accept(&request, &mut response)?, it)));
        // Under the lock: a client that has the response receives every broadcast from then on, and
        // no client is added once the server has been closed.
        let mut list = lock(&self.clients.0);
        if handle.is_closed() {
            drop(list);
            connection.finish(Response::text(503, "The server is closing"))?;
            return Ok(None);
        }
        connection.respond(response)?;
        let Connection { reader, outbox, .. } = *connection;
        let max = self.options.max_payload;
        let mut socket = Socket::new(reader, outbox, Role::Server, max, request, protocol);
        if let Some((agreed, options)) = compression {
            socket.set_compression(agreed, options);
        }
        list.senders.push(socket.sender());
        drop(list);
        let listed = Listed { clients: &self.clients, sender: socket.sender() };
        Ok(Some((socket, listed)))
    }

    /// What opens a WebSocket; or the response that refuses.
    fn negotiate(&self, request: &Request) -> Result<(Response, Option<String>), Response> {
        let mut response = handshake::accept(request)?;
        (self.options.verify_client)(request)?;
        let protocol = (self.options.handle_protocols)(&handshake::offered(request), request);
        if let Some(protocol) = &protocol {
            response.headers.push("Sec-WebSocket-Protocol", protocol);
        }
        Ok((response, protocol))
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        lock(&self.clients.0).heartbeat = None;
    }
}
