//! A connection to a Redis server: commands and their replies, or messages of channels.

use std::io::{self, BufRead, BufReader};
use std::time::{Duration, Instant};
use std::{error, fmt};

use super::resp::{self, Reply};
use super::url::{Place, Url};
use crate::http::DeadlineReader;
use crate::net::outbox::{DEADLINE, Dropped, MAX_QUEUED};
use crate::net::{Outbox, Stream};

/// How long it may take to connect and to log in.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How much memory a reply may take.
pub const MAX_REPLY: usize = 64 * 1024 * 1024;

/// A connection. Its two halves may be used by two threads: Redis answers the commands of a
/// connection in their order.
///
/// ```no_run
/// use sockets_by_hand::redis::Connection;
///
/// let mut redis = Connection::open("redis://127.0.0.1:6379")?;
/// redis.command(["INCR", "visits"])?;
///
/// let mut hears = Connection::open("redis://127.0.0.1:6379")?;
/// hears.sender.send(["SUBSCRIBE", "tea"])?;
/// redis.command(["PUBLISH", "tea", "Hello"])?;
/// # Ok::<(), sockets_by_hand::redis::Error>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    /// Sends commands.
    pub sender: Sender,
    /// Receives what they are answered with.
    pub receiver: Receiver,
}

impl Connection {
    /// Connects to the server of a [URL](Url), logs in, and selects the database.
    ///
    /// # Errors
    /// The URL is invalid; the server cannot be reached, or does not answer within
    /// [`CONNECT_TIMEOUT`]; or it refuses the user, the password or the database.
    pub fn open(url: &str) -> Result<Connection, Error> {
        let url = Url::parse(url).map_err(Error::InvalidUrl)?;
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let stream = connect(&url.place)?;
        stream.set_no_delay(true)?;
        let sender = Sender {
            outbox: Outbox::with_limits(stream.clone(), MAX_QUEUED, DEADLINE)?,
            stream: stream.clone(),
        };
        let mut connection =
            Connection { sender, receiver: Receiver(DeadlineReader::buffered(stream)) };
        connection.receiver.set_deadline(Some(deadline));
        let user = url.user.as_deref().unwrap_or("default");
        if let Some(password) = &url.password {
            connection.command(["AUTH", user, password])?;
        }
        if url.database > 0 {
            connection.command(["SELECT", &url.database.to_string()])?;
        }
        connection.receiver.set_deadline(None);
        Ok(connection)
    }

    /// Sends a command, and waits for its reply.
    ///
    /// # Errors
    /// The server refuses the command ([`Error::Refused`]); or the connection has ended, or sent
    /// what is no reply: it is of no use any more then.
    pub fn command<A: AsRef<[u8]>>(
        &mut self,
        command: impl IntoIterator<Item = A>,
    ) -> Result<Reply, Error> {
        self.sender.send(command)?;
        self.receiver.reply()
    }
}

fn connect(place: &Place) -> io::Result<Stream> {
    match place {
        Place::Tcp(authority) => Stream::connect_within(&**authority, CONNECT_TIMEOUT),
        #[cfg(unix)]
        Place::Unix(path) => Stream::connect_path(path),
        #[cfg(not(unix))]
        Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Sends commands, from any thread. A clone is the same sender.
#[derive(Clone, Debug)]
pub struct Sender {
    outbox: Outbox,
    stream: Stream,
}

impl Sender {
    /// Sends a command without waiting: its reply, if it has one, is the receiver's next after
    /// those of all that was sent before. Many commands may be sent first, and their replies
    /// received then (*pipelining*).
    ///
    /// # Errors
    /// The connection has ended, or the server has taken too little for too long.
    pub fn send<A: AsRef<[u8]>>(&self, command: impl IntoIterator<Item = A>) -> Result<(), Error> {
        let parts: Vec<A> = command.into_iter().collect();
        let parts: Vec<&[u8]> = parts.iter().map(AsRef::as_ref).collect();
        Ok(self.outbox.send(resp::encode(&parts))?)
    }

    /// How many bytes wait because the server takes them too slowly.
    pub fn queued(&self) -> usize {
        self.outbox.queued()
    }

    /// Ends the connection at once.
    pub fn abort(&self) {
        self.stream.destroy();
    }

    /// Ends the connection, once all that was sent is written.
    pub fn close(&self) {
        self.outbox.end();
    }
}

/// Receives replies, or the messages of the channels that the connection has subscribed to.
#[derive(Debug)]
pub struct Receiver(BufReader<DeadlineReader>);

impl Receiver {
    /// Waits for the next reply.
    ///
    /// # Errors
    /// As for [`Connection::command`]; or [`TimedOut`](io::ErrorKind::TimedOut), if a deadline has passed.
    pub fn reply(&mut self) -> Result<Reply, Error> {
        match Reply::read(&mut self.0, MAX_REPLY)? {
            Reply::Error(message) => Err(Error::Refused(message)),
            reply => Ok(reply),
        }
    }

    /// Waits until a reply begins to arrive.
    ///
    /// # Errors
    /// The connection has ended; or [`TimedOut`](io::ErrorKind::TimedOut), if a deadline has
    /// passed: then the connection can still be used.
    pub fn wait(&mut self) -> Result<(), Error> {
        match self.0.fill_buf()? {
            [] => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
        .map_err(Error::Io)
    }

    /// Waits for the next message. What confirms a subscription is passed over.
    ///
    /// # Errors
    /// As for [`reply`](Receiver::reply): Redis may refuse a subscription.
    pub fn message(&mut self) -> Result<Message, Error> {
        loop {
            if let Some(message) = Message::from_reply(self.reply()?) {
                return Ok(message);
            }
        }
    }

    /// When a reply must have arrived; `None`, the default, waits for ever.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.0.get_mut().deadline = deadline;
    }
}

/// A message of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The channel.
    pub channel: Vec<u8>,
    /// What was published.
    pub payload: Vec<u8>,
}

impl Message {
    /// What a subscription to a channel (`message`) or to a pattern (`pmessage`) has received.
    pub fn from_reply(reply: Reply) -> Option<Message> {
        let Reply::Array(mut items) = reply else { return None };
        let (Some(Reply::Bulk(payload)), Some(Reply::Bulk(channel))) = (items.pop(), items.pop())
        else {
            return None;
        };
        match &items[..] {
            [Reply::Bulk(kind)] if kind == b"message" => Some(Message { channel, payload }),
            [Reply::Bulk(kind), _] if kind == b"pmessage" => Some(Message { channel, payload }),
            _ => None,
        }
    }
}

/// Why there is no connection, or no reply.
#[derive(Debug)]
pub enum Error {
    /// The URL is not that of a Redis server; what is wrong with it.
    InvalidUrl(&'static str),
    /// The connection failed.
    Io(io::Error),
    /// The server has taken too little for too long.
    Dropped(Dropped),
    /// What has arrived is no reply.
    Reply(resp::Error),
    /// The server refused the command: its message, such as `WRONGPASS invalid password`.
    Refused(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::InvalidUrl(problem) => write!(f, "the URL of the Redis server: {problem}"),
            Error::Io(e) => write!(f, "the connection to Redis failed: {e}"),
            Error::Dropped(reason) => write!(f, "the connection to Redis failed: {reason}"),
            Error::Reply(e) => write!(f, "Redis: {e}"),
            Error::Refused(message) => write!(f, "Redis refused: {message}"),
        }
    }
}

impl error::Error for Error {}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::Io(e)
    }
}

impl From<Dropped> for Error {
    fn from(reason: Dropped) -> Error {
        Error::Dropped(reason)
    }
}

impl From<resp::Error> for Error {
    fn from(e: resp::Error) -> Error {
        match e {
            resp::Error::Io(e) => Error::Io(e),
            e => Error::Reply(e),
        }
    }
}
