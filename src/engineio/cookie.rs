//! The cookie with the session id, by which a load balancer finds a client's server again.

use std::time::Duration;

use crate::http::escape;

/// The attributes of the cookie in the first response of a session over polling; its value is the
/// session id. Attributes that are `None` or `false` are left out. (RFC 6265 §4.1)
///
/// ```
/// use sockets_by_hand::engineio::{Cookie, Options};
///
/// let options = Options { cookie: Some(Cookie::default()), ..Options::default() };
/// // Set-Cookie: io=…; Path=/; HttpOnly; SameSite=Lax
/// ```
#[derive(Clone, Debug)]
pub struct Cookie {
    /// The name. `io`.
    pub name: String,
    /// How long the client keeps the cookie, in whole seconds. `None`: until the browser ends.
    pub max_age: Option<Duration>,
    /// The host whose subdomains receive the cookie too. `None`: only this server's host.
    pub domain: Option<String>,
    /// The path below which the client sends the cookie. `/`.
    pub path: Option<String>,
    /// Whether scripts of a page cannot read the cookie. `true`.
    pub http_only: bool,
    /// Whether the cookie is only sent over TLS. `false`.
    pub secure: bool,
    /// Whether pages of other sites send the cookie: `Lax`, `Strict` or `None`. `Lax`.
    pub same_site: Option<String>,
}

impl Default for Cookie {
    fn default() -> Cookie {
        Cookie {
            name: "io".to_string(),
            max_age: None,
            domain: None,
            path: Some("/".to_string()),
            http_only: true,
            secure: false,
            same_site: Some("Lax".to_string()),
        }
    }
}

impl Cookie {
    /// The value of `Set-Cookie` for a session.
    pub(super) fn serialize(&self, id: &str) -> String {
        let value = escape(id, |byte| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte));
        let mut cookie = format!("{}={value}", self.name);
        let max_age = self.max_age.map(|max_age| max_age.as_secs().to_string());
        let attributes = [
            ("Max-Age", &max_age),
            ("Domain", &self.domain),
            ("Path", &self.path),
            ("HttpOnly", &self.http_only.then(String::new)),
            ("Secure", &self.secure.then(String::new)),
            ("SameSite", &self.same_site),
        ];
        for (name, value) in attributes {
            match value.as_deref() {
                Some("") => cookie += &format!("; {name}"),
                Some(value) => cookie += &format!("; {name}={value}"),
                None => {}
            }
        }
        cookie
    }
}
