//! A session over long-polling, by hand: prints each request (`>`) and response (`<`). Chapter 20.
//!
//! `cargo run --example polling` talks to a server of its own. With `-- HOST:PORT` it talks to
//! another one, which must send every message back.

use std::io::{self, BufReader, Write};
use std::sync::Arc;
use std::{env, thread};

use sockets_by_hand::engineio::{Cors, Event, Options, Packet, Server};
use sockets_by_hand::http::{Error, Request, Response};
use sockets_by_hand::net::Stream;

const OPEN: &str = "EIO=4&transport=polling";

/// Printed in place of the session's id, which differs from run to run. It is as long.
const SID: &str = "sid-of-20-characters";

fn main() -> Result<(), Error> {
    let address = match env::args().nth(1) {
        Some(address) => address,
        None => start_server()?,
    };
    session(&address)?;
    two_gets(&address)?;
    invalid_requests(&address)
}

/// Starts a server on a free port that sends every message back, and returns its address.
fn start_server() -> io::Result<String> {
    let origins = vec!["http://localhost:5173".to_string()]; // a development server of yours
    let cors = Some(Cors { origins, credentials: false });
    let server = Server::bind("127.0.0.1:0", Options { cors, ..Options::default() })?;
    let address = server.address().map(|address| address.to_string()).unwrap_or_default();
    thread::spawn(|| serve(server));
    Ok(address)
}

fn serve(server: Server) {
    server.serve(|session| {
        let session = session.clone();
        Box::new(move |event| match event {
            Event::Message(message) => _ = session.send(&Arc::new(Packet::Message(message).into())),
            Event::Close(_) => {}
        })
    });
}

fn session(address: &str) -> Result<(), Error> {
    let mut poll = Connection::open("poll", address)?;
    let mut post = Connection::open("post", address)?;

    println!("The handshake");
    poll.send("GET", OPEN, "")?;
    let sid = poll.receive()?;
    let session = format!("{OPEN}&sid={sid}");

    println!("A GET that is held until there is a message");
    poll.send("GET", &session, "")?;
    post.send("POST", &session, "4Hello")?;
    post.receive()?;
    poll.receive()?;

    println!("Two packets in one payload");
    post.send("POST", &session, "4one\x1ebAQID")?;
    post.receive()?;
    poll.send("GET", &session, "")?;
    poll.receive()?;

    println!("The client closes the session");
    post.send("POST", &session, "1")?;
    post.receive()?;
    poll.send("GET", &session, "")?;
    poll.receive().map(drop)
}

/// Whichever of the two arrives second ends the session.
fn two_gets(address: &str) -> Result<(), Error> {
    println!("Two GETs at the same time");
    let mut poll = Connection::open("poll", address)?;
    let mut other = Connection::open("other", address)?;
    poll.send("GET", OPEN, "")?;
    let sid = poll.receive()?;
    poll.send("GET", &format!("{OPEN}&sid={sid}"), "")?;
    other.send("GET", &format!("{OPEN}&sid={sid}"), "")?;
    let mut responses = [poll.response()?, other.response()?];
    responses.sort_by_key(|response| response.status);
    responses.iter().for_each(|response| show("one of them", response));
    Ok(())
}

fn invalid_requests(address: &str) -> Result<(), Error> {
    println!("Invalid requests");
    for (method, query) in [
        ("GET", "EIO=4&transport=pigeon"),
        ("GET", "EIO=4&transport=polling&sid=unknown"),
        ("POST", "EIO=4&transport=polling"),
        ("GET", "EIO=4&transport=websocket"),
        ("GET", "EIO=3&transport=polling"),
    ] {
        let mut connection = Connection::open("client", address)?;
        connection.send(method, query, "")?;
        connection.receive()?;
    }
    Ok(())
}

/// A connection, for one request after the other.
struct Connection {
    name: &'static str,
    host: String,
    reader: BufReader<Stream>,
}

impl Connection {
    fn open(name: &'static str, host: &str) -> io::Result<Connection> {
        let reader = BufReader::new(Stream::connect(host)?);
        Ok(Connection { name, host: host.to_string(), reader })
    }

    fn send(&mut self, method: &str, query: &str, body: &str) -> io::Result<()> {
        let shown = match query.split_once("&sid=") {
            Some((before, sid)) if sid.len() == SID.len() => format!("{before}&sid={SID}"),
            _ => query.to_string(),
        };
        let line = format!("  {} > {method} ?{shown} {}", self.name, body.replace('\x1e', "␞"));
        println!("{}", line.trim_end());
        let mut request = Request::new(method, &format!("/socket.io/?{query}"));
        request.headers.push("Host", &self.host);
        self.reader.get_mut().write_all(&request.encode(body.as_bytes()))
    }

    /// Prints the response to the last request. Returns the id of the session, if it opens one.
    fn receive(&mut self) -> Result<String, Error> {
        let response = self.response()?;
        show(self.name, &response);
        Ok(sid(&response).to_string())
    }

    fn response(&mut self) -> Result<Response, Error> {
        Response::read(&mut self.reader, 1_000_000)
    }
}

/// The id in an open packet: `0{"sid":"…"`. Empty if the response is none.
fn sid(response: &Response) -> &str {
    let packet = std::str::from_utf8(&response.body).unwrap_or_default();
    let sid = packet.strip_prefix(r#"0{"sid":""#).and_then(|rest| rest.split('"').next());
    sid.unwrap_or_default()
}

fn show(name: &str, response: &Response) {
    let body = String::from_utf8_lossy(&response.body).replace('\x1e', "␞");
    let body = match sid(response) {
        "" => body,
        sid => body.replace(sid, SID),
    };
    println!("{}", format!("  {name} < {} {body}", response.status).trim_end());
}
