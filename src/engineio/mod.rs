//! Sessions: Engine.IO 4, server and client. A session outlives its connections.
//!
//! Not every network lets a WebSocket through. So a session begins with HTTP *long-polling*: a
//! `GET` that is held until there is something to send, and a `POST` for what the client sends. If
//! a WebSocket can be opened, the session is upgraded to it, and no message is lost. The server
//! pings, so that both ends notice when the other has gone.
//!
//! | file | what is in it |
//! | --- | --- |
//! | [`packet`] | packets, as text for HTTP and as frames for a WebSocket |
//! | `polling` | a `GET` that is held, and the queue for the next one |
//! | [`session`] | a session: sending, receiving, its end |
//! | `events` | the events of sessions: `packet`, `upgrade`, … |
//! | `serial` | a serial queue, for the calls of a session's listener |
//! | `sessions` | the sessions of a server, and which one a request belongs to |
//! | `connection` | one connection of a client: requests, and the upgrade |
//! | `refusal` | why a request is refused |
//! | `cookie` | a cookie with the session id |
//! | [`server`] | binds, serves, closes |
//! | [`client`] | the other side |
//!
//! `sessions` and `session` are two halves of one: each session removes itself from the list.

pub mod client;
mod connection;
mod cookie;
mod events;
pub mod packet;
mod polling;
mod refusal;
mod serial;
pub mod server;
pub mod session;
mod sessions;

use std::time::Duration;

use crate::http::{BODY_TIME, HEAD_TIME, Headers, MAX_BODY, Request};
use crate::net;
use crate::ws::PerMessageDeflate;
use crate::ws::random::random_id;

pub use client::{Client, Options as ClientOptions};
pub use cookie::Cookie;
pub use events::Events;
pub use packet::{Outgoing, Packet};
pub use refusal::ConnectionError;
use refusal::Refusal;
pub use server::{Handle, Server};
pub use session::{Event, Session};

/// What can be set, with the defaults of Socket.IO's server (its names in snake_case).
///
/// ```
/// use sockets_by_hand::engineio::{Options, Server};
///
/// let options = Options {
///     headers: Box::new(|headers, _request| headers.set("X-Content-Type-Options", "nosniff")),
///     connection_error: Box::new(|error| {
///         eprintln!("Refused: {}, {}", error.message, error.context);
///     }),
///     ..Options::default()
/// };
/// let server = Server::bind("127.0.0.1:0", options)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Options {
    /// The path of the sessions. Requests for other paths are for [`page`](Server::page).
    /// `/socket.io/`.
    pub path: String,
    /// The transports that a client may use. `polling` and `websocket`.
    pub transports: Vec<&'static str>,
    /// Whether the open packet offers an upgrade to a WebSocket. (One that a client tries in spite
    /// of that is not refused, as with npm's.) `true`.
    pub allow_upgrades: bool,
    /// How long after a pong the next ping is sent. 25 s.
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping. 20 s.
    pub ping_timeout: Duration,
    /// How long the upgrade to a WebSocket may take. 10 s.
    pub upgrade_timeout: Duration,
    /// How long the head of a request may take to arrive. 10 s.
    pub handshake_timeout: Duration,
    /// How long the body of a request may take to arrive (`httpRequestBodyTimeout`). 30 s.
    pub http_request_body_timeout: Duration,
    /// How long a new session over polling may be without a second request before it is removed:
    /// nothing is known yet of a client that reads. 10 s.
    pub first_request_timeout: Duration,
    /// The most bytes that a client may send at once (`maxHttpBufferSize`). 1,000,000.
    pub max_payload: usize,
    /// The most bytes that the body of a request for a [`page`](Server::page) may have. 64 KiB.
    /// More gets a 413.
    pub max_body: usize,
    /// A client is dropped when one more message comes while more bytes than this wait for it. 16
    /// MiB, of which 1 MiB may wait however much waits for others: see [`net::outbox`]. (Socket.IO
    /// has no such limit.)
    pub max_queued: usize,
    /// How many connections there may be at a time, and how many sessions. 10,000. One session more
    /// replaces the session over polling that has been without a `GET` for longest, if there is
    /// one.
    pub max_connections: usize,
    /// How many proxies stand in front of the server. 0. With 1 or more, the address of a client
    /// ([`Request::remote_address`], [`Session::remote_address`]) is taken from the header
    /// `X-Forwarded-For`, as [`Request::forwarded_for`] does. Set it only if clients cannot reach the
    /// server past the proxies: otherwise a client can claim any address. A plain WebSocket's
    /// [`remote_address`](crate::ws::Sender::remote_address) stays that of its connection. (Express'
    /// setting `trust proxy`, with a number. npm's Socket.IO server has no such option.)
    pub trust_proxy: usize,
    /// How long connections may go on after [`Handle::close`]. 30 s. Then they are destroyed.
    pub close_timeout: Duration,
    /// The pages of other origins that may read the responses. None.
    pub cors: Option<Cors>,
    /// Whether messages over a WebSocket may be compressed (`perMessageDeflate`). They are not. A
    /// packet for many clients is compressed once, so no context is taken over, whatever this says.
    pub per_message_deflate: Option<PerMessageDeflate>,
    /// From how many bytes on a response over polling is compressed, if the client accepts gzip
    /// (`httpCompression`). 1,024 bytes.
    pub http_compression: Option<usize>,
    /// Accepts or refuses each handshake. All are accepted.
    pub allow_request: Box<dyn Fn(&Request) -> bool + Send + Sync>,
    /// Makes the id of a new session (`generateId`), which should be hard to guess: whoever has it
    /// is this client. A handshake is refused if the id is empty or another session has it. 20
    /// random characters.
    pub generate_id: Box<dyn Fn(&Request) -> String + Send + Sync>,
    /// Set by the first response of a session over polling, for a load balancer that sends all
    /// requests of a session to one server. None.
    pub cookie: Option<Cookie>,
    /// Changes the headers of the first response of each session (the event `initial_headers`).
    pub initial_headers: Box<ChangeHeaders>,
    /// Changes the headers of every response of a session, after `initial_headers` (the event
    /// `headers`).
    pub headers: Box<ChangeHeaders>,
    /// Receives each request that is refused (the event `connection_error`).
    pub connection_error: Box<dyn Fn(&ConnectionError) + Send + Sync>,
}

/// Changes the headers of the response to a request.
type ChangeHeaders = dyn Fn(&mut Headers, &Request) + Send + Sync;

impl Default for Options {
    fn default() -> Options {
        Options {
            path: "/socket.io/".to_string(),
            transports: vec!["polling", "websocket"],
            allow_upgrades: true,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            handshake_timeout: HEAD_TIME,
            http_request_body_timeout: BODY_TIME,
            first_request_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            max_body: MAX_BODY,
            max_queued: net::outbox::MAX_QUEUED,
            max_connections: net::server::MAX_CONNECTIONS,
            trust_proxy: 0,
            close_timeout: net::server::CLOSE_TIMEOUT,
            cors: None,
            per_message_deflate: None,
            http_compression: Some(1024),
            allow_request: Box::new(|_| true),
            generate_id: Box::new(|_| random_id()),
            cookie: None,
            initial_headers: Box::new(|_, _| {}),
            headers: Box::new(|_, _| {}),
            connection_error: Box::new(|_| {}),
        }
    }
}

/// Which pages of other origins may read the responses (Cross-Origin Resource Sharing).
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// The origins, such as `https://example.com`; `*` stands for all.
    pub origins: Vec<String>,
    /// Whether requests may carry cookies.
    pub credentials: bool,
}

impl Options {
    /// The headers that tell a browser whether the page that sent `request` may read the response.
    fn cors(&self, request: &Request) -> Headers {
        let mut headers = Headers::default();
        let Some(cors) = &self.cors else { return headers };
        let origin = request.headers.get("origin").unwrap_or_default();
        if cors.origins.iter().any(|allowed| allowed == "*") {
            headers.push("Access-Control-Allow-Origin", "*");
        } else {
            headers.push("Vary", "Origin");
            if cors.origins.iter().any(|allowed| allowed == origin) {
                headers.push("Access-Control-Allow-Origin", origin);
            }
        }
        if cors.credentials {
            headers.push("Access-Control-Allow-Credentials", "true");
        }
        if request.method == "OPTIONS" {
            headers.push("Access-Control-Allow-Methods", "GET,POST");
            if let Some(wanted) = request.headers.get("access-control-request-headers") {
                headers.push("Access-Control-Allow-Headers", wanted);
            }
        }
        headers
    }
}
