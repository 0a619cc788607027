//! The head of a message: a first line, then one header a line, then an empty line.

use std::io::{BufRead, Read};

use super::Error::{self, Refused};
use super::{CUT_SHORT, MAX_HEAD, MAX_HEADERS};

/// The headers of a message, in their order. Names are compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(Vec<(Box<str>, Box<str>)>);

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

    /// Whether a header that is a list has this member, without regard to case.
    pub fn has(&self, name: &str, member: &str) -> bool {
        self.list(name).any(|other| other.eq_ignore_ascii_case(member))
    }

    /// The values of all headers of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// All headers, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Adds a header after the others. A character that is not allowed there, above all a line end,
    /// becomes a space (in a name, `-`): whoever chooses a value cannot add a header of their own.
    pub fn push(&mut self, name: &str, value: &str) {
        let name = name.replace(|c| !is_token_char(c), "-");
        let value = value.replace(|c: char| c != '\t' && c.is_ascii_control(), " ");
        self.0.push((name.into(), value.into()));
    }

    /// Replaces all headers of that name by one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.push(name, value);
    }

    /// Adds all headers of `others` after the others.
    pub(crate) fn extend(&mut self, others: &Headers) {
        self.0.extend_from_slice(&others.0);
    }

    /// Reads the head of a request or of a response, whichever it is: its first line, and its headers.
    /// `None` if the stream ends before the head begins. For a program that reads along: a server
    /// reads a [`Request`](super::Request), a client a [`Response`](super::Response).
    ///
    /// # Errors
    /// The head is too long, malformed, or cut short; or the connection failed.
    pub fn read(reader: &mut impl BufRead) -> Result<Option<(String, Headers)>, Error> {
        let Some(head) = read_head(reader)? else { return Ok(None) };
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.trim_matches(['\r', '\n']).lines();
        let first = lines.next().unwrap_or_default().to_string();
        Ok(Some((first, Headers::parse(lines)?)))
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
            headers.0.push((name.into(), value.trim_ascii().into()));
        }
        headers.0.shrink_to_fit(); // a session keeps them
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

/// Reads a head, up to and with its empty line; `None` if the stream ends before the head begins.
/// An empty line before the head is ignored (RFC 9112 §2.2).
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

/// Reads one line and appends it to `text`, which may have [`MAX_HEAD`] bytes in all. RFC 9112
/// §2.2: a reader MAY take a `\n` alone as the end of a line. Not every reader does, so we do not
/// either.
///
/// # Errors
/// The line is cut short or has a control character, `text` is full, or the connection failed.
pub fn read_line<'a>(reader: &mut impl BufRead, text: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
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
        // The length follows from the body. A second one could contradict it.
        let framing = ["content-length", "transfer-encoding"];
        if !framing.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            head.extend([name, ": ", value, "\r\n"]);
        }
    }
    if let Some(length) = length {
        head += &format!("Content-Length: {length}\r\n");
    }
    (head + "\r\n").into()
}

/// Whether `name` is a token, such as the name of a header or a method (RFC 9110 §5.6.2).
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_token_char)
}

pub(super) fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '!' | '#'..='\'' | '*' | '+' | '-' | '.' | '^'..='`' | '|' | '~')
}
