//! What the server knows of a client from its handshake.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::http::{Headers, Request};
use crate::json;
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

/// The handshake as other servers receive it: in the form of npm's.
impl From<Handshake<'_>> for Value {
    fn from(handshake: Handshake) -> Value {
        let issued = handshake.issued.duration_since(UNIX_EPOCH).unwrap_or_default();
        json!({
            "headers": headers(handshake.headers()),
            "time": date(issued.as_secs()),
            "address": handshake.address.map(|address| address.ip().to_string()),
            "xdomain": handshake.xdomain(),
            "secure": handshake.secure,
            "issued": issued.as_millis() as f64,
            "url": handshake.url(),
            "query": handshake.query().into_iter().collect::<Value>(),
            "auth": handshake.auth,
        })
    }
}

/// The headers as Node has them: names in lower case, and one value for each.
fn headers(headers: &Headers) -> Value {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers.iter() {
        let name = name.to_ascii_lowercase();
        let separator = if name == "cookie" { "; " } else { ", " };
        let before = values.get(&name).map(|before| format!("{before}{separator}"));
        values.insert(name, before.unwrap_or_default() + value);
    }
    values.into_iter().collect()
}

/// A time as JavaScript writes it in UTC; from the seconds since 1970, which began on a Thursday.
fn date(seconds: u64) -> String {
    let (mut days, time) = (seconds / 86_400, seconds % 86_400);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days as usize % 7];
    let is_leap = |year: u64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = |year| if is_leap(year) { 366 } else { 365 };
    let mut year = 1970;
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let lengths = [31, length(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
    let (month, day) = (months[month], days + 1);
    format!(
        "{weekday} {month} {day:02} {year} {hours:02}:{minutes:02}:{seconds:02} \
         GMT+0000 (Coordinated Universal Time)"
    )
}
