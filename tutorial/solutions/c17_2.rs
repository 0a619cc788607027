//! Chapter 17, exercise 2: a client that notices when its server is gone.
//!
//! The hello says how often pings come, and how long an answer may take. If no ping has come for the
//! sum of the two, nobody is there. The timer is in a field: a new one in its place drops the old,
//! and so calls it off.

use std::time::Duration;

use sockets_by_hand::json::Value;
use sockets_by_hand::net::clock::{self, Timer};
use sockets_by_hand::ws::{Error, Message, Socket, connect};

struct Client {
    socket: Socket,
    patience: Duration,
    _watch: Timer,
}

impl Client {
    fn connect(host: &str) -> Result<Client, Error> {
        let url = format!("ws://{host}/socket.io/?EIO=4&transport=websocket");
        let mut socket = connect(&url)?;
        let hello = match socket.read()? {
            Some(Message::Text(text)) => text,
            _ => return Err(Error::Protocol("there is no hello")),
        };
        let hello = hello.strip_prefix('0').and_then(|json| Value::parse(json).ok());
        let hello = hello.ok_or(Error::Protocol("the hello is no JSON"))?;
        let millis = |name: &str| hello[name].as_f64().unwrap_or_default() as u64;
        let patience = Duration::from_millis(millis("pingInterval") + millis("pingTimeout"));
        let _watch = watch(&socket, patience);
        Ok(Client { socket, patience, _watch })
    }

    /// The next message; `None` when the session is over, or nobody pings any more.
    fn next(&mut self) -> Result<Option<Message>, Error> {
        loop {
            match self.socket.read()? {
                Some(Message::Text(packet)) if packet == "2" => {
                    self._watch = watch(&self.socket, self.patience);
                    self.socket.send("3")?;
                }
                Some(Message::Text(packet)) if packet.starts_with('4') => {
                    return Ok(Some(packet[1..].into()));
                }
                Some(Message::Text(_)) => {}
                end_or_bytes => return Ok(end_or_bytes),
            }
        }
    }
}

/// Cuts the line after a while, which wakes whoever is in `read`.
fn watch(socket: &Socket, patience: Duration) -> Timer {
    let sender = socket.sender();
    clock::after(patience, move || sender.terminate())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::ws::{Options, Server};
    use std::thread;

    #[test]
    fn it_gives_up_when_the_pings_end_and_not_before() {
        // It sends three pings, which take longer than the patience in all, and then falls silent.
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let address = server.address().unwrap().to_string();
        thread::spawn(|| {
            server.serve(|mut socket| {
                socket
                    .send(r#"0{"sid":"x","upgrades":[],"pingInterval":700,"pingTimeout":1300}"#)?;
                for _ in 0..3 {
                    thread::sleep(Duration::from_millis(700));
                    socket.send("2")?;
                    assert_eq!(socket.read()?, Some("3".into()));
                }
                socket.send("4still here")?;
                socket.read().map(drop) // waits until the client has gone
            })
        });

        let mut client = Client::connect(&address).unwrap();
        assert_eq!(client.next().unwrap(), Some("still here".into()));
        assert_eq!(client.next().unwrap_or(None), None);
        assert_eq!(client.socket.closed().map(|close| close.code), Some(1006));
    }
}
