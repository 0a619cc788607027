//! A head: a first line, then a header a line, then an empty line.

use std::io::{BufRead, Read};

use super::Error::{self, Refused};
use super::{CUT_SHORT, MAX_HEAD, MAX_HEADERS};

/// The headers of a message, in their order. Upper and lower case make no difference in a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The value of the first header of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The members of a header that is a list, such as `Connection: keep-alive, Upgrade`. Several
    /// headers of one name are one list (RFC 9110 §5.3).
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(str::trim_ascii)
            .filter(|item| !item.is_empty())
    }

    /// Whether a header that is a list has this member, in upper or lower case.
    pub fn has(&self, name: &str, member: &str) -> bool {
        self.list(name).any(|other| other.eq_ignore_ascii_case(member))
    }

    /// The values of all headers of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// All headers, as they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Adds a header after the others. What must not stand in one, above all a line end, becomes a
    /// space (in a name, `-`): nobody who chooses a value can add a line of their own.
    pub fn push(&mut self, name: &str, value: &str) {
        let name = name.replace(|c| !is_token_char(c), "-");
        let value = value.replace(|c: char| c != '\t' && c.is_ascii_control(), " ");
        self.0.push((name, value));
    }

    /// Puts a header in place of all others of that name.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.push(name, value);
    }

    pub(super) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Headers, Error> {
        let mut headers = Headers::default();
        for line in lines {
            // A space before the colon, or at the beginning (a "folded" line), is no token either.
            let (name, value) = line.split_once(':').unwrap_or_default();
            if !is_token(name) {
                return Err(Refused(400, "a header is not a name, a colon at once, and a value"));
            }
            if headers.0.len() == MAX_HEADERS {
                return Err(Refused(431, "there are more than 100 headers"));
            }
            headers.0.push((name.to_string(), value.trim_ascii().to_string()));
        }
        Ok(headers)
    }

    /// The length of the body, if one is given. (RFC 9112 §6.3 lets two equal ones pass.)
    pub(super) fn content_length(&self) -> Result<Option<usize>, Error> {
        let mut all = self.all("content-length");
        let Some(length) = all.next() else { return Ok(None) };
        if all.next().is_some() || length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(Refused(400, "Content-Length is not one number"));
        }
        // More digits than fit are longer than any limit.
        Ok(Some(length.parse().unwrap_or(usize::MAX)))
    }
}

/// Reads up to the empty line that ends a head, and returns all of it as it came; `None` when the
/// stream ends before it begins. An empty line before anything else is let pass (RFC 9112 §2.2).
pub(super) fn read_head(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>, Error> {
    let (mut head, mut begun) = (Vec::new(), false);
    loop {
        if !begun && reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let empty = read_line(reader, &mut head)?.is_empty();
        if begun && empty {
            return Ok(Some(head));
        }
        begun |= !empty;
    }
}

/// Reads one line to the end of `text`, which has room for [`MAX_HEAD`] bytes in all. RFC 9112 §2.2
/// allows to take a `\n` alone for the end of a line. Not every reader does, so we do not either.
pub(super) fn read_line<'a>(
    reader: &mut impl BufRead,
    text: &'a mut Vec<u8>,
) -> Result<&'a [u8], Error> {
    let start = text.len();
    reader.take((MAX_HEAD - start) as u64).read_until(b'\n', text)?;
    match &text[start..] {
        [line @ .., b'\r', b'\n'] if !line.iter().any(|b| b.is_ascii_control() && *b != b'\t') => {
            Ok(line)
        }
        [.., b'\n'] => {
            Err(Refused(400, "a line has a control character, or no \\r before its \\n"))
        }
        _ if text.len() == MAX_HEAD => Err(Refused(431, "the head is longer than 16 KiB")),
        _ => Err(CUT_SHORT),
    }
}

pub(super) fn encode_head(first: String, headers: &Headers, length: Option<usize>) -> Vec<u8> {
    let mut head = first + "\r\n";
    for (name, value) in headers.iter() {
        // Two lengths would be two ends: the body itself says how long it is.
        let length = ["content-length", "transfer-encoding"];
        if !length.iter().any(|length| name.eq_ignore_ascii_case(length)) {
            head.extend([name, ": ", value, "\r\n"]);
        }
    }
    if let Some(length) = length {
        head += &format!("Content-Length: {length}\r\n");
    }
    (head + "\r\n").into()
}

/// Whether it is a name, of a header or a method (RFC 9110 §5.6.2).
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_token_char)
}

pub(super) fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '!' | '#'..='\'' | '*' | '+' | '-' | '.' | '^'..='`' | '|' | '~')
}
