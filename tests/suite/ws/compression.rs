//! Compressed messages (RFC 7692) over a connection, with frames written by hand.

use std::thread;

use sockets_by_hand::ws::deflate::deflate::Deflater;
use sockets_by_hand::ws::permessage::Direction;
use sockets_by_hand::ws::{Client, Message, Options, PerMessageDeflate, Server};

use std::net::SocketAddr;

use super::handshake::request_with;
use super::peer::*;
use crate::common::{is_alone, status};

const RSV1: u8 = 0x40;

/// A server with compression that echoes.
fn compressing(per_message_deflate: PerMessageDeflate, max_payload: usize) -> SocketAddr {
    let per_message_deflate = Some(per_message_deflate);
    serve(server_with(Options { per_message_deflate, max_payload, ..Options::default() }), echo)
}

/// A client that has agreed on compression.
fn open(server: SocketAddr) -> Peer {
    let mut peer = Peer::connect(server);
    peer.write(request_with("Sec-WebSocket-Extensions: permessage-deflate"));
    assert!(peer.head().contains("permessage-deflate"));
    peer
}

/// The payload of a compressed message (§7.2.1).
fn deflated(message: &[u8]) -> Vec<u8> {
    next(&mut Deflater::new(15, 6), message)
}

/// The payload of the next message that is compressed.
fn next(deflater: &mut Deflater, message: &[u8]) -> Vec<u8> {
    deflater.message(message).strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
}

/// The examples of §7.2.3: the same text in every form that a sender may choose.
#[test]
fn the_examples_of_section_7_2_3_are_inflated() {
    let server = compressing(PerMessageDeflate::default(), 1000);
    for payload in [
        &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", // a final block
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", // two blocks
    ] {
        let mut peer = open(server);
        peer.send(TEXT | RSV1, payload);
        peer.expect(TEXT, "Hello");
        // §7.2.3.1: in fragments.
        let (first, rest) = payload.split_at(3);
        peer.send(TEXT_FIRST | RSV1, first);
        peer.send(FINAL | CONTINUATION, rest);
        peer.expect(TEXT, "Hello");
    }
}

#[test]
fn what_cannot_be_inflated_gets_1007_and_a_bomb_1009() {
    let server = compressing(PerMessageDeflate::default(), 100_000);
    let whole = deflated(b"an end in the middle");
    for (payload, code) in [
        (&b"\x07"[..], 1007),
        (b"\x00\x01\x00\x01\x00", 1007),
        (&whole[..5], 1007),
        (&deflated(b"caf\xe9 "), 1007), // text that is not UTF-8
        (&deflated(&[0; 100_001]), 1009),
    ] {
        let mut peer = open(server);
        peer.send(TEXT | RSV1, payload);
        peer.expect_close(code);
    }
    let mut peer = open(server);
    peer.send(BINARY | RSV1, deflated(&[0; 100_000]));
    assert!(peer.frame().unwrap().1.len() < 200);
}

#[test]
fn a_message_fails_at_the_first_fragment_that_is_wrong() {
    let takeover = PerMessageDeflate { client: Direction::default(), ..Default::default() };
    let server = compressing(takeover, 100_000);
    let text = "café au lait ".repeat(50);
    let wrong = [text.as_bytes(), b"caf\xe9 "].concat();
    for (message, code) in [(&wrong[..], 1007), (&[b'a'; 100_001], 1009)] {
        let mut peer = open(server);
        peer.send(TEXT_FIRST | RSV1, deflated(message));
        peer.expect_close(code);
        // The same after an earlier message and in small pieces, and then nothing more.
        let mut peer = open(server);
        let mut deflater = Deflater::new(15, 6);
        peer.send(TEXT | RSV1, next(&mut deflater, text.as_bytes()));
        assert_eq!(peer.frame().unwrap().0 & !RSV1, TEXT);
        peer.send(TEXT_FIRST | RSV1, "");
        next(&mut deflater, message).iter().for_each(|byte| peer.send(CONTINUATION, [*byte]));
        peer.expect_close(code);
    }
    // A binary message may be anything; and a character may be cut by a fragment.
    let mut peer = open(server);
    peer.send(BINARY_FIRST | RSV1, deflated(&wrong));
    peer.send(FINAL | CONTINUATION, "");
    assert_eq!(peer.frame().unwrap().0 & !RSV1, BINARY);
    let bytes = text.as_bytes();
    peer.send(TEXT_FIRST | RSV1, deflated(&bytes[..4])); // the first byte of é
    peer.send(CONTINUATION, [&[0, 0, 0xff, 0xff], &deflated(&bytes[4..])[..]].concat());
    peer.send(FINAL | CONTINUATION, "");
    peer.expect(TEXT, &text);
}

#[test]
fn a_client_that_does_not_keep_to_its_window_gets_1007() {
    let client = Direction { context_takeover: true, max_window_bits: 9 };
    let server = compressing(PerMessageDeflate { client, ..Default::default() }, 100_000);
    let unlike: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    for (window, repeated) in [(9, true), (15, true), (15, false)] {
        let mut peer = Peer::connect(server);
        let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
        peer.write(request_with(offer));
        assert!(peer.head().contains("client_max_window_bits=9"));
        // What repeats begins 600 bytes back, in the message before.
        let mut deflater = Deflater::new(window, 6);
        peer.send(BINARY | RSV1, next(&mut deflater, &[&unlike[..], &[0; 88]].concat()));
        assert_eq!(peer.frame().unwrap().0, BINARY);
        let message = if repeated { &unlike[..200] } else { &[1; 200] };
        peer.send(BINARY | RSV1, next(&mut deflater, message));
        match window == 15 && repeated {
            true => _ = peer.expect_close(1007),
            false => assert_eq!(peer.frame().unwrap().1, message),
        }
    }
}

#[test]
fn rsv1_stands_on_the_first_frame_of_a_message_only() {
    let server = compressing(PerMessageDeflate::default(), 1000);
    for first in [PING, CLOSE, FINAL | CONTINUATION] {
        let mut peer = open(server);
        peer.send(TEXT_FIRST, "a");
        peer.send(first | RSV1, "");
        peer.expect_close(1002);
    }
}

#[test]
fn send_uncompressed_sends_a_message_as_it_is() {
    let per_message_deflate = Some(PerMessageDeflate::default());
    let options = Options { per_message_deflate, ..Options::default() };
    let mut peer = open(serve(server_with(options), |mut socket| {
        while let Some(message) = socket.read()? {
            socket.send_uncompressed(message.clone())?;
            socket.send(message)?;
        }
        Ok(())
    }));
    let text = "twice ".repeat(1000);
    peer.send(TEXT, &text);
    peer.expect(TEXT, &text);
    assert_eq!(peer.frame().unwrap().0, TEXT | RSV1);
}

/// A match of the second message reaches back into the first, and into what was sent between them
/// to all.
#[test]
fn a_context_is_kept_in_both_directions_and_survives_a_broadcast() {
    let whole = Direction::default();
    let options = PerMessageDeflate { server: whole, client: whole, ..Default::default() };
    let options = Some(PerMessageDeflate { threshold: 0, ..options });
    let server = Server::bind(
        "127.0.0.1:0",
        Options { per_message_deflate: options.clone(), ..Options::default() },
    );
    let server = server.unwrap();
    let url = format!("ws://{}/", server.address().unwrap());
    let clients = server.clients();
    thread::spawn(move || {
        server.serve(move |mut socket| {
            while let Some(message) = socket.read()? {
                socket.send(message.clone())?;
                clients.broadcast(message);
            }
            Ok(())
        })
    });
    let mut socket =
        Client { per_message_deflate: options, ..Client::default() }.connect(&url).unwrap();
    for n in 0..100 {
        let message = Message::from(format!("{n}: {}", "that which is said again ".repeat(n % 7)));
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), Some(message.clone()));
        assert_eq!(socket.read().unwrap(), Some(message));
    }
}

#[test]
fn a_thousand_bombs_at_once_end_with_1009_and_others_are_served() {
    if !is_alone() {
        return;
    }
    const MAX: usize = 1 << 17;
    let server = compressing(PerMessageDeflate::default(), MAX);
    let bomb = deflated(&[0; MAX + 1]);
    let mut peers: Vec<Peer> = (0..1000).map(|_| open(server)).collect();
    peers.iter_mut().for_each(|peer| peer.send(BINARY | RSV1, &bomb));
    let mut other = open(server);
    other.send(TEXT, "still there?");
    other.expect(TEXT, "still there?");
    peers.iter_mut().for_each(|peer| _ = peer.expect_close(1009));
    assert!(peak_memory() < 640 * MAX, "{} MiB", peak_memory() >> 20);
}

/// The most memory that this process has had.
fn peak_memory() -> usize {
    status("self", "VmHWM:").unwrap_or(0) * 1024
}
