//! An Engine.IO client: a session with a server.
//!
//! A session begins with long-polling, and is upgraded to a WebSocket if one can be opened. While
//! it polls, each request has a connection of its own: one for the `GET` that waits for packets,
//! one for a `POST`, and one on which a WebSocket is probed.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `mod` | the options, the server's URL, one request and its response |
//! | `session` | [`Client`], which reads |
//! | `sender` | [`Sender`]: the WebSocket, or the queue of a client that polls and the thread that posts it |
//! | `probe` | the upgrade |
//! | `handshake` | the first packet of a session |
//!
//! Chapter 24 of the book.

mod handshake;
mod probe;
mod sender;
mod session;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{error, fmt};

use crate::http::{self, ClientConnection, Headers, Url, escape};
use crate::net::{Stream, clock::FOREVER};
use crate::ws;

pub use super::events::Events;
pub use sender::Sender;
pub use session::Client;

/// How long the end of a session may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What can be set, with the defaults of `engine.io-client` (its names in snake_case).
#[derive(Clone, Debug)]
pub struct Options {
    /// The path of the sessions. `/socket.io/`.
    pub path: String,
    /// `polling`, `websocket`, or both. The session begins with the first, and polling is upgraded
    /// to a WebSocket. Both, polling first.
    pub transports: Vec<&'static str>,
    /// Whether the next transport is tried when a session cannot be opened over the first. No.
    pub try_all_transports: bool,
    /// More names and values for the query of each request. None.
    pub query: Vec<(String, String)>,
    /// More headers for each request. None.
    pub extra_headers: Headers,
    /// How long it may take to open a session, and to connect for each request of it. 20 s.
    pub timeout: Duration,
    /// The most bytes that a response or a message of a WebSocket may have. 16 MiB.
    pub max_payload: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            path: "/socket.io/".to_string(),
            transports: vec!["polling", "websocket"],
            try_all_transports: false,
            query: Vec::new(),
            extra_headers: Headers::default(),
            timeout: Duration::from_secs(20),
            max_payload: ws::MAX_PAYLOAD,
        }
    }
}

/// Why there is no session, or none any more.
#[derive(Debug)]
pub enum Error {
    /// The connection failed.
    Io(io::Error),
    /// The server cannot be used, or the options are invalid; why.
    Unusable(String),
}

impl Error {
    /// The server sent something that is not Engine.IO; what was expected.
    fn expected(what: &str) -> Error {
        Error::Unusable(format!("the server does not speak Engine.IO 4: {what} was expected"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io(e) => write!(f, "the connection failed: {e}"),
            Error::Unusable(what) => f.write_str(what),
        }
    }
}

impl error::Error for Error {}

/// An error of a layer below.
impl<E: Into<ws::Error>> From<E> for Error {
    fn from(e: E) -> Error {
        match e.into() {
            ws::Error::Io(e) => Error::Io(e),
            ws::Error::Http(http::Error::Refused(408, _)) => Error::Io(ErrorKind::TimedOut.into()),
            ws::Error::Http(e) => Error::Unusable(format!("the server does not speak HTTP: {e}")),
            e => Error::Unusable(e.to_string()),
        }
    }
}

/// The URL of a session's requests, and the options.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    url: Url,
    options: Arc<Options>,
}

impl Endpoint {
    /// The endpoint of the server at `url`, whose query is kept and whose path is ignored.
    pub fn new(mut url: Url, mut options: Options) -> Result<Endpoint, ws::Error> {
        let known = |name: &&str| ["polling", "websocket"].contains(name);
        if options.transports.is_empty() || !options.transports.iter().all(known) {
            return Err(ws::Error::Invalid("the transports are \"polling\" and \"websocket\""));
        }
        options.timeout = options.timeout.min(FOREVER);
        url.path = options.path.trim_end_matches('/').to_string() + "/";
        let query = std::mem::replace(&mut url.query, "EIO=4".to_string());
        if !query.is_empty() {
            url.query += &format!("&{query}");
        }
        for (name, value) in &options.query {
            let [name, value] = [name, value].map(|text| escape(text, is_unreserved));
            url.query += &format!("&{name}={value}");
        }
        Ok(Endpoint { url, options: Arc::new(options) })
    }

    /// The same with more in its query.
    fn with(mut self, query: &str) -> Endpoint {
        self.url.query += query;
        self
    }

    /// The same with another [`Options::timeout`].
    pub fn with_timeout(&self, timeout: Duration) -> Endpoint {
        let options = Options { timeout: timeout.min(FOREVER), ..(*self.options).clone() };
        Endpoint { url: self.url.clone(), options: options.into() }
    }

    /// Connects before `deadline`. `connected` is called with the connection; if it returns
    /// `false`, the connection is not used.
    fn connect(
        &self,
        deadline: Instant,
        connected: impl Fn(&Stream) -> bool,
    ) -> Result<ClientConnection, Error> {
        let connection = ClientConnection::open(&self.url, deadline)?;
        match connected(&connection.reader.get_ref().stream) {
            true => Ok(connection),
            false => Err(Error::Io(ErrorKind::ConnectionAborted.into())),
        }
    }

    /// Opens a WebSocket on a connection of its own.
    fn websocket(
        &self,
        deadline: Instant,
        connected: impl Fn(&Stream) -> bool,
    ) -> Result<ws::Socket, Error> {
        let client = ws::Client {
            headers: self.options.extra_headers.clone(),
            max_payload: self.options.max_payload,
            ..ws::Client::default()
        };
        let request = client.request(&self.url)?;
        let mut socket = client.open(request, self.connect(deadline, connected)?)?;
        socket.omit_reason();
        socket.set_deadline(Some(deadline));
        Ok(socket)
    }

    /// Makes one request on a connection of its own, and returns the body of the response.
    fn request(
        &self,
        method: &str,
        body: &[u8],
        deadline: Instant,
        connected: impl Fn(&Stream) -> bool,
    ) -> Result<Vec<u8>, Error> {
        let extra = &self.options.extra_headers;
        let mut request = self.url.request(method, extra);
        request.headers.push("Connection", "close");
        if method == "POST" {
            request.headers.push("Content-Type", "text/plain;charset=UTF-8");
        }
        request.headers.extend(extra);
        let connect_by = deadline.min(Instant::now() + self.options.timeout);
        let mut connection = self.connect(connect_by, connected)?;
        connection.reader.get_mut().deadline = Some(deadline);
        let response = connection.request(&request, body, self.options.max_payload)?;
        if response.status != 200 {
            let text: String = String::from_utf8_lossy(&response.body).chars().take(200).collect();
            let status = response.status;
            return Err(Error::Unusable(format!(
                "the server answered with status {status}: {text}"
            )));
        }
        Ok(response.body)
    }
}

/// Parses the URL of a server.
pub(crate) fn parse_url(url: &str) -> Result<Url, ws::Error> {
    let scheme = url.split("://").next().unwrap_or_default().to_ascii_lowercase();
    match &*scheme {
        "http" | "ws" => Ok(Url::parse(url)?),
        "https" | "wss" => {
            Err(ws::Error::Invalid("there is no TLS here: https:// needs a proxy in front"))
        }
        _ => Err(ws::Error::Invalid("the URL of a server begins with http://")),
    }
}

/// Whether a byte may stand anywhere in a query without being encoded (RFC 3986 §2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}
