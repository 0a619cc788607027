//! A session over requests, by hand: prints what goes (`>`) and comes (`<`). Chapter 16.
//!
//! `cargo run --example polling` talks to a server of its own. With `-- HOST:PORT` it talks to
//! another one, which must send every message back.

use std::io::{self, BufReader, Write};
use std::sync::Arc;
use std::{env, thread};

use sockets_by_hand::engineio::{Event, Options, Packet, Server};
use sockets_by_hand::http::{Error, Request, Response};
use sockets_by_hand::net::Stream;

const OPEN: &str = "EIO=4&transport=polling";

/// Printed in place of the session's id, which nobody can foresee. It is as long.
const TICKET: &str = "a-ticket-of-20-signs";

fn main() -> Result<(), Error> {
    let address = match env::args().nth(1) {
        Some(address) => address,
        None => {
            let server = Server::bind("127.0.0.1:0", Options::default())?;
            let address = server.address().map(|address| address.to_string()).unwrap_or_default();
            thread::spawn(|| serve(server));
            address
        }
    };
    conversation(&address)?;
    two_at_once(&address)?;
    wrong(&address)
}

/// The server: an echo.
fn serve(server: Server) {
    server.serve(|session| {
        let session = session.clone();
        Box::new(move |event| {
            if let Event::Message(message) = event {
                session.send(&Arc::new(Packet::Message(message).into()));
            }
        })
    });
}

fn conversation(address: &str) -> Result<(), Error> {
    let mut ear = Line::open("ear", address)?;
    let mut mouth = Line::open("mouth", address)?;

    println!("Hello");
    ear.ask("GET", OPEN, "")?;
    let sid = ear.hear()?;
    let session = format!("{OPEN}&sid={sid}");

    println!("We ask, and the answer waits until there is something to say");
    ear.ask("GET", &session, "")?;
    mouth.ask("POST", &session, "4Hello")?;
    mouth.hear()?;
    ear.hear()?;

    println!("We say two things, and ask afterwards");
    mouth.ask("POST", &session, "4one\x1ebAQID")?;
    mouth.hear()?;
    ear.ask("GET", &session, "")?;
    ear.hear()?;

    println!("We leave");
    mouth.ask("POST", &session, "1")?;
    mouth.hear()?;
    ear.ask("GET", &session, "")?;
    ear.hear().map(drop)
}

/// Whichever of the two comes second ends the session.
fn two_at_once(address: &str) -> Result<(), Error> {
    println!("Two ask at once");
    let (mut ear, mut other) = (Line::open("ear", address)?, Line::open("other ear", address)?);
    ear.ask("GET", OPEN, "")?;
    let sid = ear.hear()?;
    ear.ask("GET", &format!("{OPEN}&sid={sid}"), "")?;
    other.ask("GET", &format!("{OPEN}&sid={sid}"), "")?;
    let mut answers = [ear.answer()?, other.answer()?];
    answers.sort_by_key(|answer| answer.status);
    answers.iter().for_each(|answer| show("one of them", answer));
    Ok(())
}

fn wrong(address: &str) -> Result<(), Error> {
    println!("What is wrong");
    for (method, query) in [
        ("GET", "EIO=4&transport=pigeon"),
        ("GET", "EIO=4&transport=polling&sid=never-seen"),
        ("POST", "EIO=4&transport=polling"),
        ("GET", "EIO=4&transport=websocket"),
        ("GET", "EIO=3&transport=polling"),
    ] {
        let mut line = Line::open("line", address)?;
        line.ask(method, query, "")?;
        line.hear()?;
    }
    Ok(())
}

/// A connection, for one request after the other.
struct Line {
    name: &'static str,
    host: String,
    reader: BufReader<Stream>,
}

impl Line {
    fn open(name: &'static str, host: &str) -> io::Result<Line> {
        let reader = BufReader::new(Stream::connect(host)?);
        Ok(Line { name, host: host.to_string(), reader })
    }

    fn ask(&mut self, method: &str, query: &str, body: &str) -> io::Result<()> {
        let shown = match query.split_once("&sid=") {
            Some((before, sid)) if sid.len() == TICKET.len() => format!("{before}&sid={TICKET}"),
            _ => query.to_string(),
        };
        let line = format!("  {} > {method} ?{shown} {}", self.name, body.replace('\x1e', "␞"));
        println!("{}", line.trim_end());
        let mut request = Request::new(method, &format!("/socket.io/?{query}"));
        request.headers.push("Host", &self.host);
        self.reader.get_mut().write_all(&request.encode(body.as_bytes()))
    }

    /// Prints the answer to the last request. If it opens a session, that one's id is returned.
    fn hear(&mut self) -> Result<String, Error> {
        let answer = self.answer()?;
        show(self.name, &answer);
        Ok(sid(&answer).to_string())
    }

    fn answer(&mut self) -> Result<Response, Error> {
        Response::read(&mut self.reader, 1_000_000)
    }
}

/// The id of a session, where it begins: `0{"sid":"…"`.
fn sid(answer: &Response) -> &str {
    let hello = std::str::from_utf8(&answer.body).unwrap_or_default();
    let sid = hello.strip_prefix(r#"0{"sid":""#).and_then(|rest| rest.split('"').next());
    sid.unwrap_or_default()
}

fn show(name: &str, answer: &Response) {
    let body = String::from_utf8_lossy(&answer.body).replace('\x1e', "␞");
    let body = match sid(answer) {
        "" => body,
        sid => body.replace(sid, TICKET),
    };
    println!("{}", format!("  {name} < {} {body}", answer.status).trim_end());
}
