//! Namespaces and rooms: three clients, and the packets that each sends (`>`) and receives (`<`).
//! Chapter 23.
//!
//! `cargo run --example rooms` talks to a server of its own; with `-- HOST:PORT`, to another one.

use std::{env, io, thread};

use sockets_by_hand::json;
use sockets_by_hand::socketio::{ConnectError, Io, Options, Server, Value};
use sockets_by_hand::ws::{self, Error, Message};

fn main() -> Result<(), Error> {
    if let Some(address) = env::args().nth(1) {
        return run_clients(&address);
    }
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    let address = server.address().map(|address| address.to_string()).unwrap_or_default();
    main_namespace(&server.io());
    admin_namespace(&server.io());
    let handle = server.handle();
    let serving = thread::spawn(|| server.serve());
    run_clients(&address)?;
    handle.close();
    serving.join().map_err(|_| io::Error::other("the server panicked"))?;
    Ok(())
}

fn main_namespace(io: &Io) {
    io.use_middleware(|socket| {
        let name = &socket.handshake().auth["name"];
        if name.as_str().is_none() {
            return Err("Who are you?".into());
        }
        socket.set_data(json!({"name": name.clone()}));
        Ok(())
    });
    io.on_connection(|socket| {
        socket.on("join", |event| {
            let [Value::String(room)] = &event.args[..] else { return };
            event.socket.join(room);
            event.ack(());
        });
        socket.on("tell", |event| {
            let [Value::String(room), text] = &event.args[..] else { return };
            let name = event.socket.data()["name"].clone();
            event.socket.to(room).emit("told", (name, text.clone()));
        });
    });
}

fn admin_namespace(io: &Io) {
    let admin = io.of("/admin");
    admin.use_middleware(|socket| match socket.handshake().auth["token"].as_str() {
        Some("secret") => Ok(()),
        _ => {
            let data = Some(json!({"needs": "a token"}));
            Err(ConnectError { message: "Not you".to_string(), data })
        }
    });
    let io = io.clone();
    admin.on_connection(move |socket| {
        let (main, from) = (io.clone(), Value::from("the admin"));
        socket.on("announce", move |event| {
            let [text] = &event.args[..] else { return };
            main.to("tea").to("news").emit("told", (from.clone(), text.clone()));
        });
        let main = io.clone();
        socket.on("who", move |event| {
            let [Value::String(room)] = &event.args[..] else { return };
            let sockets = main.r#in(room).fetch_sockets();
            let names = sockets.iter().map(|s| s.data()["name"].as_str().map(str::to_string));
            let mut names: Vec<String> = names.flatten().collect();
            names.sort();
            event.ack(Value::from(names));
        });
        let main = io.clone();
        socket.on("close", move |event| {
            let [Value::String(room)] = &event.args[..] else { return };
            main.r#in(room).disconnect_sockets(false);
        });
    });
}

fn run_clients(address: &str) -> Result<(), Error> {
    println!("Connecting to namespaces");
    let mut ann = Client::open(address, "Ann")?;
    ann.request("40")?;
    ann.request("40/garden,")?;
    ann.request(r#"40{"name":"Ann"}"#)?;
    let mut bob = Client::open(address, "Bob")?;
    bob.request(r#"40{"name":"Bob"}"#)?;
    let mut eve = Client::open(address, "Eve")?;
    eve.request(r#"40{"name":"Eve"}"#)?;

    println!("Rooms");
    ann.request(r#"421["join","tea"]"#)?;
    bob.request(r#"421["join","tea"]"#)?;
    bob.request(r#"422["join","news"]"#)?;
    eve.request(r#"421["join","news"]"#)?;
    ann.send(r#"42["tell","tea","The water boils"]"#)?;
    bob.receive()?;

    println!("Another namespace");
    eve.request(r#"40/admin,{"token":"guess"}"#)?;
    eve.request(r#"40/admin,{"token":"secret"}"#)?;
    eve.request(r#"42/admin,1["who","tea"]"#)?;
    eve.send(r#"42/admin,["announce","We close"]"#)?;
    for client in [&mut ann, &mut bob, &mut eve] {
        client.receive()?;
    }
    eve.send(r#"42/admin,["close","tea"]"#)?;
    ann.receive()?;
    bob.receive()?;
    eve.request(r#"42/admin,2["who","news"]"#)
}

/// A client that has opened a session over a WebSocket.
struct Client {
    name: &'static str,
    socket: ws::Socket,
}

impl Client {
    fn open(address: &str, name: &'static str) -> Result<Client, Error> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut socket = ws::connect(&url)?;
        socket.read()?;
        Ok(Client { name, socket })
    }

    fn send(&mut self, packet: &str) -> Result<(), Error> {
        println!("{} > {packet}", self.name);
        self.socket.send(packet)
    }

    fn receive(&mut self) -> Result<(), Error> {
        let Some(Message::Text(packet)) = self.socket.read()? else { return Ok(()) };
        // An id differs from run to run.
        match packet.split_once(r#"{"sid":""#) {
            Some((kind, rest)) => println!(r#"{} < {kind}{{"sid":"…{}"#, self.name, &rest[20..]),
            None => println!("{} < {packet}", self.name),
        }
        Ok(())
    }

    fn request(&mut self, packet: &str) -> Result<(), Error> {
        self.send(packet)?;
        self.receive()
    }
}
