//! The namespaces of a server, by name: fixed ones, and those that appear with their first client.
//!
//! Chapter 23 of the book.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::adapter::Redis;
use super::args::IntoArgs;
use super::lock;
use super::namespace::{ConnectError, Namespace};
use super::parser::Parser;
use super::recovery::Recovery;
use super::socket::Socket;
use crate::engineio::Handle;
use crate::json::Value;
use crate::net::Emitter;

/// All namespaces of a server. It dereferences to the namespace `/`, because in Socket.IO every
/// method of that is one of `io` too: `io.emit(…)`. A clone is the same list; any thread may use
/// it.
#[derive(Clone)]
pub struct Io {
    main: Namespace,
    shared: Arc<Shared>,
}

struct Shared {
    namespaces: Mutex<BTreeMap<String, Entry>>,
    parents: Mutex<Vec<Parent>>,
    /// Emits `new_namespace`.
    events: Emitter<Namespace>,
    /// Stops the server.
    handle: Handle,
    recovery: Option<Recovery>,
    /// Whether a child is removed when its last client has left.
    cleanup: bool,
}

struct Entry {
    namespace: Namespace,
    /// The index of its parent, if it is a child.
    parent: Option<usize>,
    /// How many clients are connected to it, or run its middleware. It is counted for children.
    clients: usize,
}

#[derive(Clone)]
struct Parent {
    matches: Arc<Matches>,
    /// Has the middleware and the listeners, and never a client.
    namespace: Namespace,
}

/// How long the name of a child may be, in bytes. A client chooses it.
const MAX_NAME: usize = 1_000;

type Matches = dyn Fn(&str, &Value) -> bool + Send + Sync;

impl Io {
    pub(super) fn new(
        handle: Handle,
        parser: Parser,
        recovery: Option<Recovery>,
        cleanup: bool,
    ) -> Io {
        let main = Namespace::new("/", parser, recovery.clone());
        let entry = Entry { namespace: main.clone(), parent: None, clients: 0 };
        let shared = Shared {
            namespaces: Mutex::new(BTreeMap::from([("/".to_string(), entry)])),
            parents: Mutex::default(),
            events: Emitter::new(),
            handle,
            recovery,
            cleanup,
        };
        Io { main, shared: Arc::new(shared) }
    }

    /// The namespace of that name (with or without its `/`). It is created if it does not exist: as
    /// a child, if a matcher of [`of_matching`](Io::of_matching) accepts it with [`Value::Null`] as
    /// the auth data.
    pub fn of(&self, name: &str) -> Namespace {
        let name = format!("/{}", name.trim_start_matches('/'));
        self.find(&name, 0).unwrap_or_else(|| {
            let parent = self.parent_of(&name, &Value::Null);
            self.find_or_create(&name, parent, 0)
        })
    }

    /// Creates namespaces for clients: a client that asks for a namespace that does not exist gets
    /// it if `matches` accepts its name (such as `/room-1`) and its auth data. (`io.of` with a
    /// regular expression or a function.) The first matcher that accepts is the parent of the new
    /// namespace.
    ///
    /// Each name that a matcher accepts takes memory, so accept no name that a client can invent;
    /// or set [`Options::cleanup_empty_child_namespaces`](super::Options), and a child is removed
    /// with its last client. A client that asks for a name of more than 1,000 bytes is refused.
    /// `matches` is called on the thread of the client, and may block it.
    ///
    /// ```
    /// # let server = sockets_by_hand::socketio::Server::bind("127.0.0.1:0", Default::default())?;
    /// let games = server.io().of_matching(|name, _auth| {
    ///     name.strip_prefix("/game-").is_some_and(|number| number.parse::<u8>().is_ok())
    /// });
    /// games.on_connection(|socket| _ = socket.emit("welcome to", socket.namespace().name()));
    /// games.emit("paused", "all clients of all games receive this");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of_matching(
        &self,
        matches: impl Fn(&str, &Value) -> bool + Send + Sync + 'static,
    ) -> ParentNamespace {
        let mut parents = lock(&self.shared.parents);
        let index = parents.len();
        let namespace = Namespace::new(&format!("/_{index}"), self.parser(), None);
        parents.push(Parent { matches: Arc::new(matches), namespace: namespace.clone() });
        ParentNamespace { io: self.clone(), index, namespace }
    }

    /// Calls `listener` for each namespace that is created from now on (`io.on("new_namespace",
    /// …)`), on the thread that creates it.
    pub fn on_new_namespace(&self, listener: impl Fn(Namespace) + Send + Sync + 'static) {
        self.shared.events.on("new_namespace", move |namespace| listener(namespace.clone()));
    }

    /// Shares the rooms of all namespaces with other servers (`io.adapter`).
    ///
    /// # Errors
    /// The thread of the adapter cannot be started.
    ///
    /// # Panics
    /// There is an adapter already.
    pub fn adapter(&self, redis: Redis) -> std::io::Result<()> {
        assert!(self.main.namespace.adapter.get().is_none(), "the server has an adapter already");
        let adapter = Arc::new(redis);
        let weak = Arc::downgrade(&adapter);
        self.on_new_namespace(move |namespace| {
            _ = weak.upgrade().map(|adapter| namespace.set_adapter(&adapter));
        });
        let entries = lock(&self.shared.namespaces);
        let namespaces: Vec<_> = entries.values().map(|entry| entry.namespace.clone()).collect();
        drop(entries);
        namespaces.iter().for_each(|namespace| namespace.set_adapter(&adapter));
        adapter.start()
    }

    /// Stops the server: see [`Handle::close`]. Each socket is disconnected with the reason
    /// `server shutting down`.
    pub fn close(&self) {
        self.shared.handle.close();
    }

    /// The namespace for a client, which asks for it with this auth data. It is created if a
    /// matcher accepts that. [`leave`](Io::leave) has to be called for each client.
    // Not inlined: the thread of a silent client keeps the stack of the caller.
    #[inline(never)]
    pub(super) fn enter(&self, name: &str, auth: &Value) -> Option<Namespace> {
        if let Some(namespace) = self.find(name, 1) {
            return Some(namespace);
        }
        if name.len() > MAX_NAME {
            return None;
        }
        let parent = self.parent_of(name, auth)?;
        Some(self.find_or_create(name, Some(parent), 1))
    }

    /// A client has left the namespace, or was refused. The last one removes a child.
    pub(super) fn leave(&self, namespace: &Namespace) {
        if !self.shared.cleanup {
            return;
        }
        let mut namespaces = lock(&self.shared.namespaces);
        let Some(entry) = namespaces.get_mut(namespace.name()) else { return };
        entry.clients -= 1;
        if entry.clients == 0 && entry.parent.is_some() {
            let removed = namespaces.remove(namespace.name());
            drop((namespaces, removed)); // the lock is released first
        }
    }

    /// The namespace of that name, if it exists. It has so many clients more then.
    fn find(&self, name: &str, clients: usize) -> Option<Namespace> {
        let mut namespaces = lock(&self.shared.namespaces);
        let entry = namespaces.get_mut(name)?;
        entry.clients += clients;
        Some(entry.namespace.clone())
    }

    /// The first parent whose matcher accepts. No lock is held while matchers run.
    fn parent_of(&self, name: &str, auth: &Value) -> Option<usize> {
        let parents = lock(&self.shared.parents).clone();
        parents.iter().position(|parent| (parent.matches)(name, auth))
    }

    /// The namespace of that name. (Another thread may have created it meanwhile.)
    fn find_or_create(&self, name: &str, parent: Option<usize>, clients: usize) -> Namespace {
        let namespace = Namespace::new(name, self.parser(), self.shared.recovery.clone());
        if let Some(index) = parent {
            namespace.inherit(&lock(&self.shared.parents)[index].namespace);
        }
        let mut namespaces = lock(&self.shared.namespaces);
        let mut created = false;
        let entry = namespaces.entry(name.to_string()).or_insert_with(|| {
            created = true;
            Entry { namespace, parent, clients: 0 }
        });
        entry.clients += clients;
        let namespace = entry.namespace.clone();
        drop(namespaces);
        if created {
            self.shared.events.emit_to_each("new_namespace", &namespace);
        }
        namespace
    }
}

impl Deref for Io {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.main
    }
}

/// The parent of all namespaces that one matcher of [`Io::of_matching`] has accepted. A child gets
/// the middleware and the listeners that its parent has when the child is created. A clone is the
/// same parent.
#[derive(Clone)]
pub struct ParentNamespace {
    io: Io,
    index: usize,
    namespace: Namespace,
}

impl ParentNamespace {
    /// Adds a middleware to each child that is created from now on: see
    /// [`Namespace::use_middleware`].
    pub fn use_middleware(
        &self,
        middleware: impl Fn(Socket) -> Result<(), ConnectError> + Send + Sync + 'static,
    ) {
        self.namespace.use_middleware(middleware);
    }

    /// Calls `listener` for each client that has connected to a child that is created from now on.
    pub fn on_connection(&self, listener: impl Fn(Socket) + Send + Sync + 'static) {
        self.namespace.on_connection(listener);
    }

    /// Its children, sorted by name (`parent.children`).
    pub fn children(&self) -> Vec<Namespace> {
        let namespaces = lock(&self.io.shared.namespaces);
        let children = namespaces.values().filter(|entry| entry.parent == Some(self.index));
        children.map(|entry| entry.namespace.clone()).collect()
    }

    /// Emits an event to all sockets of all children. (To those in a room: loop over the
    /// [`children`](ParentNamespace::children).)
    ///
    /// # Panics
    /// As for [`Socket::emit`].
    pub fn emit(&self, name: &str, values: impl IntoArgs) {
        let values = values.into_args();
        self.children().iter().for_each(|child| child.emit(name, values.as_ref()));
    }
}
