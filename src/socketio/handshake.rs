//! What the server knows of a client from its handshake.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::SystemTime;

use crate::http::{Headers, Request};
use crate::json::Value;

/// The data of a client's handshake (`socket.handshake`).
///
/// ```
/// # let server = sockets_by_hand::socketio::Server::bind("127.0.0.1:0", Default::default())?;
/// server.io().on_connection(|socket| {
///     let handshake = socket.handshake();
///     println!("{:?} from {:?}", handshake.query().get("room"), handshake.address);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// The request that opened the session: headers, path, query.
    pub request: &'a Request,
    /// The `auth` of the client; an empty object if it has none.
    pub auth: &'a Value,
    /// The address of the client, or of a proxy in front of the server: see
    /// [`trust_proxy`](crate::engineio::Options::trust_proxy).
    pub address: Option<SocketAddr>,
    /// When the client asked to connect to the namespace (npm's `issued`, and as text `time`).
    pub issued: SystemTime,
    /// Whether the connection is encrypted. It never is: TLS is for a proxy in front of the server.
    pub secure: bool,
}

impl<'a> Handshake<'a> {
    /// The headers of the request.
    pub fn headers(&self) -> &'a Headers {
        &self.request.headers
    }

    /// The path and the query, as they were sent.
    pub fn url(&self) -> &'a str {
        &self.request.target
    }

    /// The query, decoded. If a name comes more than once, its last value counts. (npm's has an
    /// array there.)
    pub fn query(&self) -> BTreeMap<String, String> {
        self.request.query_pairs().collect()
    }

    /// Whether the request has the header `Origin`: a page in a browser has sent it.
    pub fn xdomain(&self) -> bool {
        self.request.headers.get("origin").is_some()
    }
}
