//! The arguments of an event or of an acknowledgement: a list that is read without a panic.
//!
//! The other end decides how many there are. In a JavaScript function a missing argument is
//! `undefined`; here it is [`Value::Null`].
//!
//! Chapter 18 of the book.

use std::ops::{Deref, Index, RangeFrom, RangeFull};

use crate::json::Value;

/// The arguments of an event or an acknowledgement. It dereferences to a slice, as a `Vec` does.
///
/// ```
/// use sockets_by_hand::{json, socketio::{Args, Value}};
///
/// let args = Args(vec![json!("tea"), json!({"text": "Hello"})]);
/// assert_eq!(args[0].as_str(), Some("tea"));
/// assert_eq!(args[1]["text"], json!("Hello"));
/// assert_eq!(args[2], Value::Null); // as `undefined` in JavaScript
///
/// let [Value::String(room), message] = &args[..] else { panic!("not what was expected") };
/// assert_eq!((&**room, message), ("tea", &args[1]));
/// assert_eq!(args[1..], [json!({"text": "Hello"})]);
/// assert_eq!(args[3..], []); // as `slice(3)` in JavaScript
/// ```
#[derive(Clone, Debug, Default)]
pub struct Args(pub Vec<Value>);

/// `args[0]`: the argument, or [`Value::Null`] if there is none.
impl Index<usize> for Args {
    type Output = Value;

    fn index(&self, i: usize) -> &Value {
        self.0.get(i).unwrap_or(&Value::Null)
    }
}

/// `args[1..]`: the arguments from there on; it may be empty.
impl Index<RangeFrom<usize>> for Args {
    type Output = [Value];

    fn index(&self, range: RangeFrom<usize>) -> &[Value] {
        self.0.get(range).unwrap_or_default()
    }
}

/// `args[..]`: all arguments, for a pattern.
impl Index<RangeFull> for Args {
    type Output = [Value];

    fn index(&self, _: RangeFull) -> &[Value] {
        &self.0
    }
}

impl Deref for Args {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0
    }
}

/// `args == [json!(1)]`: the same values in the same order.
impl<T: AsRef<[Value]> + ?Sized> PartialEq<T> for Args {
    fn eq(&self, other: &T) -> bool {
        self.0 == other.as_ref()
    }
}

/// So that arguments can be emitted again: `socket.emit("said", &event.args)`.
impl AsRef<[Value]> for Args {
    fn as_ref(&self) -> &[Value] {
        &self.0
    }
}
