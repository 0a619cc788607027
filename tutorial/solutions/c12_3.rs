//! Chapter 12, exercise 3: how far away is the other end?
//!
//! A pong brings back the bytes of its ping. With a number in it that was never used before, the
//! pong of an old ping, or one that nobody asked for (which RFC 6455 §5.5.3 allows), is not taken
//! for the answer. `Socket::read` keeps pongs to itself, so this stands on `Reader`.

use std::io::{self, BufReader, Write};
use std::time::{Duration, Instant};

use sockets_by_hand::net::Stream;
use sockets_by_hand::ws::Error;
use sockets_by_hand::ws::frame::{Opcode, encode};
use sockets_by_hand::ws::message::{Incoming, Reader};

/// The client's end of a WebSocket whose handshake is done.
struct Line {
    reader: Reader<BufReader<Stream>>,
    writer: Stream,
    pings: u64,
}

impl Line {
    fn new(stream: Stream) -> Line {
        let reader = Reader::new(BufReader::new(stream.clone()), false, 1000);
        Line { reader, writer: stream, pings: 0 }
    }

    /// The time to the other end and back; what else arrives meanwhile goes to `aside`.
    fn round_trip(&mut self, mut aside: impl FnMut(Incoming)) -> Result<Duration, Error> {
        self.pings += 1;
        let payload = self.pings.to_be_bytes();
        let start = Instant::now();
        self.writer.write_all(&encode(true, Opcode::Ping, &payload, Some([7; 4])))?;
        loop {
            match self.reader.read()? {
                Some(Incoming::Pong(pong)) if pong == payload => return Ok(start.elapsed()),
                Some(other) => aside(other),
                None => return Err(Error::Io(io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }
}

#[test]
fn a_pong_counts_only_for_its_own_ping() {
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

    let mut line = Line::new(client.into());
    let mut aside = Vec::new();
    line.round_trip(|other| aside.push(other)).unwrap();
    assert_eq!(aside, [Incoming::Pong(vec![]), Incoming::Message(Message::from("Hello"))]);

    other_end.join().unwrap();
    assert!(line.round_trip(|_| {}).is_err()); // nobody is there any more
}
