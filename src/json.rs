//! JSON (RFC 8259): values as text, and text as values, the way `JSON.parse` and `JSON.stringify`
//! do it.
//!
//! The reader has a function for each rule of the grammar: a value is an object, an array, a string,
//! a number or one of three words; an array is values between brackets. It takes exactly what the
//! grammar allows: no comments, no comma at the end, no `01`.
//!
//! What comes from outside has limits: [`MAX_DEPTH`] levels of nesting, and at most some 24 bytes
//! of memory for each byte of text (`[[[0]]]` is the worst). Time grows with the length alone.
//!
//! `value.rs` has what makes a value handy in Rust: `json!`, conversions, changes, comparisons.
//!
//! Chapter 19 of the book.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::{error, ops::Index};

/// How many arrays and objects may stand within each other. The reader calls itself once a level,
/// and the stack of a thread is small: without a limit, `[[[[…` would end the program.
pub const MAX_DEPTH: usize = 128;

/// A value of JSON, or bytes.
///
/// ```
/// use sockets_by_hand::{json, json::Value};
///
/// let event = Value::parse(r#"["say", {"who": "Ann", "n": 1e0}]"#)?;
/// assert_eq!(event[1]["who"].as_str(), Some("Ann"));
/// assert_eq!(event[1]["age"], Value::Null);
/// assert_eq!(event, json!(["say", {"who": "Ann", "n": 1}]));
/// assert_eq!(event.to_string(), r#"["say",{"who":"Ann","n":1}]"#);
/// # Ok::<(), sockets_by_hand::json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, and what a missing member is read as.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number: 64 bits of floating point, as in JavaScript. Not every integer beyond 2^53 is one.
    Number(f64),
    /// Text.
    String(String),
    /// Values in a row.
    Array(Vec<Value>),
    /// Named values, in the order in which they came. (JavaScript moves names such as `"7"` to the
    /// front.) Two objects are equal if their members are, in the same order.
    Object(Vec<(String, Value)>),
    /// Bytes, anywhere among an event's arguments. The text of JSON has none: they are written as
    /// `null`, unless they have been taken out before, to travel beside the text.
    Binary(Vec<u8>),
}

impl Value {
    /// Reads `text`, all of it, as one value.
    ///
    /// As in JavaScript, of two members with one name the last counts (in the place of the first),
    /// a number too large is infinite, and `-0` keeps its sign. `\ud83d` without its other half
    /// cannot be in a `String`: it becomes U+FFFD, which any encoder of UTF-8 would make of it.
    ///
    /// # Errors
    /// It is not JSON, or nested too deeply. The error says where, and what was expected there.
    pub fn parse(text: &str) -> Result<Value, Error> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        let value = reader.value()?;
        reader.skip_space();
        if reader.at < text.len() { Err(reader.expected("the end")) } else { Ok(value) }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// A number.
    pub fn as_f64(&self) -> Option<f64> {
        if let Value::Number(n) = self { Some(*n) } else { None }
    }

    /// `true` or `false`.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(b) = self { Some(*b) } else { None }
    }

    /// The items of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Value::Array(items) = self { Some(items) } else { None }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&[(String, Value)]> {
        if let Value::Object(members) = self { Some(members) } else { None }
    }

    /// Bytes.
    pub fn as_binary(&self) -> Option<&[u8]> {
        if let Value::Binary(bytes) = self { Some(bytes) } else { None }
    }

    /// Whether it is `null`: also true of what is missing (`value["no such name"]`).
    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }

    /// An object's member of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.iter().find(|member| member.0 == name).map(|member| &member.1)
    }
}

/// `value["name"]`: the member, or [`Value::Null`] if there is none.
impl Index<&str> for Value {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

/// `value[0]`: the item, or [`Value::Null`] if there is none.
impl Index<usize> for Value {
    type Output = Value;

    fn index(&self, i: usize) -> &Value {
        self.as_array().and_then(|items| items.get(i)).unwrap_or(&Value::Null)
    }
}

/// Why a text is not a value (or, in `msgpack`, why bytes are none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Where, in bytes from the start.
    pub at: usize,
    /// What should have been there.
    pub expected: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.at)
    }
}

impl error::Error for Error {}

/// The letters that may follow a backslash, and below each what it stands for (§7). Both directions
/// look it up here; `/` needs no escape, but may have one.
const LETTERS: &[u8; 8] = b"\"\\/bfnrt";
const MEANINGS: &[u8; 8] = b"\"\\/\x08\x0c\n\r\t";

/// Whether a byte must be escaped within a string (§7).
fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// How many characters stand for themselves, in bytes, before the first that does not.
fn run_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    // First 32 bytes at a time. Without a decision between them, the compiler compares 16 at once.
    let mut plain = 0;
    for chunk in bytes.chunks_exact(32) {
        if chunk.iter().fold(false, |found, byte| found | is_special(*byte)) {
            break;
        }
        plain += chunk.len();
    }
    plain + bytes[plain..].iter().take_while(|byte| !is_special(**byte)).count()
}

/// A position in the text. It only ever moves past whole characters.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn expected(&self, expected: &'static str) -> Error {
        Error { at: self.at, expected }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Moves past `token`, if that is what comes next.
    fn take(&mut self, token: &str) -> bool {
        let taken = self.rest().starts_with(token.as_bytes());
        self.at += if taken { token.len() } else { 0 };
        taken
    }

    fn skip_space(&mut self) {
        let space = self.rest().iter().take_while(|byte| b" \t\n\r".contains(byte));
        self.at += space.count();
    }

    /// §3: an object, an array, or a value without others in it.
    fn value(&mut self) -> Result<Value, Error> {
        self.skip_space();
        match self.rest().first() {
            Some(b'{') => self.list("}", Reader::member).map(last_wins),
            Some(b'[') => self.list("]", Reader::value).map(Value::Array),
            _ => self.single(),
        }
    }

    /// §3: a string, a number, or one of three words. (Apart from `value`, to keep the frame small
    /// that lies on the stack once a level.)
    fn single(&mut self) -> Result<Value, Error> {
        match self.rest().first() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            _ if self.take("null") => Ok(Value::Null),
            _ if self.take("true") => Ok(Value::Bool(true)),
            _ if self.take("false") => Ok(Value::Bool(false)),
            _ => Err(self.expected("a value")),
        }
    }

    /// §4 and §5: what stands between braces or brackets, with commas between.
    fn list<T>(
        &mut self,
        close: &str,
        item: fn(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        if self.depth == MAX_DEPTH {
            return Err(self.expected("at most 128 levels of nesting"));
        }
        self.depth += 1;
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        let mut closed = self.take(close);
        while !closed {
            let next = item(self)?;
            self.skip_space();
            closed = self.take(close);
            if items.len() == items.capacity() {
                // `push` alone would make room for four, in each of a million lists of one.
                items.reserve_exact(if closed { 1 } else { items.len().max(3) });
            }
            items.push(next);
            if !closed && !self.take(",") {
                return Err(self.expected("a comma or the closing bracket"));
            }
        }
        self.depth -= 1;
        Ok(items)
    }

    /// §4: a name, a colon, a value.
    fn member(&mut self) -> Result<(String, Value), Error> {
        Ok((self.name()?, self.value()?))
    }

    fn name(&mut self) -> Result<String, Error> {
        self.skip_space();
        if self.rest().first() != Some(&b'"') {
            return Err(self.expected("a name in quotes"));
        }
        let name = self.string()?;
        self.skip_space();
        if self.take(":") { Ok(name) } else { Err(self.expected("a colon")) }
    }

    /// §6: a sign, digits, a fraction, an exponent. All but the digits may be missing.
    fn number(&mut self) -> Result<f64, Error> {
        let start = self.at;
        self.take("-");
        _ = self.take("0") || self.digits()?;
        _ = self.take(".") && self.digits()?;
        if self.take("e") || self.take("E") {
            _ = self.take("+") || self.take("-");
            self.digits()?;
        }
        self.text[start..self.at].parse().map_err(|_| self.expected("a number"))
    }

    fn digits(&mut self) -> Result<bool, Error> {
        let n = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += n;
        if n == 0 { Err(self.expected("a digit")) } else { Ok(true) }
    }

    /// §7: runs of characters that stand for themselves, and escapes between them.
    fn string(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut string = self.run().to_string();
        while !self.take("\"") {
            if !self.take("\\") {
                return Err(self.expected("a character or the closing '\"'"));
            }
            string.push(self.escape()?);
            string += self.run();
        }
        Ok(string)
    }

    /// §7: characters that stand for themselves, up to the first that does not.
    fn run(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let run = run_length(rest);
        self.at += run;
        &rest[..run]
    }

    /// §7: what comes after a backslash.
    fn escape(&mut self) -> Result<char, Error> {
        if self.take("u") {
            return self.unicode();
        }
        let next = self.rest().first();
        let place = LETTERS.iter().position(|letter| Some(letter) == next);
        let place = place.ok_or(self.expected("one of \"\\/bfnrtu"))?;
        self.at += 1;
        Ok(char::from(MEANINGS[place]))
    }

    /// §7: four digits; or twice four, the two halves of a character beyond U+FFFF.
    fn unicode(&mut self) -> Result<char, Error> {
        let first = self.four_digits()?;
        let after = self.at;
        let is_half = char::from_u32(first.into()).is_none();
        let second = if is_half && self.take("\\u") { self.four_digits()? } else { 0 };
        let whole = char::decode_utf16([first, second]).next().and_then(Result::ok);
        self.at = if whole.is_some() { self.at } else { after };
        Ok(whole.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u16, Error> {
        // (`from_str_radix` alone would take a sign.)
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| !digits.starts_with('+'));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or(self.expected("four hexadecimal digits"))?;
        self.at += 4;
        Ok(unit)
    }
}

/// §4 leaves open what a name means that comes twice: here the last value, in the first one's
/// place.
fn last_wins(members: Vec<(String, Value)>) -> Value {
    let twice = |i: usize| members[..i].iter().any(|member| member.0 == members[i].0);
    if members.len() <= 16 && !(1..members.len()).any(twice) {
        return Value::Object(members);
    }
    // Many: to compare each with each would take time that grows with the square of their number.
    let mut places = HashMap::new();
    let mut kept: Vec<(String, Value)> = Vec::new();
    for (name, value) in members {
        let place = *places.entry(name.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(member) => member.1 = value,
            None => kept.push((name, value)),
        }
    }
    Value::Object(kept)
}

/// An object of these members (`Object.fromEntries`): of two with one name, the last counts.
impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Value {
        last_wins(members.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// The text of the value, without spaces: to the letter what `JSON.stringify` makes of it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Value::Null | Value::Binary(_) => f.write_str("null"),
            Value::Bool(b) => f.write_str(if *b { "true" } else { "false" }),
            Value::Number(n) => write_number(*n, f),
            Value::String(text) => write_string(text, f),
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    f.write_str(if i == 0 { "[" } else { "," })?;
                    item.fmt(f)?;
                }
                f.write_str(if items.is_empty() { "[]" } else { "]" })
            }
            Value::Object(members) => {
                for (i, (name, value)) in members.iter().enumerate() {
                    f.write_str(if i == 0 { "{" } else { "," })?;
                    write_string(name, f)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_str(if members.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

/// ECMA-262 §6.1.6.1.20: as few digits as lead back to the same number, and an exponent only where
/// the point is far away. No sign for `-0`, and `null` for what JSON has no digits for.
fn write_number(n: f64, f: &mut fmt::Formatter) -> fmt::Result {
    if !n.is_finite() {
        return f.write_str("null");
    }
    if n.trunc() == n && n.abs() < 1e15 {
        return write!(f, "{}", n as i64);
    }
    let mut text = format!("{:e}", n.abs());
    let decimals = text.find('e').unwrap_or(0).saturating_sub(2);
    if decimals >= 14 {
        // Two may be equally near. Rust takes the larger, and JavaScript the even one, as does
        // Rust where it is told how many digits to write.
        let even = format!("{:.decimals$e}", n.abs());
        text = if even.parse() == Ok(n.abs()) { even } else { text };
    }
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let plain = digits.replace('.', "");
    f.write_str(if n < 0.0 { "-" } else { "" })?;
    match exponent.parse::<isize>().unwrap_or(0) {
        21.. => write!(f, "{digits}e+{exponent}"),
        ..-6 => write!(f, "{digits}e{exponent}"),
        e @ -6..0 => write!(f, "0.{}{plain}", &"00000"[..e.unsigned_abs() - 1]),
        e => match plain.split_at_checked(e.unsigned_abs() + 1) {
            Some((whole, fraction)) if !fraction.is_empty() => write!(f, "{whole}.{fraction}"),
            _ => write!(f, "{plain:0<0$}", e.unsigned_abs() + 1),
        },
    }
}

fn write_string(text: &str, f: &mut fmt::Formatter) -> fmt::Result {
    f.write_char('"')?;
    let mut rest = text;
    loop {
        let run = run_length(rest);
        f.write_str(&rest[..run])?;
        let Some(&byte) = rest.as_bytes().get(run) else { break };
        match MEANINGS.iter().position(|meaning| *meaning == byte) {
            Some(place) => write!(f, "\\{}", char::from(LETTERS[place]))?,
            None => write!(f, "\\u{byte:04x}")?,
        }
        rest = &rest[run + 1..];
    }
    f.write_char('"')
}
