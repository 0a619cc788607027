//! A stream: one end of a connection, over TCP or over a Unix socket. Node's `net.Socket`.
//!
//! A clone of a [`Stream`] is the same connection: one thread can read while another writes. The
//! connection ends when the last clone is dropped.
//!
//! Chapter 07 of the book.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
#[cfg(unix)]
use std::{os::unix::net::UnixStream, path::Path};

/// A connection: reads what the other end has written, and writes what the other end will read.
///
/// ```
/// use std::io::{Read, Write};
/// use sockets_by_hand::net::Stream;
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let mut ours = Stream::connect(listener.local_addr()?)?;
/// let mut theirs = Stream::from(listener.accept()?.0);
///
/// ours.write_all(b"one, two")?;
/// ours.end()?; // the other end now reads to the end, and can still answer
/// let mut received = String::new();
/// theirs.read_to_string(&mut received)?;
/// assert_eq!(received, "one, two");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stream(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    socket: Socket,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    #[cfg(windows)]
    reading: windows::Reading,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Does the same with either kind of socket: in `std`, both have the same methods, but no trait for
/// them.
macro_rules! either {
    ($stream:expr, $socket:ident => $action:expr) => {
        match &$stream.0.socket {
            Socket::Tcp($socket) => $action,
            #[cfg(unix)]
            Socket::Unix($socket) => $action,
        }
    };
}

impl Stream {
    /// Connects over TCP, to the first address that accepts.
    ///
    /// # Errors
    /// The address is not `HOST:PORT` ([`ErrorKind::InvalidInput`]), its host is unknown, or no
    /// server listens there ([`ErrorKind::ConnectionRefused`]).
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Stream> {
        TcpStream::connect(address).map(Stream::from)
    }

    /// Connects within `time` (and the time that it takes to look up a name).
    ///
    /// # Errors
    /// As for [`connect`](Stream::connect); or no server answered in time
    /// ([`ErrorKind::TimedOut`]).
    pub fn connect_within(address: impl ToSocketAddrs, time: Duration) -> io::Result<Stream> {
        let mut last = ErrorKind::AddrNotAvailable.into(); // the host has no address at all
        let addresses = address.to_socket_addrs()?;
        let start = Instant::now();
        for address in addresses {
            let left = time.saturating_sub(start.elapsed());
            match TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))) {
                Ok(socket) => return Ok(socket.into()),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    /// Connects to the Unix socket at `path`, within this machine.
    ///
    /// # Errors
    /// There is no such file, or no server listens on it ([`ErrorKind::ConnectionRefused`]).
    #[cfg(unix)]
    pub fn connect_path(path: impl AsRef<Path>) -> io::Result<Stream> {
        UnixStream::connect(path).map(Stream::from)
    }

    /// Ends our direction of the connection; the other end may still write (a half-close).
    ///
    /// # Errors
    /// The connection has already ended.
    pub fn end(&self) -> io::Result<()> {
        either!(self, socket => socket.shutdown(Shutdown::Write))
    }

    /// Ends both directions at once, and wakes each thread that waits in a `read` or `write`. (On
    /// Windows a `read` wakes within a second, and a `write` goes on until its timeout.)
    pub fn destroy(&self) {
        // The one error is that there is nothing left to end.
        _ = either!(self, socket => socket.shutdown(Shutdown::Both));
        #[cfg(windows)]
        self.0.reading.destroy();
    }

    /// The same connection, without keeping it open.
    pub(super) fn downgrade(&self) -> WeakStream {
        WeakStream(Arc::downgrade(&self.0))
    }

    /// From now on a `read` fails with [`ErrorKind::TimedOut`] if nothing arrives for `timeout`.
    /// `None`, the default, waits for ever. The connection stays open.
    ///
    /// # Errors
    /// `timeout` is zero.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        #[cfg(windows)]
        return self.0.reading.set_timeout(timeout);
        #[cfg(not(windows))]
        either!(self, socket => socket.set_read_timeout(timeout))
    }

    /// The same for a `write` that finds no room, because the other end does not read.
    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, socket => socket.set_write_timeout(timeout))
    }

    /// Whether small writes are sent at once (`true`) or may wait a little to be sent together
    /// (`false`, the default). A Unix socket never waits.
    ///
    /// # Errors
    /// The connection has already ended.
    pub fn set_no_delay(&self, no_delay: bool) -> io::Result<()> {
        match &self.0.socket {
            Socket::Tcp(socket) => socket.set_nodelay(no_delay),
            #[cfg(unix)]
            Socket::Unix(_) => Ok(()),
        }
    }

    /// The address of the other end; `None` over a Unix socket, or once the connection has ended.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        match &self.0.socket {
            Socket::Tcp(socket) => socket.peer_addr().ok(),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }

    /// How many bytes have been read so far, by all clones together.
    pub fn bytes_read(&self) -> u64 {
        self.0.bytes_read.load(Relaxed)
    }

    /// How many bytes have been written so far, by all clones together.
    pub fn bytes_written(&self) -> u64 {
        self.0.bytes_written.load(Relaxed)
    }
}

/// A connection that it does not keep open.
pub(super) struct WeakStream(Weak<Shared>);

impl WeakStream {
    pub(super) fn destroy(&self) {
        if let Some(shared) = self.0.upgrade() {
            Stream(shared).destroy();
        }
    }
}

impl From<Socket> for Stream {
    fn from(socket: Socket) -> Stream {
        Stream(Arc::new(Shared {
            socket,
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            #[cfg(windows)]
            reading: windows::Reading::default(),
        }))
    }
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Stream {
        Socket::Tcp(socket).into()
    }
}

#[cfg(unix)]
impl From<UnixStream> for Stream {
    fn from(socket: UnixStream) -> Stream {
        Socket::Unix(socket).into()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(windows)]
        either!(self, socket => self.0.reading.wait(socket))?;
        retry_interrupted(&self.0.bytes_read, || either!(self, socket => (&*socket).read(buffer)))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        retry_interrupted(
            &self.0.bytes_written,
            || either!(self, socket => (&*socket).write(bytes)),
        )
    }

    fn write_vectored(&mut self, parts: &[IoSlice]) -> io::Result<usize> {
        let write = || either!(self, socket => (&*socket).write_vectored(parts));
        retry_interrupted(&self.0.bytes_written, write)
    }

    /// Does nothing: there is no buffer.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Calls a system call again if a signal has interrupted it (Ctrl-Z, then `fg`), and counts its
/// bytes. Where a timeout is set, Unix says "would block" for what Windows, and this crate, call
/// "timed out".
fn retry_interrupted(
    count: &AtomicU64,
    mut call: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match call() {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
            result => return result.inspect(|n| _ = count.fetch_add(*n as u64, Relaxed)),
        }
    }
}

/// On Windows `shutdown` does not wake a thread that waits in `recv`. There a `read` waits in
/// slices, and checks between them whether the stream has been destroyed.
#[cfg(windows)]
mod windows {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};

    use super::super::sync::lock;
    use super::*;

    const SLICE: Duration = Duration::from_millis(500);

    #[derive(Debug, Default)]
    pub(super) struct Reading {
        /// What [`Stream::set_timeout`] has set; the socket's own timeout is a slice.
        timeout: Mutex<Option<Duration>>,
        destroyed: AtomicBool,
    }

    impl Reading {
        /// To be called after the `shutdown`: from then on `recv` returns at once.
        pub(super) fn destroy(&self) {
            self.destroyed.store(true, Release);
        }

        pub(super) fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
            if timeout == Some(Duration::ZERO) {
                return Err(ErrorKind::InvalidInput.into());
            }
            *lock(&self.timeout) = timeout;
            Ok(())
        }

        /// Waits until `recv` returns at once. A `recv` that times out may lose what arrives at
        /// that moment (Winsock, `SO_RCVTIMEO`); a `peek` takes nothing.
        pub(super) fn wait(&self, socket: &TcpStream) -> io::Result<()> {
            let (timeout, start) = (*lock(&self.timeout), Instant::now());
            while !self.destroyed.load(Acquire) {
                let left = timeout.map_or(SLICE, |time| time.saturating_sub(start.elapsed()));
                if left.is_zero() {
                    return Err(ErrorKind::TimedOut.into());
                }
                socket.set_read_timeout(Some(left.min(SLICE)))?;
                match socket.peek(&mut [0]) {
                    Err(e) if e.kind() == ErrorKind::TimedOut => {}
                    result => return result.map(drop),
                }
            }
            Ok(())
        }
    }
}
