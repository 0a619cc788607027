//! Requests between servers: what each is asked, and who waits for the answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use std::{error, fmt};

use super::link::{Shared, request_channel, response_channel};
use super::message::{Request, RequestKind, Target};
use crate::json::Value;
use crate::net::lock;
use crate::net::report::report;
use crate::redis::{self, Connection, Reply};
use crate::socketio::answers::Answers;
use crate::socketio::namespace::Namespace;
use crate::socketio::socket::Socket;
use crate::ws::random::random_id;
use crate::{json, msgpack};

/// How long other servers may take to answer.
pub(in crate::socketio) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long other servers may wait for the acknowledgements of our clients, whatever they ask for.
const MAX_ACK_TIME: Duration = Duration::from_secs(60 * 60);

/// How many acknowledgements of our clients may be awaited for other servers at a time.
const MAX_AWAITED: usize = 100_000;

/// The acknowledgements of a broadcast that are awaited for another server. Dropping it, with the
/// last callback, makes room for others.
struct Awaited {
    shared: Arc<Shared>,
    count: AtomicUsize,
}

impl Awaited {
    /// Whether that many more may be awaited.
    fn add(&self, count: usize) -> bool {
        self.count.fetch_add(count, Relaxed);
        let before = self.shared.awaited.fetch_add(count, Relaxed);
        let fits = before + count <= MAX_AWAITED;
        if !fits && !self.shared.overloaded.swap(true, Relaxed) {
            report(
                "other servers await too many acknowledgements; some of their events are ignored",
            );
        }
        fits
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.shared.awaited.fetch_sub(*self.count.get_mut(), Relaxed);
    }
}

/// The requests that have not been answered by all servers yet, by their ids.
#[derive(Default)]
pub(super) struct Requests(Mutex<HashMap<String, OnResponse>>);

type OnResponse = Arc<dyn Fn(Value) + Send + Sync>;

impl Requests {
    /// A response has come. One that nobody waits for is ignored.
    pub fn resolve(&self, response: Value) {
        let id = response["requestId"].as_str().unwrap_or_default();
        let on_response = lock(&self.0).get(id).cloned();
        if let Some(on_response) = on_response {
            on_response(response);
        }
    }
}

/// A request that is not answered yet. Dropping it ignores all further answers.
pub(in crate::socketio) struct Pending {
    shared: Arc<Shared>,
    id: String,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let removed = lock(&self.shared.requests.0).remove(&self.id);
        drop(removed); // under no lock
    }
}

/// Why not all servers have answered.
#[derive(Debug)]
pub enum RequestError {
    /// Redis does not say how many servers there are.
    Redis(redis::Error),
    /// Some servers have not answered in time.
    Timeout {
        /// What the others have answered, with our own.
        answers: Vec<Value>,
        /// How many have not.
        missing: usize,
    },
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            RequestError::Redis(e) => e.fmt(f),
            RequestError::Timeout { missing, .. } => {
                write!(f, "{missing} other servers have not answered within 5 s")
            }
        }
    }
}

impl error::Error for RequestError {}

impl Shared {
    /// Calls `on_response` with each response to a request, until the request is dropped.
    fn expect(self: &Arc<Shared>, on_response: impl Fn(Value) + Send + Sync + 'static) -> Pending {
        let id = random_id();
        lock(&self.requests.0).insert(id.clone(), Arc::new(on_response));
        Pending { shared: self.clone(), id }
    }

    /// Sends a request to the other servers; with an id, if it has an answer.
    pub fn send_request(&self, namespace: &str, id: Option<String>, kind: RequestKind) {
        let request = Request { uid: Some(self.uid.clone()), id, kind };
        self.publish(&request_channel(namespace), &request.encode(namespace));
    }

    /// Asks the other servers for the acknowledgements of their clients.
    pub fn broadcast_with_ack(
        self: &Arc<Shared>,
        namespace: &str,
        target: Target,
        event: Vec<Value>,
        answers: &Answers,
    ) {
        let gathered = answers.clone();
        let pending = self.expect(move |response| gathered.add_elsewhere(&response));
        let id = pending.id.clone();
        answers.asked(pending);
        self.send_request(namespace, Some(id), RequestKind::Broadcast(target, event));
    }

    /// Emits an event of another server, and tells it what is acknowledged.
    fn broadcast_for(
        self: &Arc<Shared>,
        namespace: &Namespace,
        target: &Target,
        event: &[Value],
        id: &str,
    ) -> Option<()> {
        let channel = response_channel(namespace);
        let awaited = Arc::new(Awaited { shared: self.clone(), count: AtomicUsize::new(0) });
        let counted = |count: usize| {
            let fits = awaited.add(count);
            if fits {
                let response = json!({"type": 8, "requestId": id, "clientCount": count as f64});
                self.publish(&channel, response.to_string().as_bytes());
            }
            fits
        };
        let (id, to, awaited) = (id.to_string(), channel.clone(), awaited.clone());
        let answered = move |values: &[Value]| {
            let value = values.first().cloned().unwrap_or(Value::Null);
            let response = json!({"type": 9, "requestId": &id, "packet": value});
            awaited.shared.publish(&to, &msgpack::encode(&response));
        };
        let time = target.timeout.unwrap_or(REQUEST_TIMEOUT).min(MAX_ACK_TIME);
        namespace.chosen(target).emit_remote_with_ack(event, time, counted, answered)
    }

    /// How many servers have the namespace, this one included. Waits for [`REQUEST_TIMEOUT`] at most.
    pub fn server_count(&self, namespace: &str) -> Result<usize, redis::Error> {
        self.check_connected()?;
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let channel = request_channel(namespace);
        // A connection of its own: that of the messages has no replies.
        let mut redis = Connection::open(&self.url)?;
        redis.receiver.set_deadline(Some(deadline));
        match redis.command(["PUBSUB", "NUMSUB", &channel])? {
            Reply::Array(items) => match items[..] {
                [_, Reply::Integer(count)] => Ok(count.max(1) as usize),
                _ => Ok(1),
            },
            _ => Ok(1),
        }
    }

    /// Asks all other servers, waits for their answers, and appends to `answers` what `values` finds
    /// in each.
    pub fn ask(
        self: &Arc<Shared>,
        namespace: &str,
        kind: RequestKind,
        mut answers: Vec<Value>,
        values: impl Fn(&Value) -> Vec<Value>,
    ) -> Result<Vec<Value>, RequestError> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let mut missing = self.server_count(namespace).map_err(RequestError::Redis)? - 1;
        let (sender, received) = mpsc::channel();
        let pending = self.expect(move |answer| _ = sender.send(answer));
        if missing > 0 {
            self.send_request(namespace, Some(pending.id.clone()), kind);
        }
        while missing > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(answer) = received.recv_timeout(left) else {
                return Err(RequestError::Timeout { answers, missing });
            };
            answers.extend(values(&answer));
            missing -= 1;
        }
        Ok(answers)
    }

    /// Does what another server asks.
    pub fn answer(self: &Arc<Shared>, namespace: &Namespace, request: Request) {
        let Request { id, kind, .. } = request;
        let respond = |mut fields: Value| {
            if let Some(id) = &id {
                fields["requestId"] = id.into();
                self.publish(&response_channel(namespace), fields.to_string().as_bytes());
            }
        };
        let change = |target: &Target, change: &dyn Fn(&Socket)| {
            let sockets = namespace.chosen(target).fetch_sockets();
            sockets.iter().for_each(change);
            if !sockets.is_empty() {
                respond(json!({}));
            }
        };
        match kind {
            RequestKind::Sockets(rooms) => {
                let sockets = namespace.local().to(rooms).fetch_sockets();
                respond(json!({"sockets": sockets.iter().map(Socket::id).collect::<Vec<_>>()}));
            }
            RequestKind::AllRooms => {
                respond(json!({"rooms": namespace.all_rooms().into_keys().collect::<Vec<_>>()}));
            }
            RequestKind::Fetch(target) => {
                let sockets = namespace.chosen(&target).fetch_sockets();
                let sockets: Vec<Value> = sockets.iter().map(super::cluster::describe).collect();
                respond(json!({"sockets": sockets}));
            }
            RequestKind::Join(target, rooms) => change(&target, &|socket| socket.join(&rooms)),
            RequestKind::Leave(target, rooms) => change(&target, &|socket| socket.leave(&rooms)),
            RequestKind::Disconnect(target, close) => {
                change(&target, &|socket| socket.disconnect(close));
            }
            RequestKind::ServerSideEmit(event) => self.server_side_event(namespace, event, id),
            RequestKind::Broadcast(target, event) => {
                _ = id.map(|id| self.broadcast_for(namespace, &target, &event, &id));
            }
        }
    }
}
