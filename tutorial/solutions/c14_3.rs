//! Chapter 14, exercise 3: the round-trip time.
//!
//! A pong has the bytes of its ping. Each ping gets a new number, so that the pong of an older ping,
//! or an unsolicited one (RFC 6455 §5.5.3), is not taken for the answer. `Socket::read` does not
//! return pongs, so this uses `Reader`.

use std::io::{self, BufReader, Write};
use std::time::{Duration, Instant};

use sockets_by_hand::net::Stream;
use sockets_by_hand::ws::Error;
use sockets_by_hand::ws::frame::{Opcode, encode};
use sockets_by_hand::ws::message::{Incoming, Reader};

/// The client's end of a WebSocket whose handshake is done.
struct Connection {
    reader: Reader<BufReader<Stream>>,
    writer: Stream,
    pings: u64,
}

impl Connection {
    fn new(stream: Stream) -> Connection {
        let reader = Reader::new(BufReader::new(stream.clone()), false, 1000);
        Connection { reader, writer: stream, pings: 0 }
    }

    /// The time to the other end and back. Whatever else arrives meanwhile goes to `on_other`.
    fn round_trip(&mut self, mut on_other: impl FnMut(Incoming)) -> Result<Duration, Error> {
        self.pings += 1;
        let payload = self.pings.to_be_bytes();
        let start = Instant::now();
        self.writer.write_all(&encode(true, Opcode::Ping, &payload, Some([7; 4])))?;
        loop {
            match self.reader.read()? {
                Some(Incoming::Pong(pong)) if pong == payload => return Ok(start.elapsed()),
                Some(other) => on_other(other),
                None => return Err(Error::Io(io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }
}

#[test]
fn a_pong_answers_only_its_own_ping() {
    use sockets_by_hand::ws::Message;
    use std::thread;

    let (client, socket) = super::connection();
    let other_end = thread::spawn(move || {
        let mut writer = Stream::from(socket);
        let mut reader = Reader::new(BufReader::new(writer.clone()), true, 1000);
        let Ok(Some(Incoming::Ping(payload))) = reader.read() else { panic!("no ping") };
        for (opcode, payload) in
            [(Opcode::Pong, &b""[..]), (Opcode::Text, b"Hello"), (Opcode::Pong, &payload)]
        {
            writer.write_all(&encode(true, opcode, payload, None)).unwrap();
        }
    });

    let mut connection = Connection::new(client.into());
    let mut others = Vec::new();
    connection.round_trip(|other| others.push(other)).unwrap();
    assert_eq!(others, [Incoming::Pong(vec![]), Incoming::Message(Message::from("Hello"))]);

    other_end.join().unwrap();
    assert!(connection.round_trip(|_| {}).is_err()); // the connection has ended
}
