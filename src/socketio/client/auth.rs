//! What a client sends when it connects to a namespace: a value, or a function that returns one.

use std::fmt;
use std::sync::Arc;

use crate::json::Value;

/// The `auth` of a socket: an object for the middleware of its namespace. From a [`Value`], or from
/// a closure that is called at each connection (npm's `auth: (callback) => …`), as for a token that
/// expires.
///
/// ```
/// use sockets_by_hand::{json, socketio::{Auth, ClientOptions}};
///
/// let fixed = ClientOptions { auth: json!({"token": "tea"}).into(), ..ClientOptions::default() };
/// let fresh = Auth::from(|| json!({"token": std::process::id()}));
/// ```
#[derive(Clone)]
pub enum Auth {
    /// The same at each connection.
    Value(Value),
    /// Returns the object. It is called each time that the socket connects, on the client's thread
    /// or on the one that calls [`open`](super::Socket::open), under no lock; until it returns, no
    /// socket of the client connects. If it panics, the session ends.
    Function(Arc<dyn Fn() -> Value + Send + Sync>),
}

impl Auth {
    /// The object for one connection.
    pub(super) fn value(&self) -> Value {
        match self {
            Auth::Value(value) => value.clone(),
            Auth::Function(function) => function(),
        }
    }
}

impl Default for Auth {
    fn default() -> Auth {
        Auth::Value(Value::Object(Vec::new()))
    }
}

impl From<Value> for Auth {
    fn from(value: Value) -> Auth {
        Auth::Value(value)
    }
}

impl<F: Fn() -> Value + Send + Sync + 'static> From<F> for Auth {
    fn from(function: F) -> Auth {
        Auth::Function(Arc::new(function))
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Auth::Value(value) => value.fmt(f),
            Auth::Function(_) => f.write_str("a function"),
        }
    }
}
