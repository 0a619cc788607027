//! Why a request is refused, for the client and for the listener of the server.

use crate::http::{Headers, Request, Response};
use crate::json;
use crate::json::Value;

/// A request that has been refused (npm's event `connection_error`); see
/// [`Options::connection_error`](super::Options::connection_error).
#[derive(Debug)]
pub struct ConnectionError<'a> {
    /// The request, with the address of the client (`req`).
    pub request: &'a Request,
    /// The code that the client receives: 0 to 5.
    pub code: u8,
    /// The message that the client receives, such as `Session ID unknown`.
    pub message: &'static str,
    /// Details that the client does not receive: an object with npm's names.
    pub context: Value,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    UnknownTransport,
    UnknownSid,
    BadHandshakeMethod,
    /// The session uses another transport, which is this one.
    TransportMismatch(&'static str),
    /// The session uses version 4 of the protocol, and the request another.
    ProtocolMismatch,
    /// A handshake for a WebSocket without `Upgrade`, or the other way round.
    TransportHandshakeError,
    /// `generate_id` has returned no id, or one that another session has.
    IdGenerationError,
    /// A request that its session does not allow. It ends the session, whose listener is called.
    BadRequest,
    Forbidden,
    UnsupportedProtocolVersion,
}

impl Refusal {
    /// The code in the protocol, and its message.
    fn code(self) -> (u8, &'static str) {
        match self {
            Refusal::UnknownTransport => (0, "Transport unknown"),
            Refusal::UnknownSid => (1, "Session ID unknown"),
            Refusal::BadHandshakeMethod => (2, "Bad handshake method"),
            Refusal::TransportMismatch(_)
            | Refusal::ProtocolMismatch
            | Refusal::TransportHandshakeError
            | Refusal::IdGenerationError
            | Refusal::BadRequest => (3, "Bad request"),
            Refusal::Forbidden => (4, "Forbidden"),
            Refusal::UnsupportedProtocolVersion => (5, "Unsupported protocol version"),
        }
    }

    /// The error for the listener; `None` if the listener of a session is called instead.
    pub fn error(self, request: &Request) -> Option<ConnectionError<'_>> {
        let query = |name| request.query(name).map_or(Value::Null, Value::from);
        let context = match self {
            Refusal::UnknownTransport if query("transport").is_null() => json!({}),
            Refusal::UnknownTransport => json!({"transport": (query("transport"))}),
            Refusal::UnknownSid => json!({"sid": (query("sid"))}),
            Refusal::BadHandshakeMethod => json!({"method": (request.method.as_str())}),
            Refusal::TransportMismatch(previous) => json!({
                "name": "TRANSPORT_MISMATCH",
                "transport": (query("transport")),
                "previousTransport": previous,
            }),
            Refusal::ProtocolMismatch => json!({
                "name": "PROTOCOL_MISMATCH",
                "protocol": 3,
                "previousProtocol": 4,
            }),
            Refusal::TransportHandshakeError => json!({"name": "TRANSPORT_HANDSHAKE_ERROR"}),
            Refusal::IdGenerationError => json!({"name": "ID_GENERATION_ERROR"}),
            Refusal::BadRequest => return None,
            Refusal::Forbidden => json!({}),
            Refusal::UnsupportedProtocolVersion => json!({"protocol": 3}),
        };
        let (code, message) = self.code();
        Some(ConnectionError { request, code, message, context })
    }

    /// The response for the client.
    pub fn response(self, mut headers: Headers) -> Response {
        headers.push("Content-Type", "application/json");
        let (code, message) = self.code();
        let body = format!(r#"{{"code":{code},"message":"{message}"}}"#);
        let status = if self == Refusal::Forbidden { 403 } else { 400 };
        Response { status, headers, body: body.into_bytes() }
    }
}
