//! The page of the wiretap: a sequence diagram of the conversation, in any number of browsers.
//!
//! What it shows is secret. A page of another site must not read it, although it runs in a browser
//! on the same machine: see [`refusal`].

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::json;
use sockets_by_hand::ws::{Error, Options, Sender, Server, Socket};

use super::bytes::hex;
use super::entry::Entry;

/// How many entries whoever opens the page later still gets.
const MAX_ENTRIES: usize = 2000;

/// How many bytes of JSON these may have together: all of them fit into the queue of one viewer.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What a browser may do with the page: run its own script and open its own WebSocket, and never
/// make markup of a text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

/// A page that is being served. A clone is the same page.
#[derive(Clone)]
pub struct Page {
    /// Where it is served.
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

/// Under one lock, so that each viewer gets each entry once, in order.
#[derive(Default)]
struct Shared {
    history: VecDeque<String>,
    bytes: usize,
    viewers: Vec<Sender>,
}

/// Serves the page at an address, from a thread of its own; port 0 takes any free one.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve(address: impl ToSocketAddrs) -> io::Result<Page> {
    let verify_client = Box::new(|request: &Request| match refusal(request) {
        None if is_own_origin(request) => Ok(()),
        None => Err(Response::text(403, "Only the page itself may open its WebSocket")),
        Some(refusal) => Err(refusal),
    });
    let mut server = Server::bind(address, Options { verify_client, ..Options::default() })?;
    let address = server.address().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let page = Page { address, shared: Arc::default() };
    let served = page.clone();
    server.page(|request, _body| {
        refusal(request).unwrap_or_else(|| file(request).with("Content-Security-Policy", POLICY))
    });
    thread::Builder::new().spawn(move || server.serve(move |socket| served.view(socket)))?;
    Ok(page)
}

impl Page {
    /// Shows an entry to all who look, now and later. A browser that does not read is dropped.
    pub fn show(&self, entry: &Entry) {
        let message = encode(entry);
        let mut shared = self.lock();
        shared.viewers.retain(|viewer| viewer.send(&*message).is_ok());
        shared.bytes += message.len();
        shared.history.push_back(message);
        while shared.history.len() > MAX_ENTRIES || shared.bytes > MAX_BYTES {
            let Some(oldest) = shared.history.pop_front() else { break };
            shared.bytes -= oldest.len();
        }
    }

    /// Sends the history, and from then on each entry, until the browser has gone.
    fn view(&self, mut socket: Socket) -> Result<(), Error> {
        let viewer = socket.sender();
        let mut shared = self.lock();
        shared.history.iter().try_for_each(|message| viewer.send(&**message))?;
        shared.viewers.push(viewer.clone());
        drop(shared);
        while let Ok(Some(_)) = socket.read() {} // a viewer has nothing to say
        self.lock().viewers.retain(|other| *other != viewer);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry as JSON.
fn encode(entry: &Entry) -> String {
    json!({
        connection: entry.connection, at: entry.at.as_secs_f64(), from: entry.from.name(), layer: entry.layer.name,
        text: &entry.text, details: &entry.details, bytes: hex(&entry.bytes, entry.bytes.len()), length: entry.length,
    })
    .to_string()
}

fn file(request: &Request) -> Response {
    match (&*request.method, request.path()) {
        ("GET" | "HEAD", "/") => Response::html(include_str!("page.html")),
        ("GET" | "HEAD", "/page.css") => {
            Response::bytes(200, "text/css; charset=utf-8", include_str!("page.css"))
        }
        ("GET" | "HEAD", "/page.js") => {
            Response::bytes(200, "text/javascript; charset=utf-8", include_str!("page.js"))
        }
        ("GET" | "HEAD", _) => Response::text(404, "There is one page here: /"),
        _ => Response::text(405, "Pages are read with GET").with("Allow", "GET, HEAD"),
    }
}

/// Refuses a request whose `Host` is a name: a name of another site may resolve to this machine
/// (DNS rebinding), and its pages would then be of the same origin.
fn refusal(request: &Request) -> Option<Response> {
    let host = request.headers.get("host").unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    let is_address = host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok();
    let known = is_address || name == "localhost";
    (!known).then(|| Response::text(403, "This page is served at an IP address or at localhost"))
}

/// Whether a handshake comes from a page that was served here (RFC 6455 §10.2).
fn is_own_origin(request: &Request) -> bool {
    let host = request.headers.get("host").unwrap_or_default();
    let origin = request.headers.get("origin").unwrap_or_default();
    origin.eq_ignore_ascii_case(&format!("http://{host}"))
}
