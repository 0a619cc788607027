//! A Socket.IO client, which reconnects by itself.
//!
//! One thread connects, reads, calls the listeners in order, and waits before the next attempt.
//! (While the session polls, a second thread posts.) Any thread may emit. What is emitted while a
//! socket is not connected is buffered. Sockets of several namespaces share one session.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `mod` | [`Client`] and its options |
//! | `manager` | the session, and the thread that keeps it |
//! | `socket` | [`Socket`]: a namespace |
//! | `acks` | the events that the server acknowledges |
//! | `retries` | the events that are emitted until they are acknowledged |
//! | `auth` | what a socket sends when it connects |
//! | `recovery` | what it sends to get back what it has missed |
//!
//! `manager` and `socket` are two halves of one: the manager holds all sockets, each socket a weak
//! reference to it.
//!
//! Chapter 24 of the book.

mod acks;
mod auth;
mod manager;
mod recovery;
mod retries;
mod socket;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::{Parser, lock};
use crate::engineio::client::{self as engine, Endpoint};
use crate::net::Backoff;
use crate::ws::Error;
pub use auth::Auth;
pub use manager::Manager;
pub use socket::Socket;

/// What can be set, with the defaults of Socket.IO's client (its names in snake_case).
#[derive(Clone, Debug)]
pub struct Options {
    /// The options of the sessions: path, transports, query, headers, timeout.
    pub engine: engine::Options,
    /// What the middleware of the namespace gets: an object, or a closure that returns one for each
    /// connection. An empty one.
    pub auth: Auth,
    /// Whether to reconnect when a session has ended. Yes.
    pub reconnection: bool,
    /// How many attempts to make before giving up. No limit.
    pub reconnection_attempts: u32,
    /// The pauses between two attempts. 1 s, doubled up to 5 s, ±50 %.
    pub backoff: Backoff,
    /// How often an event is sent again that has not been acknowledged. With more than 0, each event
    /// but the volatile ones is sent at least once, and in order: the next one when the last has been
    /// acknowledged or given up. The server must acknowledge every event. 0.
    pub retries: u32,
    /// How long to wait for an acknowledgement, in each try, if the event has no timeout of its own.
    /// Without it, a try ends with the session. None.
    pub ack_timeout: Option<Duration>,
    /// How packets are encoded. [`Parser::Json`]; the server must have the same.
    pub parser: Parser,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            engine: engine::Options::default(),
            auth: Auth::default(),
            reconnection: true,
            reconnection_attempts: u32::MAX,
            backoff: Backoff::default(),
            retries: 0,
            ack_timeout: None,
            parser: Parser::default(),
        }
    }
}

/// A client of a Socket.IO server. It dereferences to its [`Socket`] in the namespace of its URL,
/// because npm's `io(url)` returns that socket.
///
/// Dropping it disconnects all its sockets, which are of no use any more, and ends its threads. It
/// waits until that has been sent, but not longer than 4 s.
///
/// ```no_run
/// use sockets_by_hand::{json, socketio::{Client, ClientOptions}};
///
/// let client = Client::new("http://127.0.0.1:3000", ClientOptions::default())?;
/// client.on("said", |event| println!("{}", event.args[0]));
/// client.on("disconnect", |event| println!("disconnected: {}", event.args[0]));
/// client.open();
/// client.emit("say", json!("hello")); // now, or as soon as it is connected
/// # Ok::<(), sockets_by_hand::ws::Error>(())
/// ```
pub struct Client {
    manager: Arc<Manager>,
    socket: Socket,
}

impl Client {
    /// A client of the server at `url`, such as `http://127.0.0.1:3000/admin`, whose path is the
    /// namespace. It does nothing before [`Socket::open`].
    ///
    /// # Errors
    /// The URL is not one of a server, or asks for TLS; or a transport is unknown
    /// ([`Error::Invalid`]).
    pub fn new(url: &str, options: Options) -> Result<Client, Error> {
        let (endpoint, namespace) = parse_url(url, options.engine.clone())?;
        let auth = options.auth.clone();
        let manager = Manager::new(endpoint, options);
        let socket = manager.socket(&namespace, auth);
        Ok(Client { manager, socket })
    }

    /// A client with the default options, which is opened at once: npm's `io(url)`. Listeners that
    /// are added later may miss events.
    ///
    /// # Errors
    /// As for [`new`](Client::new).
    pub fn connect(url: &str) -> Result<Client, Error> {
        Client::connect_with(url, Options::default())
    }

    /// A client which is opened at once: npm's `io(url, options)`. Listeners that are added later
    /// may miss events.
    ///
    /// # Errors
    /// As for [`new`](Client::new).
    pub fn connect_with(url: &str, options: Options) -> Result<Client, Error> {
        let client = Client::new(url, options)?;
        client.open();
        Ok(client)
    }

    /// The socket of another namespace, over the same session; it is to be opened too. There is one
    /// for each namespace: the next call returns the same, with another `auth`.
    pub fn of(&self, namespace: &str, auth: impl Into<Auth>) -> Socket {
        self.manager.socket(&format!("/{}", namespace.trim_start_matches('/')), auth.into())
    }

    /// The manager, with the events of the connection (npm's `socket.io`).
    ///
    /// ```
    /// # use sockets_by_hand::socketio::{Client, ClientOptions};
    /// # let client = Client::new("http://127.0.0.1:3000", ClientOptions::default())?;
    /// client.io().on("reconnect_attempt", |attempts| println!("attempt {attempts}"));
    /// client.io().engine().on("upgrade", |transport| println!("now over {transport}"));
    /// client.io().set_reconnection_attempts(10);
    /// # Ok::<(), sockets_by_hand::ws::Error>(())
    /// ```
    pub fn io(&self) -> &Manager {
        &self.manager
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Deref for Client {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let has_session = lock(&self.manager.connection).has_session();
        let sockets = lock(&self.manager.sockets).clone();
        for socket in &sockets {
            socket.disconnect();
            socket.remove_all();
        }
        sockets.iter().for_each(Socket::disconnect); // a listener may have opened one again
        lock(&self.manager.sockets).clear(); // one that is opened later needs no session
        for socket in &sockets {
            socket.0.acks.disconnected();
            socket.fail_queued();
        }
        self.manager.events.remove_all();
        self.manager.engine().remove_all();
        if has_session {
            self.manager.wait_until_ended(); // but not for an attempt to connect
        }
    }
}

/// The endpoint of a URL, and the namespace that is its path.
fn parse_url(url: &str, options: engine::Options) -> Result<(Endpoint, String), Error> {
    let url = engine::parse_url(url)?;
    let namespace = format!("/{}", url.path.trim_matches('/'));
    Ok((Endpoint::new(url, options)?, namespace))
}
