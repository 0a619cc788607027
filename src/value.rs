//! What makes a [`Value`] handy in Rust: [`json!`](crate::json!), conversions, changes, comparisons
//! with what Rust has, and iteration.
//!
//! It needs `json.rs` beside it, as the module `json` of the crate.
//!
//! Chapter 19 of the book.

use std::collections::{BTreeMap, HashMap};
use std::ops::IndexMut;
use std::slice;

use crate::json::Value;

impl Value {
    /// A number that is an integer, if it fits.
    ///
    /// (Beyond 2^53 it may not be the integer that was meant: see [`Value::Number`].)
    pub fn as_i64(&self) -> Option<i64> {
        let fits = |n: &f64| n.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(n);
        self.as_f64().filter(fits).map(|n| n as i64)
    }

    /// A number that is an integer and not negative, if it fits.
    pub fn as_u64(&self) -> Option<u64> {
        let fits = |n: &f64| n.fract() == 0.0 && (0.0..2.0 * TWO_TO_63).contains(n);
        self.as_f64().filter(fits).map(|n| n as u64)
    }

    /// An object's member of that name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let Value::Object(members) = self else { return None };
        members.iter_mut().find(|member| member.0 == name).map(|member| &mut member.1)
    }

    /// The items of an array, to change them.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Value>> {
        if let Value::Array(items) = self { Some(items) } else { None }
    }

    /// The members of an object, in their order (`Object.entries`); of another value, none.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.as_object().unwrap_or_default().iter().map(|(name, value)| (&**name, value))
    }
}

const TWO_TO_63: f64 = (1_u64 << 63) as f64;

/// `value["name"] = …` sets an object's member, and adds it at the end if there is none.
///
/// It never panics: what is not an object is replaced by one that has only this member. (JavaScript
/// throws for `null`, and forgets what is set on a text or a number.) Each time it looks through
/// the members: for thousands of names, fill a `HashMap` and make a value of that.
///
/// An array's items are changed with [`as_array_mut`](Value::as_array_mut).
///
/// ```
/// use sockets_by_hand::json;
///
/// let mut user = json!({name: "Ann"});
/// user["age"] = 30.into();
/// user["home"]["city"] = "Busan".into();
/// assert_eq!(user, json!({name: "Ann", age: 30, home: {city: "Busan"}}));
/// ```
impl IndexMut<&str> for Value {
    fn index_mut(&mut self, name: &str) -> &mut Value {
        if self.as_object().is_none() {
            *self = Value::Object(Vec::new());
        }
        let Value::Object(members) = self else { unreachable!("it has become an object") };
        let found = members.iter().position(|member| member.0 == name);
        let place = found.unwrap_or(members.len());
        if found.is_none() {
            members.push((name.to_string(), Value::Null));
        }
        &mut members[place].1
    }
}

/// `for item in &value`: the items of an array; of another value, none.
impl<'a> IntoIterator for &'a Value {
    type Item = &'a Value;
    type IntoIter = slice::Iter<'a, Value>;

    fn into_iter(self) -> slice::Iter<'a, Value> {
        self.as_array().unwrap_or_default().iter()
    }
}

/// `value == x` for what Rust has: true if `value` is what [`Value::from`] makes of `x`.
macro_rules! equal {
    ($($other:ty: |$value:ident, $x:ident| $equal:expr;)*) => {
        $(
            impl PartialEq<$other> for Value {
                fn eq(&self, $x: &$other) -> bool {
                    let $value = self;
                    $equal
                }
            }

            impl PartialEq<Value> for $other {
                fn eq(&self, value: &Value) -> bool {
                    value == self
                }
            }
        )*
    };
}

equal! {
    str: |value, x| value.as_str() == Some(x);
    &str: |value, x| value.as_str() == Some(*x);
    String: |value, x| value.as_str() == Some(&**x);
    bool: |value, x| value.as_bool() == Some(*x);
}

/// What numbers have: a conversion, and `==`.
macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl From<$number> for Value {
            fn from(n: $number) -> Value {
                Value::Number(n as f64)
            }
        })*
        equal! { $($number: |value, x| value.as_f64() == Some(*x as f64);)* }
    };
}

// One beyond 2^53 is rounded to the nearest that JavaScript has.
numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);

/// `impl From<T> for Value`, a line each.
macro_rules! from {
    ($($from:ty: $x:ident => $value:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($x: $from) -> Value {
                $value
            }
        })*
    };
}

from! {
    bool: b => Value::Bool(b);
    char: c => Value::String(c.to_string());
    &str: text => Value::String(text.to_string());
    &String: text => Value::String(text.clone());
    String: text => Value::String(text);
    &Value: value => value.clone();
}

/// What a list can have as items, to be a value itself: a list of bytes is [`Value::Binary`], and
/// any other an array.
///
/// A type of yours with `impl From<Note> for Value` needs no more than `impl Element for Note {}`;
/// or collect the list: `notes.into_iter().collect::<Value>()`.
#[diagnostic::on_unimplemented(
    message = "a list of `{Self}` is not a value",
    note = "collect it: `list.into_iter().collect::<Value>()`, where `Value: From<{Self}>`",
    note = "or, for a type of your own, write `impl Element for …` as well"
)]
pub trait Element: Into<Value> {
    /// The value that a list becomes.
    fn list(items: Vec<Self>) -> Value {
        items.into_iter().collect()
    }
}

impl Element for u8 {
    fn list(bytes: Vec<u8>) -> Value {
        Value::Binary(bytes)
    }
}

/// `impl Element` for types whose lists are arrays.
macro_rules! element {
    ($($element:ty),*) => {
        $(impl Element for $element {})*
    };
}

element!(bool, char, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);
element!(&str, &String, String, Value, &Value);

/// `impl From<T> for Value` and `impl Element for T`, for types with parameters.
macro_rules! generic {
    ($([$($parameters:tt)*] $from:ty: $x:ident => $value:expr;)*) => {
        $(
            impl<$($parameters)*> From<$from> for Value {
                fn from($x: $from) -> Value {
                    $value
                }
            }

            impl<$($parameters)*> Element for $from {}
        )*
    };
}

// A `HashMap` has its members in no particular order.
generic! {
    [T: Into<Value>] Option<T>: value => value.map_or(Value::Null, Into::into);
    [T: Element] Vec<T>: items => T::list(items);
    [T: Element, const N: usize] [T; N]: items => T::list(items.into());
    [T: Element + Clone] &Vec<T>: items => T::list(items.clone());
    [T: Element + Clone] &[T]: items => T::list(items.to_vec());
    [T: Element + Clone, const N: usize] &[T; N]: items => T::list(items.to_vec());
    [K: Into<String>, V: Into<Value>] HashMap<K, V>: map => map.into_iter().collect();
    [K: Into<String>, V: Into<Value>] BTreeMap<K, V>: map => map.into_iter().collect();
}

/// `collect`: an array.
impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Value {
        Value::Array(items.into_iter().map(Into::into).collect())
    }
}

/// A [`Value`] written as JSON, with expressions where values may stand.
///
/// A name may be written without quotes, as in JavaScript; `{name: 1}` is `{"name": 1}` even where
/// there is a variable `name`. A name that is calculated stands in brackets: `{[name]: 1}`.
///
/// (It finds the type as `crate::json::Value`, whatever is in scope: whoever copies this file needs
/// the module `json` in the root of their crate.)
///
/// ```
/// use sockets_by_hand::json;
///
/// let (who, rooms) = ("Ann", vec!["tea", "news"]);
/// let value = json!({"who": who, rooms: rooms, n: 1 + 1, "list": [-1, null, true], [who]: 3});
/// assert_eq!(
///     value.to_string(),
///     r#"{"who":"Ann","rooms":["tea","news"],"n":2,"list":[-1,null,true],"Ann":3}"#
/// );
/// ```
#[macro_export]
macro_rules! json {
    // First what is one token (`null`, brackets, braces), then what only an expression can be.
    (@array [$($done:tt)*]) => { $crate::json::Value::Array(::std::vec![$($done)*]) };
    (@array [$($done:tt)*] $item:tt $(, $($rest:tt)*)?) => {
        $crate::json!(@array [$($done)* $crate::json!($item),] $($($rest)*)?)
    };
    (@array [$($done:tt)*] $item:expr $(, $($rest:tt)*)?) => {
        $crate::json!(@array [$($done)* $crate::json!($item),] $($($rest)*)?)
    };
    (@name $name:ident) => { ::std::stringify!($name).to_string() };
    (@name $name:literal) => { $name.to_string() };
    (@name [$name:expr]) => { $name.to_string() };
    (@object [$($done:tt)*]) => { $crate::json::Value::Object(::std::vec![$($done)*]) };
    (@object [$($done:tt)*] $name:tt: $value:tt $(, $($rest:tt)*)?) => {
        $crate::json!(
            @object [$($done)* ($crate::json!(@name $name), $crate::json!($value)),] $($($rest)*)?
        )
    };
    (@object [$($done:tt)*] $name:tt: $value:expr $(, $($rest:tt)*)?) => {
        $crate::json!(
            @object [$($done)* ($crate::json!(@name $name), $crate::json!($value)),] $($($rest)*)?
        )
    };
    (null) => { $crate::json::Value::Null };
    ([$($items:tt)*]) => { $crate::json!(@array [] $($items)*) };
    ({$($members:tt)*}) => { $crate::json!(@object [] $($members)*) };
    ($value:expr) => { $crate::json::Value::from($value) };
}
