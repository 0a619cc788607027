//! A WebSocket client: finds the server that a URL names, and asks it for a WebSocket.
//!
//! Chapter 13 of the book.

use std::time::{Duration, Instant};

use super::socket::{Role, Socket};
use super::{Error, MAX_PAYLOAD, handshake};
use crate::http::{DeadlineReader, Headers, Request, Response};
use crate::net::{Outbox, Stream, clock::FOREVER, outbox::DEADLINE};

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
        let time = self.handshake_timeout.min(FOREVER);
        let deadline = Instant::now() + time;
        let (authority, target) = split_url(url)?;
        let stream = Stream::connect_within(&*authority, time)?;
        stream.set_no_delay(true)?;

        let mut request = Request::new("GET", &target);
        if self.headers.get("Host").is_none() {
            request.headers.push("Host", authority.strip_suffix(":80").unwrap_or(&authority));
        }
        handshake::add_request_headers(&mut request, &self.protocols)?;
        for (name, value) in self.headers.iter() {
            request.headers.push(name, value);
        }
        // What this program sends, it has itself to thank for: only a server that takes nothing is
        // given up.
        let outbox = Outbox::with_limits(stream.clone(), usize::MAX, DEADLINE)?;
        outbox.send(request.encode(b""))?;

        let mut reader = DeadlineReader::buffered(stream);
        reader.get_mut().deadline = Some(deadline);
        let response = Response::read(&mut reader, MAX_REFUSAL)?;
        let protocol = handshake::validate_response(&request, &response)?;
        Ok(Socket::new(reader, outbox, Role::Client, self.max_payload, request.into(), protocol))
    }
}

/// The host and port of a WebSocket's URL, and what to ask for there (RFC 6455 §3).
fn split_url(url: &str) -> Result<(String, String), Error> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let invalid = |what| Err(Error::Invalid(what));
    match &*scheme.to_ascii_lowercase() {
        "ws" if rest.contains('#') => return invalid("the URL of a WebSocket has no fragment (#)"),
        "ws" => {}
        "wss" => return invalid("there is no TLS here: wss:// needs a proxy in front, or ws://"),
        _ => return invalid("the URL of a WebSocket begins with ws://"),
    }
    let (authority, target) = split_authority(rest)?;
    Ok((authority, if target.starts_with('/') { target.to_string() } else { format!("/{target}") }))
}

/// Splits what follows the `://` of a URL: `HOST:PORT`, and the rest.
pub(crate) fn split_authority(rest: &str) -> Result<(String, &str), Error> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if authority.is_empty() || authority.starts_with(':') || authority.contains('@') {
        return Err(Error::Invalid("the URL of a server names a host, and no user"));
    }
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, "")) => (host, "80"),
        Some(both) => both,
        None => (authority, "80"),
    };
    if !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err() {
        return Err(Error::Invalid("the port of a URL is a number up to 65535"));
    }
    Ok((format!("{host}:{port}"), rest))
}
