//! A Socket.IO client that comes back by itself.
//!
//! Picture a friend on the telephone who calls again whenever the line breaks: after a second, after
//! two, after four, never at quite the same moment as all the others whose line broke too. What you
//! say meanwhile is written down and read out when the line is back. Several conversations (a
//! [`Socket`] for each namespace) share the line.
//!
//! One thread does all of that: it connects, reads, runs the listeners in order, and waits before it
//! tries again. While it polls, a second one posts. Any thread may emit.
//!
//! | file | idea |
//! | --- | --- |
//! | `mod` | what a program holds: [`Client`], and what can be set |
//! | `manager` | the one line, and the thread that keeps it up |
//! | `socket` | a conversation in a namespace: [`Socket`] |
//! | `letterbox` | what is posted while it polls |
//! | `transport` | a session with a server, over requests or a WebSocket |
//!
//! Chapter 20 of the book.

mod letterbox;
mod manager;
mod socket;
mod transport;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::lock;
use crate::http::{Headers, escape};
use crate::json::Value;
use crate::net::{Backoff, Emitter, clock::FOREVER};
use crate::ws;
use crate::ws::client::split_authority;
use manager::Manager;
pub use socket::{Event, Socket};
use transport::Address;

/// What can be set, with the defaults of Socket.IO's client (its names in snake_case).
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the sessions are. `/socket.io/`.
    pub path: String,
    /// `polling`, `websocket`, or both: it begins with the first. If that is polling, it then moves
    /// over to the other; from a WebSocket it never falls back. Both, polling first.
    pub transports: Vec<&'static str>,
    /// What is shown to the namespace's middleware: an object. Nothing.
    pub auth: Value,
    /// More names and values for the query of each request. None.
    pub query: Vec<(String, String)>,
    /// More headers for each request. None.
    pub extra_headers: Headers,
    /// How long it may take to open a session. 20 s.
    pub timeout: Duration,
    /// The most bytes that a response, or a message of a WebSocket, may have. 16 MiB.
    pub max_payload: usize,
    /// Whether to come back after the line broke. Yes.
    pub reconnection: bool,
    /// How often to try before giving up. For ever.
    pub reconnection_attempts: u32,
    /// The pauses between. 1 s, doubled up to 5 s, ±50 %.
    pub backoff: Backoff,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            path: "/socket.io/".to_string(),
            transports: vec!["polling", "websocket"],
            auth: Value::Object(Vec::new()),
            query: Vec::new(),
            extra_headers: Headers::default(),
            timeout: Duration::from_secs(20),
            max_payload: ws::MAX_PAYLOAD,
            reconnection: true,
            reconnection_attempts: u32::MAX,
            backoff: Backoff::default(),
        }
    }
}

/// A client of a Socket.IO server; it derefs to its [`Socket`] in the namespace of its URL. Dropped,
/// it disconnects, its sockets are of no use any more, and its threads end (one that is connecting just
/// then, after [`Options::timeout`] at the latest).
///
/// ```no_run
/// use sockets_by_hand::{json, socketio::{Client, Value}};
///
/// let client = Client::new("http://127.0.0.1:3000", Default::default())?;
/// client.on("said", |event| println!("{}", event.args[0]));
/// client.on("disconnect", |event| println!("lost: {}", event.args[0]));
/// client.open();
/// client.emit("say", [json!("hello")]); // now, or as soon as the line is there
/// # Ok::<(), sockets_by_hand::ws::Error>(())
/// ```
pub struct Client {
    manager: Arc<Manager>,
    socket: Socket,
}

impl Client {
    /// A client of the server at `url`, such as `http://127.0.0.1:3000/admin`, whose path is the
    /// namespace. Nothing happens before [`Socket::open`].
    ///
    /// # Errors
    /// The URL is not one of a server, or asks for TLS; or there is no such transport
    /// ([`ws::Error::Invalid`]).
    pub fn new(url: &str, options: Options) -> Result<Client, ws::Error> {
        let auth = options.auth.clone();
        let (address, namespace) = split_url(url, options)?;
        let manager = Manager::new(address);
        let socket = manager.socket(&namespace, auth);
        Ok(Client { manager, socket })
    }

    /// A client with the default options, which is opened at once. What happens before you have
    /// called `on` you do not hear.
    ///
    /// # Errors
    /// As for [`new`](Client::new).
    pub fn connect(url: &str) -> Result<Client, ws::Error> {
        let client = Client::new(url, Options::default())?;
        client.open();
        Ok(client)
    }

    /// The conversation in another namespace, over the same line; it is to be opened too. There is
    /// one for each: asked for again, it is the same, with another `auth`.
    pub fn of(&self, namespace: &str, auth: Value) -> Socket {
        self.manager.socket(&format!("/{}", namespace.trim_start_matches('/')), auth)
    }

    /// What happens to the line: `reconnect_attempt` and `reconnect` (with the number of attempts),
    /// `reconnect_error` (with the message), `reconnect_failed`; and, which Socket.IO does not tell,
    /// `reconnect_pause` with the seconds before the next attempt.
    pub fn io(&self) -> &Emitter<Value> {
        &self.manager.events
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
        let talks = lock(&self.manager.line).sender.is_some();
        let sockets = lock(&self.manager.sockets).clone();
        for socket in &sockets {
            socket.disconnect();
            socket.0.acks.disconnected();
            socket.remove_all();
        }
        sockets.iter().for_each(Socket::disconnect); // if a listener has opened one again
        self.manager.events.remove_all();
        let thread = lock(&self.manager.line).thread.take();
        let other = thread.filter(|own| own.thread().id() != thread::current().id());
        // Only a goodbye is waited for.
        _ = other.filter(|_| talks).map(JoinHandle::join);
    }
}

/// Where a URL and the options lead, and the namespace that the URL names.
fn split_url(url: &str, mut options: Options) -> Result<(Address, String), ws::Error> {
    let invalid = |what| Err(ws::Error::Invalid(what));
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    match &*scheme.to_ascii_lowercase() {
        "http" | "ws" => {}
        "https" | "wss" => return invalid("there is no TLS here: https:// needs a proxy in front"),
        _ => return invalid("the URL of a server begins with http://"),
    }
    let transports = &options.transports;
    let known = |name: &&str| ["polling", "websocket"].contains(name);
    if transports.is_empty() || !transports.iter().all(known) {
        return invalid("the transports are \"polling\" and \"websocket\"");
    }
    let (authority, path) = split_authority(rest)?;
    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let namespace = format!("/{}", path.trim_matches('/'));
    let mut target = format!("{}/?EIO=4", options.path.trim_end_matches('/'));
    if !query.is_empty() {
        target += &format!("&{query}");
    }
    for (name, value) in &options.query {
        let [name, value] = [name, value].map(|text| escape(text, is_unreserved));
        target += &format!("&{name}={value}");
    }
    options.timeout = options.timeout.min(FOREVER);
    Ok((Address { authority, target, options: options.into() }, namespace))
}

/// Whether a byte may stand in a query as it is, whatever it means there (RFC 3986 §2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}
