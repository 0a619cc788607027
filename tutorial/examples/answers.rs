//! Socket.IO by the packet: prints each one that is sent (`>`) and received (`<`). Chapter 22.
//!
//! `cargo run --example answers` talks to a server of its own, which prints its events as well.
//! With `-- HOST:PORT` it talks to another one.

use std::{env, io, thread, time::Duration};

use sockets_by_hand::socketio::{Options, Server, Socket, Value};
use sockets_by_hand::ws::{self, Error, Message};

fn main() -> Result<(), Error> {
    if let Some(address) = env::args().nth(1) {
        return run_client(&address);
    }
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    let address = server.address().map(|address| address.to_string()).unwrap_or_default();
    server.io().on_connection(serve);
    let handle = server.handle();
    let serving = thread::spawn(|| server.serve());
    run_client(&address)?;
    handle.close();
    serving.join().map_err(|_| io::Error::other("the server panicked"))?;
    Ok(())
}

fn serve(socket: Socket) {
    socket.on_any(|event| println!("    {} {}", event.name, Value::Array(event.args.to_vec())));
    socket.on("add", |event| {
        let sum: f64 = event.args.iter().filter_map(Value::as_f64).sum();
        event.ack(sum);
    });
    socket.once("key", |event| event.ack("the only key"));
    socket.on("whoami", |event| {
        let [Value::Number(ms)] = event.args[..] else { return };
        let socket = event.socket.clone();
        let time = Duration::from_millis(ms as u64);
        event.socket.timeout(time).emit_with_callback("name?", (), move |answer| {
            match answer {
                Ok(names) => socket.emit("you are", names),
                Err(e) => socket.emit("nobody", e.to_string()),
            };
        });
    });
    socket.on("disconnect", |event| println!("    disconnect {}", event.args[0]));
}

fn run_client(address: &str) -> Result<(), Error> {
    let mut client = Client::open(address)?;

    println!("The client wants an acknowledgement");
    client.send(r#"421["add",1,2,39]"#)?;
    client.receive()?;
    client.send(r#"422["key"]"#)?;
    client.receive()?;

    println!("The server wants an acknowledgement");
    client.send(r#"42["whoami",60000]"#)?;
    client.receive()?;
    client.send(r#"430["Ann"]"#)?;
    client.receive()?;

    println!("The client does not acknowledge");
    client.send(r#"42["whoami",20]"#)?;
    client.receive()?;
    client.receive()?;

    println!("The client disconnects");
    client.send("41")?;
    client.socket.close(1000, "")?;
    while client.socket.read()?.is_some() {}

    println!("A reserved name");
    let client = Client::open(address)?;
    client.send(r#"42["disconnect","because I say so"]"#)
}

/// A client that is connected to the namespace `/` of a Socket.IO server, over a WebSocket.
struct Client {
    socket: ws::Socket,
}

impl Client {
    fn open(address: &str) -> Result<Client, Error> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut client = Client { socket: ws::connect(&url)? };
        client.receive()?;
        client.send("40")?;
        client.receive()?;
        Ok(client)
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
