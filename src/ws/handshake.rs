//! The opening handshake: one HTTP request and one response, after which both sides speak
//! WebSocket.
//!
//! The client sends a random key. The server appends a string that RFC 6455 defines, and sends the
//! SHA-1 digest of both back. A server that does not know WebSocket, and answers any request with
//! success, cannot send the right digest.
//!
//! Chapter 12 of the book.

use super::{Error, base64, random::random_bytes, sha1::sha1};
use crate::http::{Headers, Request, Response, is_token};

/// What is appended to the key before the digest is taken (RFC 6455 §1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The `Sec-WebSocket-Accept` that a server must send for a `Sec-WebSocket-Key`.
///
/// ```
/// use sockets_by_hand::ws::handshake::accept_key;
///
/// // RFC 6455 §1.3
/// assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_key(key: &str) -> String {
    base64::encode(&sha1(format!("{key}{GUID}").as_bytes()))
}

/// Whether a request asks for an upgrade to WebSocket.
pub fn is_upgrade(request: &Request) -> bool {
    request.headers.has("upgrade", "websocket")
}

/// The subprotocols that a client offers, in its order of preference.
pub fn offered(request: &Request) -> Vec<&str> {
    request.headers.list("sec-websocket-protocol").collect()
}

/// The server's side (RFC 6455 §4.2): the response that opens a WebSocket. It declines all
/// extensions and all subprotocols, unless you add one.
///
/// # Errors
/// The request is not a valid handshake. Send the response, which says why.
pub fn accept(request: &Request) -> Result<Response, Response> {
    // §11.3: each of these MUST NOT appear more than once.
    let header = |name: &str| {
        let mut all = request.headers.all(name);
        all.next().filter(|_| all.next().is_none()).unwrap_or_default()
    };
    if request.minor == 0 {
        return Err(Response::text(400, "A WebSocket begins with HTTP/1.1"));
    }
    if request.method != "GET" {
        return Err(Response::text(405, "A WebSocket begins with a GET").with("Allow", "GET"));
    }
    if !is_upgrade(request) || !request.headers.has("connection", "upgrade") {
        return Err(Response::text(400, "Connection: Upgrade and Upgrade: websocket are expected"));
    }
    if header("sec-websocket-version") != "13" {
        let response = upgrade_required("Sec-WebSocket-Version: 13 is expected");
        return Err(response.with("Sec-WebSocket-Version", "13"));
    }
    let key = header("sec-websocket-key");
    if base64::decode(key).is_none_or(|bytes| bytes.len() != 16) {
        return Err(Response::text(400, "Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    if !offered(request).iter().all(|protocol| is_token(protocol)) {
        return Err(Response::text(400, "Sec-WebSocket-Protocol is not a list of names"));
    }
    let response = Response::new(101).with("Upgrade", "websocket").with("Connection", "Upgrade");
    Ok(response.with("Sec-WebSocket-Accept", &accept_key(key)))
}

/// The response to a request that should have been a handshake (RFC 9110 §15.5.22).
pub fn upgrade_required(text: &str) -> Response {
    Response::text(426, text).with("Upgrade", "websocket").with("Connection", "Upgrade")
}

/// The client's side (RFC 6455 §4.1): adds the headers of a handshake to a `GET`.
///
/// # Errors
/// A subprotocol is not a word ([`Error::Invalid`]).
pub fn add_request_headers(request: &mut Request, protocols: &[String]) -> Result<(), Error> {
    let is_word = |word: &String| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
    };
    if !protocols.iter().all(is_word) {
        return Err(Error::Invalid("a subprotocol is a word, without spaces and commas"));
    }
    request.headers.push("Upgrade", "websocket");
    request.headers.push("Connection", "Upgrade");
    request.headers.push("Sec-WebSocket-Version", "13");
    request.headers.push("Sec-WebSocket-Key", &base64::encode(&random_bytes::<16>()));
    if !protocols.is_empty() {
        request.headers.push("Sec-WebSocket-Protocol", &protocols.join(", "));
    }
    Ok(())
}

/// Validates the server's response, and returns the subprotocol that it chose.
///
/// # Errors
/// The server refused ([`Error::Refused`]), does not speak WebSocket, or chose what was not offered
/// ([`Error::Handshake`]).
pub fn validate_response(request: &Request, response: &Response) -> Result<Option<String>, Error> {
    let wrong = |what| Err(Error::Handshake(what));
    if response.status != 101 {
        let text = String::from_utf8_lossy(&response.body).chars().take(200).collect();
        return Err(Error::Refused { status: response.status, text });
    }
    if !response.headers.has("upgrade", "websocket") {
        return wrong("its response has no Upgrade: websocket");
    }
    if !response.headers.has("connection", "upgrade") {
        return wrong("its response has no Connection: Upgrade");
    }
    let key = request.headers.get("sec-websocket-key").unwrap_or_default();
    if !response.headers.all("sec-websocket-accept").eq([&accept_key(key)]) {
        return wrong("its Sec-WebSocket-Accept is not the answer to our key");
    }
    let extensions = |headers: &Headers| headers.list("sec-websocket-extensions").next().is_some();
    if extensions(&response.headers) && !extensions(&request.headers) {
        return wrong("it chose an extension, and none was offered");
    }
    let chosen: Vec<&str> = response.headers.list("sec-websocket-protocol").collect();
    match (&chosen[..], &offered(request)[..]) {
        ([], []) => Ok(None),
        ([], _) => wrong("it chose none of the subprotocols that were offered"),
        ([protocol], offered) if offered.contains(protocol) => Ok(Some(protocol.to_string())),
        _ => wrong("it chose a subprotocol that was not offered"),
    }
}
