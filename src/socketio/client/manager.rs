//! The one line to a server: a thread connects, talks, waits, and begins again.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::socket::Socket;
use super::transport::{Address, Error, Sender, Transport};
use crate::json::Value;
use crate::net::{Backoff, Emitter};
use crate::socketio::args::Args;
use crate::socketio::codec::{Decoded, Decoder};
use crate::socketio::packet::Kind;
use crate::socketio::{lock, survives};

/// The line to a server, and those who talk over it.
pub(super) struct Manager {
    address: Address,
    pub events: Emitter<Value>,
    /// All sockets that there have been, one for each namespace.
    pub sockets: Mutex<Vec<Socket>>,
    pub line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct Line {
    /// There while there is a session.
    pub sender: Option<Sender>,
    /// The session is to end: nobody wanted to talk any more.
    given_up: bool,
    /// A socket wants to talk, and there is no session in which it could.
    again: bool,
    /// The thread runs, or is about to.
    running: bool,
    /// The next session is not asked for before; whoever has left of their own accord need not wait.
    not_before: Option<Instant>,
    backoff: Backoff,
    pub thread: Option<JoinHandle<()>>,
}

impl Line {
    /// What sends, as long as the session is not given up.
    pub fn sender(&self) -> Option<Sender> {
        self.sender.clone().filter(|_| !self.given_up)
    }
}

impl Manager {
    pub fn new(address: Address) -> Arc<Manager> {
        let line = Line { backoff: address.options.backoff.clone(), ..Line::default() };
        Arc::new(Manager {
            address,
            events: Emitter::new(),
            sockets: Mutex::default(),
            line: Mutex::new(line),
            changed: Condvar::new(),
        })
    }

    /// The socket in a namespace: two in one, and the server would end the session.
    pub fn socket(self: &Arc<Manager>, namespace: &str, auth: Value) -> Socket {
        let mut sockets = lock(&self.sockets);
        if let Some(socket) = sockets.iter().find(|socket| socket.namespace() == namespace) {
            socket.set_auth(auth);
            return socket.clone();
        }
        let socket = Socket::new(self, namespace, auth);
        sockets.push(socket.clone());
        socket
    }

    /// A socket wants to talk.
    ///
    /// # Errors
    /// There is no thread to be had: it does not want to any more.
    pub fn open(self: &Arc<Manager>, socket: &Socket) -> io::Result<()> {
        let mut line = lock(&self.line);
        let was_open = socket.0.open.swap(true, Relaxed);
        if let Some(sender) = line.sender() {
            if !was_open {
                socket.ask(&sender);
            }
            return Ok(());
        }
        line.again = true;
        if !line.running {
            let manager = self.clone();
            let thread = thread::Builder::new().spawn(move || manager.run());
            socket.0.open.store(thread.is_ok(), Relaxed);
            line.thread = Some(thread?);
            line.running = true;
        }
        Ok(())
    }

    /// A socket leaves of its own accord. If it was the last, who comes next need not wait.
    pub fn leave(&self, socket: &Socket) {
        let mut line = lock(&self.line);
        let was_open = socket.0.open.load(Relaxed);
        self.remove(&mut line, socket);
        if was_open && !self.is_wanted() {
            line.not_before = None;
            line.backoff.reset();
        }
    }

    /// A socket has nothing to say any more. If it was the last, the line is given up.
    fn remove(&self, line: &mut Line, socket: &Socket) {
        socket.0.open.store(false, Relaxed);
        if self.is_wanted() {
            return;
        }
        if let Some(sender) = &line.sender {
            sender.close();
            line.given_up = true;
        }
        self.changed.notify_all();
    }

    /// The thread: connects, talks, waits, and begins again, as long as anyone wants to talk.
    fn run(&self) {
        let options = &self.address.options;
        while self.goes_on() {
            let attempts = lock(&self.line).backoff.attempts;
            if attempts > 0 {
                self.tell("reconnect_attempt", attempts.into());
            }
            match Transport::open(&self.address) {
                Ok(mut transport) => {
                    if attempts > 0 {
                        self.tell("reconnect", attempts.into());
                    }
                    lock(&self.line).backoff.reset();
                    let Some(reason) = self.talk(&mut transport) else { continue };
                    self.sockets().iter().for_each(|socket| socket.lost(reason));
                }
                Err(e) => {
                    lock(&self.line).again = false;
                    let message = e.to_string();
                    for socket in self.sockets() {
                        socket.refused(&message);
                    }
                    if attempts > 0 {
                        self.tell("reconnect_error", message.into());
                    }
                }
            }
            let mut line = lock(&self.line);
            if !options.reconnection || !self.is_wanted() {
                continue;
            }
            if line.backoff.attempts >= options.reconnection_attempts {
                line.running = false;
                line.backoff.reset();
                drop(line);
                return self.tell("reconnect_failed", Value::Null);
            }
            let pause = line.backoff.next_pause();
            line.not_before = Some(Instant::now() + pause);
            drop(line);
            self.tell("reconnect_pause", pause.as_secs_f64().into());
        }
    }

    /// Waits until a session may be asked for, as long as anyone wants to talk, and has said so since
    /// the last one where nothing comes back by itself. If nobody does, the thread ends.
    fn goes_on(&self) -> bool {
        let options = &self.address.options;
        let mut line = lock(&self.line);
        loop {
            line.running = self.is_wanted() && (options.reconnection || line.again);
            let now = Instant::now();
            let pause =
                line.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
            if !line.running {
                return false;
            }
            if pause.is_zero() {
                // A listener that opens again whatever happens must not do so without a pause.
                line.not_before = Some(now + options.backoff.clone().next_pause());
                return true;
            }
            line = self.changed.wait_timeout(line, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A session, from its first packet to its last; returns how it ended, unless it was given up.
    fn talk(&self, transport: &mut Transport) -> Option<&'static str> {
        let sender = transport.sender.clone();
        let mut line = lock(&self.line);
        self.sockets().iter().for_each(|socket| socket.ask(&sender));
        (line.sender, line.again) = (Some(sender.clone()), false);
        line.given_up = !self.is_wanted();
        drop(line);
        let mut decoder = Decoder::default();
        let reason = loop {
            if lock(&self.line).given_up {
                break "io client disconnect";
            }
            match transport.read() {
                // It was on its way: who has come back meanwhile waits for the next session.
                Ok(Some(_)) if lock(&self.line).given_up => break "io client disconnect",
                Ok(Some(message)) => match decoder.add(message) {
                    Ok(Some(packet)) => {
                        // A listener that panics ends its session, and no more.
                        if !survives(|| self.act_on(packet)) {
                            break "transport error";
                        }
                    }
                    Ok(None) => {}
                    Err(_) => break "parse error",
                },
                Ok(None) => break "transport close",
                Err(Error::Io(e)) if e.kind() == ErrorKind::TimedOut => break "ping timeout",
                Err(_) => break "transport error",
            }
        };
        let mut line = lock(&self.line);
        line.sender = None;
        lock(&self.sockets).iter().for_each(|socket| socket.0.asked.store(false, Relaxed));
        if line.given_up {
            return None;
        }
        if matches!(reason, "ping timeout" | "transport error") {
            sender.cut(); // a goodbye would not arrive
        }
        Some(reason)
    }

    fn act_on(&self, mut packet: Decoded) {
        let named = |socket: &&Socket| socket.namespace() == packet.namespace;
        let Some(socket) = lock(&self.sockets).iter().find(named).cloned() else { return };
        if packet.kind == Kind::Connect {
            return match packet.values.pop().as_ref().and_then(|hello| hello["sid"].as_str()) {
                Some(id) => socket.connected(id),
                None => {
                    self.remove(&mut lock(&self.line), &socket);
                    socket.refused("the server does not speak Socket.IO 5: a sid was expected");
                }
            };
        }
        if !socket.0.open.load(Relaxed) {
            return; // it has left meanwhile
        }
        match (packet.kind, packet.id) {
            (Kind::ConnectError, _) => {
                socket.0.asked.store(false, Relaxed);
                self.remove(&mut lock(&self.line), &socket);
                socket.tell("connect_error", packet.values);
            }
            (Kind::Disconnect, _) if socket.is_connected() => {
                self.remove(&mut lock(&self.line), &socket);
                socket.lost("io server disconnect");
            }
            (Kind::Ack, Some(id)) => socket.0.acks.settle(id, Ok(Args(packet.values))),
            // An answer to nothing; a goodbye that has crossed our own, and we have come back since.
            (Kind::Ack, None) | (Kind::Disconnect, _) => {}
            (_, id) => socket.receive(packet.values, id),
        }
    }

    fn is_wanted(&self) -> bool {
        lock(&self.sockets).iter().any(|socket| socket.0.open.load(Relaxed))
    }

    /// Tells what happened to the line.
    fn tell(&self, name: &str, value: Value) {
        self.events.emit_to_each(name, &value);
    }

    /// The sockets that talk, or want to.
    fn sockets(&self) -> Vec<Socket> {
        let sockets = lock(&self.sockets);
        sockets.iter().filter(|socket| socket.0.open.load(Relaxed)).cloned().collect()
    }
}
