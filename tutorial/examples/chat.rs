//! A chat: each client receives what the others send. Its clients are in this program too.
//! Chapter 17.

use std::{io, thread};

use sockets_by_hand::ws::{self, Close, Error, Message, Options, Server, Socket};

fn main() -> Result<(), Error> {
    let options = Options { path: Some("/chat".to_string()), ..Options::default() };
    let server = Server::bind("127.0.0.1:0", options)?;
    let address = server.address().ok_or(Error::Invalid("a server without an address"))?;
    let url = format!("ws://{address}/chat");
    let handle = server.handle();
    let serving = thread::spawn(|| chat(server));

    let mut ann = Member::join(&url, "Ann")?;
    ann.receive()?;
    let mut bob = Member::join(&url, "Bob")?;
    ann.receive()?;
    bob.receive()?;

    ann.socket.send("Hello, Bob")?;
    bob.receive()?;
    bob.socket.send("Hello, Ann")?;
    ann.receive()?;

    bob.leave("time for tea")?;
    ann.receive()?;
    ann.leave("")?;

    handle.close();
    serving.join().map_err(|_| io::Error::other("the server panicked"))?;
    Ok(())
}

fn chat(server: Server) {
    let clients = server.clients();
    server.serve(move |mut socket| {
        let name = socket.request.query("name").unwrap_or("Somebody".to_string());
        clients.broadcast(format!("{name} has joined"));
        while let Ok(Some(Message::Text(text))) = socket.read() {
            clients.broadcast_except(Some(&socket), format!("{name}: {text}"));
        }
        let reason = socket.closed().map_or("", |close| &close.reason);
        clients.broadcast_except(Some(&socket), format!("{name} has left: {reason}"));
        Ok(())
    });
}

/// A client with a name.
struct Member {
    name: String,
    socket: Socket,
}

impl Member {
    fn join(url: &str, name: &str) -> Result<Member, Error> {
        let socket = ws::connect(&format!("{url}?name={name}"))?;
        Ok(Member { name: name.to_string(), socket })
    }

    /// Prints the next message.
    fn receive(&mut self) -> Result<(), Error> {
        match self.socket.read()? {
            Some(Message::Text(text)) => println!("{} received: {text}", self.name),
            Some(Message::Binary(bytes)) => {
                println!("{} received {} bytes", self.name, bytes.len())
            }
            None => println!("{} receives no more", self.name),
        }
        Ok(())
    }

    /// Closes the connection, and waits until the server has answered the close frame.
    fn leave(mut self, reason: &str) -> Result<(), Error> {
        self.socket.close(Close::NORMAL, reason)?;
        while self.socket.read()?.is_some() {}
        let code = self.socket.closed().map_or(Close::ABNORMAL, |close| close.code);
        println!("{} disconnected: {code}", self.name);
        Ok(())
    }
}
