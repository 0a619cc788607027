//! Accepts clients, gives each a thread, knows how many there are, and ends in good order.
//!
//! Picture a doorkeeper. One thread stands at the door ([`Server::serve`]) and leads every guest
//! to a table with a waiter of its own (your handler, on a thread of its own). The house has a
//! limit, and when it closes ([`Handle::close`]) the door shuts first and the guests finish.
//!
//! Chapter 03 of the book.

use std::collections::HashMap;
use std::io::{self, Write};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;
#[cfg(unix)]
use std::{
    fs,
    io::ErrorKind,
    net::{Shutdown, TcpStream},
    os::{
        fd::OwnedFd,
        unix::{fs::FileTypeExt, net::UnixListener},
    },
    path::{Path, PathBuf},
};

use super::report::{self, report};
use super::stream::WeakStream;
use super::{Stream, lock};

/// How many clients may be connected at a time, unless [`Server::max_connections`] is changed.
pub const MAX_CONNECTIONS: usize = 10_000;

/// How long those who are connected may go on after [`Handle::close`], unless
/// [`Server::close_timeout`] is changed.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// A client's thread takes this much address space; memory only as far as the stack is used.
const STACK: usize = 256 * 1024;

/// How long to wait after a failed `accept`: long enough not to spin, too short to be noticed.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a server behind a socket file may take to answer whether it is there.
#[cfg(unix)]
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// A server that listens, and accepts nobody before [`serve`](Server::serve).
///
/// ```
/// use std::io::{Read, Write};
/// use sockets_by_hand::net::{Server, Stream};
///
/// let server = Server::bind("127.0.0.1:0")?;
/// let address = server.address().unwrap();
/// let handle = server.handle();
/// let door = std::thread::spawn(move || {
///     server.serve(|mut stream| stream.write_all(b"Hello from server"))
/// });
///
/// let mut answer = String::new();
/// Stream::connect(address)?.read_to_string(&mut answer)?;
/// assert_eq!(answer, "Hello from server");
///
/// handle.close();
/// door.join().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    address: Option<SocketAddr>,
    handle: Handle,
    /// How many clients may be connected at a time; 10,000 at first. One more is closed at once.
    pub max_connections: usize,
    /// What one client too many is told before it is closed; at first, nothing. (A client that has
    /// written already may be reset before it reads that.)
    pub farewell: &'static [u8],
    /// How long those who are connected may go on after [`Handle::close`]; 30 s at first. Then
    /// their connections are destroyed.
    pub close_timeout: Duration,
}

type Handler = dyn Fn(Stream) -> io::Result<()> + Send + Sync;

enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

/// A duplicate of a listener's descriptor.
#[cfg(unix)]
type Duplicate = OwnedFd;
#[cfg(not(unix))]
type Duplicate = TcpListener;

impl Server {
    /// Listens on a TCP address; port 0 takes any free one, which [`Server::address`] tells.
    ///
    /// # Errors
    /// The address is not `HOST:PORT` ([`io::ErrorKind::InvalidInput`]),
    /// is not one of this machine, or is taken ([`io::ErrorKind::AddrInUse`]).
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Server> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let mut door = address;
        match door.ip() {
            // Windows does not connect to "any address", but where that is bound, loopback is too.
            IpAddr::V4(ip) if ip.is_unspecified() => door.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => door.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let duplicate = listener.try_clone().ok().map(Duplicate::from);
        let knock = move || drop(Stream::connect(door));
        Ok(Server::new(Listener::Tcp(listener), Some(address), duplicate, knock))
    }

    /// Listens on a Unix socket: a file at `path`, which goes away with the server.
    ///
    /// A socket file that no server listens behind (left by one that was killed) is replaced.
    /// Asking costs a connection: a live server sees a client come and go.
    ///
    /// # Errors
    /// The file belongs to a live server or is no socket ([`ErrorKind::AddrInUse`]), or the
    /// folder does not exist or may not be written.
    #[cfg(unix)]
    pub fn bind_path(path: impl AsRef<Path>) -> io::Result<Server> {
        let path = path.as_ref();
        let listener = UnixListener::bind(path).or_else(|e| {
            if !is_abandoned(path) {
                return Err(e);
            }
            fs::remove_file(path)?;
            UnixListener::bind(path)
        })?;
        let door = path.to_owned();
        let duplicate = listener.try_clone().ok().map(Duplicate::from);
        let listener = Listener::Unix(listener, door.clone());
        let knock = move || drop(Stream::connect_path(&door));
        Ok(Server::new(listener, None, duplicate, knock))
    }

    fn new(
        listener: Listener,
        address: Option<SocketAddr>,
        duplicate: Option<Duplicate>,
        knock: impl Fn() + Send + Sync + 'static,
    ) -> Server {
        let (phase, clients) = (Phase::Bound(listener), HashMap::new());
        let state = Mutex::new(State { phase, duplicate, clients, accepted: 0 });
        let knock = Box::new(knock);
        Server {
            address,
            handle: Handle(Arc::new(Shared { state, changed: Condvar::new(), knock })),
            max_connections: MAX_CONNECTIONS,
            farewell: b"",
            close_timeout: CLOSE_TIMEOUT,
        }
    }

    /// Where the server listens; `None` on a Unix socket, whose path you know.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What stops the server, and counts its clients, from any thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Accepts clients until [`Handle::close`], runs `handler` for each on a thread of its own, and
    /// returns when the last of them has returned. ([`close_timeout`](Server::close_timeout) after
    /// the close, every `read` and `write` of theirs fails.)
    ///
    /// The connection ends when `handler` has returned and no clone of its [`Stream`] is left. An
    /// error that it returns, like a panic, ends that connection alone, and is said on stderr.
    /// So is a client that could not be accepted for want of a descriptor or a thread.
    pub fn serve(self, handler: impl Fn(Stream) -> io::Result<()> + Send + Sync + 'static) {
        report::prepare();
        let handler: Arc<Handler> = Arc::new(handler);
        let handle = self.handle.clone();
        let (door, waiting) = mpsc::channel::<(Stream, Guest)>();
        // A thread takes longer to start than a client to accept. In a rush the accepted wait here,
        // where nobody is turned away, and not in the kernel's queue, which is short (128).
        let usher = thread::spawn(move || {
            for (stream, guest) in waiting {
                start(stream, guest, handler.clone());
            }
        });
        let Some(listener) = handle.begin() else { return };
        while !handle.is_closed() {
            match listener.accept() {
                Ok(mut stream) => match handle.let_in(&stream, self.max_connections) {
                    Some(guest) => _ = door.send((stream, guest)), // the usher is there until the end
                    None => _ = stream.write(self.farewell), // it fits: nothing was written before
                },
                Err(e) => handle.not_served(e),
            }
        }
        drop(listener); // from here on, whoever connects is refused
        handle.change(|state| state.phase = Phase::Closed);
        drop(door);
        _ = usher.join();
        handle.end(self.close_timeout);
    }
}

/// One that has not served frees its port.
impl Drop for Server {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Gives one client its thread.
fn start(stream: Stream, guest: Guest, handler: Arc<Handler>) {
    let handle = guest.handle.clone();
    let started = thread::Builder::new().stack_size(STACK).spawn(move || {
        let _counted_until_the_end = guest;
        if let Err(e) = handler(stream) {
            report(&format!("Client lost: {e}"));
        }
    });
    if let Err(e) = started {
        handle.not_served(e);
    }
}

/// Whether the file at `path` is a socket behind which nobody listens any more. A live server whose
/// queue of clients is full does not answer: that is no refusal.
#[cfg(unix)]
fn is_abandoned(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let (asked, answer) = mpsc::channel();
    let path = path.to_owned();
    let ask = move || asked.send(Stream::connect_path(path).map_err(|e| e.kind()).err());
    is_socket
        && thread::Builder::new().spawn(ask).is_ok()
        && answer.recv_timeout(ASK_TIMEOUT) == Ok(Some(ErrorKind::ConnectionRefused))
}

impl Listener {
    fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => listener.accept().map(|(socket, _)| socket.into()),
            #[cfg(unix)]
            Listener::Unix(listener, _) => listener.accept().map(|(socket, _)| socket.into()),
        }
    }
}

#[cfg(unix)]
impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // If someone was quicker to remove it, all is well.
            _ = fs::remove_file(path);
        }
    }
}

/// Stops a [`Server`] from any thread, and counts its clients. A clone is the same handle.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Connects to the server itself, which wakes a thread that waits in `accept`.
    knock: Box<dyn Fn() + Send + Sync>,
}

struct State {
    phase: Phase,
    /// Wakes a thread that waits in `accept`, or is at least a descriptor to be had when all are in use.
    duplicate: Option<Duplicate>,
    /// The connections of those whose handler has not returned yet.
    clients: HashMap<u64, WeakStream>,
    /// How many clients there have been.
    accepted: u64,
}

enum Phase {
    /// It listens, and accepts nobody.
    Bound(Listener),
    /// A thread waits in `accept`.
    Serving,
    /// It has been closed, and that thread has not noticed yet.
    Closing,
    /// The port is free.
    Closed,
}

impl Handle {
    /// Closes the door: when this returns, no new client is accepted, and the port is free. Those
    /// who are connected may go on for [`Server::close_timeout`]; [`wait`](Handle::wait) for them.
    pub fn close(&self) {
        let mut state = lock(&self.0.state);
        state.phase = match mem::replace(&mut state.phase, Phase::Closed) {
            Phase::Bound(_) | Phase::Closed => Phase::Closed,
            Phase::Serving | Phase::Closing => Phase::Closing,
        };
        self.0.changed.notify_all();
        while !matches!(state.phase, Phase::Closed) {
            let duplicate = state.duplicate.take();
            drop(state); // the thread that is to be woken needs it
            if !shut_down(duplicate) {
                (self.0.knock)();
            }
            state = lock(&self.0.state);
            let closing = |s: &mut State| !matches!(s.phase, Phase::Closed);
            let woken = self.0.changed.wait_timeout_while(state, PAUSE, closing);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.duplicate = None; // it has the port as well
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        lock(&self.0.state).is_closed()
    }

    /// Waits until the server has been closed and its last client's handler has returned. (A handler
    /// that calls it waits for itself.)
    pub fn wait(&self) {
        drop(self.0.changed.wait_while(lock(&self.0.state), |state| state.is_in_use()));
    }

    /// How many clients are connected now.
    pub fn connections(&self) -> usize {
        lock(&self.0.state).clients.len()
    }

    /// The listener, for the thread that accepts; none if it has been closed before.
    fn begin(&self) -> Option<Listener> {
        let mut state = lock(&self.0.state);
        match mem::replace(&mut state.phase, Phase::Closed) {
            Phase::Bound(listener) => {
                state.phase = Phase::Serving;
                Some(listener)
            }
            _ => None,
        }
    }

    /// Waits for the last client, and after `time` destroys the connections of those who are left.
    fn end(&self, time: Duration) {
        let in_use = |state: &mut State| state.is_in_use();
        let waited = self.0.changed.wait_timeout_while(lock(&self.0.state), time, in_use);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.clients.values().for_each(WeakStream::destroy);
        drop(state);
        self.wait();
    }

    /// Counts a client in, unless there are `max` already, or the server has been closed meanwhile.
    fn let_in(&self, stream: &Stream, max: usize) -> Option<Guest> {
        let mut state = lock(&self.0.state);
        (!state.is_closed() && state.clients.len() < max).then(|| {
            state.accepted += 1;
            let number = state.accepted;
            state.clients.insert(number, stream.downgrade());
            Guest { handle: self.clone(), number }
        })
    }

    /// No descriptor or no thread for a client: waits a moment for others to leave. (Or the server has
    /// been closed, which is why there is no client.)
    fn not_served(&self, e: io::Error) {
        if self.is_closed() {
            return;
        }
        report(&format!("Client not served: {e}"));
        let open = |state: &mut State| !state.is_closed();
        drop(self.0.changed.wait_timeout_while(lock(&self.0.state), PAUSE, open));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.0.state));
        self.0.changed.notify_all();
    }
}

impl State {
    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Closed)
    }

    /// Somebody may still come, or has not left.
    fn is_in_use(&self) -> bool {
        !matches!(self.phase, Phase::Closed) || !self.clients.is_empty()
    }
}

/// Shuts a listener down, which wakes a thread that waits in its `accept`: on Linux, if not everywhere.
#[cfg(unix)]
fn shut_down(listener: Option<Duplicate>) -> bool {
    listener.is_some_and(|it| TcpStream::from(it).shutdown(Shutdown::Both).is_ok())
}
#[cfg(not(unix))]
fn shut_down(_: Option<Duplicate>) -> bool {
    false
}

/// A client that has been counted in, and is counted out however its thread ends.
struct Guest {
    handle: Handle,
    number: u64,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.handle.change(|state| _ = state.clients.remove(&self.number));
    }
}
