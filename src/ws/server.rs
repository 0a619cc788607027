//! A WebSocket server: lets clients in, knows who is there, and says things to all of them.
//!
//! Picture the doorkeeper of floor 1 with a desk. Whoever comes has ten seconds to say what they
//! want. Those who want a WebSocket get one, if they may; others get a page, and may ask for more.
//!
//! Chapter 13 of the book.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, net::SocketAddr, net::ToSocketAddrs};

use super::message::Message;
use super::socket::{Role, Sender, Socket};
use super::{Error, MAX_PAYLOAD, handshake};
use crate::http::{BODY_TIME, Connection, HEAD_TIME, Request, Response};
use crate::net::clock::{self, Timer};
use crate::net::server::Handle;
use crate::net::{self, Stream, lock, outbox::MAX_QUEUED};

/// What one client too many is told.
pub const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The longest body that a request for a page may have: it is read, and not looked at.
const MAX_BODY: usize = 64 * 1024;

type VerifyClient = dyn Fn(&Request) -> Result<(), Response> + Send + Sync;
type HandleProtocols = dyn Fn(&[&str], &Request) -> Option<String> + Send + Sync;
type Page = dyn Fn(&Request) -> Response + Send + Sync;
type Handler = dyn Fn(Socket) -> Result<(), Error> + Send + Sync;

/// A server that listens, and accepts nobody before [`serve`](Server::serve).
///
/// ```
/// use sockets_by_hand::ws::{self, Message, Server};
///
/// let server = Server::bind("127.0.0.1:0")?;
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
    /// What may be chosen until [`serve`](Server::serve) is called.
    pub options: Options,
}

/// What a server asks of whoever comes, and tells them.
///
/// ```
/// use sockets_by_hand::{http::Response, ws::Server};
///
/// let mut server = Server::bind("127.0.0.1:0")?;
/// server.options.path = Some("/chat".to_string());
/// server.options.page = Box::new(|_| Response::html("<h1>The chat is elsewhere</h1>"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Options {
    /// WebSockets are served on this path alone; on every one at first (`None`).
    pub path: Option<String>,
    /// The most bytes that a message may have; 16 MiB at first.
    pub max_payload: usize,
    /// A client for which more than so many bytes wait, and one more message comes, is dropped; 16 MiB
    /// at first, of which 1 MiB may wait however much waits for others: see [`net::outbox`].
    pub max_queued: usize,
    /// How many clients may be connected at a time; 10,000 at first. One more gets a 503.
    pub max_connections: usize,
    /// How long those who are connected may go on after [`Handle::close`]; 30 s at first. Then their
    /// connections are destroyed.
    pub close_timeout: Duration,
    /// How long a client may take to say what it wants; 10 s at first.
    pub handshake_timeout: Duration,
    /// Every client is pinged at this interval, and cut off if it has not answered by the next one;
    /// at first nobody is pinged.
    pub heartbeat: Option<Duration>,
    /// Judges each request for a WebSocket, such as by its `Origin`: a client that may not come in
    /// gets the response (401 and 403 are usual). At first all may.
    pub verify_client: Box<VerifyClient>,
    /// Chooses a subprotocol among those that a client offers, or none. At first it is the first.
    pub handle_protocols: Box<HandleProtocols>,
    /// Answers requests that do not want a WebSocket. At first they get a 426.
    pub page: Box<Page>,
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
            page: Box::new(|_| handshake::upgrade_required("Upgrade Required")),
        }
    }
}

impl Server {
    /// Listens on a TCP address; port 0 takes any free one, which [`Server::address`] tells.
    ///
    /// # Errors
    /// As for [`net::Server::bind`].
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Server> {
        let net = net::Server::bind(address)?;
        Ok(Server { net, clients: Clients::default(), options: Options::default() })
    }

    /// Where the server listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.net.address()
    }

    /// What stops the server, and counts its connections, from any thread.
    pub fn handle(&self) -> Handle {
        self.net.handle()
    }

    /// The clients that have a WebSocket, now and later.
    pub fn clients(&self) -> Clients {
        self.clients.clone()
    }

    /// Accepts clients until [`Handle::close`], runs `handler` for each WebSocket on a thread of its
    /// own, and returns when the last of them has returned.
    ///
    /// The connection ends when `handler` returns. An error that it returns, like a panic, ends that
    /// connection alone, and is said on stderr.
    pub fn serve(self, handler: impl Fn(Socket) -> Result<(), Error> + Send + Sync + 'static) {
        let Server { mut net, clients, options } = self;
        (net.max_connections, net.farewell) = (options.max_connections, FULL);
        net.close_timeout = options.close_timeout;
        if let Some(interval) = options.heartbeat {
            clients.beat(&mut lock(&clients.0), interval);
        }
        let (served, door) = (clients.clone(), net.handle());
        net.serve(move |stream| Ok(options.receive(stream, &served, &door, &handler)?));
        lock(&clients.0).heartbeat = None;
    }
}

impl Options {
    /// One connection: pages as long as it asks for pages, and then perhaps a WebSocket.
    fn receive(
        &self,
        stream: Stream,
        clients: &Clients,
        door: &Handle,
        handler: &Handler,
    ) -> Result<(), Error> {
        let mut connection = Connection::new(stream, self.max_queued)?;
        while let Some(request) = connection.next(self.handshake_timeout)? {
            let ours = self.path.as_ref().is_none_or(|path| path == request.path());
            let wanted = ours && handshake::is_upgrade(&request);
            let max = if wanted { 0 } else { MAX_BODY };
            if let Err(refusal) = connection.body(&request, max, BODY_TIME) {
                return Ok(connection.finish(refusal)?);
            }
            if wanted {
                let (response, protocol) = match self.negotiate(&request) {
                    Ok(accepted) => accepted,
                    Err(refusal) => return Ok(connection.finish(refusal)?),
                };
                // Once told that it is in, a client hears all that is said from then on; and once the
                // door has closed, nobody comes onto the list.
                let mut list = lock(&clients.0);
                if door.is_closed() {
                    drop(list);
                    return Ok(connection.finish(Response::text(503, "The server is closing"))?);
                }
                connection.respond(response)?;
                let Connection { reader, outbox, .. } = connection;
                let (max, request) = (self.max_payload, request.into());
                let socket = Socket::new(reader, outbox, Role::Server, max, request, protocol);
                list.senders.push(socket.sender());
                drop(list);
                let _listed_until_the_end = Listed { clients, sender: socket.sender() };
                return handler(socket);
            }
            let page = (self.page)(&request);
            if door.is_closed() {
                return Ok(connection.finish(page)?);
            }
            connection.respond(page)?;
        }
        Ok(())
    }

    /// The response that opens a WebSocket, with the subprotocol; or the one that refuses it.
    fn negotiate(&self, request: &Request) -> Result<(Response, Option<String>), Response> {
        let mut response = handshake::accept(request)?;
        (self.verify_client)(request)?;
        let protocol = (self.handle_protocols)(&handshake::offered(request), request);
        if let Some(protocol) = &protocol {
            response.headers.push("Sec-WebSocket-Protocol", protocol);
        }
        Ok((response, protocol))
    }
}

/// Those who have a WebSocket to a [`Server`]. A clone is the same list.
#[derive(Clone, Default)]
pub struct Clients(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    senders: Vec<Sender>,
    /// When the next heartbeat is due.
    heartbeat: Option<Timer>,
}

impl Clients {
    /// Everyone who is connected now.
    pub fn all(&self) -> Vec<Sender> {
        lock(&self.0).senders.clone()
    }

    /// Sends a message to everyone. It is encoded once.
    pub fn broadcast(&self, message: impl Into<Message>) {
        self.broadcast_except(None, message);
    }

    /// Sends a message to everyone but one, who has often said it.
    pub fn broadcast_except(&self, except: Option<&Sender>, message: impl Into<Message>) {
        let frame: Arc<[u8]> = message.into().encode(None).into();
        // Under the lock: all who hear two broadcasts hear them in the same order.
        for sender in lock(&self.0).senders.iter().filter(|sender| Some(*sender) != except) {
            _ = sender.send_encoded(frame.clone()); // who cannot be sent to is about to leave
        }
    }

    /// Checks on everyone after `interval`, and again and again, as long as there is a list.
    fn beat(&self, list: &mut List, interval: Duration) {
        let clients = Arc::downgrade(&self.0);
        list.heartbeat = Some(clock::after(interval, move || {
            let Some(clients) = clients.upgrade().map(Clients) else { return };
            clients.all().iter().for_each(Sender::check_alive);
            let mut list = lock(&clients.0);
            if list.heartbeat.is_some() {
                clients.beat(&mut list, interval); // the server has not ended meanwhile
            }
        }));
    }
}

/// A client that is in the list until its handler has returned, however it does.
struct Listed<'a> {
    clients: &'a Clients,
    sender: Sender,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        lock(&self.clients.0).senders.retain(|sender| *sender != self.sender);
    }
}
