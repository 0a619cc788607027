//! A server: accepts connections, runs a handler for each on a thread of its own, and ends in good
//! order.
//!
//! The thread in [`Server::serve`] accepts. A second thread (the spawner) starts a thread for each
//! client, which runs your handler. The number of connections is limited. [`Handle::close`] first
//! stops accepting, and then lets the open connections end.
//!
//! Chapters 04 and 05 of the book.

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
use super::{Stream, sync::lock};

/// The default of [`Options::max_connections`].
pub const MAX_CONNECTIONS: usize = 10_000;

/// The default of [`Options::close_timeout`].
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The address space of a client's thread. It takes memory only for the part of the stack that it
/// uses.
const STACK: usize = 256 * 1024;

/// How long to wait after a failed `accept`: long enough not to spin, short enough not to be
/// noticed.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a server behind a socket file may take to accept a connection.
#[cfg(unix)]
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// What can be set.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many clients may be connected at a time. 10,000. One more is closed at once.
    pub max_connections: usize,
    /// What one client too many is sent before it is closed. Nothing. (A client that has written
    /// already may be reset before it reads that.)
    pub overload_response: &'static [u8],
    /// How long open connections may go on after [`Handle::close`]. 30 s. Then they are destroyed.
    pub close_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            max_connections: MAX_CONNECTIONS,
            overload_response: b"",
            close_timeout: CLOSE_TIMEOUT,
        }
    }
}

/// A server that listens. It accepts no client before [`serve`](Server::serve).
///
/// ```
/// use std::io::{Read, Write};
/// use sockets_by_hand::net::{Options, Server, Stream};
///
/// let server = Server::bind("127.0.0.1:0", Options::default())?;
/// let address = server.address().unwrap();
/// let handle = server.handle();
/// let serving = std::thread::spawn(move || {
///     server.serve(|mut stream| stream.write_all(b"Hello from server"))
/// });
///
/// let mut answer = String::new();
/// Stream::connect(address)?.read_to_string(&mut answer)?;
/// assert_eq!(answer, "Hello from server");
///
/// handle.close();
/// serving.join().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    address: Option<SocketAddr>,
    handle: Handle,
    options: Options,
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
    pub fn bind(address: impl ToSocketAddrs, options: Options) -> io::Result<Server> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let mut own = address;
        match own.ip() {
            // Windows does not connect to "any address", but where that is bound, loopback is too.
            IpAddr::V4(ip) if ip.is_unspecified() => own.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => own.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let duplicate = listener.try_clone().ok().map(Duplicate::from);
        let wake_accept = Box::new(move || drop(Stream::connect(own)));
        Ok(Server::new(Listener::Tcp(listener), Some(address), duplicate, wake_accept, options))
    }

    /// Listens on a Unix socket: a file at `path`, which goes away with the server.
    ///
    /// A socket file behind which no server listens (left by one that was killed) is replaced. To
    /// find that out takes a connection: a live server sees a client connect and leave.
    ///
    /// # Errors
    /// The file belongs to a live server or is no socket ([`ErrorKind::AddrInUse`]), or the folder
    /// does not exist or may not be written.
    #[cfg(unix)]
    pub fn bind_path(path: impl AsRef<Path>, options: Options) -> io::Result<Server> {
        let path = path.as_ref();
        let listener = UnixListener::bind(path).or_else(|e| {
            if !is_abandoned(path) {
                return Err(e);
            }
            fs::remove_file(path)?;
            UnixListener::bind(path)
        })?;
        let own = path.to_owned();
        let duplicate = listener.try_clone().ok().map(Duplicate::from);
        let listener = Listener::Unix(listener, own.clone());
        let wake_accept = Box::new(move || drop(Stream::connect_path(&own)));
        Ok(Server::new(listener, None, duplicate, wake_accept, options))
    }

    fn new(
        listener: Listener,
        address: Option<SocketAddr>,
        duplicate: Option<Duplicate>,
        wake_accept: Box<dyn Fn() + Send + Sync>,
        options: Options,
    ) -> Server {
        let (phase, clients) = (Phase::Bound(listener), HashMap::new());
        let state = Mutex::new(State { phase, duplicate, clients, accepted: 0 });
        let shared = Shared { state, changed: Condvar::new(), wake_accept };
        Server { address, handle: Handle(Arc::new(shared)), options }
    }

    /// The address on which the server listens; `None` on a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// A handle that stops the server and counts its clients, from any thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Accepts clients until [`Handle::close`], runs `handler` for each on a thread of its own, and
    /// returns when the last handler has returned. ([`Options::close_timeout`] after the close,
    /// every `read` of theirs returns 0, and every `write` fails.)
    ///
    /// The connection ends when `handler` has returned and no clone of its [`Stream`] is left. If
    /// the handler returns an error or panics, only that connection ends, and the error is written
    /// to stderr. So is the error if a client could not be served for want of a descriptor or a
    /// thread. The name of the thread, such as `client 127.0.0.1:50000`, is in a panic's message.
    ///
    /// # Panics
    /// The system has no thread for the spawner.
    pub fn serve(self, handler: impl Fn(Stream) -> io::Result<()> + Send + Sync + 'static) {
        report::prepare();
        let handler: Arc<Handler> = Arc::new(handler);
        let handle = self.handle.clone();
        let (accepted, waiting) = mpsc::channel::<(Stream, ConnectionGuard)>();
        // A thread takes longer to start than a client to accept. In a rush, accepted clients wait
        // in this channel, and not in the backlog of the kernel, which is short (128).
        let spawner = thread::Builder::new().name("spawner".into());
        let spawner = spawner.spawn(move || {
            for (stream, guard) in waiting {
                spawn_client(stream, guard, handler.clone());
            }
        });
        let spawner = spawner.expect("the spawner can be started");
        let Some(listener) = handle.begin() else { return };
        while !handle.is_closed() {
            match listener.accept() {
                Ok(mut stream) => match handle.try_acquire(&stream, self.options.max_connections) {
                    Some(guard) => _ = accepted.send((stream, guard)), // the spawner runs until the end
                    // It fits into the buffer of the kernel: nothing was written before.
                    None => _ = stream.write(self.options.overload_response),
                },
                Err(e) => handle.not_served(e),
            }
        }
        drop(listener); // from here on, connections are refused
        handle.change(|state| state.phase = Phase::Closed);
        drop(accepted);
        _ = spawner.join();
        handle.end(self.options.close_timeout);
    }
}

/// A server that never served frees its port.
impl Drop for Server {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Starts the thread of one client.
fn spawn_client(stream: Stream, guard: ConnectionGuard, handler: Arc<Handler>) {
    let handle = guard.handle.clone();
    let name = match stream.remote_address() {
        Some(address) => format!("client {address}"),
        None => "client".into(),
    };
    let spawned = thread::Builder::new().name(name).stack_size(STACK).spawn(move || {
        let _counted_until_the_end = guard;
        if let Err(e) = handler(stream) {
            report(&format!("Client lost: {e}"));
        }
    });
    if let Err(e) = spawned {
        handle.not_served(e);
    }
}

/// Whether the file at `path` is a socket on which no server listens any more. A live server whose
/// backlog is full does not answer: that is not a refusal.
#[cfg(unix)]
fn is_abandoned(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let (sender, result) = mpsc::channel();
    let path = path.to_owned();
    let connect = move || sender.send(Stream::connect_path(path).map_err(|e| e.kind()).err());
    is_socket
        && thread::Builder::new().name("path probe".into()).spawn(connect).is_ok()
        && result.recv_timeout(PROBE_TIMEOUT) == Ok(Some(ErrorKind::ConnectionRefused))
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
            // The one error is that it has been removed already.
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
    wake_accept: Box<dyn Fn() + Send + Sync>,
}

struct State {
    phase: Phase,
    /// To shut it down wakes a thread that waits in `accept`. Where it does not, to close it frees
    /// a descriptor for [`Shared::wake_accept`].
    duplicate: Option<Duplicate>,
    /// The connections whose handler has not returned yet.
    clients: HashMap<u64, WeakStream>,
    /// How many clients have been accepted.
    accepted: u64,
}

enum Phase {
    /// It listens, and does not accept.
    Bound(Listener),
    /// A thread waits in `accept`.
    Serving,
    /// It has been closed, and that thread has not returned from `accept` yet.
    Closing,
    /// The port is free.
    Closed,
}

impl Handle {
    /// Stops accepting: when this returns, connections are refused, and the port is free. Open
    /// connections may go on for [`Options::close_timeout`]; [`wait`](Handle::wait) waits for them.
    pub fn close(&self) {
        let mut state = lock(&self.0.state);
        state.phase = match mem::replace(&mut state.phase, Phase::Closed) {
            Phase::Bound(_) | Phase::Closed => Phase::Closed,
            Phase::Serving | Phase::Closing => Phase::Closing,
        };
        self.0.changed.notify_all();
        while !matches!(state.phase, Phase::Closed) {
            let duplicate = state.duplicate.take();
            drop(state); // the thread that is woken locks it
            if !shut_down(duplicate) {
                (self.0.wake_accept)();
            }
            state = lock(&self.0.state);
            let closing = |s: &mut State| !matches!(s.phase, Phase::Closed);
            let woken = self.0.changed.wait_timeout_while(state, PAUSE, closing);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.duplicate = None; // it keeps the port too
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        lock(&self.0.state).is_closed()
    }

    /// Waits until the server has been closed and the last handler has returned. (A handler that
    /// calls this waits for itself.)
    pub fn wait(&self) {
        drop(self.0.changed.wait_while(lock(&self.0.state), |state| state.is_in_use()));
    }

    /// How many clients are connected now.
    pub fn connections(&self) -> usize {
        lock(&self.0.state).clients.len()
    }

    /// The listener, for the thread that accepts; `None` if the server has been closed before.
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

    /// Waits for the last handler, and after `time` destroys the connections that are left.
    fn end(&self, time: Duration) {
        let in_use = |state: &mut State| state.is_in_use();
        let waited = self.0.changed.wait_timeout_while(lock(&self.0.state), time, in_use);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.clients.values().for_each(WeakStream::destroy);
        drop(state);
        self.wait();
    }

    /// Counts a connection, unless there are `max` already or the server has been closed.
    fn try_acquire(&self, stream: &Stream, max: usize) -> Option<ConnectionGuard> {
        let mut state = lock(&self.0.state);
        (!state.is_closed() && state.clients.len() < max).then(|| {
            state.accepted += 1;
            let id = state.accepted;
            state.clients.insert(id, stream.downgrade());
            ConnectionGuard { handle: self.clone(), id }
        })
    }

    /// There is no descriptor or no thread for a client: waits a moment for others to leave. (Once
    /// the server has been closed, a failed `accept` is no error.)
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

    /// A client may still be accepted, or has not left.
    fn is_in_use(&self) -> bool {
        !matches!(self.phase, Phase::Closed) || !self.clients.is_empty()
    }
}

/// Shuts a listener down, which on Linux wakes a thread that waits in its `accept`. Returns `false`
/// where this cannot be done.
#[cfg(unix)]
fn shut_down(listener: Option<Duplicate>) -> bool {
    listener.is_some_and(|it| TcpStream::from(it).shutdown(Shutdown::Both).is_ok())
}
#[cfg(not(unix))]
fn shut_down(_: Option<Duplicate>) -> bool {
    false
}

/// Counts a connection until its thread ends, even by a panic.
struct ConnectionGuard {
    handle: Handle,
    id: u64,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.handle.change(|state| _ = state.clients.remove(&self.id));
    }
}
