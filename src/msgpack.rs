//! MessagePack: values as bytes, and bytes as values, the way npm's `notepack.io` does it.
//!
//! It is JSON's relative in bytes (<https://github.com/msgpack/msgpack/blob/master/spec.md>). A
//! value begins with a byte that is its *format*: the type, and for small values the length or the
//! number too. What follows has a length that is known before: nothing is searched for, and nothing
//! is escaped. The other difference is that there are bytes.
//!
//! What comes from outside has limits: [`MAX_DEPTH`] levels of nesting, and at most some 60 bytes
//! of memory for each byte that has arrived (`[[], [], …]`: 32, and half as much again while the
//! list grows). A length is a claim of the sender: no memory is taken for items long before them.
//!
//! It needs `json.rs` beside it, as the module `json` of the crate.
//!
//! Chapter 25 of the book.

use std::str;

pub use crate::json::Error;
use crate::json::Value;

/// How many arrays and maps may stand within each other, as in JSON.
pub const MAX_DEPTH: usize = 128;

/// Encodes a value, each part in its shortest format.
///
/// A number without a fraction is an integer if 64 bits hold it, and any other a `float 64`.
///
/// # Panics
/// A text, bytes, an array or an object has a length that 32 bits do not hold.
///
/// ```
/// use sockets_by_hand::{json, msgpack};
///
/// let bytes = msgpack::encode(&json!({"compact": true, "schema": 0}));
/// assert_eq!(bytes, b"\x82\xa7compact\xc3\xa6schema\x00");
/// assert_eq!(msgpack::decode(&bytes)?, json!({"compact": true, "schema": 0}));
/// # Ok::<(), msgpack::Error>(())
/// ```
pub fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, &mut bytes);
    bytes
}

/// Appends a value.
///
/// # Panics
/// As for [`encode`].
pub fn write(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.push(0xc0),
        Value::Bool(false) => bytes.push(0xc2),
        Value::Bool(true) => bytes.push(0xc3),
        Value::Number(n) => write_number(*n, bytes),
        Value::String(text) => write_str(text, bytes),
        Value::Binary(binary) => {
            match binary.len() {
                len @ ..0x100 => put(0xc4, 1, len as u64, bytes),
                len @ ..0x1_0000 => put(0xc5, 2, len as u64, bytes),
                len => put(0xc6, 4, in_32_bits(len), bytes),
            }
            bytes.extend_from_slice(binary);
        }
        Value::Array(items) => {
            write_array(items.len(), bytes);
            items.iter().for_each(|item| write(item, bytes));
        }
        Value::Object(members) => {
            write_map(members.len(), bytes);
            for (name, value) in members {
                write_str(name, bytes);
                write(value, bytes);
            }
        }
    }
}

/// Appends a text.
///
/// # Panics
/// As for [`encode`].
pub fn write_str(text: &str, bytes: &mut Vec<u8>) {
    match text.len() {
        len @ ..0x20 => bytes.push(0xa0 | len as u8),
        len @ ..0x100 => put(0xd9, 1, len as u64, bytes),
        len @ ..0x1_0000 => put(0xda, 2, len as u64, bytes),
        len => put(0xdb, 4, in_32_bits(len), bytes),
    }
    bytes.extend_from_slice(text.as_bytes());
}

/// Appends the beginning of an array: `len` values are to follow.
///
/// # Panics
/// As for [`encode`].
pub fn write_array(len: usize, bytes: &mut Vec<u8>) {
    match len {
        0..0x10 => bytes.push(0x90 | len as u8),
        0x10..0x1_0000 => put(0xdc, 2, len as u64, bytes),
        _ => put(0xdd, 4, in_32_bits(len), bytes),
    }
}

/// Appends the beginning of a map: `len` names are to follow, each with its value.
///
/// # Panics
/// As for [`encode`].
pub fn write_map(len: usize, bytes: &mut Vec<u8>) {
    match len {
        0..0x10 => bytes.push(0x80 | len as u8),
        0x10..0x1_0000 => put(0xde, 2, len as u64, bytes),
        _ => put(0xdf, 4, in_32_bits(len), bytes),
    }
}

fn write_number(n: f64, bytes: &mut Vec<u8>) {
    const TWO_TO_63: f64 = (1_u64 << 63) as f64;
    if n.fract() != 0.0 || !(-TWO_TO_63..2.0 * TWO_TO_63).contains(&n) {
        return put(0xcb, 8, n.to_bits(), bytes); // (also infinity and NaN, whose fraction is NaN)
    }
    if n >= 0.0 {
        match n as u64 {
            n @ ..0x80 => bytes.push(n as u8),
            n @ ..0x100 => put(0xcc, 1, n, bytes),
            n @ ..0x1_0000 => put(0xcd, 2, n, bytes),
            n @ ..0x1_0000_0000 => put(0xce, 4, n, bytes),
            n => put(0xcf, 8, n, bytes),
        }
    } else {
        match n as i64 {
            n @ -0x20.. => bytes.push(n as u8),
            n @ -0x80.. => put(0xd0, 1, n as u64, bytes),
            n @ -0x8000.. => put(0xd1, 2, n as u64, bytes),
            n @ -0x8000_0000.. => put(0xd2, 4, n as u64, bytes),
            n => put(0xd3, 8, n as u64, bytes),
        }
    }
}

/// Appends a format, and the last `width` bytes of a number, the highest first.
fn put(format: u8, width: usize, n: u64, bytes: &mut Vec<u8>) {
    bytes.push(format);
    bytes.extend_from_slice(&n.to_be_bytes()[8 - width..]);
}

fn in_32_bits(len: usize) -> u64 {
    u32::try_from(len).expect("MessagePack has lengths of 32 bits").into()
}

/// Decodes `bytes`, all of them, as one value.
///
/// Every format is read that JavaScript has a value for; `ext` is read as `notepack.io` writes it:
///
/// | format | type | what it is in JavaScript | the value |
/// | --- | --- | --- | --- |
/// | `fixext 1` | 0 | `undefined` | [`Value::Null`] |
/// | `fixext 8` | 0 | a `Date` | its milliseconds since 1970 |
/// | `ext 8`, `16`, `32` | 0 | an `ArrayBuffer` | [`Value::Binary`] |
/// | any | any other | `[type, bytes]` | the same |
///
/// The names of an object are texts; a number is one too, as in JavaScript. Of two members with one
/// name the last counts. A number beyond 2^53 becomes the nearest that JavaScript has.
///
/// # Errors
/// It is not one value, a text is not UTF-8, or it is nested too deeply. The error says where, and
/// what was expected there.
pub fn decode(bytes: &[u8]) -> Result<Value, Error> {
    let mut reader = Reader { bytes, at: 0, depth: 0 };
    let value = reader.value()?;
    if reader.at < bytes.len() { Err(reader.expected("the end")) } else { Ok(value) }
}

/// A position in the bytes.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn expected(&self, expected: &'static str) -> Error {
        Error { at: self.at, expected }
    }

    /// The next `len` bytes.
    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or(self.expected("as many bytes as announced"))?;
        self.at += len;
        Ok(taken)
    }

    /// A number without a sign, in `width` bytes.
    fn uint(&mut self, width: usize) -> Result<u64, Error> {
        Ok(self.take(width)?.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    /// A number with a sign: its highest bit.
    fn int(&mut self, width: usize) -> Result<i64, Error> {
        let unused = 64 - 8 * width;
        Ok((self.uint(width)? << unused) as i64 >> unused)
    }

    /// A length, in `width` bytes.
    fn length(&mut self, width: usize) -> Result<usize, Error> {
        Ok(self.uint(width)? as usize) // at most 32 bits
    }

    fn format(&mut self) -> Result<u8, Error> {
        let format = self.bytes.get(self.at).copied().ok_or(self.expected("a value"))?;
        self.at += 1;
        Ok(format)
    }

    /// How many items an array or a map has: in the format itself, or in 2 or 4 bytes after it.
    fn items(&mut self, format: u8) -> Result<usize, Error> {
        match format {
            ..=0x9f => Ok(usize::from(format & 0x0f)),
            _ => self.length(2 << (format & 1)),
        }
    }

    /// An array, a map, or a value without others in it.
    fn value(&mut self) -> Result<Value, Error> {
        let format = self.format()?;
        match format {
            0x80..=0x8f | 0xde | 0xdf => self.list(format, Reader::member).map(Value::from_iter),
            0x90..=0x9f | 0xdc | 0xdd => self.list(format, Reader::value).map(Value::Array),
            _ => self.single(format),
        }
    }

    /// A value without others in it. (Apart from `value`, to keep the frame small that lies on the
    /// stack once a level.)
    fn single(&mut self, format: u8) -> Result<Value, Error> {
        Ok(match format {
            ..=0x7f => Value::Number(format.into()),
            0xa0..=0xbf => self.string(usize::from(format & 0x1f))?,
            0xc0 => Value::Null,
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xc4..=0xc6 => {
                let len = self.length(1 << (format - 0xc4))?;
                Value::Binary(self.take(len)?.to_vec())
            }
            0xc7..=0xc9 => {
                let len = self.length(1 << (format - 0xc7))?;
                self.extension(format, len)?
            }
            0xca => Value::Number(f32::from_bits(self.uint(4)? as u32).into()),
            0xcb => Value::Number(f64::from_bits(self.uint(8)?)),
            0xcc..=0xcf => Value::Number(self.uint(1 << (format - 0xcc))? as f64),
            0xd0..=0xd3 => Value::Number(self.int(1 << (format - 0xd0))? as f64),
            0xd4..=0xd8 => self.extension(format, 1 << (format - 0xd4))?,
            0xd9..=0xdb => {
                let len = self.length(1 << (format - 0xd9))?;
                self.string(len)?
            }
            0xe0.. => Value::Number((format as i8).into()),
            _ => {
                self.at -= 1;
                return Err(self.expected("a format that is in use"));
            }
        })
    }

    fn string(&mut self, len: usize) -> Result<Value, Error> {
        let start = self.at;
        let text = str::from_utf8(self.take(len)?);
        let text = text.map_err(|e| Error { at: start + e.valid_up_to(), expected: "UTF-8" })?;
        Ok(Value::String(text.to_string()))
    }

    /// A type, and `len` bytes: as `notepack.io` uses them.
    fn extension(&mut self, format: u8, len: usize) -> Result<Value, Error> {
        let kind = self.int(1)?;
        let start = self.at;
        let bytes = self.take(len)?;
        Ok(match (kind, format) {
            (0, 0xd4) => Value::Null,
            (0, 0xd7) => {
                self.at = start;
                Value::Number(self.int(8)? as f64)
            }
            (0, 0xc7..=0xc9) => Value::Binary(bytes.to_vec()),
            _ => Value::Array(vec![Value::Number(kind as f64), Value::Binary(bytes.to_vec())]),
        })
    }

    /// A name, and its value.
    fn member(&mut self) -> Result<(String, Value), Error> {
        Ok((self.name()?, self.value()?))
    }

    fn name(&mut self) -> Result<String, Error> {
        let start = self.at;
        let format = self.format()?;
        match self.single(format) {
            Ok(Value::String(name)) => Ok(name),
            Ok(name @ Value::Number(_)) => Ok(name.to_string()),
            Err(e) if e.at > start => Err(e),
            _ => Err(Error { at: start, expected: "a name" }),
        }
    }

    /// What is in an array or a map.
    fn list<T>(
        &mut self,
        format: u8,
        item: fn(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        if self.depth == MAX_DEPTH {
            return Err(self.expected("at most 128 levels of nesting"));
        }
        self.depth += 1;
        let len = self.items(format)?;
        let mut items = Vec::new();
        while items.len() < len {
            if items.len() == items.capacity() {
                // At most as much room again as is filled: the length is a claim.
                items.reserve_exact((len - items.len()).min(items.len().max(4)));
            }
            items.push(item(self)?);
        }
        self.depth -= 1;
        Ok(items)
    }
}
