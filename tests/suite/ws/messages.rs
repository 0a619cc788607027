//! RFC 6455 §5.4 to §5.6, §8.1 and §10.4: fragmentation, control frames between fragments, UTF-8 that is
//! checked as it arrives, and how much memory a message may take.

use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::mpsc;

use sockets_by_hand::ws::message::{Incoming, Reader};
use sockets_by_hand::ws::{Error, MAX_PAYLOAD, Message, Options};

use super::peer::*;

#[test]
fn text_stays_text_and_bytes_stay_bytes_in_both_directions() {
    let every_byte: Vec<u8> = (0..=255).collect();
    for (mut socket, mut peer) in both() {
        peer.send(TEXT, "\u{feff}é漢😀\0");
        peer.send(BINARY, &every_byte);
        peer.send(TEXT, "");
        peer.send(BINARY, "");
        assert_eq!(socket.read().unwrap(), Some(Message::from("\u{feff}é漢😀\0")));
        assert_eq!(socket.read().unwrap(), Some(Message::Binary(every_byte.clone())));
        assert_eq!(socket.read().unwrap(), Some(Message::from("")));
        assert_eq!(socket.read().unwrap(), Some(Message::Binary(vec![])));

        socket.send("é漢😀\0").unwrap();
        socket.send(every_byte.clone()).unwrap();
        socket.send(String::new()).unwrap();
        socket.send(Vec::new()).unwrap();
        peer.expect(TEXT, "é漢😀\0");
        peer.expect(BINARY, &every_byte);
        peer.expect(TEXT, "");
        peer.expect(BINARY, "");
    }
}

#[test]
fn every_payload_length_form_is_read_and_the_shortest_is_written() {
    for (mut socket, mut peer) in both() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 200_000] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            peer.send(BINARY, &bytes);
            assert_eq!(socket.read().unwrap(), Some(Message::Binary(bytes.clone())));
            let text = "x".repeat(len);
            socket.send(&*text).unwrap();
            peer.expect(TEXT, text); // also checks the length and the mask
        }
    }
}

#[test]
fn a_client_masks_each_frame_with_a_fresh_key() {
    let (client, mut peer) = against(Role::Server);
    let mut keys = HashSet::new();
    for _ in 0..20 {
        client.send("the same").unwrap();
        client.ping(b"the same").unwrap();
        for _ in 0..2 {
            peer.frame();
            keys.insert(peer.key);
        }
    }
    client.send_fragmented("the same", 4).unwrap();
    for _ in 0..2 {
        peer.frame();
        keys.insert(peer.key);
    }
    client.close(1000, "").unwrap();
    peer.expect_close(1000);
    keys.insert(peer.key);
    assert_eq!(keys.len(), 43);
}

#[test]
fn a_fragmented_message_with_control_frames_between_is_one_message() {
    for (mut socket, mut peer) in both() {
        peer.send(TEXT_FIRST, "one, ");
        peer.send(PING, "are you there?");
        peer.send(CONTINUATION, "");
        peer.send(PONG, "unsolicited");
        peer.send(CONTINUATION, "two, ");
        peer.send(PING, "");
        peer.send(FINAL, "three");
        assert_eq!(socket.read().unwrap(), Some(Message::from("one, two, three")));
        peer.expect(PONG, "are you there?");
        peer.expect(PONG, "");

        peer.send(BINARY_FIRST, "");
        peer.send(FINAL, "");
        assert_eq!(socket.read().unwrap(), Some(Message::Binary(vec![])));
    }
}

#[test]
fn a_ping_between_fragments_is_answered_before_the_message_ends() {
    let mut peer = Peer::open(serve(server(), echo));
    peer.send(TEXT_FIRST, "the beginning");
    peer.send(PING, [0xff; 125]);
    peer.expect(PONG, [0xff; 125]);
    peer.send(FINAL, " and the end");
    peer.expect(TEXT, "the beginning and the end");
}

#[test]
fn pings_are_answered_in_order_and_pongs_are_not() {
    for (mut socket, mut peer) in both() {
        for i in 0..10 {
            peer.send(PING, [i]);
            peer.send(PONG, [i]);
        }
        peer.send(TEXT, "done");
        assert_eq!(socket.read().unwrap(), Some(Message::from("done")));
        socket.send("done").unwrap();
        (0..10).for_each(|i| peer.expect(PONG, [i]));
        peer.expect(TEXT, "done");
    }
}

#[test]
fn listeners_receive_pings_and_pongs_in_order() {
    for (mut socket, mut peer) in both() {
        let (events, received) = mpsc::channel();
        let pings = events.clone();
        socket.on_ping(move |payload| pings.send(("ping", payload.to_vec())).unwrap());
        let mut pongs = 0;
        socket.on_pong(move |payload| {
            pongs += 1;
            events.send(("pong", [&[pongs], payload].concat())).unwrap();
        });
        peer.send(TEXT_FIRST, "between ");
        peer.send(PONG, "unsolicited");
        peer.send(PING, "ping");
        peer.send(PONG, "");
        peer.send(FINAL, "fragments");
        assert_eq!(socket.read().unwrap(), Some(Message::from("between fragments")));
        let received: Vec<_> = received.try_iter().collect();
        let expected = [
            ("pong", b"\x01unsolicited".to_vec()),
            ("ping", b"ping".to_vec()),
            ("pong", b"\x02".to_vec()),
        ];
        assert_eq!(received, expected);
        peer.expect(PONG, "ping");
    }
}

#[test]
fn a_message_is_displayed_as_text() {
    let messages =
        [Message::from("안녕"), Message::Binary("안녕".into()), Message::Binary(vec![b'a', 0xff])];
    assert_eq!(messages.each_ref().map(Message::to_string), ["안녕", "안녕", "a\u{fffd}"]);
    assert_eq!(messages.each_ref().map(Message::as_text), [Some("안녕"), None, None]);
    assert_eq!(format!("[{:>4}]", messages[0]), "[  안녕]");
}

#[test]
fn a_ping_is_sent_with_its_payload_of_at_most_125_bytes() {
    for (socket, mut peer) in both() {
        assert!(matches!(socket.ping(&[b'x'; 126]), Err(Error::Invalid(_))));
        socket.ping(&[b'x'; 125]).unwrap();
        socket.ping(b"").unwrap();
        peer.expect(PING, [b'x'; 125]);
        peer.expect(PING, "");
    }
}

#[test]
fn a_message_can_be_sent_in_fragments() {
    for (socket, mut peer) in both() {
        socket.send_fragmented("Hello", 2).unwrap();
        peer.expect(TEXT_FIRST, "He");
        peer.expect(CONTINUATION, "ll");
        peer.expect(FINAL, "o");
        socket.send_fragmented(b"Hell".to_vec(), 2).unwrap();
        peer.expect(BINARY_FIRST, "He");
        peer.expect(FINAL, "ll");
        socket.send_fragmented("Hello", 5).unwrap();
        peer.expect(TEXT, "Hello");
        socket.send_fragmented("", 5).unwrap();
        peer.expect(TEXT, "");
        socket.send_fragmented("Hi", 0).unwrap(); // a fragment has at least one byte
        peer.expect(TEXT_FIRST, "H");
        peer.expect(FINAL, "i");
        socket.send_fragmented("é", 1).unwrap(); // a fragment of text need not be UTF-8
        peer.expect(TEXT_FIRST, b"\xc3");
        peer.expect(FINAL, b"\xa9");
    }
}

#[test]
fn a_character_may_be_split_anywhere_between_fragments() {
    for (mut socket, mut peer) in both() {
        let text = "aé漢😀\u{10ffff}z";
        for at in 0..=text.len() {
            peer.send(TEXT_FIRST, &text.as_bytes()[..at]);
            peer.send(FINAL, &text.as_bytes()[at..]);
            assert_eq!(socket.read().unwrap(), Some(Message::from(text)), "cut at {at}");
        }
        let (last, before) = text.as_bytes().split_last().unwrap();
        for (i, byte) in before.iter().enumerate() {
            peer.send(if i == 0 { TEXT_FIRST } else { CONTINUATION }, [*byte]);
        }
        peer.send(FINAL, [*last]);
        assert_eq!(socket.read().unwrap(), Some(Message::from(text)));
    }
}

#[test]
fn invalid_utf_8_in_a_fragment_fails_the_connection_before_the_rest_arrives() {
    let (server, ends) = reporting(server());
    for (begins, more) in [
        (&b"good\xff"[..], &b""[..]),
        (b"\xed\xa0", b""),  // half of a UTF-16 pair, whatever follows
        (b"\xf4\x90", b""),  // above U+10FFFF, whatever follows
        (b"\xe2\x82", b"x"), // begun in one fragment, invalid in the next
    ] {
        let mut peer = Peer::open(server);
        peer.send(TEXT_FIRST, begins);
        if !more.is_empty() {
            peer.send(CONTINUATION, more);
        }
        peer.expect_close(1007);
        assert!(matches!(ends.recv().unwrap().error, Some(Error::NotUtf8)));
        peer.send(FINAL, "too late");
        peer.expect_end();
    }
}

#[test]
fn invalid_utf_8_in_a_long_frame_fails_the_connection_before_the_frame_ends() {
    for (mut socket, mut peer) in both() {
        let frame =
            peer.role.frame(TEXT, &[&[b'x'; 40_000][..], b"\xff", &[b'x'; 40_000]].concat());
        let (now, later) = frame.split_at(40_100);
        peer.write(now);
        assert!(matches!(socket.read(), Err(Error::NotUtf8)));
        peer.expect_close(1007);
        peer.write(later);
    }
}

#[test]
fn valid_text_may_arrive_byte_by_byte() {
    let mut peer = Peer::open(serve(server(), echo));
    let frame = Role::Client.frame(TEXT, "é漢😀".as_bytes());
    frame.iter().for_each(|byte| peer.write([*byte]));
    peer.expect(TEXT, "é漢😀");
}

#[test]
fn a_message_may_have_max_payload_bytes_and_not_one_more() {
    let (server, ends) = reporting(server_with(Options { max_payload: 10, ..Options::default() }));
    let mut peer = Peer::open(server);
    peer.send(BINARY, [b'x'; 10]);
    peer.send(TEXT_FIRST, [b'x'; 9]);
    peer.send(PING, [b'x'; 125]); // does not count
    peer.send(CONTINUATION, "x");
    peer.send(FINAL, "");
    peer.expect(PONG, [b'x'; 125]);
    peer.send(TEXT, [b'x'; 11]);
    peer.expect_close(1009);
    let end = ends.recv().unwrap();
    assert_eq!(end.messages, [vec![b'x'; 10].into(), "x".repeat(10).into()]);
    assert!(matches!(end.error, Some(Error::TooBig(10))));
}

/// Reads `bytes` a few at a time, and records how far the buffer was larger than what had arrived.
struct Counting<'a> {
    bytes: &'a [u8],
    arrived: usize,
    most_ahead: usize,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.len() > self.arrived {
            self.most_ahead = self.most_ahead.max(buffer.len() - self.arrived);
        }
        let n = buffer.len().min(self.bytes.len()).min(1000);
        buffer[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes = &self.bytes[n..];
        self.arrived += n;
        Ok(n)
    }
}

#[test]
fn a_payload_length_reserves_no_memory_before_its_bytes_arrive() {
    let announced = |len: u64| Role::Client.header(BINARY, 127, &len.to_be_bytes());
    let most = MAX_PAYLOAD as u64;
    for len in [1 << 62, (1 << 63) - 1, most + 1] {
        let bytes = announced(len);
        let reader = Counting { bytes: &bytes, arrived: 0, most_ahead: 0 };
        let mut reader = Reader::new(reader, true, MAX_PAYLOAD);
        assert!(matches!(reader.read(), Err(Error::TooBig(_))));
        assert!(reader.get_mut().most_ahead <= 8, "memory was reserved for {len} bytes");
    }
    for arriving in [0, 1, 100_000, 1_000_000] {
        let bytes = [announced(most - 1), vec![0; arriving]].concat();
        let reader = Counting { bytes: &bytes, arrived: 0, most_ahead: 0 };
        let mut reader = Reader::new(reader, true, MAX_PAYLOAD);
        assert!(matches!(reader.read(), Err(Error::Io(_))), "the stream ends early");
        let most = reader.get_mut().most_ahead;
        assert!(most <= 64 * 1024, "{most} bytes were reserved for none");
    }
}

#[test]
fn the_longest_message_arrives_whole() {
    let bytes = Role::Server.frame(BINARY, &vec![7; MAX_PAYLOAD]);
    let mut reader = Reader::new(&bytes[..], false, MAX_PAYLOAD);
    match reader.read().unwrap() {
        Some(Incoming::Message(Message::Binary(bytes))) => {
            assert!(bytes.len() == MAX_PAYLOAD && bytes.iter().all(|byte| *byte == 7));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_million_empty_fragments_take_no_memory() {
    struct Fragments(u32);
    impl Read for Fragments {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            // The reader asks for the two bytes of a header, and for no payload.
            assert_eq!(buffer.len(), 2);
            buffer.copy_from_slice(match self.0 {
                0 => &[TEXT_FIRST, 0],
                1_000_000 => &[PING, 0],
                _ => &[CONTINUATION, 0],
            });
            self.0 += 1;
            Ok(2)
        }
    }
    impl std::fmt::Debug for Fragments {
        fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("a million fragments")
        }
    }
    let mut reader = Reader::new(Fragments(0), false, MAX_PAYLOAD);
    assert_eq!(reader.read().unwrap(), Some(Incoming::Ping(vec![])));
    let state = format!("{reader:?}");
    assert!(state.len() < 250, "{state}");
}

#[test]
fn a_client_that_sends_empty_fragments_delays_no_other() {
    let address = serve(server(), echo);
    let mut fragmenting = Peer::open(address);
    fragmenting.send(TEXT_FIRST, "");
    fragmenting.write(Role::Client.frame(CONTINUATION, b"").repeat(50_000));
    let mut other = Peer::open(address);
    other.send(TEXT, "Hello");
    other.expect(TEXT, "Hello");
    fragmenting.send(FINAL, "an end after all");
    fragmenting.expect(TEXT, "an end after all");
}
