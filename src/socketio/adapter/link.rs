//! The connections to Redis: one to publish, one to hear; again and again, if they end.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use std::{mem, thread};

use super::message::{Broadcast, Request, RequestKind, Target, decode_fields};
use super::requests::Requests;
use crate::json::Value;
use crate::net::outbox::HIGH_WATER_MARK;
use crate::net::report::report;
use crate::net::{Backoff, catch_panic, lock};
use crate::redis::connection::CONNECT_TIMEOUT;
use crate::redis::{Connection, Error, Message, Receiver, Reply, Sender, url::Url};
use crate::socketio::answers::Answers;
use crate::socketio::namespace::{Namespace, WeakNamespace};
use crate::ws::random::random_id;

/// How often Redis is asked whether it is still there. If nothing arrives in the same time
/// after that, the connection has failed.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How long a message may take to arrive, once it has begun.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

const TOO_SLOW: &str = "Redis takes messages too slowly: those that do not fit are not published";

/// Shares the rooms of a server with all other servers that use the same Redis: give it to
/// [`Io::adapter`](crate::socketio::Io::adapter). Dropping it ends its connections.
///
/// ```no_run
/// use sockets_by_hand::socketio::{Options, Redis, Server};
///
/// let server = Server::bind("127.0.0.1:3001", Options::default())?;
/// server.io().adapter(Redis::new("redis://127.0.0.1:6379")?)?;
/// server.serve();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Redis(Arc<Shared>);

pub(super) struct Shared {
    pub url: String,
    /// Who we are: what comes from ourselves is ignored.
    pub uid: String,
    /// By name. A namespace holds the adapter, and not the other way round.
    namespaces: Mutex<HashMap<String, WeakNamespace>>,
    link: Mutex<Link>,
    changed: Condvar,
    pub requests: Requests,
    /// How many acknowledgements of our clients other servers await.
    pub awaited: AtomicUsize,
    /// Whether it has been said that those are too many, and that a message is malformed.
    pub overloaded: AtomicBool,
    malformed: AtomicBool,
}

/// The state of the connections.
struct Link {
    state: State,
    /// How many messages have not been published since that was last reported.
    lost: u64,
}

enum State {
    /// The first attempt to connect.
    Connecting,
    /// Redis cannot be reached. It is tried again.
    Away,
    Connected {
        publisher: Sender,
        subscriber: Sender,
    },
    /// The server has ended.
    Closed,
}

impl Redis {
    /// An adapter for the Redis server at a [URL](Url). It connects as soon as it has been given to
    /// [`Io::adapter`](crate::socketio::Io::adapter).
    ///
    /// # Errors
    /// The URL is invalid.
    pub fn new(url: &str) -> Result<Redis, Error> {
        Url::parse(url).map_err(Error::InvalidUrl)?;
        let link = Link { state: State::Connecting, lost: 0 };
        Ok(Redis(Arc::new(Shared {
            url: url.to_string(),
            uid: random_id()[..6].to_string(),
            namespaces: Mutex::default(),
            link: Mutex::new(link),
            changed: Condvar::new(),
            requests: Requests::default(),
            awaited: AtomicUsize::new(0),
            overloaded: AtomicBool::new(false),
            malformed: AtomicBool::new(false),
        })))
    }

    /// Starts the thread that connects and hears, and waits for its first attempt.
    ///
    /// # Errors
    /// No thread can be started.
    pub(in crate::socketio) fn start(&self) -> io::Result<()> {
        let shared = self.0.clone();
        thread::Builder::new().name("redis".to_string()).spawn(move || shared.run())?;
        let connecting = |link: &mut Link| matches!(link.state, State::Connecting);
        drop(self.0.changed.wait_while(lock(&self.0.link), connecting));
        Ok(())
    }

    /// Subscribes to the channels of a namespace.
    pub(in crate::socketio) fn add(&self, namespace: &Namespace) {
        let name = namespace.name();
        lock(&self.0.namespaces).insert(name.to_string(), namespace.downgrade());
        if let State::Connected { subscriber, .. } = &lock(&self.0.link).state {
            _ = subscribe(subscriber, name, &self.0.uid); // if it fails, the thread that hears finds out
        }
    }

    /// Forgets a namespace that has been removed.
    pub(in crate::socketio) fn remove(&self, name: &str) {
        lock(&self.0.namespaces).remove(name);
        if let State::Connected { subscriber, .. } = &lock(&self.0.link).state {
            let [pattern, channels @ ..] = subscriptions(name, &self.0.uid);
            _ = subscriber.send(["PUNSUBSCRIBE", &pattern]);
            _ = subscriber.send([&["UNSUBSCRIBE".to_string()], &channels[..]].concat());
        }
    }

    /// What tells the other servers to emit an event to their sockets, for [`publish`](Redis::publish).
    pub(in crate::socketio) fn encode(
        &self,
        namespace: &str,
        target: &Target,
        name: &str,
        values: &[Value],
    ) -> (String, Vec<u8>) {
        let message = Broadcast::encode(&self.0.uid, namespace, name, values, target);
        (broadcast_channel(namespace, target), message)
    }

    pub(in crate::socketio) fn publish(&self, (channel, message): (String, Vec<u8>)) {
        self.0.publish(&channel, &message);
    }

    /// Asks the other servers something that has no answer.
    pub(in crate::socketio) fn request(&self, namespace: &str, kind: RequestKind) {
        self.0.send_request(namespace, None, kind);
    }

    /// How many other servers have the namespace; none, if Redis cannot be asked.
    pub(in crate::socketio) fn others(&self, namespace: &str) -> usize {
        self.0.server_count(namespace).map_or(0, |count| count - 1)
    }

    /// Emits an event to the clients of the other servers, and gathers their acknowledgements.
    pub(in crate::socketio) fn broadcast_with_ack(
        &self,
        namespace: &str,
        target: Target,
        event: Vec<Value>,
        answers: &Answers,
    ) {
        self.0.broadcast_with_ack(namespace, target, event, answers);
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let mut link = lock(&self.0.link);
        if let State::Connected { publisher, subscriber } = &link.state {
            publisher.close();
            subscriber.close();
        }
        link.state = State::Closed;
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// The thread: connects, hears, and connects again.
    fn run(self: Arc<Shared>) {
        let mut backoff = Backoff::default();
        let mut failed = false;
        loop {
            let ended = match self.connect() {
                Ok(mut receiver) => {
                    backoff.reset();
                    self.report_connected(failed);
                    failed = false;
                    self.hear(&mut receiver)
                }
                Err(e) => e,
            };
            let mut link = lock(&self.link);
            match mem::replace(&mut link.state, State::Away) {
                State::Connected { publisher, .. } => publisher.abort(), // the next begins in order
                State::Connecting | State::Away => {}
                State::Closed => {
                    link.state = State::Closed;
                    return;
                }
            }
            self.changed.notify_all();
            drop(link);
            if !failed {
                report(&format!("{ended}; trying again"));
            }
            failed = true;
            let open = |link: &mut Link| !matches!(link.state, State::Closed);
            let pause = backoff.next_pause();
            drop(self.changed.wait_timeout_while(lock(&self.link), pause, open));
        }
    }

    /// Connects, and subscribes to the channels of all namespaces.
    fn connect(self: &Arc<Shared>) -> Result<Receiver, Error> {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let publisher = self.open(deadline)?.sender;
        publisher.send(["CLIENT", "REPLY", "OFF"])?;
        let Connection { sender: subscriber, mut receiver } = self.open(deadline)?;
        let mut link = lock(&self.link);
        if let State::Closed = link.state {
            return Ok(receiver);
        }
        link.state = State::Connected { publisher, subscriber: subscriber.clone() };
        drop(link);
        // A namespace that is added meanwhile subscribes twice, which does no harm.
        let names: Vec<String> = lock(&self.namespaces).keys().cloned().collect();
        names.iter().try_for_each(|name| subscribe(&subscriber, name, &self.uid))?;
        subscriber.send(["PING"])?;
        loop {
            match receiver.reply()? {
                reply if is_pong(&reply) => break,
                reply => self.hear_one(reply), // a message may come before the answer
            }
        }
        self.changed.notify_all();
        Ok(receiver)
    }

    /// A connection that Redis answers, and will until the deadline.
    fn open(&self, deadline: Instant) -> Result<Connection, Error> {
        let mut redis = Connection::open(&self.url)?;
        redis.receiver.set_deadline(Some(deadline));
        redis.command(["PING"])?; // a Redis that is stopped accepts connections all the same
        Ok(redis)
    }

    fn report_connected(&self, again: bool) {
        let lost = mem::take(&mut lock(&self.link).lost);
        if again {
            report(&format!("connected to Redis again; {lost} messages were not published"));
        }
    }

    /// Receives messages, until the connection ends; returns why.
    fn hear(self: &Arc<Shared>, receiver: &mut Receiver) -> Error {
        let (mut next_ping, mut answered) = (Instant::now() + PING_INTERVAL, true);
        loop {
            receiver.set_deadline(Some(next_ping));
            let waited = receiver.wait();
            let timed_out =
                matches!(&waited, Err(Error::Io(e)) if e.kind() == ErrorKind::TimedOut && answered);
            match waited {
                Err(e) if !timed_out => return e,
                _ => answered = true,
            }
            let now = Instant::now();
            if now >= next_ping {
                self.ping();
                (next_ping, answered) = (now + PING_INTERVAL, false);
            }
            if timed_out {
                continue;
            }
            receiver.set_deadline(Some(now + MESSAGE_TIMEOUT));
            match receiver.reply() {
                Ok(reply) => self.hear_one(reply),
                Err(e) => return e,
            }
        }
    }

    /// What Redis sends to a subscriber: a message, or the answer to a command.
    fn hear_one(self: &Arc<Shared>, reply: Reply) {
        if let Some(message) = Message::from_reply(reply) {
            catch_panic(|| self.receive(&message));
        }
    }

    /// Asks for a sign of life. (Redis may be told to end a connection that publishes nothing for a
    /// while.)
    fn ping(&self) {
        if let State::Connected { publisher, subscriber } = &lock(&self.link).state {
            _ = subscriber.send(["PING"]);
            if publisher.send(["PING"]).is_err() {
                subscriber.abort(); // which wakes the thread that hears
            }
        }
    }

    /// Publishes a message, or counts it as lost.
    pub fn publish(&self, channel: &str, message: &[u8]) {
        let mut link = lock(&self.link);
        let mut line = None;
        if let State::Connected { publisher, subscriber } = &link.state {
            let queued = publisher.queued();
            let command = [&b"PUBLISH"[..], channel.as_bytes(), message];
            match (queued <= HIGH_WATER_MARK).then(|| publisher.send(command)) {
                Some(Ok(())) if link.lost == 0 || queued > 0 => return,
                Some(Ok(())) => {
                    let lost = mem::take(&mut link.lost);
                    drop(link);
                    report(&format!("Redis takes all messages again; {lost} were not published"));
                    return;
                }
                Some(Err(_)) => subscriber.abort(), // which wakes the thread that hears
                None if link.lost == 0 => line = Some(TOO_SLOW),
                None => {}
            }
        }
        link.lost += 1;
        drop(link);
        line.into_iter().for_each(report);
    }

    /// A message of another server, or of our own.
    fn receive(self: &Arc<Shared>, message: &Message) {
        let channel = String::from_utf8_lossy(&message.channel);
        let understood = if let Some(name) = between(&channel, REQUESTS) {
            Request::decode(&message.payload).map(|request| {
                let namespace = self.find(name).filter(|_| request.uid.as_ref() != Some(&self.uid));
                if let Some(namespace) = namespace {
                    self.answer(&namespace, request);
                }
            })
        } else if channel.starts_with(RESPONSES) {
            decode_fields(&message.payload).map(|response| self.requests.resolve(response))
        } else {
            self.receive_broadcast(&channel, &message.payload)
        };
        if understood.is_none() && !self.malformed.swap(true, Relaxed) {
            report(&format!("a malformed message came from Redis, over {channel}; it is ignored"));
        }
    }

    /// A broadcast. Returns `None` if it is malformed.
    fn receive_broadcast(&self, channel: &str, payload: &[u8]) -> Option<()> {
        let (name, room) = channel.strip_prefix(BROADCASTS)?.split_once('#')?;
        let Some(namespace) = self.find(name) else { return Some(()) };
        if room.strip_suffix('#').is_some_and(|room| !namespace.has_room(room)) {
            return Some(()); // not even decoded
        }
        let broadcast = Broadcast::decode(payload)?;
        if broadcast.uid != self.uid && broadcast.namespace == name {
            let sockets = namespace.chosen(&broadcast.target);
            sockets.emit_remote(&broadcast.event)?;
        }
        Some(())
    }

    /// Fails while Redis is away, so that nobody waits for it.
    pub fn check_connected(&self) -> Result<(), Error> {
        match lock(&self.link).state {
            State::Connected { .. } => Ok(()),
            _ => Err(io::Error::from(ErrorKind::NotConnected).into()),
        }
    }

    fn find(&self, name: &str) -> Option<Namespace> {
        lock(&self.namespaces).get(name)?.upgrade()
    }
}

/// The first parts of the channels.
const BROADCASTS: &str = "socket.io#";
const REQUESTS: &str = "socket.io-request#";
const RESPONSES: &str = "socket.io-response#";

/// The channel of the requests about a namespace.
pub(super) fn request_channel(namespace: &str) -> String {
    format!("{REQUESTS}{namespace}#")
}

/// The channel of what they are answered with.
pub(super) fn response_channel(namespace: &Namespace) -> String {
    format!("{RESPONSES}{}#", namespace.name())
}

/// The channel of a broadcast. It names the room if there is only one: then a server that has nobody
/// in it need not decode the message.
pub(super) fn broadcast_channel(namespace: &str, target: &Target) -> String {
    match &target.rooms[..] {
        [room] => format!("{BROADCASTS}{namespace}#{room}#"),
        _ => format!("{BROADCASTS}{namespace}#"),
    }
}

/// The name of the namespace in a channel.
fn between<'a>(channel: &'a str, first: &str) -> Option<&'a str> {
    channel.strip_prefix(first)?.strip_suffix('#')
}

/// The pattern of a namespace's broadcasts, and its channels. (Some servers answer on a channel of
/// who has asked.)
fn subscriptions(name: &str, uid: &str) -> [String; 4] {
    // These characters mean something in a pattern.
    let escape = |text: &str, c: char| match c {
        '*' | '?' | '[' | ']' | '^' | '\\' => format!("{text}\\{c}"),
        _ => format!("{text}{c}"),
    };
    let escaped = name.chars().fold(String::new(), |text, c| escape(&text, c));
    [
        format!("{BROADCASTS}{escaped}#*"),
        request_channel(name),
        format!("{RESPONSES}{name}#"),
        format!("{RESPONSES}{name}#{uid}#"),
    ]
}

fn subscribe(subscriber: &Sender, name: &str, uid: &str) -> Result<(), Error> {
    let [pattern, channels @ ..] = subscriptions(name, uid);
    subscriber.send(["PSUBSCRIBE", &pattern])?;
    subscriber.send([&["SUBSCRIBE".to_string()], &channels[..]].concat())
}

/// Whether a subscriber's `PING` is answered.
fn is_pong(reply: &Reply) -> bool {
    matches!(reply, Reply::Array(items) if items.first() == Some(&Reply::Bulk(b"pong".to_vec())))
}
