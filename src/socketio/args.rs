//! The arguments of an event or of an acknowledgement: a list that is read without a panic.
//!
//! The other end decides how many there are. In a JavaScript function a missing argument is
//! `undefined`; here it is [`Value::Null`].
//!
//! Chapter 22 of the book.

use std::collections::{BTreeMap, HashMap};
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
/// assert!(args[3..].is_empty()); // as `slice(3)` in JavaScript
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

impl AsRef<[Value]> for Args {
    fn as_ref(&self) -> &[Value] {
        &self.0
    }
}

/// What can be emitted with an event or an acknowledgement: one value, several in a tuple, or a
/// list of [`Value`]s that is already there.
///
/// ```
/// use sockets_by_hand::{json, socketio::IntoArgs};
///
/// fn args(args: impl IntoArgs) -> String {
///     format!("{:?}", args.into_args().as_ref().iter().map(|v| v.to_string()).collect::<Vec<_>>())
/// }
/// assert_eq!(args("hello"), r#"["\"hello\""]"#);
/// assert_eq!(args(("a", 1)), r#"["\"a\"", "1"]"#);
/// assert_eq!(args(json!({"n": 1})), r#"["{\"n\":1}"]"#);
/// assert_eq!(args(()), "[]");
/// assert_eq!(args([json!("a"), json!([1, 2])]), r#"["\"a\"", "[1,2]"]"#);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be emitted",
    label = "not a value, a tuple of values, or a list of `Value`s",
    note = "emit one value as it is: `emit(\"hello\", \"text\")`, `emit(\"hello\", json!([1, 2]))`",
    note = "emit several as a tuple: `emit(\"hello\", (\"a\", 1))`, and none as `()`",
    note = "a list of a type of your own is one value after `Value::from(list)`"
)]
pub trait IntoArgs {
    /// The values, in a form that needs no copy of a list that is there.
    type Values: AsRef<[Value]>;

    /// The values.
    fn into_args(self) -> Self::Values;
}

/// `impl IntoArgs` for types that are a list of values already.
macro_rules! list {
    ($([$($n:ident)?] $list:ty;)*) => {
        $(impl $(<const $n: usize>)? IntoArgs for $list {
            type Values = Self;

            fn into_args(self) -> Self {
                self
            }
        })*
    };
}

list! {
    [] &Args;
    [] Args;
    [] &[Value];
    [] Vec<Value>;
    [] &Vec<Value>;
    [N] [Value; N];
    [N] &[Value; N];
}

/// `impl IntoArgs` for types of which one is one value.
macro_rules! single {
    ($([$($parameters:tt)*] $single:ty;)*) => {
        $(impl<$($parameters)*> IntoArgs for $single {
            type Values = [Value; 1];

            fn into_args(self) -> [Value; 1] {
                [self.into()]
            }
        })*
    };
}

single! {
    [] Value; [] &Value; [] &str; [] &String; [] String; [] char; [] bool;
    [] u8; [] u16; [] u32; [] u64; [] usize; [] i8; [] i16; [] i32; [] i64; [] isize; [] f32; [] f64;
    [] Vec<u8>; [] &Vec<u8>; [] &[u8];
    [T: Into<Value>] Option<T>;
    [K: Into<String>, V: Into<Value>] HashMap<K, V>;
    [K: Into<String>, V: Into<Value>] BTreeMap<K, V>;
}

/// `impl IntoArgs` for tuples of values.
macro_rules! tuple {
    ($($n:literal: $($t:ident $i:tt),*;)*) => {
        $(impl<$($t: Into<Value>),*> IntoArgs for ($($t,)*) {
            type Values = [Value; $n];

            fn into_args(self) -> [Value; $n] {
                [$(self.$i.into()),*]
            }
        })*
    };
}

tuple! {
    0: ;
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, F 5;
}

/// How much memory a value takes: much more than its text, if it has many small parts.
pub(super) fn size_in_memory(value: &Value) -> usize {
    let held = match value {
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::Array(items) => items.iter().map(size_in_memory).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| size_of::<String>() + name.len() + size_in_memory(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + held
}
