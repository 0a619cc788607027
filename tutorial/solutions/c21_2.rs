//! Chapter 21, exercise 2: a client that notices when its server is gone.
//!
//! The open packet says how often the server pings, and how long a pong may take. If no ping has arrived
//! for the sum of the two, the server is gone. The timer is in a field: a new one in its place drops the
//! old one, and so cancels it.

use std::time::Duration;

use sockets_by_hand::json::Value;
use sockets_by_hand::net::clock::{self, Timer};
use sockets_by_hand::ws::{Error, Message, Socket, connect};

struct Client {
    socket: Socket,
    /// How long the server may be silent.
    read_timeout: Duration,
    _timer: Timer,
}

impl Client {
    fn connect(host: &str) -> Result<Client, Error> {
        let url = format!("ws://{host}/socket.io/?EIO=4&transport=websocket");
        let mut socket = connect(&url)?;
        let open = match socket.read()? {
            Some(Message::Text(text)) => text,
            _ => return Err(Error::Protocol("there is no open packet")),
        };
        let open = open.strip_prefix('0').and_then(|json| Value::parse(json).ok());
        let open = open.ok_or(Error::Protocol("the open packet is no JSON"))?;
        let millis = |name: &str| open[name].as_f64().unwrap_or_default() as u64;
        let read_timeout = Duration::from_millis(millis("pingInterval") + millis("pingTimeout"));
        let _timer = terminate_after(&socket, read_timeout);
        Ok(Client { socket, read_timeout, _timer })
    }

    /// The next message; `None` when the session has ended, or the server pings no more.
    fn next(&mut self) -> Result<Option<Message>, Error> {
        loop {
            match self.socket.read()? {
                Some(Message::Text(packet)) if packet == "2" => {
                    self._timer = terminate_after(&self.socket, self.read_timeout);
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

/// Terminates the connection after that time, which wakes the thread that reads.
fn terminate_after(socket: &Socket, timeout: Duration) -> Timer {
    let sender = socket.sender();
    clock::after(timeout, move || sender.terminate())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::ws::{Options, Server};
    use std::thread;

    #[test]
    fn the_connection_ends_when_the_pings_end_and_not_before() {
        // It sends four pings, which take longer than the timeout in all, and then nothing.
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let address = server.address().unwrap().to_string();
        thread::spawn(|| {
            server.serve(|mut socket| {
                socket
                    .send(r#"0{"sid":"x","upgrades":[],"pingInterval":400,"pingTimeout":1100}"#)?;
                for _ in 0..4 {
                    thread::sleep(Duration::from_millis(400));
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
