//! A client's end of a connection that carries a request.

use std::io::BufReader;
use std::time::Instant;

use super::{DeadlineReader, Error, Request, Response, Url};
use crate::net::{Outbox, Stream, outbox::DEADLINE};

/// A client's end of a connection: for one request, and then perhaps another protocol.
#[derive(Debug)]
pub struct ClientConnection {
    /// What the server sends.
    pub reader: BufReader<DeadlineReader>,
    /// What the server is sent. Its queue has no limit: the program itself decides how much it
    /// sends.
    pub outbox: Outbox,
}

impl ClientConnection {
    /// Connects to the server of a URL. All that is read later must arrive before `deadline` too.
    ///
    /// # Errors
    /// As for [`Stream::connect_within`].
    pub fn open(url: &Url, deadline: Instant) -> Result<ClientConnection, Error> {
        let time = deadline.saturating_duration_since(Instant::now());
        let stream = Stream::connect_within(&*url.authority, time)?;
        stream.set_no_delay(true)?;
        let outbox = Outbox::with_limits(stream.clone(), usize::MAX, DEADLINE)?;
        let mut reader = DeadlineReader::buffered(stream);
        reader.get_mut().deadline = Some(deadline);
        Ok(ClientConnection { reader, outbox })
    }

    /// Sends a request, and reads its response, whose body has at most `max` bytes.
    ///
    /// # Errors
    /// The response is not HTTP, or late; or the connection failed. The connection has ended then.
    pub fn request(
        &mut self,
        request: &Request,
        body: &[u8],
        max: usize,
    ) -> Result<Response, Error> {
        // The outbox does not wait: a server that does not read cannot delay us beyond the
        // deadline.
        let sent = self.outbox.send(request.encode(body)).map_err(std::io::Error::from);
        let response =
            sent.map_err(Error::from).and_then(|()| Response::read(&mut self.reader, max));
        if response.is_err() {
            self.reader.get_ref().stream.destroy();
        }
        response
    }
}
