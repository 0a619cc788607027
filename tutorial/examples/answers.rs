//! Socket.IO by the packet: prints each one that goes (`>`) and comes (`<`). Chapter 18.
//!
//! `cargo run --example answers` talks to a server of its own, which prints what it hears as well.
//! With `-- HOST:PORT` it talks to another one.

use std::{env, io, thread, time::Duration};

use sockets_by_hand::socketio::{Options, Server, Socket, Value};
use sockets_by_hand::ws::{self, Error, Message};

fn main() -> Result<(), Error> {
    if let Some(address) = env::args().nth(1) {
        return talk(&address);
    }
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    let address = server.address().map(|address| address.to_string()).unwrap_or_default();
    server.io().on_connection(serve);
    let handle = server.handle();
    let street = thread::spawn(|| server.serve());
    talk(&address)?;
    handle.close();
    street.join().map_err(|_| io::Error::other("the server panicked"))?;
    Ok(())
}

fn serve(socket: Socket) {
    socket.on_any(|event| println!("    {} {}", event.name, Value::Array(event.args.to_vec())));
    socket.on("add", |event| {
        let sum: f64 = event.args.iter().filter_map(Value::as_f64).sum();
        event.ack([sum.into()]);
    });
    socket.once("key", |event| event.ack(["the only key".into()]));
    socket.on("whoami", |event| {
        let [Value::Number(ms)] = event.args[..] else { return };
        let socket = event.socket.clone();
        let time = Duration::from_millis(ms as u64);
        event.socket.emit_with_ack("name?", [], time, move |answer| match answer {
            Ok(names) => socket.emit("you are", names),
            Err(e) => socket.emit("nobody", [e.to_string().into()]),
        });
    });
    socket.on("disconnect", |event| println!("    disconnect {}", event.args[0]));
}

fn talk(address: &str) -> Result<(), Error> {
    let mut line = Line::open(address)?;

    println!("We ask the server");
    line.send(r#"421["add",1,2,39]"#)?;
    line.receive()?;
    line.send(r#"422["key"]"#)?;
    line.receive()?;

    println!("The server asks us");
    line.send(r#"42["whoami",60000]"#)?;
    line.receive()?;
    line.send(r#"430["Ann"]"#)?;
    line.receive()?;

    println!("The server asks us, and we say nothing");
    line.send(r#"42["whoami",20]"#)?;
    line.receive()?;
    line.receive()?;

    println!("A good end");
    line.send("41")?;
    line.socket.close(1000, "")?;
    while line.socket.read()?.is_some() {}

    println!("A bad end");
    let line = Line::open(address)?;
    line.send(r#"42["disconnect","because I say so"]"#)
}

/// A WebSocket to a Socket.IO server, already in the namespace `/`.
struct Line {
    socket: ws::Socket,
}

impl Line {
    fn open(address: &str) -> Result<Line, Error> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut line = Line { socket: ws::connect(&url)? };
        line.receive()?;
        line.send("40")?;
        line.receive()?;
        Ok(line)
    }

    fn send(&self, packet: &str) -> Result<(), Error> {
        println!("> {packet}");
        self.socket.send(packet)
    }

    fn receive(&mut self) -> Result<(), Error> {
        let Some(Message::Text(packet)) = self.socket.read()? else { return Ok(()) };
        // An id differs from run to run.
        match packet.split_once(r#"{"sid":""#) {
            Some((kind, rest)) => println!(r#"< {kind}{{"sid":"…{}"#, &rest[20..]),
            None => println!("< {packet}"),
        }
        Ok(())
    }
}
