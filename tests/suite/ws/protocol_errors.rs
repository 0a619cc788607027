//! Every illegal frame and every close code over real connections, from a client to the library's server
//! and from a server to the library's client: with which close code the library fails the connection.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;

use sockets_by_hand::ws::{Client, Close, Error, Options};

use super::peer::*;

const MAX: usize = 1000;

/// Bytes that break a rule: the rule, the bytes, and the close code that the RFC demands for them.
fn illegal_frames(role: Role) -> Vec<(String, Vec<u8>, u16)> {
    let mut all = Vec::new();
    let mut add = |what: &str, frames: Vec<u8>, code| all.push((what.to_string(), frames, code));

    for bit in [0x40, 0x20, 0x10, 0x70] {
        for first in [TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE] {
            add("§5.2: a reserved bit", role.frame(first | bit, b"x"), 1002);
        }
    }
    for opcode in (3..=7).chain(11..=15) {
        add("§5.2: a reserved opcode", role.frame(0x80 | opcode, b"x"), 1002);
        add("§5.2: a reserved opcode, fragmented", role.frame(opcode, b"x"), 1002);
    }
    for (second, len) in [(126, 0), (126, 1), (126, 125), (127, 0), (127, 126), (127, 0xffff)] {
        let length = u64::to_be_bytes(len);
        let length = if second == 126 { &length[6..] } else { &length };
        add("§5.2: a length not in the fewest bytes", role.header(BINARY, second, length), 1002);
    }
    for len in [1 << 63, u64::MAX] {
        add(
            "§5.2: the most significant bit of a length",
            role.header(BINARY, 127, &len.to_be_bytes()),
            1002,
        );
    }
    for first in [TEXT, BINARY, TEXT_FIRST, FINAL, PING, PONG, CLOSE] {
        let other = if role == Role::Client { Role::Server } else { Role::Client };
        add("§5.1: masked by a server, or not masked by a client", other.frame(first, b""), 1002);
    }
    for opcode in [PING, PONG, CLOSE] {
        add("§5.5: a fragmented control frame", role.frame(opcode & 0x7f, b""), 1002);
        add("§5.5: a control frame of 126", role.frame(opcode, &[b'x'; 126]), 1002);
        add("§5.5: a control frame of 65,536", role.frame(opcode, &[b'x'; 65536]), 1002);
    }
    let begun = role.frame(TEXT_FIRST, b"x");
    add("§5.4: a final fragment without a first", role.frame(FINAL, b"x"), 1002);
    add("§5.4: a continuation without a first fragment", role.frame(CONTINUATION, b"x"), 1002);
    for first in [TEXT, BINARY, TEXT_FIRST, BINARY_FIRST] {
        add(
            "§5.4: a first fragment within a message",
            [&begun[..], &role.frame(first, b"x")].concat(),
            1002,
        );
    }
    let ping = role.frame(PING | 0x40, b"");
    add("§5.4: an illegal ping between fragments", [&begun[..], &ping].concat(), 1002);

    add("§5.5.1: a close with one byte", role.frame(CLOSE, b"\x03"), 1002);
    add("§5.5.1: a reason that is not UTF-8", role.frame(CLOSE, b"\x03\xe8\xff"), 1007);
    add("§5.5.1: a reason cut short", role.frame(CLOSE, b"\x03\xe8\xe2\x82"), 1007);
    add(
        "§5.5.1: an invalid code before an invalid reason",
        role.frame(CLOSE, b"\x03\xed\xff"),
        1002,
    );

    for bad in NOT_UTF_8 {
        add("§8.1: not UTF-8", role.frame(TEXT, bad), 1007);
        add(
            "§8.1: not UTF-8, after valid text",
            role.frame(TEXT, &[b"\xc3\xa9", *bad].concat()),
            1007,
        );
        let pieces = [role.frame(TEXT_FIRST, &bad[..1]), role.frame(FINAL, &bad[1..])];
        add("§8.1: not UTF-8, fragmented", pieces.concat(), 1007);
    }
    let over = vec![b'x'; MAX + 1];
    add("§10.4: too long in one frame", role.frame(BINARY, &over), 1009);
    add("§10.4: text too long", role.frame(TEXT, &over), 1009);
    let two = [role.frame(TEXT_FIRST, &over[1..]), role.frame(FINAL, b"x")];
    add("§10.4: too long in two fragments", two.concat(), 1009);
    for len in [1 << 16, 1 << 32, 1 << 62, (1 << 63) - 1] {
        add(
            "§10.4: too long by its header",
            role.header(BINARY, 127, &u64::to_be_bytes(len)),
            1009,
        );
    }
    let late = [begun, role.header(FINAL, 127, &u64::to_be_bytes((1 << 63) - 1))];
    add("§10.4: too long by the header of its final fragment", late.concat(), 1009);
    all
}

/// Each is invalid at another place, or in another way.
const NOT_UTF_8: &[&[u8]] = &[
    b"\x80",
    b"\xbf",
    b"\xff",
    b"\xfe", // bytes that begin no character
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\x80", // overlong
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\xbd\xed\xb8\x80", // half of a UTF-16 pair
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80", // above U+10FFFF
    b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x98", // cut short by the end of the message
    b"\xc3\x28",
    b"\xe2\x28\xa1",
    b"\xf0\x9f\x98x", // cut short by another character
];

/// What the peer must read, and then the end of the stream.
enum Answer {
    /// A close frame with this code: the library has failed the connection (§7.1.7).
    Failed(u16),
    /// The close frame that was sent, returned (§5.5.1).
    Returned(Close),
}

fn expect_answer(what: &str, peer: &mut Peer, end: impl FnOnce() -> End, answer: Answer) {
    match answer {
        Answer::Failed(code) => {
            assert!(peer.expect_close(code).len() < 124, "{what}");
            peer.expect_end();
            peer.half_close(); // so that it need not wait for more
            let end = end();
            assert_eq!(end.messages, [], "{what}");
            assert_eq!(end.error.unwrap().close_code(), Some(code), "{what}");
            assert_eq!(end.closed.code, 1006, "{what}");
        }
        Answer::Returned(close) => {
            let payload =
                if close.code == 1005 { vec![] } else { close_payload(close.code, &close.reason) };
            peer.expect(CLOSE, payload);
            peer.half_close();
            let end = end();
            assert!(end.error.is_none() && end.messages.is_empty(), "{what}");
            assert_eq!(end.closed, close, "{what}");
        }
    }
}

/// One client by hand against the library's server.
fn send_as_client(
    server: SocketAddr,
    ends: &mpsc::Receiver<End>,
    bytes: &[u8],
    what: &str,
    a: Answer,
) {
    let mut peer = Peer::connect(server);
    peer.write([REQUEST.as_bytes(), bytes].concat());
    assert!(peer.head().starts_with("HTTP/1.1 101 "), "{what}");
    expect_answer(what, &mut peer, || ends.recv().unwrap(), a);
}

/// One server by hand against the library's client.
fn send_as_server(listener: &TcpListener, bytes: &[u8], what: &str, a: Answer) {
    let client = Client { max_payload: MAX, ..Client::default() };
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let reader = thread::spawn(move || read_all(&mut client.connect(&url).unwrap()));
    let mut peer = Peer::accept(listener, bytes);
    expect_answer(what, &mut peer, || reader.join().unwrap(), a);
}

#[test]
fn every_illegal_frame_of_a_client_gets_its_close_code() {
    let (server, ends) = reporting(server_with(Options { max_payload: MAX, ..Options::default() }));
    for (what, bytes, code) in illegal_frames(Role::Client) {
        send_as_client(server, &ends, &bytes, &what, Answer::Failed(code));
    }
}

#[test]
fn every_illegal_frame_of_a_server_gets_its_close_code() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for (what, bytes, code) in illegal_frames(Role::Server) {
        send_as_server(&listener, &bytes, &what, Answer::Failed(code));
    }
}

/// RFC 6455 §7.4, and what has been registered since (1012 to 1014).
fn may_be_sent(code: u16) -> bool {
    match code {
        0..=999 => false,     // not used
        1000..=1003 => true,  // normal closure, going away, protocol error, unsupported data
        1004..=1006 => false, // reserved; 1005 and 1006 MUST NOT be sent
        1007..=1011 => true,  // invalid data, policy, too big, extension, internal error
        1012..=1014 => true,  // service restart, try again later, bad gateway
        1015..=2999 => false, // 1015 (TLS) MUST NOT be sent; the rest is reserved
        3000..=4999 => true,  // libraries, applications
        _ => false,
    }
}

/// Those about the ends of each range, and some of every other.
fn codes() -> impl Iterator<Item = u16> {
    (0..=5000).filter(|code| {
        code % 100 == 50 || [0_u16, 1000, 3000, 5000].iter().any(|end| end.abs_diff(*code) < 20)
    })
}

fn answer_to(code: u16) -> Answer {
    match may_be_sent(code) {
        true => Answer::Returned(Close { code, reason: "why".to_string() }),
        false => Answer::Failed(1002),
    }
}

#[test]
fn a_close_code_of_a_client_is_returned_or_gets_1002() {
    let (server, ends) = reporting(server());
    for code in codes() {
        let bytes = Role::Client.close(code, "why");
        send_as_client(server, &ends, &bytes, &format!("{code}"), answer_to(code));
    }
    for (bytes, answer) in [
        (
            Role::Client.frame(CLOSE, b""),
            Answer::Returned(Close { code: 1005, reason: String::new() }),
        ),
        (Role::Client.close(u16::MAX, ""), Answer::Failed(1002)),
    ] {
        send_as_client(server, &ends, &bytes, "", answer);
    }
}

#[test]
fn a_close_code_of_a_server_is_returned_or_gets_1002() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for code in codes() {
        let bytes = Role::Server.close(code, "why");
        send_as_server(&listener, &bytes, &format!("{code}"), answer_to(code));
    }
    let nothing = Close { code: 1005, reason: String::new() };
    send_as_server(&listener, &Role::Server.frame(CLOSE, b""), "", Answer::Returned(nothing));
}

#[test]
fn only_close_frames_that_may_be_sent_can_be_encoded() {
    let close = |code, reason: &str| Close { code, reason: reason.to_string() }.encode();
    for code in 0..=5000 {
        match close(code, "why") {
            Ok(payload) => {
                assert!(may_be_sent(code), "{code}");
                assert_eq!(payload, close_payload(code, "why"));
            }
            Err(Error::Invalid(_)) => assert!(!may_be_sent(code), "{code}"),
            Err(e) => panic!("{code}: {e}"),
        }
    }
    assert_eq!(close(1005, "").unwrap(), b"");
    assert_eq!(close(1000, &"x".repeat(123)).unwrap().len(), 125);
    assert!(matches!(close(1000, &"x".repeat(124)), Err(Error::Invalid(_))));
    assert!(
        matches!(close(1000, &"é".repeat(62)), Err(Error::Invalid(_))),
        "bytes, not characters"
    );
}

/// What follows a close frame or an illegal frame is not read: the first decides.
#[test]
fn only_the_first_illegal_frame_is_answered() {
    let (server, ends) = reporting(server());
    let mut peer = Peer::open(server);
    let illegal = Role::Client.frame(TEXT, b"\xff");
    peer.write([&illegal[..], &Role::Client.frame(0x83, b""), &illegal].concat());
    peer.expect_close(1007);
    peer.expect_end();
    assert!(matches!(ends.recv().unwrap().error, Some(Error::NotUtf8)));
}
