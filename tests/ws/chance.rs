//! What nobody thought of: traffic and noise at random. The seed is printed when a test fails; with
//! `SEED=…` in the environment the same happens again.

use std::env;
use std::io::{self, Read};

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::ws::frame::{Header, Opcode, encode};
use sockets_by_hand::ws::message::{Close, Incoming, Message, Reader};
use sockets_by_hand::ws::random::random_bytes;
use sockets_by_hand::ws::{Error, base64, handshake};

use crate::wire::{ACCEPT, ASK};

/// How many cases each test tries. A million are for a release build.
const CASES: u32 = 2_000;
const MANY: u32 = 1_000_000;

/// Chance that can be repeated: xorshift.
struct Chance(u64);

impl Chance {
    fn new() -> Chance {
        let seed = match env::var("SEED") {
            Ok(seed) => seed.parse().expect("SEED is a number"),
            Err(_) => u64::from_ne_bytes(random_bytes()),
        };
        println!("SEED={seed}");
        Chance(seed | 1) // it must not be zero
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

    /// A length: mostly short, often at a border, seldom long.
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
        let letters = ['a', '\0', 'é', '漢', '😀', '\u{7ff}', '\u{800}', '\u{ffff}', '\u{10ffff}'];
        let mut text = String::new();
        while text.len() < len {
            text.push(if self.one_in(3) { self.pick(&letters) } else { 'x' });
        }
        text
    }
}

/// Gives its bytes in pieces of random length.
struct Pieces<'a>(&'a [u8], Chance);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1.pick(&[1, 7, 1000, usize::MAX]);
        let n = (1 + self.1.below(most)).min(self.0.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// All that a reader finds, up to its end or its error.
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

/// Legal traffic of one end: its bytes, and what the other end must find in them.
struct Traffic<'a> {
    chance: &'a mut Chance,
    masked: bool,
    bytes: Vec<u8>,
    expected: Vec<Incoming>,
}

impl Traffic<'_> {
    fn frame(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) {
        let key = self.masked.then(|| (self.chance.next() as u32).to_ne_bytes());
        self.bytes.extend(encode(fin, opcode, payload, key));
    }

    fn control(&mut self) {
        let len = self.chance.len().min(125);
        let payload = self.chance.bytes(len);
        if self.chance.one_in(2) {
            self.frame(true, Opcode::Ping, &payload);
            self.expected.push(Incoming::Ping(payload));
        } else {
            self.frame(true, Opcode::Pong, &payload);
            self.expected.push(Incoming::Pong(payload));
        }
    }

    fn message(&mut self) {
        let len = self.chance.len();
        let (mut opcode, payload, message) = if self.chance.one_in(2) {
            let text = self.chance.text(len);
            (Opcode::Text, text.clone().into_bytes(), Message::Text(text))
        } else {
            let bytes = self.chance.bytes(len);
            (Opcode::Binary, bytes.clone(), Message::Binary(bytes))
        };
        let mut rest = &payload[..];
        while self.chance.one_in(2) {
            let (part, after) = rest.split_at(self.chance.below(rest.len() + 1));
            self.frame(false, opcode, part);
            (opcode, rest) = (Opcode::Continuation, after);
            while self.chance.one_in(3) {
                self.control();
            }
        }
        self.frame(true, opcode, rest);
        self.expected.push(Incoming::Message(message));
    }

    fn close(&mut self) {
        let reason = self.chance.text(10);
        let code = self.chance.pick(&[1000, 1001, 1011, 3000, 4999]);
        let close = Close { code, reason };
        self.frame(true, Opcode::Close, &close.encode().unwrap());
        self.expected.push(Incoming::Close(close));
    }
}

fn legal_traffic(cases: u32) {
    let mut chance = Chance::new();
    for _ in 0..cases {
        let masked = chance.one_in(2);
        let (bytes, expected) = (Vec::new(), Vec::new());
        let mut traffic = Traffic { chance: &mut chance, masked, bytes, expected };
        while !traffic.chance.one_in(5) {
            if traffic.chance.one_in(3) { traffic.control() } else { traffic.message() }
        }
        if traffic.chance.one_in(2) {
            traffic.close();
        }
        let Traffic { bytes, expected, .. } = traffic;
        let pieces = Pieces(&bytes, Chance(chance.next() | 1));
        let (found, error) = read_all(pieces, masked, 100_000);
        assert!(error.is_none(), "{error:?} in {bytes:02x?}");
        assert!(found == expected, "{found:?} instead of {expected:?}");
    }
}

/// Bytes that are nearly frames, which leads further than bytes that are nothing.
fn noise(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !chance.one_in(4) {
        let first = match chance.one_in(20) {
            true => chance.next() as u8,
            false => chance.pick(&[0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a]),
        };
        let len = chance.pick(&[0, 1, 2, 5, 125]);
        let second = match chance.one_in(20) {
            true => chance.next() as u8,
            false => len | if chance.one_in(10) { 0x80 } else { 0 },
        };
        bytes.extend([first, second]);
        match second & 0x7f {
            126 => bytes.extend(chance.bytes(2)),
            127 => bytes.extend((chance.next() >> chance.below(64)).to_be_bytes()),
            _ => {}
        }
        if chance.one_in(2) {
            bytes.extend(chance.text(len.into()).bytes());
        } else {
            bytes.extend(chance.bytes(len.into()));
        }
    }
    bytes
}

fn noise_in_frames(cases: u32) {
    let mut chance = Chance::new();
    let (mut found, mut faults) = (0, 0);
    for _ in 0..cases {
        let bytes = noise(&mut chance);
        if let Ok(Some(header)) = Header::read(&mut &bytes[..]) {
            let mut written = Vec::new();
            header.write(&mut written);
            assert_eq!(bytes[..written.len()], written);
        }
        for masked in [true, false] {
            let whole = read_all(&bytes[..], masked, 1000);
            let pieces = read_all(Pieces(&bytes, Chance(chance.next() | 1)), masked, 1000);
            assert_eq!(format!("{whole:?}"), format!("{pieces:?}"), "{bytes:02x?}");
            found += whole.0.len();
            faults += usize::from(whole.1.is_some_and(|e| e.close_code().is_some()));
        }
        let len = chance.below(130);
        let payload =
            [&chance.pick(&[1000u16, 1005, 4000, 5000]).to_be_bytes(), &*chance.bytes(len)];
        for payload in [payload.concat(), bytes] {
            if let Ok(close) = Close::parse(&payload) {
                assert!(payload.len() > 125 || close.encode().unwrap() == payload);
            }
        }
    }
    let enough = cases as usize / 10;
    assert!(found > enough && faults > enough, "{found} found, {faults} faults");
}

fn noise_in_base64(cases: u32) {
    let mut chance = Chance::new();
    let mut decoded = 0;
    for _ in 0..cases {
        let len = chance.below(50);
        let bytes = chance.bytes(len);
        let text = base64::encode(&bytes);
        assert_eq!(base64::decode(&text).as_ref(), Some(&bytes));

        let len = chance.below(9);
        let odd: String = (0..len)
            .map(|_| chance.pick(&['A', 'Q', 'g', 'w', '/', '=', '=', '-', ' ', 'é']))
            .collect();
        if let Some(bytes) = base64::decode(&odd) {
            decoded += 1;
            assert_eq!(base64::encode(&bytes), odd, "two texts for the same bytes");
        }
    }
    assert!(decoded > cases / 50, "{decoded}");
}

fn noise_in_handshakes(cases: u32) {
    let mut chance = Chance::new();
    let answer = format!(
        "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    let asked = Request::read(&mut ASK.as_bytes()).unwrap().unwrap();
    let spoil = |chance: &mut Chance, text: &str| {
        let mut bytes = Vec::from(text);
        for _ in 0..chance.below(3) {
            let at = chance.below(bytes.len());
            match chance.below(4) {
                0 => bytes[at] = chance.next() as u8,
                1 => _ = bytes.remove(at),
                2 => bytes.insert(at, chance.pick(b"\r\n :,=\0A")),
                _ => bytes.truncate(at + 1),
            }
        }
        bytes
    };
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..cases {
        let bytes = spoil(&mut chance, ASK);
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
        let bytes = spoil(&mut chance, &answer);
        match Response::read(&mut &bytes[..], 1000) {
            Ok(response) => {
                accepted += u32::from(handshake::validate_response(&asked, &response).is_ok())
            }
            Err(_) => refused += 1,
        }
    }
    assert!(accepted > cases / 10 && refused > cases / 10, "{accepted} accepted, {refused} not");
}

#[test]
fn legal_traffic_is_understood_however_it_is_cut() {
    legal_traffic(CASES);
}

#[test]
fn no_bytes_make_a_frame_panic_and_it_does_not_matter_how_they_are_cut() {
    noise_in_frames(CASES);
}

#[test]
fn no_text_makes_base64_panic_and_no_two_texts_mean_the_same() {
    noise_in_base64(CASES);
}

#[test]
fn no_request_and_no_response_makes_a_handshake_panic() {
    noise_in_handshakes(CASES);
}

#[test]
#[ignore = "a million cases each, run in release by .ci/run"]
fn a_million_of_each() {
    legal_traffic(MANY);
    noise_in_frames(MANY);
    noise_in_base64(MANY);
    noise_in_handshakes(MANY);
}
