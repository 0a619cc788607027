//! An Engine.IO server.
//!
//! Chapters 16 and 17 of the book.

use std::sync::Arc;
use std::{io, net::SocketAddr, net::ToSocketAddrs};

use super::Options;
use super::connection::Engine;
use super::session::{Listener, Session};
use super::sessions::Sessions;
use crate::net;
use crate::ws::server::OVERLOAD_RESPONSE;

/// A server that listens. It accepts no client before [`serve`](Server::serve).
pub struct Server {
    net: net::Server,
    sessions: Arc<Sessions>,
}

impl Server {
    /// Listens on a TCP address; port 0 takes any free one, which [`Server::address`] tells.
    ///
    /// # Errors
    /// As for [`net::Server::bind`].
    pub fn bind(address: impl ToSocketAddrs, mut options: Options) -> io::Result<Server> {
        options.path = options.path.trim_end_matches('/').to_string() + "/";
        let Options { max_connections, close_timeout, .. } = options;
        let overload_response = OVERLOAD_RESPONSE;
        let limits = net::Options { max_connections, overload_response, close_timeout };
        let net = net::Server::bind(address, limits)?;
        let sessions = Sessions::new(options, net.handle());
        Ok(Server { net, sessions })
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
        let engine = Engine { sessions: self.sessions, open: Box::new(open) };
        self.net.serve(move |stream| Ok(engine.serve_client(stream)?));
    }
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
