//! A session that is upgraded to a WebSocket, packet by packet; its heartbeat, and its end.
//! Chapter 21.
//!
//! `cargo run --example upgrade` talks to a server of its own. With `-- HOST:PORT` it tries the
//! upgrade alone on another one, which must send every message back.

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
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    // Shorter than 25 s and 20 s, so that nobody has to wait for long.
    let (ping_interval, ping_timeout) = (Duration::from_millis(500), Duration::from_secs(2));
    let options = Options { ping_interval, ping_timeout, ..Options::default() };
    let fast = Server::bind("127.0.0.1:0", options)?;
    let address = |server: &Server| server.address().map(|a| a.to_string()).unwrap_or_default();
    let (slow_address, fast_address) = (address(&server), address(&fast));
    let (sender, reasons) = mpsc::channel();
    for server in [server, fast] {
        let sender = sender.clone();
        thread::spawn(|| server.serve(move |session| listener(session, sender.clone())));
    }

    let print_reason = || println!("  session closed: {}", reasons.recv().unwrap_or_default());
    upgrade(&slow_address)?;
    print_reason();
    failed_upgrade(&slow_address)?;
    close(&slow_address)?;
    print_reason();
    heartbeat(&fast_address)?;
    print_reason();
    Ok(())
}

/// What the server does in a session: an echo, until the client sends `bye`.
fn listener(session: &Session, reasons: mpsc::Sender<&'static str>) -> Listener {
    let session = session.clone();
    Box::new(move |event| match event {
        Event::Message(message) => {
            let bye = message == Message::from("bye");
            session.send(&Arc::new(Packet::Message(message).into()));
            if bye {
                session.close("forced close");
            }
        }
        Event::Close(reason) => _ = reasons.send(reason), // not every one is printed
    })
}

fn upgrade(address: &str) -> Result<(), Error> {
    println!("The upgrade");
    let mut client = Client::open(address)?;
    client.poll()?; // held

    let mut websocket = client.websocket()?;
    send(&websocket, "2probe")?;
    receive(&mut websocket)?;
    client.receive()?;

    client.post("4one")?;
    client.post("4two")?;
    send(&websocket, "5")?;
    receive(&mut websocket)?;
    receive(&mut websocket)?;

    println!("After the upgrade, a GET is refused");
    client.poll()?;
    client.receive()?;
    websocket.close(1000, "")?;
    receive(&mut websocket)
}

fn failed_upgrade(address: &str) -> Result<(), Error> {
    println!("An upgrade that fails");
    let mut client = Client::open(address)?;
    let mut websocket = client.websocket()?;
    send(&websocket, "2probe")?;
    receive(&mut websocket)?;
    println!("  websocket terminated");
    websocket.terminate();
    client.post("4still here")?;
    client.poll()?;
    client.receive()
}

fn close(address: &str) -> Result<(), Error> {
    println!("The server closes the session");
    let mut client = Client::open(address)?;
    client.post("4bye")?;
    client.poll()?;
    client.receive()?;
    client.poll()?;
    client.receive()
}

fn heartbeat(address: &str) -> Result<(), Error> {
    println!("The heartbeat");
    let mut websocket = connect(&format!("ws://{address}/socket.io/?EIO=4&transport=websocket"))?;
    websocket.read()?; // the open packet
    for _ in 0..2 {
        receive(&mut websocket)?;
        send(&websocket, "3")?;
    }
    receive(&mut websocket)?;
    println!("  websocket > (no pong)");
    receive(&mut websocket)
}

fn send(websocket: &Socket, packet: &str) -> Result<(), Error> {
    println!("  websocket > {packet}");
    websocket.send(packet)
}

fn receive(websocket: &mut Socket) -> Result<(), Error> {
    match websocket.read()? {
        Some(Message::Text(packet)) => println!("  websocket < {packet}"),
        Some(Message::Binary(bytes)) => println!("  websocket < {bytes:?}"),
        None => println!("  websocket < (closed)"),
    }
    Ok(())
}

/// A client that has a session over long-polling, as in chapter 20.
struct Client {
    host: String,
    sid: String,
    /// The connection of the `GET`s.
    get: BufReader<Stream>,
    /// The connection of the `POST`s.
    post: BufReader<Stream>,
}

impl Client {
    fn open(address: &str) -> Result<Client, Error> {
        let (host, sid) = (address.to_string(), String::new());
        let get = BufReader::new(Stream::connect(address)?);
        let post = BufReader::new(Stream::connect(address)?);
        let mut client = Client { host, sid, get, post };
        let request = client.request("GET", "");
        client.get.get_mut().write_all(&request)?;
        let open = text(&Response::read(&mut client.get, 1000)?);
        client.sid = open.split('"').nth(3).unwrap_or_default().to_string();
        Ok(client)
    }

    fn request(&self, method: &str, body: &str) -> Vec<u8> {
        let sid = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        let target = format!("/socket.io/?EIO=4&transport=polling{sid}");
        let mut request = Request::new(method, &target);
        request.headers.push("Host", &self.host);
        request.encode(body.as_bytes())
    }

    fn poll(&mut self) -> Result<(), Error> {
        println!("  poll      > GET");
        let request = self.request("GET", "");
        Ok(self.get.get_mut().write_all(&request)?)
    }

    fn receive(&mut self) -> Result<(), Error> {
        println!("  poll      < {}", text(&Response::read(&mut self.get, 1000)?));
        Ok(())
    }

    fn post(&mut self, packet: &str) -> Result<(), Error> {
        println!("  post      > POST {packet}");
        let request = self.request("POST", packet);
        self.post.get_mut().write_all(&request)?;
        Response::read(&mut self.post, 1000)?;
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
