//! Chapter 17, exercise 3: a client that changes over while the server talks.
//!
//! Four rules. No message is posted during the change. The `GET` that is held is waited for: it may
//! bring messages. Only then is `5` sent. What comes over the WebSocket is behind all that came
//! before. No thread is needed for it: the server answers the `GET` when the probe comes.

use std::io::{BufReader, Write};

use sockets_by_hand::engineio::Packet;
use sockets_by_hand::http::{Error, Request, Response};
use sockets_by_hand::net::Stream;
use sockets_by_hand::ws::{self, Message, Socket};

struct Polling {
    host: String,
    sid: String,
    ear: BufReader<Stream>,
}

impl Polling {
    fn connect(host: &str) -> Result<Polling, Error> {
        let ear = BufReader::new(Stream::connect(host)?);
        let mut polling = Polling { host: host.to_string(), sid: String::new(), ear };
        polling.ask()?;
        match polling.hear()?.pop() {
            Some(Packet::Open(hello)) => {
                polling.sid = hello.split('"').nth(3).unwrap_or_default().to_string();
                Ok(polling)
            }
            _ => Err(Error::Refused(400, "there is no hello")),
        }
    }

    fn ask(&mut self) -> Result<(), Error> {
        let sid = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        let target = format!("/socket.io/?EIO=4&transport=polling{sid}");
        let mut request = Request::new("GET", &target);
        request.headers.push("Host", &self.host);
        Ok(self.ear.get_mut().write_all(&request.encode(b""))?)
    }

    fn hear(&mut self) -> Result<Vec<Packet>, Error> {
        let body = Response::read(&mut self.ear, 1_000_000)?.body;
        let packets = String::from_utf8(body).ok().and_then(|text| Packet::parse_payload(&text));
        packets.ok_or(Error::Refused(400, "the answer is no payload"))
    }

    /// Opens a WebSocket, and tries it out. Returns it, and the packets that came meanwhile.
    fn probe(mut self) -> Result<(Socket, Vec<Packet>), ws::Error> {
        self.ask()?;
        let Polling { host, sid, .. } = &self;
        let url = format!("ws://{host}/socket.io/?EIO=4&transport=websocket&sid={sid}");
        let mut socket = ws::connect(&url)?;
        socket.send("2probe")?;
        if socket.read()? != Some(Message::from("3probe")) {
            return Err(ws::Error::Protocol("the probe was not answered"));
        }
        Ok((socket, self.hear()?))
    }
}

/// After this, all that comes is behind what came before.
fn change_over(socket: &Socket) -> Result<(), ws::Error> {
    socket.send("5")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::engineio::{Options, Server};
    use std::sync::{Arc, mpsc};
    use std::thread;

    fn numbers(packets: Vec<Packet>) -> impl Iterator<Item = String> {
        packets.into_iter().filter_map(|packet| match packet {
            Packet::Message(Message::Text(number)) => Some(number),
            _ => None,
        })
    }

    #[test]
    fn nothing_is_lost_and_nothing_overtakes() {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let address = server.address().unwrap().to_string();
        let (sender, sessions) = mpsc::channel();
        thread::spawn(move || {
            server.serve(move |session| {
                sender.send(session.clone()).unwrap();
                Box::new(|_| {})
            });
        });

        let mut client = Polling::connect(&address).unwrap();
        let session = sessions.recv().unwrap();
        let (go_on, told_to_go_on) = mpsc::channel();
        let (waits, much_waits) = mpsc::channel();
        let counting = thread::spawn(move || {
            for n in 0..3000 {
                session.send(&Arc::new(Packet::Message(n.to_string().into()).into()));
                match n {
                    1000 => told_to_go_on.recv().unwrap(),
                    2000 => waits.send(()).unwrap(),
                    _ => {}
                }
            }
        });

        let mut heard = Vec::new();
        client.ask().unwrap();
        heard.extend(numbers(client.hear().unwrap()));
        let (mut socket, packets) = client.probe().unwrap();
        heard.extend(numbers(packets));
        go_on.send(()).unwrap();
        much_waits.recv().unwrap(); // in the queue, and the last thousand comes while we change
        change_over(&socket).unwrap();
        while heard.len() < 3000 {
            let packet = Packet::from_message(socket.read().unwrap().unwrap()).unwrap();
            heard.extend(numbers(vec![packet]));
        }
        counting.join().unwrap();
        assert!(heard.iter().enumerate().all(|(n, number)| *number == n.to_string()), "{heard:?}");
    }
}
