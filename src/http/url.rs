//! URLs: where a server is, and what to request there.

use super::{Error, Headers, Request};

/// A URL without TLS, such as `ws://127.0.0.1:8080/chat?room=tea` (RFC 3986 §3).
///
/// ```
/// use sockets_by_hand::http::Url;
///
/// let url = Url::parse("HTTP://[::1]/chat?room=tea#top")?;
/// assert_eq!((&*url.scheme, &*url.authority), ("http", "[::1]:80"));
/// assert_eq!((&*url.path, &*url.query), ("/chat", "room=tea"));
/// # Ok::<(), sockets_by_hand::http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Url {
    /// The scheme, in lower case: `http` or `ws`, `https` or `wss`, or another.
    pub scheme: String,
    /// `HOST:PORT`; the port is 80 if the URL has none.
    pub authority: String,
    /// The path, as it was written: empty, or it begins with `/`.
    pub path: String,
    /// What stands behind the `?`, or nothing.
    pub query: String,
    /// Whether there is a fragment (`#…`): it is not part of a request.
    pub has_fragment: bool,
}

impl Url {
    /// Takes a URL apart. Nothing is decoded.
    ///
    /// # Errors
    /// The URL has no host, has a user, or its port is not a number ([`Error::InvalidUrl`]).
    pub fn parse(url: &str) -> Result<Url, Error> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(a, b)| (a, Some(b)));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.is_empty() || authority.starts_with(':') || authority.contains('@') {
            return Err(Error::InvalidUrl("the URL of a server names a host, and no user"));
        }
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match authority.rsplit_once(':').filter(|(_, p)| !p.contains(']')) {
            Some((host, "")) => (host, "80"),
            Some(both) => both,
            None => (authority, "80"),
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err() {
            return Err(Error::InvalidUrl("the port of a URL is a number up to 65535"));
        }
        Ok(Url {
            scheme: scheme.to_ascii_lowercase(),
            authority: format!("{host}:{port}"),
            path: path.to_string(),
            query: query.to_string(),
            has_fragment: fragment.is_some(),
        })
    }

    /// A request for this URL, with `Host` unless `extra` has one. (`extra` is still to be added.)
    pub(crate) fn request(&self, method: &str, extra: &Headers) -> Request {
        let slash = if self.path.is_empty() { "/" } else { "" };
        let mark = if self.query.is_empty() { "" } else { "?" };
        let target = [slash, &self.path, mark, &self.query].concat();
        let mut request = Request::new(method, &target);
        if extra.get("Host").is_none() {
            // RFC 9110 §4.2.3: the port of the scheme is left out.
            let host = self.authority.strip_suffix(":80").unwrap_or(&self.authority);
            request.headers.push("Host", host);
        }
        request
    }
}
