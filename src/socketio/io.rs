//! The namespaces of a server, by name.
//!
//! Chapter 20 of the book.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::lock;
use super::namespace::Namespace;
use super::recovery::Recovery;

/// All namespaces of a server. It dereferences to the namespace `/`, because in Socket.IO every
/// method of that is one of `io` too: `io.emit(…)`. A clone is the same list; any thread may use
/// it.
#[derive(Clone)]
pub struct Io {
    main: Namespace,
    all: Arc<Mutex<HashMap<String, Namespace>>>,
    recovery: Option<Recovery>,
}

impl Io {
    pub(super) fn new(recovery: Option<Recovery>) -> Io {
        let main = Namespace::new("/", recovery.clone());
        let all = HashMap::from([("/".to_string(), main.clone())]);
        Io { main, all: Arc::new(Mutex::new(all)), recovery }
    }

    /// The namespace of that name (with or without its `/`). It is created if it does not exist.
    pub fn of(&self, name: &str) -> Namespace {
        let name = format!("/{}", name.trim_start_matches('/'));
        let new = || Namespace::new(&name, self.recovery.clone());
        lock(&self.all).entry(name.clone()).or_insert_with(new).clone()
    }

    pub(super) fn find(&self, name: &str) -> Option<Namespace> {
        lock(&self.all).get(name).cloned()
    }
}

impl Deref for Io {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.main
    }
}
