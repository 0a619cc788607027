//! A server's end of a connection: one request after the other, each with its response.

use std::io::{self, BufRead, BufReader, ErrorKind};
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{DeadlineReader, Error, Request, Response};
use crate::net::{Outbox, Stream, outbox::DEADLINE};

/// How long a client may take to begin its next request, as in Node.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A connection, and the request on it that asks for another protocol. In a box: so it takes no
/// place in the frames through which it is handed on.
pub(crate) type Upgrade = (Box<Connection>, Arc<Request>);

/// A server's end of a connection: it carries requests, and then perhaps another protocol.
#[derive(Debug)]
pub struct Connection {
    /// What the client sends.
    pub reader: BufReader<DeadlineReader>,
    /// What the client is sent.
    pub outbox: Outbox,
    remote_address: Option<SocketAddr>,
    /// Whether a request has come before.
    used: bool,
    /// Whether the last request was a `HEAD`: its response has no body.
    head: bool,
    /// Whether the connection ends after the last request.
    last: bool,
}

impl Connection {
    /// Serves HTTP over `stream`. At most `max_queued` bytes may wait for the client.
    ///
    /// # Errors
    /// The connection has already ended.
    pub fn new(stream: Stream, max_queued: usize) -> io::Result<Connection> {
        stream.set_no_delay(true)?;
        let outbox = Outbox::with_limits(stream.clone(), max_queued, DEADLINE)?;
        Ok(Connection {
            remote_address: stream.remote_address(),
            reader: DeadlineReader::buffered(stream),
            outbox,
            used: false,
            head: false,
            last: false,
        })
    }

    /// Waits for the next request; `None` when no more come. The client has [`KEEP_ALIVE`] to begin
    /// it after the last response, and `within` to send its whole head. A request whose head is
    /// refused has been answered already.
    ///
    /// # Errors
    /// The connection failed, or the client has been dropped.
    pub fn next(&mut self, within: Duration) -> Result<Option<Request>, Error> {
        let outbox = self.outbox.clone();
        self.next_after(|| outbox.is_sending(), within)
    }

    /// The same for a request that may be held: the time to begin the next request does not run
    /// while `is_held` returns `true`, because the last request has no response yet, or the client
    /// has not read it.
    ///
    /// # Errors
    /// As for [`next`](Connection::next).
    //
    // Inlined: the thread of a silent client keeps the stack that it has used, and this one frame less
    // is a page less for each.
    #[inline]
    pub fn next_after(
        &mut self,
        is_held: impl Fn() -> bool,
        within: Duration,
    ) -> Result<Option<Request>, Error> {
        if self.last {
            self.lingering_close();
            return Ok(None);
        }
        self.outbox.wait_for_room().map_err(io::Error::from)?;
        if mem::replace(&mut self.used, true) && !self.begins(is_held)? {
            self.lingering_close(); // without a response: there is no request
            return Ok(None);
        }
        self.reader.get_mut().deadline = Instant::now().checked_add(within);
        self.head = false; // if this head is refused, the response has a body
        match Request::read(&mut self.reader) {
            Ok(Some(mut request)) => {
                request.remote_address = self.remote_address;
                self.head = request.method == "HEAD";
                self.last = !request.keep_alive();
                Ok(Some(request))
            }
            Err(Error::Refused(status, why)) => {
                self.finish(Response::text(status, why)).map(|()| None)
            }
            end => end,
        }
    }

    /// Reads the body of the last request: at most `max` bytes, within the time `within`.
    ///
    /// # Errors
    /// The body is too long, late or cut short. [`finish`](Connection::finish) with the response.
    pub fn body(
        &mut self,
        request: &Request,
        max: usize,
        within: Duration,
    ) -> Result<Vec<u8>, Response> {
        self.reader.get_mut().deadline = Instant::now().checked_add(within);
        let body = request.body(&mut self.reader, max);
        body.map_err(|e| Response::text(e.status().unwrap_or(400), &e.to_string()))
    }

    /// Sends the response to the last request.
    ///
    /// # Errors
    /// The client has been dropped.
    pub fn respond(&self, mut response: Response) -> Result<(), Error> {
        if self.last && response.status != 101 {
            response.headers.push("Connection", "close");
        }
        let bytes = if self.head { response.encode_head() } else { response.encode() };
        Ok(self.outbox.send(bytes).map_err(io::Error::from)?)
    }

    /// Sends the last response of this connection, and ends it.
    ///
    /// # Errors
    /// The client has been dropped.
    pub fn finish(&mut self, response: Response) -> Result<(), Error> {
        self.last = true;
        self.respond(response)?;
        self.lingering_close();
        Ok(())
    }

    /// The last request is answered later, through the [`outbox`](Connection::outbox). Whoever
    /// answers it ends the connection if the request asked for that.
    pub fn answered_later(&mut self) {
        self.last = false;
    }

    /// Waits until the next request begins or the connection ends; `false` if neither happens in
    /// time.
    fn begins(&mut self, is_held: impl Fn() -> bool) -> Result<bool, Error> {
        loop {
            let held = is_held();
            self.reader.get_mut().deadline = Instant::now().checked_add(KEEP_ALIVE);
            match self.reader.fill_buf() {
                Err(e) if e.kind() == ErrorKind::TimedOut && held => {}
                Err(e) if e.kind() == ErrorKind::TimedOut => return Ok(false),
                Err(e) => return Err(e.into()),
                Ok(_) => return Ok(true),
            }
        }
    }

    fn lingering_close(&mut self) {
        self.outbox.end();
        self.outbox.wait_until_sent();
        self.reader.get_mut().lingering_close();
    }
}
