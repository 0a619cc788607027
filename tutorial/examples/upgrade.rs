//! A session that changes over to a WebSocket, packet by packet, its heartbeat and its end.
//! Chapter 17.
//!
//! `cargo run --example upgrade` talks to a server of its own. With `-- HOST:PORT` the change alone
//! is tried on another one, which must send every message back.

use std::io::{BufReader, Write};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{env, thread};

use sockets_by_hand::engineio::session::Listener;
use sockets_by_hand::engineio::{Event, Options, Packet, Server, Session};
use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::net::Stream;
use sockets_by_hand::ws::{Error, Message, Socket, connect};

fn main() -> Result<(), Error> {
    if let Some(address) = env::args().nth(1) {
        return upgrade(&address);
    }
    // At another pace than 25 s and 20 s, so that we need not wait for long.
    let (ping_interval, ping_timeout) = (Duration::from_millis(500), Duration::from_secs(2));
    let calm = Server::bind("127.0.0.1:0", Options::default())?;
    let lively =
        Server::bind("127.0.0.1:0", Options { ping_interval, ping_timeout, ..Options::default() })?;
    let address = |server: &Server| server.address().map(|a| a.to_string()).unwrap_or_default();
    let (calm_address, lively_address) = (address(&calm), address(&lively));
    let (sender, ends) = mpsc::channel();
    for server in [calm, lively] {
        let sender = sender.clone();
        thread::spawn(|| server.serve(move |session| listener(session, sender.clone())));
    }

    let ended = || println!("  the server says: {}", ends.recv().unwrap_or_default());
    upgrade(&calm_address)?;
    ended();
    failure(&calm_address)?;
    goodbye(&calm_address)?;
    ended();
    heartbeat(&lively_address)?;
    ended();
    Ok(())
}

/// What the server does in a session: an echo, until somebody says `bye`.
fn listener(session: &Session, ends: mpsc::Sender<&'static str>) -> Listener {
    let session = session.clone();
    Box::new(move |event| match event {
        Event::Message(message) => {
            let bye = message == Message::from("bye");
            session.send(&Arc::new(Packet::Message(message).into()));
            if bye {
                session.close("forced close");
            }
        }
        Event::Close(reason) => _ = ends.send(reason), // nobody asks after every one
    })
}

fn upgrade(address: &str) -> Result<(), Error> {
    println!("The upgrade");
    let mut client = Client::open(address)?;
    client.ask()?; // held

    let mut websocket = client.websocket()?;
    say(&websocket, "2probe")?;
    hear(&mut websocket)?;
    client.hear()?;

    client.tell("4one")?;
    client.tell("4two")?;
    say(&websocket, "5")?;
    hear(&mut websocket)?;
    hear(&mut websocket)?;

    println!("The old door is shut");
    client.ask()?;
    client.hear()?;
    websocket.close(1000, "")?;
    hear(&mut websocket)
}

fn failure(address: &str) -> Result<(), Error> {
    println!("An upgrade that fails");
    let mut client = Client::open(address)?;
    let mut websocket = client.websocket()?;
    say(&websocket, "2probe")?;
    hear(&mut websocket)?;
    println!("  websocket breaks");
    websocket.terminate();
    client.tell("4still here")?;
    client.ask()?;
    client.hear()
}

fn goodbye(address: &str) -> Result<(), Error> {
    println!("The server ends it");
    let mut client = Client::open(address)?;
    client.tell("4bye")?;
    client.ask()?;
    client.hear()?;
    client.ask()?;
    client.hear()
}

fn heartbeat(address: &str) -> Result<(), Error> {
    println!("The heartbeat");
    let mut websocket = connect(&format!("ws://{address}/socket.io/?EIO=4&transport=websocket"))?;
    websocket.read()?; // hello
    for _ in 0..2 {
        hear(&mut websocket)?;
        say(&websocket, "3")?;
    }
    hear(&mut websocket)?;
    println!("  websocket > (we say nothing)");
    hear(&mut websocket)
}

fn say(websocket: &Socket, packet: &str) -> Result<(), Error> {
    println!("  websocket > {packet}");
    websocket.send(packet)
}

fn hear(websocket: &mut Socket) -> Result<(), Error> {
    match websocket.read()? {
        Some(Message::Text(packet)) => println!("  websocket < {packet}"),
        Some(Message::Binary(bytes)) => println!("  websocket < {bytes:?}"),
        None => println!("  websocket < the end"),
    }
    Ok(())
}

/// A client that has a session over requests, as in chapter 16.
struct Client {
    host: String,
    sid: String,
    ear: BufReader<Stream>,
    mouth: BufReader<Stream>,
}

impl Client {
    fn open(address: &str) -> Result<Client, Error> {
        let (host, sid) = (address.to_string(), String::new());
        let ear = BufReader::new(Stream::connect(address)?);
        let mouth = BufReader::new(Stream::connect(address)?);
        let mut client = Client { host, sid, ear, mouth };
        let hello = client.request("GET", "");
        client.ear.get_mut().write_all(&hello)?;
        let hello = text(&Response::read(&mut client.ear, 1000)?);
        client.sid = hello.split('"').nth(3).unwrap_or_default().to_string();
        Ok(client)
    }

    fn request(&self, method: &str, body: &str) -> Vec<u8> {
        let sid = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        let target = format!("/socket.io/?EIO=4&transport=polling{sid}");
        let mut request = Request::new(method, &target);
        request.headers.push("Host", &self.host);
        request.encode(body.as_bytes())
    }

    fn ask(&mut self) -> Result<(), Error> {
        println!("  ear       > GET");
        let request = self.request("GET", "");
        Ok(self.ear.get_mut().write_all(&request)?)
    }

    fn hear(&mut self) -> Result<(), Error> {
        println!("  ear       < {}", text(&Response::read(&mut self.ear, 1000)?));
        Ok(())
    }

    fn tell(&mut self, packet: &str) -> Result<(), Error> {
        println!("  mouth     > POST {packet}");
        let request = self.request("POST", packet);
        self.mouth.get_mut().write_all(&request)?;
        Response::read(&mut self.mouth, 1000)?;
        Ok(())
    }

    fn websocket(&self) -> Result<Socket, Error> {
        let Client { host, sid, .. } = self;
        connect(&format!("ws://{host}/socket.io/?EIO=4&transport=websocket&sid={sid}"))
    }
}

fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).replace('\x1e', "␞")
}
