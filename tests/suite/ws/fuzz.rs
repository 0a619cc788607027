//! Fuzz tests: random valid traffic, and random bytes. A test that fails prints its seed; `SEED=…` in the
//! environment repeats it.

use std::env;
use std::io::{self, Read};

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::ws::frame::{Header, Opcode, encode};
use sockets_by_hand::ws::message::{Close, Incoming, Message, Reader};
use sockets_by_hand::ws::random::random_bytes;
use sockets_by_hand::ws::{Error, base64, handshake};

use super::peer::{ACCEPT, REQUEST};

/// How many cases each test tries. A million are for a release build.
const CASES: u32 = 2_000;
const MANY: u32 = 1_000_000;

/// A random number generator that can be repeated: xorshift.
struct Rng(u64);

impl Rng {
    fn new() -> Rng {
        let seed = match env::var("SEED") {
            Ok(seed) => seed.parse().expect("SEED is a number"),
            Err(_) => u64::from_ne_bytes(random_bytes()),
        };
        println!("SEED={seed}");
        Rng(seed | 1) // it must not be zero
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A length: mostly short, often at a boundary, seldom long.
    fn len(&mut self) -> usize {
        match self.below(40) {
            0 => self.pick(&[125, 126, 127, 65_535, 65_536]),
            1..4 => self.pick(&[125, 126, 127]),
            4 => self.below(5000),
            _ => self.below(20),
        }
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    fn text(&mut self, len: usize) -> String {
        let chars = ['a', '\0', 'é', '漢', '😀', '\u{7ff}', '\u{800}', '\u{ffff}', '\u{10ffff}'];
        let mut text = String::new();
        while text.len() < len {
            text.push(if self.one_in(3) { self.pick(&chars) } else { 'x' });
        }
        text
    }
}

/// Reads its bytes in chunks of random length.
struct Chunks<'a>(&'a [u8], Rng);

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1.pick(&[1, 7, 1000, usize::MAX]);
        let n = (1 + self.1.below(most)).min(self.0.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// Reads all messages and control frames, up to the end or an error.
fn read_all(bytes: impl Read, masked: bool, max: usize) -> (Vec<Incoming>, Option<Error>) {
    let mut reader = Reader::new(bytes, masked, max);
    let mut found = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(incoming)) => found.push(incoming),
            Ok(None) => return (found, None),
            Err(e) => return (found, Some(e)),
        }
    }
}

/// Valid traffic of one endpoint: its bytes, and what the other must read from them.
struct Traffic<'a> {
    rng: &'a mut Rng,
    masked: bool,
    bytes: Vec<u8>,
    expected: Vec<Incoming>,
}

impl Traffic<'_> {
    fn frame(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) {
        let key = self.masked.then(|| (self.rng.next() as u32).to_ne_bytes());
        self.bytes.extend(encode(fin, opcode, payload, key));
    }

    fn control(&mut self) {
        let len = self.rng.len().min(125);
        let payload = self.rng.bytes(len);
        if self.rng.one_in(2) {
            self.frame(true, Opcode::Ping, &payload);
            self.expected.push(Incoming::Ping(payload));
        } else {
            self.frame(true, Opcode::Pong, &payload);
            self.expected.push(Incoming::Pong(payload));
        }
    }

    fn message(&mut self) {
        let len = self.rng.len();
        let (mut opcode, payload, message) = if self.rng.one_in(2) {
            let text = self.rng.text(len);
            (Opcode::Text, text.clone().into_bytes(), Message::Text(text))
        } else {
            let bytes = self.rng.bytes(len);
            (Opcode::Binary, bytes.clone(), Message::Binary(bytes))
        };
        let mut rest = &payload[..];
        while self.rng.one_in(2) {
            let (part, after) = rest.split_at(self.rng.below(rest.len() + 1));
            self.frame(false, opcode, part);
            (opcode, rest) = (Opcode::Continuation, after);
            while self.rng.one_in(3) {
                self.control();
            }
        }
        self.frame(true, opcode, rest);
        self.expected.push(Incoming::Message(message));
    }

    fn close(&mut self) {
        let reason = self.rng.text(10);
        let code = self.rng.pick(&[1000, 1001, 1011, 3000, 4999]);
        let close = Close { code, reason };
        self.frame(true, Opcode::Close, &close.encode().unwrap());
        self.expected.push(Incoming::Close(close));
    }
}

fn valid_traffic(cases: u32) {
    let mut rng = Rng::new();
    for _ in 0..cases {
        let masked = rng.one_in(2);
        let (bytes, expected) = (Vec::new(), Vec::new());
        let mut traffic = Traffic { rng: &mut rng, masked, bytes, expected };
        while !traffic.rng.one_in(5) {
            if traffic.rng.one_in(3) { traffic.control() } else { traffic.message() }
        }
        if traffic.rng.one_in(2) {
            traffic.close();
        }
        let Traffic { bytes, expected, .. } = traffic;
        let chunks = Chunks(&bytes, Rng(rng.next() | 1));
        let (found, error) = read_all(chunks, masked, 100_000);
        assert!(error.is_none(), "{error:?} in {bytes:02x?}");
        assert!(found == expected, "{found:?} instead of {expected:?}");
    }
}

/// Random bytes that are nearly frames: they reach more of the parser than any bytes would.
fn random_frames(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !rng.one_in(4) {
        let first = match rng.one_in(20) {
            true => rng.next() as u8,
            false => rng.pick(&[0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a]),
        };
        let len = rng.pick(&[0, 1, 2, 5, 125]);
        let second = match rng.one_in(20) {
            true => rng.next() as u8,
            false => len | if rng.one_in(10) { 0x80 } else { 0 },
        };
        bytes.extend([first, second]);
        match second & 0x7f {
            126 => bytes.extend(rng.bytes(2)),
            127 => bytes.extend((rng.next() >> rng.below(64)).to_be_bytes()),
            _ => {}
        }
        if rng.one_in(2) {
            bytes.extend(rng.text(len.into()).bytes());
        } else {
            bytes.extend(rng.bytes(len.into()));
        }
    }
    bytes
}

fn fuzz_frames(cases: u32) {
    let mut rng = Rng::new();
    let (mut found, mut errors) = (0, 0);
    for _ in 0..cases {
        let bytes = random_frames(&mut rng);
        if let Ok(Some(header)) = Header::read(&mut &bytes[..]) {
            let mut written = Vec::new();
            header.write(&mut written);
            assert_eq!(bytes[..written.len()], written);
        }
        for masked in [true, false] {
            let whole = read_all(&bytes[..], masked, 1000);
            let chunks = read_all(Chunks(&bytes, Rng(rng.next() | 1)), masked, 1000);
            assert_eq!(format!("{whole:?}"), format!("{chunks:?}"), "{bytes:02x?}");
            found += whole.0.len();
            errors += usize::from(whole.1.is_some_and(|e| e.close_code().is_some()));
        }
        let len = rng.below(130);
        let payload = [&rng.pick(&[1000u16, 1005, 4000, 5000]).to_be_bytes(), &*rng.bytes(len)];
        for payload in [payload.concat(), bytes] {
            if let Ok(close) = Close::parse(&payload) {
                assert!(payload.len() > 125 || close.encode().unwrap() == payload);
            }
        }
    }
    let enough = cases as usize / 10;
    assert!(found > enough && errors > enough, "{found} found, {errors} errors");
}

fn fuzz_base64(cases: u32) {
    let mut rng = Rng::new();
    let mut decoded = 0;
    for _ in 0..cases {
        let len = rng.below(50);
        let bytes = rng.bytes(len);
        let text = base64::encode(&bytes);
        assert_eq!(base64::decode(&text).as_ref(), Some(&bytes));

        let len = rng.below(9);
        let random: String = (0..len)
            .map(|_| rng.pick(&['A', 'Q', 'g', 'w', '/', '=', '=', '-', ' ', 'é']))
            .collect();
        if let Some(bytes) = base64::decode(&random) {
            decoded += 1;
            assert_eq!(base64::encode(&bytes), random, "two texts for the same bytes");
        }
    }
    assert!(decoded > cases / 50, "{decoded}");
}

fn fuzz_handshakes(cases: u32) {
    let mut rng = Rng::new();
    let response = format!(
        "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    let request = Request::read(&mut REQUEST.as_bytes()).unwrap().unwrap();
    let mutate = |rng: &mut Rng, text: &str| {
        let mut bytes = Vec::from(text);
        for _ in 0..rng.below(3) {
            let at = rng.below(bytes.len());
            match rng.below(4) {
                0 => bytes[at] = rng.next() as u8,
                1 => _ = bytes.remove(at),
                2 => bytes.insert(at, rng.pick(b"\r\n :,=\0A")),
                _ => bytes.truncate(at + 1),
            }
        }
        bytes
    };
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..cases {
        let bytes = mutate(&mut rng, REQUEST);
        match Request::read(&mut &bytes[..]) {
            Ok(Some(request)) => match handshake::accept(&request) {
                Ok(response) => {
                    accepted += 1;
                    assert_eq!(response.status, 101);
                }
                Err(response) => assert!(matches!(response.status, 400 | 405 | 426)),
            },
            _ => refused += 1,
        }
        let bytes = mutate(&mut rng, &response);
        match Response::read(&mut &bytes[..], 1000) {
            Ok(response) => {
                accepted += u32::from(handshake::validate_response(&request, &response).is_ok())
            }
            Err(_) => refused += 1,
        }
    }
    assert!(accepted > cases / 10 && refused > cases / 10, "{accepted} accepted, {refused} not");
}

#[test]
fn valid_traffic_is_read_however_it_is_chunked() {
    valid_traffic(CASES);
}

#[test]
fn no_bytes_make_the_frame_parser_panic_however_they_are_chunked() {
    fuzz_frames(CASES);
}

#[test]
fn no_text_makes_base64_panic_and_no_two_texts_decode_alike() {
    fuzz_base64(CASES);
}

#[test]
fn no_request_and_no_response_makes_the_handshake_panic() {
    fuzz_handshakes(CASES);
}

#[test]
#[ignore = "a million cases each, run in release by .ci/run"]
fn a_million_of_each() {
    valid_traffic(MANY);
    fuzz_frames(MANY);
    fuzz_base64(MANY);
    fuzz_handshakes(MANY);
}
