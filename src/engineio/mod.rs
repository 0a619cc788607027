//! The landing between messages and events: Engine.IO 4, a session that outlives its connections.
//!
//! Not every network lets a WebSocket through. So a session begins with plain HTTP: a `GET` that is
//! held until there is something to say, and a `POST` for each thing that the client says
//! (*long-polling*). If a WebSocket can be had, the session moves over to it, and nothing is lost
//! on the way. The server pings, so that both ends notice when the other is gone.
//!
//! | file | idea | chapter |
//! | --- | --- | --- |
//! | [`packet`] | what is said, in two forms | 16 |
//! | `polling` | a request that is held, and what waits for the next one | 16 |
//! | [`session`] | what is one conversation, and when it is over | 16, 17 |
//! | `serial` | one call at a time, in order, whoever asks for it | 17 |
//! | [`server`] | whose request is it? | 16, 17 |

pub mod packet;
mod polling;
mod serial;
pub mod server;
pub mod session;

use std::time::Duration;

use crate::http::{BODY_TIME, HEAD_TIME, Headers, Request, Response};
use crate::net;

pub use packet::{Outgoing, Packet};
pub use server::{Handle, Server};
pub use session::{Event, Session};

/// What can be set, with the defaults of Socket.IO's server (its names in snake_case).
pub struct Options {
    /// Where the sessions are; everything else is for [`page`](Options::page). `/socket.io/`.
    pub path: String,
    /// The transports that a client may use: both.
    pub transports: Vec<&'static str>,
    /// How long after a pong the next ping is sent. 25 s.
    pub ping_interval: Duration,
    /// How long a client may take to answer it. 20 s.
    pub ping_timeout: Duration,
    /// How long the change to a WebSocket may take. 10 s.
    pub upgrade_timeout: Duration,
    /// How long the head of a request may take to arrive. 10 s.
    pub handshake_timeout: Duration,
    /// How long the body of a request may take to arrive (`httpRequestBodyTimeout`). 30 s.
    pub http_request_body_timeout: Duration,
    /// How long a new session over requests may be left without a second one, before it is forgotten:
    /// nothing is known yet of a client that reads. 10 s.
    pub first_request_timeout: Duration,
    /// The most bytes that a client may send at once (`maxHttpBufferSize`). 1,000,000.
    pub max_payload: usize,
    /// A client for which more than so many bytes wait, and one more message comes, is dropped. 16 MiB,
    /// of which 1 MiB may wait however much waits for others: see [`net::outbox`]. (Socket.IO has no
    /// such limit, but for its memory.)
    pub max_queued: usize,
    /// How many connections there may be at a time, and how many sessions. 10,000. One session more takes
    /// the place of the one over requests that has had no `GET` waiting for longest, if there is one.
    pub max_connections: usize,
    /// How long connections may go on after [`Handle::close`]; 30 s at first. Then they are destroyed.
    pub close_timeout: Duration,
    /// The pages of other origins that may read what the server answers: none.
    pub cors: Option<Cors>,
    /// Whether whoever asks for a session gets one: everybody does.
    pub allow_request: Box<dyn Fn(&Request) -> bool + Send + Sync>,
    /// What other requests get: a 404.
    pub page: Box<dyn Fn(&Request) -> Response + Send + Sync>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            path: "/socket.io/".to_string(),
            transports: vec!["polling", "websocket"],
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            handshake_timeout: HEAD_TIME,
            http_request_body_timeout: BODY_TIME,
            first_request_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            max_queued: net::outbox::MAX_QUEUED,
            max_connections: net::server::MAX_CONNECTIONS,
            close_timeout: net::server::CLOSE_TIMEOUT,
            cors: None,
            allow_request: Box::new(|_| true),
            page: Box::new(|_| Response::text(404, "There is nothing here")),
        }
    }
}

/// Which pages of other origins a browser lets read the answers (Cross-Origin Resource Sharing).
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// The origins, such as `https://example.com`; a `*` among them stands for all.
    pub origins: Vec<String>,
    /// Whether cookies come along.
    pub credentials: bool,
}

impl Options {
    /// The headers by which a browser knows whether the page that sent `request` may see the answer.
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

/// Why a request is refused: the number and the words that the protocol has for it. (A reference takes
/// less of a thread's stack.)
#[derive(Debug)]
struct Refusal(&'static (u8, &'static str));

impl Refusal {
    const UNKNOWN_TRANSPORT: Refusal = Refusal(&(0, "Transport unknown"));
    const UNKNOWN_SID: Refusal = Refusal(&(1, "Session ID unknown"));
    const BAD_HANDSHAKE_METHOD: Refusal = Refusal(&(2, "Bad handshake method"));
    const BAD_REQUEST: Refusal = Refusal(&(3, "Bad request"));
    const FORBIDDEN: Refusal = Refusal(&(4, "Forbidden"));
    const UNSUPPORTED_PROTOCOL_VERSION: Refusal = Refusal(&(5, "Unsupported protocol version"));

    fn response(self, mut headers: Headers) -> Response {
        let (code, message) = self.0;
        headers.push("Content-Type", "application/json");
        let body = format!(r#"{{"code":{code},"message":"{message}"}}"#);
        let status = if self.0 == Refusal::FORBIDDEN.0 { 403 } else { 400 };
        Response { status, headers, body: body.into_bytes() }
    }
}
