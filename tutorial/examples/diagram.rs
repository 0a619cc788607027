//! Draws what the page of the wiretap shows as a picture, and prints it as SVG. Chapter 03.
//!
//! `cargo run --example diagram -- 127.0.0.1:3002` reads the history of the page at that address,
//! until no entry has come for a second.

use std::fmt::Write;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sockets_by_hand::json::Value;
use sockets_by_hand::ws::{Client, Error, Message};

/// The most characters of a line of text.
const MAX_CHARS: usize = 76;

/// Where the line of the client is, and that of the server.
const LEFT: usize = 64;
const RIGHT: usize = 696;

fn main() -> Result<(), Error> {
    let page = std::env::args().nth(1).unwrap_or("127.0.0.1:3002".to_string());
    println!("{}", draw(&entries(&page)?));
    Ok(())
}

/// The entries that the page has.
fn entries(page: &str) -> Result<Vec<Value>, Error> {
    let mut client = Client::default();
    client.headers.push("Origin", &format!("http://{page}"));
    let mut socket = client.connect(&format!("ws://{page}/"))?;
    let mut entries = Vec::new();
    loop {
        socket.set_deadline(Some(Instant::now() + Duration::from_secs(1)));
        match socket.read() {
            Ok(Some(Message::Text(entry))) => entries.extend(Value::parse(&entry)),
            Ok(Some(_)) => {}
            Err(Error::Io(e)) if e.kind() != ErrorKind::TimedOut => return Err(Error::Io(e)),
            _ => return Ok(entries),
        }
    }
}

/// The depth of a layer, in the order of the staircase.
fn depth(entry: &Value) -> usize {
    match entry["layer"].as_str() {
        Some("engine.io") => 1,
        Some("socket.io") => 2,
        _ => 0,
    }
}

/// Whether an entry stands on the arrow of `first`.
fn is_carried(entry: &Value, first: &Value) -> bool {
    let has_head = entry["details"].as_array().is_some_and(|details| !details.is_empty());
    let is_deeper = depth(entry) > depth(first) || (entry["at"] == first["at"] && !has_head);
    entry["from"] == first["from"] && first["bytes"] != "" && is_deeper
}

fn draw(entries: &[Value]) -> String {
    let mut arrows: Vec<Vec<&Value>> = Vec::new();
    for entry in entries {
        match arrows.last_mut() {
            Some(arrow) if is_carried(entry, arrow[0]) => arrow.push(entry),
            _ => arrows.push(vec![entry]),
        }
    }
    let (mut drawn, mut y) = (String::new(), 72);
    for arrow in &arrows {
        for entry in arrow {
            let layer = entry["layer"].as_str().unwrap_or_default();
            let text = cut(entry["text"].as_str().unwrap_or_default(), layer, depth(entry));
            let x = LEFT + 12 + 20 * depth(entry);
            y += 18;
            _ = writeln!(
                drawn,
                r#"  <text x="{x}" y="{y}"><tspan font-weight="600">{layer}</tspan> {text}</text>"#
            );
        }
        y += 9;
        let is_client = arrow[0]["from"] == "client";
        let (color, from, to, back) =
            if is_client { ("#a87a1c", LEFT, RIGHT, "-") } else { ("#3b6ea5", RIGHT, LEFT, "") };
        let dashes = if arrow[0]["bytes"] == "" { r#" stroke-dasharray="5 4""# } else { "" };
        _ = writeln!(
            drawn,
            r#"  <path d="M{from} {y} H{to}" stroke="{color}" stroke-width="2"{dashes}/>"#
        );
        _ = writeln!(drawn, r#"  <path d="M{to} {y} l{back}10 -5 v10 z" fill="{color}"/>"#);
        y += 10;
    }
    frame(&drawn, y + 20)
}

/// What is drawn, between the two lines, on a picture of that height.
fn frame(drawn: &str, height: usize) -> String {
    let (bottom, line) = (height - 2, height - 14);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" font-family="ui-monospace, monospace" font-size="13" role="img">
  <title>A conversation as the wiretap shows it: each message is an arrow, with a line for each layer</title>
  <rect x="1" y="1" width="758" height="{bottom}" rx="12" fill="#fcfcf9" stroke="#9aa3ad"/>
  <rect x="24" y="18" width="80" height="32" rx="8" fill="#fff4dc" stroke="#a87a1c"/>
  <rect x="656" y="18" width="80" height="32" rx="8" fill="#e3edf8" stroke="#3b6ea5"/>
  <path d="M{LEFT} 50 V{line} M{RIGHT} 50 V{line}" stroke="#9aa3ad"/>
  <g fill="#20262e">
  <text x="{LEFT}" y="39" text-anchor="middle" font-weight="600">client</text>
  <text x="{RIGHT}" y="39" text-anchor="middle" font-weight="600">server</text>
{drawn}  </g>
</svg>"##
    )
}

/// As much of a text as fits behind the name of its layer, harmless in SVG.
fn cut(text: &str, layer: &str, depth: usize) -> String {
    let room = MAX_CHARS - layer.len() - 3 * depth;
    let is_long = text.chars().count() > room;
    let kept: String = text.chars().take(room - usize::from(is_long)).collect();
    let kept = kept.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    if is_long { kept + "…" } else { kept }
}
