//! A WebSocket server: answers handshakes, serves pages on the same port, and broadcasts to its
//! clients.
//!
//! Chapter 17 of the book.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, net::SocketAddr, net::ToSocketAddrs};

use super::compression::PerMessageDeflate;
use super::endpoint::Endpoint;
use super::message::Message;
use super::socket::{Sender, Socket};
use super::{Error, MAX_PAYLOAD, handshake};
use crate::http::{BODY_TIME, Connection, HEAD_TIME, MAX_BODY, Page, Request, Response, Upgrade};
use crate::net::clock::{self, Timer};
use crate::net::server::Handle;
use crate::net::{self, Stream, lock, outbox::MAX_QUEUED};

/// The response to a client that is one too many.
pub const OVERLOAD_RESPONSE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

type VerifyClient = dyn Fn(&Request) -> Result<(), Response> + Send + Sync;
type HandleProtocols = dyn Fn(&[&str], &Request) -> Option<String> + Send + Sync;

/// A server that listens. It accepts no client before [`serve`](Server::serve).
///
/// ```
/// use sockets_by_hand::ws::{self, Message, Options, Server};
///
/// let server = Server::bind("127.0.0.1:0", Options::default())?;
/// let url = format!("ws://{}/", server.address().unwrap());
/// std::thread::spawn(|| {
///     server.serve(|mut socket| {
///         while let Some(message) = socket.read()? {
///             socket.send(message)?;
///         }
///         Ok(())
///     })
/// });
///
/// let mut socket = ws::connect(&url)?;
/// socket.send("Hello")?;
/// assert_eq!(socket.read()?, Some(Message::from("Hello")));
/// # Ok::<(), ws::Error>(())
/// ```
pub struct Server {
    net: net::Server,
    clients: Clients,
    options: Options,
    page: Page,
}

/// What can be set; in snake_case, the names of npm's `ws` where it has the same.
///
/// ```
/// use sockets_by_hand::ws::{Options, Server};
///
/// let path = Some("/chat".to_string());
/// let server = Server::bind("127.0.0.1:0", Options { path, ..Options::default() })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Options {
    /// The path on which WebSockets are served. `None`: on every path.
    pub path: Option<String>,
    /// The most bytes that a message may have. 16 MiB.
    pub max_payload: usize,
    /// A client is dropped when one more message comes while more bytes than this wait for it. 16
    /// MiB, of which 1 MiB may wait however much waits for others: see [`net::outbox`].
    pub max_queued: usize,
    /// How many clients may be connected at a time. 10,000. One more gets a 503.
    pub max_connections: usize,
    /// How long open connections may go on after [`Handle::close`]. 30 s. Then they are destroyed.
    pub close_timeout: Duration,
    /// How long the head of a request may take to arrive. 10 s.
    pub handshake_timeout: Duration,
    /// The interval at which every client is pinged. One that has not answered by the next ping is
    /// disconnected. `None`: no pings.
    pub heartbeat: Option<Duration>,
    /// Accepts or refuses each handshake, such as by its `Origin`. A client that is refused gets
    /// the response (401 and 403 are usual). All are accepted.
    pub verify_client: Box<VerifyClient>,
    /// Chooses a subprotocol among those that a client offers, or none. The first.
    pub handle_protocols: Box<HandleProtocols>,
    /// The most bytes that the body of a request for a [`page`](Server::page) may have. 64 KiB.
    /// More gets a 413.
    pub max_body: usize,
    /// Whether messages may be compressed, and how. They are not.
    pub per_message_deflate: Option<PerMessageDeflate>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            path: None,
            max_payload: MAX_PAYLOAD,
            max_queued: MAX_QUEUED,
            max_connections: net::server::MAX_CONNECTIONS,
            close_timeout: net::server::CLOSE_TIMEOUT,
            handshake_timeout: HEAD_TIME,
            heartbeat: None,
            verify_client: Box::new(|_| Ok(())),
            handle_protocols: Box::new(|offered, _| offered.first().map(|first| first.to_string())),
            max_body: MAX_BODY,
            per_message_deflate: None,
        }
    }
}

impl Server {
    /// Listens on a TCP address; port 0 takes any free one, which [`Server::address`] tells.
    ///
    /// # Errors
    /// As for [`net::Server::bind`].
    pub fn bind(address: impl ToSocketAddrs, options: Options) -> io::Result<Server> {
        let Options { max_connections, close_timeout, .. } = options;
        let overload_response = OVERLOAD_RESPONSE;
        let limits = net::Options { max_connections, overload_response, close_timeout };
        let net = net::Server::bind(address, limits)?;
        let page: Page = Box::new(|_, _| handshake::upgrade_required("Upgrade Required"));
        Ok(Server { net, clients: Clients::default(), options, page })
    }

    /// Sets what answers the requests that are not handshakes, which get a 426 otherwise. It
    /// receives the request, with the address of the client, and the body. It may wait: only that
    /// client waits. (The `request` event of the HTTP server.)
    ///
    /// ```
    /// use sockets_by_hand::{http::Response, ws::{Options, Server}};
    ///
    /// let mut server = Server::bind("127.0.0.1:0", Options::default())?;
    /// let clients = server.clients();
    /// server.page(move |_request, _body| {
    ///     Response::text(200, &format!("{} are connected", clients.all().len()))
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn page(&mut self, page: impl Fn(&Request, &[u8]) -> Response + Send + Sync + 'static) {
        self.page = Box::new(page);
    }

    /// The address on which the server listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.net.address()
    }

    /// A handle that stops the server and counts its connections, from any thread.
    pub fn handle(&self) -> Handle {
        self.net.handle()
    }

    /// The clients that have an open WebSocket, now and later.
    pub fn clients(&self) -> Clients {
        self.clients.clone()
    }

    /// Accepts clients until [`Handle::close`], runs `handler` for each WebSocket on a thread of
    /// its own, and returns when the last of them has returned.
    ///
    /// The connection ends when `handler` returns. If it returns an error or panics, only that
    /// connection ends, and the error is written to stderr.
    pub fn serve(self, handler: impl Fn(Socket) -> Result<(), Error> + Send + Sync + 'static) {
        let Server { net, clients, options, page } = self;
        let Options { max_queued, handshake_timeout, max_body, .. } = options;
        let endpoint = Endpoint::new(options, clients, handler);
        let pages = Pages { page, max_queued, handshake_timeout, max_body };
        let handle = net.handle();
        net.serve(move |stream| match pages.serve_client(stream, &endpoint, &handle)? {
            Some((connection, request)) => Ok(endpoint.serve(connection, request, &handle)?),
            None => Ok(()),
        });
    }
}

/// What a connection gets before it asks for a WebSocket.
struct Pages {
    page: Page,
    max_queued: usize,
    handshake_timeout: Duration,
    max_body: usize,
}

impl Pages {
    /// Answers the requests of one connection, up to one that asks for a WebSocket.
    //
    // Not inlined: the thread of a silent client keeps the stack that it has used.
    #[inline(never)]
    fn serve_client(
        &self,
        stream: Stream,
        endpoint: &Endpoint,
        handle: &Handle,
    ) -> Result<Option<Upgrade>, Error> {
        let mut connection = Box::new(Connection::new(stream, self.max_queued)?);
        while let Some(request) = connection.next(self.handshake_timeout)? {
            if endpoint.matches(&request) {
                return Ok(Some((connection, request.into())));
            }
            let page = match connection.body(&request, self.max_body, BODY_TIME) {
                Ok(body) => (self.page)(&request, &body),
                Err(refusal) => {
                    connection.finish(refusal)?;
                    break;
                }
            };
            if handle.is_closed() {
                connection.finish(page)?;
                break;
            }
            connection.respond(page)?;
        }
        Ok(None)
    }
}

/// The clients of a [`Server`] that have an open WebSocket. A clone is the same list.
#[derive(Clone, Default)]
pub struct Clients(pub(super) Arc<Mutex<List>>);

#[derive(Default)]
pub(super) struct List {
    pub senders: Vec<Sender>,
    /// The timer of the next heartbeat.
    pub heartbeat: Option<Timer>,
}

impl Clients {
    /// The clients that are connected now.
    pub fn all(&self) -> Vec<Sender> {
        lock(&self.0).senders.clone()
    }

    /// Sends a message to all clients. It is encoded once.
    pub fn broadcast(&self, message: impl Into<Message>) {
        self.broadcast_except(None, message);
    }

    /// Sends a message to all clients but one, which is often its author.
    pub fn broadcast_except(&self, except: Option<&Sender>, message: impl Into<Message>) {
        let message = message.into();
        let plain: Arc<[u8]> = message.encode(None).into();
        let deflated = self.deflate(&message);
        // Under the lock: all clients receive two broadcasts in the same order.
        for sender in lock(&self.0).senders.iter().filter(|sender| Some(*sender) != except) {
            // (If it fails, the client's own thread ends.)
            _ = match (sender.shared_deflate(), &deflated) {
                (Some(deflate), Some(deflated)) => {
                    deflate.shared(|| sender.send_encoded(deflated.clone()))
                }
                _ => sender.send_encoded(plain.clone()),
            };
        }
    }

    /// The message as a compressed frame for all clients with compression, if there is one.
    fn deflate(&self, message: &Message) -> Option<Arc<[u8]>> {
        let has_compression = |sender: &&Sender| sender.shared_deflate().is_some();
        let sender = lock(&self.0).senders.iter().find(has_compression).cloned()?;
        let (opcode, payload) = message.payload();
        let mut frame = Vec::new();
        sender.shared_deflate()?.write_frame(opcode, payload, &mut frame);
        Some(frame.into())
    }

    /// Starts the heartbeat, if there is one.
    pub(super) fn start_heartbeat(&self, interval: Option<Duration>) {
        if let Some(interval) = interval {
            self.schedule_heartbeat(&mut lock(&self.0), interval);
        }
    }

    /// Pings all clients after `interval`, and again and again until the server has ended.
    fn schedule_heartbeat(&self, list: &mut List, interval: Duration) {
        let clients = Arc::downgrade(&self.0);
        list.heartbeat = Some(clock::after(interval, move || {
            let Some(clients) = clients.upgrade().map(Clients) else { return };
            clients.all().iter().for_each(Sender::check_alive);
            let mut list = lock(&clients.0);
            if list.heartbeat.is_some() {
                clients.schedule_heartbeat(&mut list, interval); // the server has not ended meanwhile
            }
        }));
    }
}

/// Keeps a client in the list until its handler has returned, even by a panic.
pub(super) struct Listed<'a> {
    pub clients: &'a Clients,
    pub sender: Sender,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        lock(&self.clients.0).senders.retain(|sender| *sender != self.sender);
    }
}
