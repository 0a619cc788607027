//! Chapter 16, exercise 3: a client that polls.
//!
//! One connection asks, and one tells, each in turn: a thread for each is not needed. `next` asks
//! again and again, answers pings on the way, and returns what is left. Like `read`, it does its
//! part only while somebody is in it: who does not call `next` for 45 s is taken for dead.

use std::collections::VecDeque;
use std::io::{BufReader, Write};

use sockets_by_hand::engineio::Packet;
use sockets_by_hand::http::{Error, Request, Response};
use sockets_by_hand::net::Stream;
use sockets_by_hand::ws::Message;

struct Client {
    host: String,
    sid: String,
    ear: BufReader<Stream>,
    mouth: BufReader<Stream>,
    /// Came in one answer, and has not been asked for yet.
    packets: VecDeque<Packet>,
}

const NOT_UNDERSTOOD: Error = Error::Refused(400, "the answer is no payload");

impl Client {
    fn connect(host: &str) -> Result<Client, Error> {
        let ear = BufReader::new(Stream::connect(host)?);
        let mouth = BufReader::new(Stream::connect(host)?);
        let (host, sid) = (host.to_string(), String::new());
        let mut client = Client { host, sid, ear, mouth, packets: VecDeque::new() };
        client.poll()?;
        let Some(Packet::Open(hello)) = client.packets.pop_front() else {
            return Err(NOT_UNDERSTOOD);
        };
        client.sid = hello.split('"').nth(3).ok_or(NOT_UNDERSTOOD)?.to_string();
        Ok(client)
    }

    fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.post(Packet::Message(message.into()))
    }

    /// The next message, or `None` when the server has ended the session.
    fn next(&mut self) -> Result<Option<Message>, Error> {
        loop {
            match self.packets.pop_front() {
                Some(Packet::Message(message)) => return Ok(Some(message)),
                Some(Packet::Ping(data)) => self.post(Packet::Pong(data))?,
                Some(Packet::Close) => return Ok(None),
                Some(_) => {}
                None => self.poll()?,
            }
        }
    }

    fn poll(&mut self) -> Result<(), Error> {
        let request = self.request("GET").encode(b"");
        let body = ask(&mut self.ear, &request)?;
        let text = String::from_utf8(body).map_err(|_| NOT_UNDERSTOOD)?;
        self.packets.extend(Packet::parse_payload(&text).ok_or(NOT_UNDERSTOOD)?);
        Ok(())
    }

    fn post(&mut self, packet: Packet) -> Result<(), Error> {
        let mut payload = String::new();
        packet.write(&mut payload);
        let request = self.request("POST").encode(payload.as_bytes());
        ask(&mut self.mouth, &request).map(drop)
    }

    fn request(&self, method: &str) -> Request {
        let sid = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        let target = format!("/socket.io/?EIO=4&transport=polling{sid}");
        let mut request = Request::new(method, &target);
        request.headers.push("Host", &self.host);
        request
    }
}

fn ask(line: &mut BufReader<Stream>, request: &[u8]) -> Result<Vec<u8>, Error> {
    line.get_mut().write_all(request)?;
    let response = Response::read(line, 1_000_000)?;
    match response.status {
        200 => Ok(response.body),
        status => Err(Error::Refused(status, "the server did not like the request")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::engineio::{Event, Options, Server};
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    /// The server counts for longer than a client lives that answers no ping.
    #[test]
    fn it_outlives_its_pings() {
        let (ping_interval, ping_timeout) = (Duration::from_millis(50), Duration::from_secs(2));
        let options = Options { ping_interval, ping_timeout, ..Options::default() };
        let server = Server::bind("127.0.0.1:0", options).unwrap();
        let address = server.address().unwrap().to_string();
        let (sender, sessions) = mpsc::channel();
        thread::spawn(move || {
            server.serve(move |session| {
                sender.send(session.clone()).unwrap();
                let session = session.clone();
                Box::new(move |event| match event {
                    Event::Message(Message::Text(text)) if text == "bye" => {
                        session.close("forced close");
                    }
                    Event::Message(message) => {
                        session.send(&Arc::new(Packet::Message(message).into()));
                    }
                    Event::Close(_) => {}
                })
            });
        });

        let mut client = Client::connect(&address).unwrap();
        let session = sessions.recv().unwrap();
        let counting = thread::spawn(move || {
            for n in 1..=7 {
                thread::sleep(Duration::from_millis(300)); // a ping comes in between
                session.send(&Arc::new(Packet::Message(n.to_string().into()).into()));
            }
        });
        for n in 1..=7 {
            assert_eq!(client.next().unwrap(), Some(n.to_string().into()));
        }
        counting.join().unwrap();
        client.send(vec![1, 2, 3]).unwrap();
        assert_eq!(client.next().unwrap(), Some(vec![1, 2, 3].into()));
        client.send("bye").unwrap();
        assert_eq!(client.next().unwrap(), None);
    }
}
