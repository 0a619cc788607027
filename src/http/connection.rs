//! One request after the other on a connection, each with its response.

use std::io::{self, BufRead, BufReader, ErrorKind};
use std::mem;
use std::time::{Duration, Instant};

use super::{DeadlineReader, Error, Request, Response};
use crate::net::{Outbox, Stream, outbox::DEADLINE};

/// How long a client may take to begin its next request, as in Node.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The server's end of a connection that carries requests, and at last perhaps something else.
#[derive(Debug)]
pub struct Connection {
    /// What the client sends.
    pub reader: BufReader<DeadlineReader>,
    /// What the client is sent.
    pub outbox: Outbox,
    /// A request has come before.
    used: bool,
    /// The last request was a `HEAD`: its response has no body.
    head: bool,
    /// No request follows the last one.
    last: bool,
}

impl Connection {
    /// Speaks HTTP over `stream`, on which `max_queued` bytes may wait for the client.
    ///
    /// # Errors
    /// The connection has already ended.
    pub fn new(stream: Stream, max_queued: usize) -> io::Result<Connection> {
        stream.set_no_delay(true)?;
        let outbox = Outbox::with_limits(stream.clone(), max_queued, DEADLINE)?;
        Ok(Connection {
            reader: DeadlineReader::buffered(stream),
            outbox,
            used: false,
            head: false,
            last: false,
        })
    }

    /// Waits for a request, which the client has [`KEEP_ALIVE`] to begin after the last one was answered,
    /// and whose whole head it has the time `within` to send; `None` when no more come. A client whose head is refused has been told so.
    ///
    /// # Errors
    /// The connection failed, or the client has been dropped.
    pub fn next(&mut self, within: Duration) -> Result<Option<Request>, Error> {
        let outbox = self.outbox.clone();
        self.next_after(|| outbox.is_sending(), within)
    }

    /// The same, but the time to begin the next request runs only once `is_held`, which says whether
    /// the last one is still to be answered (or the client still to read the response), says no.
    ///
    /// # Errors
    /// As for [`next`](Connection::next).
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
            self.lingering_close(); // nobody is told anything that they have not asked for
            return Ok(None);
        }
        self.reader.get_mut().deadline = Instant::now().checked_add(within);
        self.head = false; // a refusal has a body, whatever came before
        match Request::read(&mut self.reader) {
            Ok(Some(request)) => {
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

    /// The body of the last request, of at most `max` bytes, which the client has the time `within`
    /// to send.
    ///
    /// # Errors
    /// There is none to be had: the response says why, and is to [`finish`](Connection::finish) with.
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

    /// Sends the last response of this connection, and ends it: what follows from the client cannot
    /// be understood, or is not wanted.
    ///
    /// # Errors
    /// The client has been dropped.
    pub fn finish(&mut self, response: Response) -> Result<(), Error> {
        self.last = true;
        self.respond(response)?;
        self.lingering_close();
        Ok(())
    }

    /// The last request is answered later, by whoever ends the connection then if it asked for that.
    pub fn answered_later(&mut self) {
        self.last = false;
    }

    /// Waits until the next request begins, or the connection ends; `false` if neither comes in time.
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
