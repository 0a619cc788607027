//! Chapter 20, exercise 3: a client that polls.
//!
//! One connection carries the `GET`s, the other the `POST`s. One thread uses both in turn. `next` polls
//! again and again, answers pings, and returns the messages. It answers pings only while it runs: if
//! nobody calls `next` for 45 s, the server ends the session.

use std::collections::VecDeque;
use std::io::{BufReader, Write};

use sockets_by_hand::engineio::Packet;
use sockets_by_hand::http::{Error, Request, Response};
use sockets_by_hand::net::Stream;
use sockets_by_hand::ws::Message;

struct Client {
    host: String,
    sid: String,
    /// The connection of the `GET`s.
    get: BufReader<Stream>,
    /// The connection of the `POST`s.
    post: BufReader<Stream>,
    /// The packets that have arrived and have not been read.
    packets: VecDeque<Packet>,
}

const MALFORMED: Error = Error::Refused(400, "the response is no payload");

impl Client {
    fn connect(host: &str) -> Result<Client, Error> {
        let get = BufReader::new(Stream::connect(host)?);
        let post = BufReader::new(Stream::connect(host)?);
        let (host, sid) = (host.to_string(), String::new());
        let mut client = Client { host, sid, get, post, packets: VecDeque::new() };
        client.poll()?;
        let Some(Packet::Open(data)) = client.packets.pop_front() else {
            return Err(MALFORMED);
        };
        client.sid = data.split('"').nth(3).ok_or(MALFORMED)?.to_string();
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
        let body = send(&mut self.get, &request)?;
        let text = String::from_utf8(body).map_err(|_| MALFORMED)?;
        self.packets.extend(Packet::parse_payload(&text).ok_or(MALFORMED)?);
        Ok(())
    }

    fn post(&mut self, packet: Packet) -> Result<(), Error> {
        let mut payload = String::new();
        packet.write(&mut payload);
        let request = self.request("POST").encode(payload.as_bytes());
        send(&mut self.post, &request).map(drop)
    }

    fn request(&self, method: &str) -> Request {
        let sid = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        let target = format!("/socket.io/?EIO=4&transport=polling{sid}");
        let mut request = Request::new(method, &target);
        request.headers.push("Host", &self.host);
        request
    }
}

/// Sends a request, and returns the body of the response.
fn send(connection: &mut BufReader<Stream>, request: &[u8]) -> Result<Vec<u8>, Error> {
    connection.get_mut().write_all(request)?;
    let response = Response::read(connection, 1_000_000)?;
    match response.status {
        200 => Ok(response.body),
        status => Err(Error::Refused(status, "the server refused the request")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::engineio::{Event, Options, Server};
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    /// The server sends numbers for longer than a session lasts whose client answers no ping.
    #[test]
    fn the_session_outlives_the_first_pings() {
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
                thread::sleep(Duration::from_millis(300)); // a ping is sent in between
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
