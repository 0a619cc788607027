//! The URL of a Redis server: where it is, and who connects.

use std::str;

/// What a URL says: `redis://USER:PASSWORD@HOST:PORT/DATABASE`, or
/// `unix://USER:PASSWORD@/PATH?db=DATABASE` for a Unix socket. Only the host or the path is needed.
///
/// ```
/// use sockets_by_hand::redis::url::{Place, Url};
///
/// let url = Url::parse("redis://:p%40ss@localhost/2").unwrap();
/// assert_eq!(url.place, Place::Tcp("localhost:6379".to_string()));
/// assert_eq!(url.password.as_deref(), Some("p@ss"));
/// assert_eq!((url.user, url.database), (None, 2));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Url {
    /// Where the server listens.
    pub place: Place,
    /// Who connects; without it, Redis takes the user called `default`.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The number of the database. 0. (Channels are the same for all.)
    pub database: u32,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// `HOST:PORT`; the port is 6379 if the URL has none.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(String),
}

impl Url {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(url: &str) -> Result<Url, &'static str> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (credentials, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (place, database) = match scheme {
            "redis" => {
                let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
                (Place::Tcp(with_port(authority)?), database)
            }
            "unix" if rest.starts_with('/') => {
                let (path, query) = rest.split_once('?').unwrap_or((rest, "db="));
                let database = query.strip_prefix("db=");
                (Place::Unix(decode(path)?), database.ok_or("only db=NUMBER may follow the path")?)
            }
            "unix" => return Err("a Unix socket is unix:///PATH"),
            "rediss" => return Err("there is no TLS here: rediss:// needs a proxy in front"),
            _ => return Err("the URL of a Redis server begins with redis:// or unix://"),
        };
        let given = |text: &str| (!text.is_empty()).then(|| decode(text)).transpose();
        let database = if database.is_empty() { Ok(0) } else { database.parse() };
        Ok(Url {
            place,
            user: given(user)?,
            password: given(password)?,
            database: database.map_err(|_| "the number of a database is expected")?,
        })
    }
}

/// `HOST:PORT`. The colons of an IPv6 address stand in brackets.
fn with_port(authority: &str) -> Result<String, &'static str> {
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host, port.parse().map_err(|_| "a port is a number up to 65535")?),
        None => (authority, 6379_u16),
    };
    if host.is_empty() { Err("a host is expected") } else { Ok(format!("{host}:{port}")) }
}

/// Replaces `%40` by the byte that it stands for (RFC 3986 §2.1).
fn decode(text: &str) -> Result<String, &'static str> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or("two hexadecimal digits are expected behind %")?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| "a URL is UTF-8")
}
