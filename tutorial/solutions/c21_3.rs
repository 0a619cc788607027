//! Chapter 21, exercise 3: a client that is upgraded while the server sends.
//!
//! Four rules. The client posts nothing during the upgrade. It waits for the response to the `GET` that
//! is held, which may carry messages. Only then it sends `5`. What arrives over the WebSocket comes after
//! all that. No second thread is needed: the server answers the `GET` when it receives the probe.

use std::io::{BufReader, Write};

use sockets_by_hand::engineio::Packet;
use sockets_by_hand::http::{Error, Request, Response};
use sockets_by_hand::net::Stream;
use sockets_by_hand::ws::{self, Message, Socket};

struct Polling {
    host: String,
    sid: String,
    reader: BufReader<Stream>,
}

impl Polling {
    fn connect(host: &str) -> Result<Polling, Error> {
        let reader = BufReader::new(Stream::connect(host)?);
        let mut polling = Polling { host: host.to_string(), sid: String::new(), reader };
        polling.send_get()?;
        match polling.receive()?.pop() {
            Some(Packet::Open(data)) => {
                polling.sid = data.split('"').nth(3).unwrap_or_default().to_string();
                Ok(polling)
            }
            _ => Err(Error::Refused(400, "there is no open packet")),
        }
    }

    fn send_get(&mut self) -> Result<(), Error> {
        let sid = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        let target = format!("/socket.io/?EIO=4&transport=polling{sid}");
        let mut request = Request::new("GET", &target);
        request.headers.push("Host", &self.host);
        Ok(self.reader.get_mut().write_all(&request.encode(b""))?)
    }

    fn receive(&mut self) -> Result<Vec<Packet>, Error> {
        let body = Response::read(&mut self.reader, 1_000_000)?.body;
        let packets = String::from_utf8(body).ok().and_then(|text| Packet::parse_payload(&text));
        packets.ok_or(Error::Refused(400, "the response is no payload"))
    }

    /// Opens a WebSocket, and probes it. Returns it, and the packets that arrived meanwhile.
    fn probe(mut self) -> Result<(Socket, Vec<Packet>), ws::Error> {
        self.send_get()?;
        let Polling { host, sid, .. } = &self;
        let url = format!("ws://{host}/socket.io/?EIO=4&transport=websocket&sid={sid}");
        let mut socket = ws::connect(&url)?;
        socket.send("2probe")?;
        if socket.read()? != Some(Message::from("3probe")) {
            return Err(ws::Error::Protocol("the probe was not answered"));
        }
        Ok((socket, self.receive()?))
    }
}

/// After this, the server sends all packets over the WebSocket.
fn upgrade(socket: &Socket) -> Result<(), ws::Error> {
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
        let (resume, resumed) = mpsc::channel();
        let (queued, many_queued) = mpsc::channel();
        let counting = thread::spawn(move || {
            for n in 0..3000 {
                session.send(&Arc::new(Packet::Message(n.to_string().into()).into()));
                match n {
                    1000 => resumed.recv().unwrap(),
                    2000 => queued.send(()).unwrap(),
                    _ => {}
                }
            }
        });

        let mut received = Vec::new();
        client.send_get().unwrap();
        received.extend(numbers(client.receive().unwrap()));
        let (mut socket, packets) = client.probe().unwrap();
        received.extend(numbers(packets));
        resume.send(()).unwrap();
        many_queued.recv().unwrap(); // the last thousand is sent during the upgrade
        upgrade(&socket).unwrap();
        while received.len() < 3000 {
            let packet = Packet::from_message(socket.read().unwrap().unwrap()).unwrap();
            received.extend(numbers(vec![packet]));
        }
        counting.join().unwrap();
        assert!(
            received.iter().enumerate().all(|(n, number)| *number == n.to_string()),
            "{received:?}"
        );
    }
}
