//! A WebSocket client.
//!
//! Chapter 17 of the book.

use std::time::{Duration, Instant};

use super::compression::PerMessageDeflate;
use super::permessage::{self, Direction};
use super::socket::{Role, Socket};
use super::{Error, MAX_PAYLOAD, handshake};
use crate::http::{ClientConnection, Headers, Request, Url};
use crate::net::clock::FOREVER;

/// The most bytes that are read of the body of a response that refuses the handshake.
const MAX_REFUSAL: usize = 1024 * 1024;

/// The options of a client.
///
/// ```
/// use sockets_by_hand::ws::Client;
///
/// let mut client = Client::default();
/// client.protocols = vec!["chat.v2".to_string(), "chat.v1".to_string()];
/// client.headers.push("Origin", "http://localhost");
/// assert!(client.connect("wss://localhost/").is_err()); // TLS is not supported
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    /// The subprotocols to offer, in the order of preference. None.
    pub protocols: Vec<String>,
    /// More headers of the request: `Origin`, `Authorization`, `Cookie`. None.
    pub headers: Headers,
    /// The most bytes that a message may have. 16 MiB.
    pub max_payload: usize,
    /// How long the handshake may take in all. 10 s.
    pub handshake_timeout: Duration,
    /// Whether compressed messages are offered, and how they are compressed. They are.
    pub per_message_deflate: Option<PerMessageDeflate>,
}

impl Default for Client {
    fn default() -> Client {
        Client {
            protocols: Vec::new(),
            headers: Headers::default(),
            max_payload: MAX_PAYLOAD,
            handshake_timeout: Duration::from_secs(10),
            per_message_deflate: Some(PerMessageDeflate {
                server: Direction::default(), // it may do what it likes best
                ..PerMessageDeflate::default()
            }),
        }
    }
}

/// Opens a WebSocket to the server at `url`, such as `ws://127.0.0.1:8080/chat?room=tea`.
///
/// # Errors
/// The URL is not one of a WebSocket ([`Error::Invalid`]), the connection fails ([`Error::Io`]), or
/// the server does not open a WebSocket ([`Error::Refused`], [`Error::Handshake`],
/// [`Error::Http`]).
pub fn connect(url: &str) -> Result<Socket, Error> {
    Client::default().connect(url)
}

impl Client {
    /// Opens a WebSocket with these options.
    ///
    /// # Errors
    /// As for [`connect`](fn@connect).
    pub fn connect(&self, url: &str) -> Result<Socket, Error> {
        let url = parse_url(url)?;
        let request = self.request(&url)?;
        let deadline = Instant::now() + self.handshake_timeout.min(FOREVER);
        self.open(request, ClientConnection::open(&url, deadline)?)
    }

    /// The request that asks for a WebSocket. The scheme of the URL is not looked at.
    pub(crate) fn request(&self, url: &Url) -> Result<Request, Error> {
        let mut request = url.request("GET", &self.headers);
        handshake::add_request_headers(&mut request, &self.protocols)?;
        if let Some(options) = &self.per_message_deflate {
            let offer = permessage::offer(options.wanted());
            request.headers.push("Sec-WebSocket-Extensions", &offer);
        }
        request.headers.extend(&self.headers);
        Ok(request)
    }

    /// Opens a WebSocket on a connection, before the deadline of that.
    pub(crate) fn open(
        &self,
        request: Request,
        mut connection: ClientConnection,
    ) -> Result<Socket, Error> {
        let response = connection.request(&request, b"", MAX_REFUSAL)?;
        let protocol = handshake::validate_response(&request, &response)?;
        let ClientConnection { reader, outbox } = connection;
        let (role, max) = (Role::Client, self.max_payload);
        let mut socket = Socket::new(reader, outbox, role, max, request.into(), protocol);
        if let Some(options) = &self.per_message_deflate {
            let chosen: Vec<&str> = response.headers.all("sec-websocket-extensions").collect();
            let agreed = permessage::agree(&chosen.join(","), options.wanted());
            let agreed = agreed.map_err(Error::Handshake)?;
            agreed.into_iter().for_each(|agreed| socket.set_compression(agreed, options));
        }
        Ok(socket)
    }
}

/// The URL of a WebSocket (RFC 6455 §3).
fn parse_url(url: &str) -> Result<Url, Error> {
    let scheme = url.split("://").next().unwrap_or_default().to_ascii_lowercase();
    match &*scheme {
        "ws" => {}
        "wss" => {
            return Err(Error::Invalid(
                "there is no TLS here: wss:// needs a proxy in front, or ws://",
            ));
        }
        _ => return Err(Error::Invalid("the URL of a WebSocket begins with ws://")),
    }
    let url = Url::parse(url)?;
    if url.has_fragment {
        return Err(Error::Invalid("the URL of a WebSocket has no fragment (#)"));
    }
    Ok(url)
}
