//! A WebSocket client: finds the server that a URL names, and asks it for a WebSocket.
//!
//! Chapter 13 of the book.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::socket::{Role, Socket};
use super::{Error, MAX_PAYLOAD, handshake};
use crate::http::{Headers, Request, Response, Timed};
use crate::net::{Outbox, Stream, outbox::DEADLINE};

/// The most that is read of the body of a response that refuses.
const MAX_REFUSAL: usize = 1024 * 1024;

/// What a client may ask for besides a WebSocket.
///
/// ```
/// use sockets_by_hand::ws::Client;
///
/// let mut client = Client::default();
/// client.protocols = vec!["chat.v2".to_string(), "chat.v1".to_string()];
/// client.headers.push("Origin", "http://localhost");
/// assert!(client.connect("wss://localhost/").is_err()); // there is no TLS here
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    /// The subprotocols to offer, the one that it likes best first.
    pub protocols: Vec<String>,
    /// More headers of the request: `Origin`, `Authorization`, `Cookie`.
    pub headers: Headers,
    /// The most bytes that a message may have; 16 MiB at first.
    pub max_payload: usize,
    /// How long the handshake may take in all; 10 s at first.
    pub handshake_timeout: Duration,
}

impl Default for Client {
    fn default() -> Client {
        Client {
            protocols: Vec::new(),
            headers: Headers::default(),
            max_payload: MAX_PAYLOAD,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

/// Opens a WebSocket to the server at `url`, such as `ws://127.0.0.1:8080/chat?room=tea`.
///
/// # Errors
/// The URL is not one of a WebSocket ([`Error::Invalid`]), nobody answers there ([`Error::Io`]), or
/// the server does not open a WebSocket ([`Error::Refused`], [`Error::Handshake`], [`Error::Http`]).
pub fn connect(url: &str) -> Result<Socket, Error> {
    Client::default().connect(url)
}

impl Client {
    /// Opens a WebSocket as [`connect`] does.
    ///
    /// # Errors
    /// As for [`connect`].
    pub fn connect(&self, url: &str) -> Result<Socket, Error> {
        let deadline = Instant::now() + self.handshake_timeout;
        let (authority, target) = split_url(url)?;
        let address = match authority.rsplit_once(':') {
            Some((host, "")) => format!("{host}:80"),
            Some((_, port)) if port.bytes().all(|b| b.is_ascii_digit()) => authority.to_string(),
            _ => format!("{authority}:80"),
        };
        let connected = Stream::connect_within(&*address, self.handshake_timeout);
        let stream = connected.map_err(|e| match e.kind() {
            ErrorKind::InvalidInput => Error::Invalid("the port of the URL is above 65535"),
            _ => Error::Io(e),
        })?;
        stream.set_no_delay(true)?;

        let mut request = Request::new("GET", &target);
        request.headers.push("Host", authority);
        handshake::ask(&mut request, &self.protocols)?;
        for (name, value) in self.headers.iter() {
            request.headers.push(name, value);
        }
        // What this program sends, it has itself to thank for: only a server that takes nothing is
        // given up.
        let outbox = Outbox::with_limits(stream.clone(), usize::MAX, DEADLINE)?;
        outbox.send(request.encode(b""))?;

        let mut reader = Timed::buffered(stream);
        reader.get_mut().deadline = Some(deadline);
        let response = Response::read(&mut reader, MAX_REFUSAL)?;
        let protocol = handshake::check(&request, &response)?;
        Ok(Socket::new(reader, outbox, Role::Client, self.max_payload, request.into(), protocol))
    }
}

/// The host (and port) of a WebSocket's URL, and what to ask for there (RFC 6455 §3).
fn split_url(url: &str) -> Result<(&str, String), Error> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    if scheme.eq_ignore_ascii_case("wss") {
        return Err(Error::Invalid(
            "there is no TLS here: wss:// needs a proxy in front, or ws://",
        ));
    }
    if !scheme.eq_ignore_ascii_case("ws") {
        return Err(Error::Invalid("the URL of a WebSocket begins with ws://"));
    }
    if rest.contains('#') {
        return Err(Error::Invalid("the URL of a WebSocket has no fragment (#)"));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if authority.is_empty() || authority.contains('@') {
        return Err(Error::Invalid("the URL of a WebSocket names a host, and no user"));
    }
    Ok((authority, if target.starts_with('/') { target.to_string() } else { format!("/{target}") }))
}
