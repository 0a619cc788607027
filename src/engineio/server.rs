//! An Engine.IO server.
//!
//! Chapters 20 and 21 of the book.

use std::hint::black_box;
use std::sync::Arc;
use std::{io, net::SocketAddr, net::ToSocketAddrs};

use super::Options;
use super::connection::Engine;
use super::session::{Listener, Session};
use super::sessions::Sessions;
use crate::http::{Page, Request, Response};
use crate::net;
use crate::ws::server::{Clients, OVERLOAD_RESPONSE};
use crate::ws::{self, Endpoint};

/// A server that listens. It accepts no client before [`serve`](Server::serve).
pub struct Server {
    net: net::Server,
    sessions: Arc<Sessions>,
    page: Page,
    endpoints: Vec<Endpoint>,
}

impl Server {
    /// Listens on a TCP address; port 0 takes any free one, which [`Server::address`] tells.
    ///
    /// # Errors
    /// As for [`net::Server::bind`].
    pub fn bind(address: impl ToSocketAddrs, mut options: Options) -> io::Result<Server> {
        options.path = options.path.trim_end_matches('/').to_string() + "/";
        if let Some(compression) = &mut options.per_message_deflate {
            // A packet for many clients is deflated once.
            compression.server.context_takeover = false;
            compression.client.context_takeover = false;
        }
        let Options { max_connections, close_timeout, .. } = options;
        let overload_response = OVERLOAD_RESPONSE;
        let limits = net::Options { max_connections, overload_response, close_timeout };
        let net = net::Server::bind(address, limits)?;
        let sessions = Sessions::new(options, net.handle());
        let page: Page = Box::new(|_, _| Response::text(404, "There is nothing here"));
        Ok(Server { net, sessions, page, endpoints: Vec::new() })
    }

    /// Sets what answers the requests for other paths, which get a 404 otherwise. It receives the
    /// request, with the address of the client, and the body. It may wait: only that client waits.
    /// (The `request` event of the HTTP server.)
    pub fn page(&mut self, page: impl Fn(&Request, &[u8]) -> Response + Send + Sync + 'static) {
        self.page = Box::new(page);
    }

    /// Serves plain WebSockets too, on [`Options::path`](ws::Options::path) (on every path but that
    /// of the sessions, if it is `None`): runs `handler` for each, as
    /// [`ws::Server::serve`] does. Returns the list of its clients. The limits on connections, on
    /// requests and on what is queued are those of this server, and not those of `options`.
    /// (`handleUpgrade` of a `WebSocketServer` with `noServer`, on the same HTTP server.)
    pub fn ws(
        &mut self,
        options: ws::Options,
        handler: impl Fn(ws::Socket) -> Result<(), ws::Error> + Send + Sync + 'static,
    ) -> Clients {
        let clients = Clients::default();
        self.endpoints.push(Endpoint::new(options, clients.clone(), handler));
        clients
    }

    /// The address on which the server listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.net.address()
    }

    /// A handle that stops the server and counts its clients, from any thread.
    pub fn handle(&self) -> Handle {
        Handle(self.sessions.clone())
    }

    /// Accepts clients until [`Handle::close`], and returns when the last connection has ended. It
    /// calls `open` for each new session; the listener that `open` returns receives the events of
    /// that session.
    pub fn serve(self, open: impl Fn(&Session) -> Listener + Send + Sync + 'static) {
        keep_freed_memory();
        let Server { net, sessions, page, endpoints } = self;
        let engine = Engine { sessions, open: Box::new(open), page, endpoints };
        net.serve(move |stream| engine.serve_client(stream));
    }
}

/// Lets glibc's allocator keep twice as much free memory as this block has, once it is freed.
///
/// At first it gives free memory beyond 128 KiB back to the kernel, which then has to find and clear
/// every page again for the next message: for one of 64 KiB, that took as long as all else.
fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(256 * 1024))); // (`black_box`: it is not optimized away)
}

/// Stops a [`Server`] from any thread, and counts its clients. A clone is the same handle.
#[derive(Clone)]
pub struct Handle(Arc<Sessions>);

impl Handle {
    /// Stops accepting, and ends all sessions with the reason `server shutting down`. Connections
    /// that are left after [`Options::close_timeout`] are destroyed, so that
    /// [`serve`](Server::serve) returns.
    ///
    /// The listeners are called on this thread: hold no lock that they take.
    pub fn close(&self) {
        self.0.handle.close();
        self.0.all().iter().for_each(|session| session.on_close("server shutting down"));
    }

    /// Waits until the server has been closed and its last connection has ended.
    pub fn wait(&self) {
        self.0.handle.wait();
    }

    /// How many connections there are now.
    pub fn connections(&self) -> usize {
        self.0.handle.connections()
    }

    /// How many sessions there are now (`engine.clientsCount`).
    pub fn sessions(&self) -> usize {
        self.0.len()
    }
}
