//! Bytes that no protocol explains: as text if they are text, otherwise as a dump.

/// How many characters of a text, and how many bytes of a dump, are shown.
const MAX_SHOWN: usize = 160;

/// Text from the wire, harmless in a terminal: control characters, and those that change the
/// direction of writing, are escaped as Rust writes them.
pub fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => harmless.push(c),
            c => harmless.extend(c.escape_debug()),
        }
    }
    harmless
}

/// The beginning of a text, harmless, and `…` if there is more.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => harmless(&text[..end]) + "…",
        None => harmless(text),
    }
}

/// The beginning of `bytes` in one line, behind their number; there were `length` of them.
pub fn preview(bytes: &[u8], length: usize) -> String {
    let unit = if length == 1 { "byte" } else { "bytes" };
    let more = if bytes.len() < length { "…" } else { "" };
    match text(bytes) {
        _ if length == 0 => "0 bytes".to_string(),
        Some(text) => format!("{length} {unit}: \"{}\"{}", cut(&text), more),
        None => format!("{length} {unit}: {}", hex(bytes, 16)),
    }
}

/// The bytes as text, unless more than one in ten is none. (A piece of a stream may begin and end
/// within a character.)
pub fn text(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut odd = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
            odd += 1;
        }
        odd += chunk.valid().bytes().filter(|b| *b < b' ' && !b"\t\r\n".contains(b)).count();
    }
    (odd * 10 <= bytes.len()).then_some(text)
}

/// At most `max` bytes in hexadecimal.
pub fn hex(bytes: &[u8], max: usize) -> String {
    let shown: Vec<String> = bytes.iter().take(max).map(|byte| format!("{byte:02x}")).collect();
    shown.join(" ") + if bytes.len() > max { " …" } else { "" }
}

/// Bytes in lines of 16, each with the offset of its first byte, and as text on the right.
pub fn dump(bytes: &[u8], offset: u64) -> Vec<String> {
    let line = |(offset, line): (u64, &[u8])| {
        let shown =
            line.iter().map(|b| if (b' '..=b'~').contains(b) { char::from(*b) } else { '.' });
        format!("{offset:06x}  {:47}  {}", hex(line, 16), shown.collect::<String>())
    };
    (offset..).step_by(16).zip(bytes.chunks(16)).map(line).collect()
}

/// The first lines of a dump, and how much is left out.
pub fn short_dump(bytes: &[u8], offset: u64) -> Vec<String> {
    let (shown, rest) = bytes.split_at(bytes.len().min(MAX_SHOWN));
    let more = (!rest.is_empty()).then(|| format!("… {} more bytes", rest.len()));
    dump(shown, offset).into_iter().chain(more).collect()
}
