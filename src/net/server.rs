//! Accepts clients, gives each a thread, knows how many there are, and ends in good order.
//!
//! Picture a doorkeeper. One thread stands at the door ([`Server::serve`]) and leads every guest
//! to a table with a waiter of its own (your handler, on a thread of its own). The house has a
//! limit, and when it closes ([`Handle::close`]) the door shuts first and the guests finish.
//!
//! Chapter 03 of the book.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;
#[cfg(unix)]
use std::{
    fs,
    io::ErrorKind,
    os::unix::{fs::FileTypeExt, net::UnixListener},
    path::{Path, PathBuf},
};

use super::report::{self, report};
use super::{Stream, lock};

/// How many clients may be connected at a time, unless [`Server::max_connections`] is changed.
pub const MAX_CONNECTIONS: usize = 10_000;

/// A client's thread takes this much address space; memory only as far as the stack is used.
const STACK: usize = 256 * 1024;

/// How long to wait after a failed `accept`: long enough not to spin, too short to be noticed.
const PAUSE: Duration = Duration::from_millis(50);

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
    listener: Listener,
    handle: Handle,
    /// How many clients may be connected at a time; 10,000 at first. One more is closed at once.
    pub max_connections: usize,
    /// What one client too many is told before it is closed; at first, nothing. (A client that has
    /// written already may be reset before it reads that.)
    pub farewell: &'static [u8],
}

type Handler = dyn Fn(Stream) -> io::Result<()> + Send + Sync;

enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

impl Server {
    /// Listens on a TCP address; port 0 takes any free one, which [`Server::address`] tells.
    ///
    /// # Errors
    /// The address is not `HOST:PORT` ([`io::ErrorKind::InvalidInput`]),
    /// is not one of this machine, or is taken ([`io::ErrorKind::AddrInUse`]).
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Server> {
        let listener = TcpListener::bind(address)?;
        let mut door = listener.local_addr()?;
        match door.ip() {
            // Windows does not connect to "any address", but where that is bound, loopback is too.
            IpAddr::V4(ip) if ip.is_unspecified() => door.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => door.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let spare = listener.try_clone().ok();
        Ok(Server::new(Listener::Tcp(listener), spare, move || drop(Stream::connect(door))))
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
            let is_socket =
                fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
            let refused = |e: io::Error| e.kind() == ErrorKind::ConnectionRefused;
            if !(is_socket && Stream::connect_path(path).is_err_and(refused)) {
                return Err(e);
            }
            fs::remove_file(path)?;
            UnixListener::bind(path)
        })?;
        let door = path.to_owned();
        let spare = listener.try_clone().ok();
        let listener = Listener::Unix(listener, door.clone());
        Ok(Server::new(listener, spare, move || drop(Stream::connect_path(&door))))
    }

    fn new(
        listener: Listener,
        spare: impl Send + 'static,
        knock: impl Fn() + Send + Sync + 'static,
    ) -> Server {
        let handle = Handle(Arc::new(Shared {
            state: Mutex::new(State { spare: Some(Box::new(spare)), ..State::default() }),
            changed: Condvar::new(),
            knock: Box::new(knock),
        }));
        Server { listener, handle, max_connections: MAX_CONNECTIONS, farewell: b"" }
    }

    /// Where the server listens; `None` on a Unix socket, whose path you know.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Listener::Unix(..) => None,
        }
    }

    /// What stops the server, and counts its clients, from any thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Accepts clients until [`Handle::close`], runs `handler` for each on a thread of its own, and
    /// returns when the last of them has returned.
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
        lock(&handle.0.state).serving = true;
        while !handle.is_closed() {
            match self.listener.accept() {
                Ok(mut stream) => match handle.let_in(self.max_connections) {
                    Some(guest) => _ = door.send((stream, guest)), // the usher is there until the end
                    None => _ = stream.write(self.farewell), // it fits: nothing was written before
                },
                Err(e) => not_served(e),
            }
        }
        drop((self, door)); // from here on, whoever connects is refused
        _ = usher.join();
        handle.change(|state| state.serving = false);
        handle.wait();
    }
}

/// Gives one client its thread.
fn start(stream: Stream, guest: Guest, handler: Arc<Handler>) {
    let started = thread::Builder::new().stack_size(STACK).spawn(move || {
        let _counted_until_the_end = guest;
        if let Err(e) = handler(stream) {
            report(&format!("Client lost: {e}"));
        }
    });
    if let Err(e) = started {
        not_served(e);
    }
}

/// No descriptor or no thread for a client: waits a moment for others to leave.
fn not_served(e: io::Error) {
    report(&format!("Client not served: {e}"));
    thread::sleep(PAUSE);
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
    /// Connects to the server itself: nothing else in `std` wakes a thread that waits in `accept`.
    knock: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    serving: bool,
    closing: bool,
    connections: usize,
    /// A descriptor to be had when all are in use: without one, nobody can knock.
    spare: Option<Box<dyn Send>>,
}

impl Handle {
    /// Closes the door: when this returns, no new client is accepted, and the port is free. Those
    /// who are connected stay; [`wait`](Handle::wait) for them.
    pub fn close(&self) {
        let mut state = lock(&self.0.state);
        (state.closing, state.spare) = (true, None);
        self.0.changed.notify_all();
        while state.serving {
            drop(state); // the doorkeeper needs it to open
            (self.0.knock)();
            state = lock(&self.0.state);
            let opened = self.0.changed.wait_timeout_while(state, PAUSE, |s| s.serving);
            state = opened.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        lock(&self.0.state).closing
    }

    /// Waits until the server has been closed and its last client's handler has returned. (A handler
    /// that calls it waits for itself.)
    pub fn wait(&self) {
        let open = |s: &mut State| !s.closing || s.serving || s.connections > 0;
        drop(self.0.changed.wait_while(lock(&self.0.state), open));
    }

    /// How many clients are connected now.
    pub fn connections(&self) -> usize {
        lock(&self.0.state).connections
    }

    /// Counts a client in, unless there are `max` already, or the door has closed meanwhile.
    fn let_in(&self, max: usize) -> Option<Guest> {
        let mut state = lock(&self.0.state);
        (!state.closing && state.connections < max).then(|| {
            state.connections += 1;
            Guest(self.clone())
        })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.0.state));
        self.0.changed.notify_all();
    }
}

/// A client that has been counted in, and is counted out however its thread ends.
struct Guest(Handle);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.change(|state| state.connections -= 1);
    }
}
