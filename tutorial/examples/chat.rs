//! A chat: what one says, the others hear. The guests are in this program too. Chapter 13.

use std::{io, thread};

use sockets_by_hand::ws::{self, Error, Message, Options, Server, Socket};

fn main() -> Result<(), Error> {
    let server = Server::bind(
        "127.0.0.1:0",
        Options { path: Some("/chat".to_string()), ..Options::default() },
    )?;
    let address = server.address().ok_or(Error::Invalid("a server without an address"))?;
    let url = format!("ws://{address}/chat");
    let handle = server.handle();
    let door = thread::spawn(|| chat(server));

    let mut ann = Guest::enter(&url, "Ann")?;
    ann.hear()?;
    let mut bob = Guest::enter(&url, "Bob")?;
    ann.hear()?;
    bob.hear()?;

    ann.socket.send("Hello, Bob")?;
    bob.hear()?;
    bob.socket.send("Hello, Ann")?;
    ann.hear()?;

    bob.leave("time for tea")?;
    ann.hear()?;
    ann.leave("")?;

    handle.close();
    door.join().map_err(|_| io::Error::other("the server panicked"))?;
    Ok(())
}

fn chat(server: Server) {
    let clients = server.clients();
    server.serve(move |mut socket| {
        let name = socket.request.query("name").unwrap_or("Somebody".to_string());
        clients.broadcast(format!("{name} has come"));
        while let Ok(Some(Message::Text(text))) = socket.read() {
            clients.broadcast_except(Some(&socket), format!("{name}: {text}"));
        }
        let why = socket.closed().map_or("", |close| &close.reason);
        clients.broadcast_except(Some(&socket), format!("{name} has left: {why}"));
        Ok(())
    });
}

/// Somebody at the other end.
struct Guest {
    name: String,
    socket: Socket,
}

impl Guest {
    fn enter(url: &str, name: &str) -> Result<Guest, Error> {
        let socket = ws::connect(&format!("{url}?name={name}"))?;
        Ok(Guest { name: name.to_string(), socket })
    }

    /// Prints the next message.
    fn hear(&mut self) -> Result<(), Error> {
        match self.socket.read()? {
            Some(Message::Text(text)) => println!("{} hears: {text}", self.name),
            Some(Message::Binary(bytes)) => println!("{} hears {} bytes", self.name, bytes.len()),
            None => println!("{} hears nothing any more", self.name),
        }
        Ok(())
    }

    /// Says goodbye, waits until it is returned, and hangs up.
    fn leave(mut self, why: &str) -> Result<(), Error> {
        self.socket.close(1000, why)?;
        while self.socket.read()?.is_some() {}
        println!("{} has gone: {}", self.name, self.socket.closed().map_or(1006, |end| end.code));
        Ok(())
    }
}
