//! Prints entries: one colour a direction, each layer indented under the one that carries it.

use std::env;
use std::io::{IsTerminal, Write, stdout};
use std::process::exit;

use super::bytes::dump;
use super::entry::{Entry, MAX_BYTES, Side};

/// How entries are printed.
pub struct Terminal {
    /// Whether the bytes of each layer are printed too.
    raw: bool,
    is_colored: bool,
}

impl Terminal {
    pub fn new(raw: bool) -> Terminal {
        // https://no-color.org: set and not empty
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Terminal { raw, is_colored: stdout().is_terminal() && !no_color }
    }

    /// Prints an entry. Ends the program quietly once nobody can read it (`wiretap | head`).
    pub fn show(&self, entry: &Entry) {
        let (arrow, color) = match entry.from {
            Side::Client => ("→", "\x1b[36m"),
            Side::Server => ("←", "\x1b[35m"),
        };
        let color = if self.is_colored { [color, "\x1b[0m"] } else { [""; 2] };
        let start = format!("{:7.3} #{} {arrow} ", entry.at.as_secs_f64(), entry.connection);
        let indent = "  ".repeat(entry.layer.depth);
        let layer = if entry.layer.depth == 0 { "" } else { &format!("{} ", entry.layer.name) };
        let mut lines = format!("{}{start}{indent}{layer}{}\n", color[0], entry.text);
        let margin = " ".repeat(start.chars().count()) + &indent + "  ";
        let mut raw = Vec::new();
        if self.raw {
            raw = dump(&entry.bytes, 0, MAX_BYTES);
            let more = entry.length - entry.bytes.len();
            raw.extend((more > 0).then(|| format!("… {more} more bytes")));
        }
        for line in entry.details.iter().chain(&raw) {
            lines += &format!("{margin}{line}\n");
        }
        lines += color[1];
        if stdout().write_all(lines.as_bytes()).is_err() {
            exit(0);
        }
    }
}
