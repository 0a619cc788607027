//! A Socket.IO server.
//!
//! Chapter 23 of the book.

use std::sync::Arc;
use std::time::Duration;
use std::{io, net::SocketAddr, net::ToSocketAddrs};

use super::connection::{Connection, Limits};
use super::io::Io;
use super::parser::Parser;
use super::recovery::Recovery;
use crate::engineio::{self, Handle};
use crate::http::{Request, Response};
use crate::ws::{self, server::Clients};

/// What can be set, with the defaults of Socket.IO's server.
pub struct Options {
    /// The options of the sessions: path, transports, timeouts, limits, CORS.
    pub engine: engineio::Options,
    /// How long a client may take to connect to its first namespace. 45 s.
    pub connect_timeout: Duration,
    /// How long each attachment of a client may take to arrive. 45 s.
    pub attachment_timeout: Duration,
    /// Whether a client that was away for a while gets its session and all missed events back, and
    /// what is kept for that. No.
    pub connection_state_recovery: Option<Recovery>,
    /// Whether a namespace that [`Io::of_matching`] has created is removed when its last client has
    /// left it, or its only client was refused, with all that it keeps for recovery
    /// (`cleanupEmptyChildNamespaces`). No.
    pub cleanup_empty_child_namespaces: bool,
    /// To how many namespaces one client may be connected at a time. 100. (npm's server has no such
    /// limit.)
    pub max_namespaces: usize,
    /// How packets are encoded. [`Parser::Json`]; all clients must have the same.
    pub parser: Parser,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            engine: engineio::Options::default(),
            connect_timeout: Duration::from_secs(45),
            attachment_timeout: Duration::from_secs(45),
            connection_state_recovery: None,
            cleanup_empty_child_namespaces: false,
            max_namespaces: 100,
            parser: Parser::default(),
        }
    }
}

/// A server that listens. It accepts no client before [`serve`](Server::serve).
///
/// ```
/// use sockets_by_hand::socketio::{Options, Server};
///
/// let server = Server::bind("127.0.0.1:0", Options::default())?;
/// server.io().on_connection(|socket| {
///     socket.on("say", |event| event.socket.namespace().emit("said", &event.args));
/// });
/// let handle = server.handle();
/// let serving = std::thread::spawn(|| server.serve());
/// handle.close();
/// serving.join().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    engine: engineio::Server,
    io: Io,
    limits: Arc<Limits>,
}

impl Server {
    /// Listens on a TCP address; port 0 takes any free one, which [`Server::address`] tells.
    ///
    /// # Errors
    /// As for [`net::Server::bind`](crate::net::Server::bind).
    pub fn bind(address: impl ToSocketAddrs, options: Options) -> io::Result<Server> {
        let Options { connect_timeout, attachment_timeout, max_namespaces, .. } = options;
        let limits = Limits { connect_timeout, attachment_timeout, max_namespaces }.into();
        let engine = engineio::Server::bind(address, options.engine)?;
        let recovery = options.connection_state_recovery;
        let cleanup = options.cleanup_empty_child_namespaces;
        let io = Io::new(engine.handle(), options.parser, recovery, cleanup);
        Ok(Server { engine, io, limits })
    }

    /// The address on which the server listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.engine.address()
    }

    /// A handle that stops the server and counts its clients, from any thread.
    pub fn handle(&self) -> Handle {
        self.engine.handle()
    }

    /// The namespaces of the server.
    pub fn io(&self) -> Io {
        self.io.clone()
    }

    /// Sets what answers the requests for other paths, which get a 404 otherwise; see
    /// [`engineio::Server::page`].
    ///
    /// ```
    /// use sockets_by_hand::{http::Response, socketio::{Options, Server}};
    ///
    /// let mut server = Server::bind("127.0.0.1:0", Options::default())?;
    /// let io = server.io();
    /// server.page(move |_request, _body| {
    ///     Response::text(200, &format!("{} are connected", io.fetch_sockets().len()))
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn page(&mut self, page: impl Fn(&Request, &[u8]) -> Response + Send + Sync + 'static) {
        self.engine.page(page);
    }

    /// Serves plain WebSockets on the same port; see [`engineio::Server::ws`].
    ///
    /// ```
    /// use sockets_by_hand::{socketio::{Options, Server}, ws};
    ///
    /// let mut server = Server::bind("127.0.0.1:0", Options::default())?;
    /// let path = Some("/feed".to_string());
    /// let feed = server.ws(ws::Options { path, ..ws::Options::default() }, |mut socket| {
    ///     while let Some(message) = socket.read()? {
    ///         socket.send(message)?;
    ///     }
    ///     Ok(())
    /// });
    /// feed.broadcast("to all clients of /feed");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ws(
        &mut self,
        options: ws::Options,
        handler: impl Fn(ws::Socket) -> Result<(), ws::Error> + Send + Sync + 'static,
    ) -> Clients {
        self.engine.ws(options, handler)
    }

    /// Accepts clients until [`Handle::close`], and returns when the last connection has ended.
    pub fn serve(self) {
        let Server { engine, io, limits } = self;
        engine.serve(move |session| {
            let connection = Connection::new(session.clone(), io.clone(), limits.clone());
            Box::new(move |event| connection.receive(event))
        });
    }
}
