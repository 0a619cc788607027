//! Bytes that no protocol explains: as text if they are text, otherwise in hexadecimal.

use super::explain::MAX_MESSAGE;

/// How many characters of a text, or bytes of a dump, are shown.
const MAX_SHOWN: usize = 160;

/// The beginning of a text from the wire, harmless in a terminal: control characters, and those that
/// change the direction of writing, are escaped as Rust writes them.
pub fn cut(text: &str) -> String {
    let mut harmless = String::new();
    for c in text.chars().take(MAX_SHOWN) {
        match c {
            '"' | '\'' | '\\' => harmless.push(c),
            c => harmless.extend(c.escape_debug()),
        }
    }
    harmless + if text.chars().nth(MAX_SHOWN).is_some() { "…" } else { "" }
}

/// The beginning of `bytes`, behind their number; there were `length` of them.
pub fn preview(bytes: &[u8], length: u64) -> String {
    let unit = if length == 1 { "byte" } else { "bytes" };
    match text(bytes) {
        _ if length == 0 => "0 bytes".to_string(),
        Some(text) => format!("{length} {unit}: \"{}\"", cut(&text)),
        None => format!("{length} {unit}: {}", hex(bytes, 16)),
    }
}

/// The bytes as text, unless more than one in ten is none. (A piece of a stream may begin or end
/// within a character.)
pub fn text(bytes: &[u8]) -> Option<String> {
    let is_odd = |c: &char| c.is_control() && !"\t\r\n".contains(*c) || *c == '\u{fffd}';
    let text = String::from_utf8_lossy(bytes);
    (text.chars().filter(is_odd).count() * 10 <= bytes.len()).then(|| text.into_owned())
}

/// At most `max` bytes in hexadecimal.
pub fn hex(bytes: &[u8], max: usize) -> String {
    let shown: Vec<String> = bytes.iter().take(max).map(|byte| format!("{byte:02x}")).collect();
    shown.join(" ") + if bytes.len() > max { " …" } else { "" }
}

/// At most `max` bytes in lines of 16, each behind the offset of its first byte, and as text.
pub fn dump(bytes: &[u8], offset: u64, max: usize) -> Vec<String> {
    let line = |(offset, line): (u64, &[u8])| {
        let is_plain = |byte: &u8| (b' '..=b'~').contains(byte);
        let text = line.iter().map(|b| if is_plain(b) { char::from(*b) } else { '.' });
        format!("{offset:06x}  {:47}  {}", hex(line, 16), text.collect::<String>())
    };
    let shown = &bytes[..bytes.len().min(max)];
    (offset..).step_by(16).zip(shown.chunks(16)).map(line).collect()
}

/// A payload of any length, of which the beginning is kept.
#[derive(Default)]
pub struct Kept {
    pub bytes: Vec<u8>,
    /// How many bytes there were.
    pub length: u64,
}

impl Kept {
    /// Takes what `rest` has of the bytes up to `length`. Returns whether all have arrived.
    pub fn fill(&mut self, rest: &mut &[u8], length: u64) -> bool {
        let missing = (length - self.length).min(rest.len() as u64) as usize;
        let (part, after) = rest.split_at(missing);
        *rest = after;
        self.add(part, missing as u64);
        self.length == length
    }

    /// Adds a payload of which `bytes` were kept.
    pub fn add(&mut self, bytes: &[u8], length: u64) {
        let room = MAX_MESSAGE - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.length += length;
    }

    pub fn is_whole(&self) -> bool {
        self.bytes.len() as u64 == self.length
    }
}
