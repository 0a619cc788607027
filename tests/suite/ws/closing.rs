//! RFC 6455 §5.5.1 and §7: the closing handshake from either side, and connections that end without it.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sockets_by_hand::net::outbox::Dropped;
use sockets_by_hand::ws::{Close, Error, Message};

use super::peer::*;

fn close(code: u16, reason: &str) -> Close {
    Close { code, reason: reason.to_string() }
}

fn is_ended<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Dropped(Dropped::Ended)))
}

#[test]
fn a_close_frame_is_returned() {
    for (mut socket, mut peer) in both() {
        peer.write(peer.role.close(4321, "done"));
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(4321, "done")));
        peer.expect(CLOSE, close_payload(4321, "done"));
        assert!(is_ended(socket.send("more")));
        assert!(is_ended(socket.ping(b"")));
        peer.half_close();
        drop(socket);
        peer.expect_end();
    }
}

#[test]
fn a_close_frame_without_a_code_is_1005_and_is_returned_without_one() {
    for (mut socket, mut peer) in both() {
        peer.send(CLOSE, "");
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1005, "")));
        peer.expect(CLOSE, "");
    }
}

#[test]
fn messages_before_the_peers_close_frame_are_read() {
    for (mut socket, mut peer) in both() {
        socket.close(1001, "going home").unwrap();
        peer.expect(CLOSE, close_payload(1001, "going home"));
        assert_eq!(socket.closed(), None, "not yet");
        peer.send(TEXT, "wait");
        peer.send(PING, "are you there?"); // no pong after a close frame
        peer.send(BINARY_FIRST, "one ");
        peer.send(FINAL, "more");
        peer.write(peer.role.close(1001, ""));
        assert_eq!(socket.read().unwrap(), Some(Message::from("wait")));
        assert_eq!(socket.read().unwrap(), Some(Message::Binary(b"one more".to_vec())));
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1001, "")));
        peer.half_close();
        drop(socket);
        peer.expect_end();
    }
}

#[test]
fn after_our_close_frame_nothing_is_sent_and_no_second_one() {
    for (mut socket, mut peer) in both() {
        let sender = socket.sender();
        socket.close(3000, "").unwrap();
        assert!(is_ended(socket.send("more")));
        assert!(is_ended(sender.send(b"more".to_vec())));
        assert!(is_ended(sender.send_fragmented("more", 1)));
        assert!(is_ended(sender.ping(b"")));
        sender.close(3001, "another").unwrap(); // sent already: no error, and no bytes
        peer.expect(CLOSE, close_payload(3000, ""));
        peer.write(peer.role.close(4000, "mine"));
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(4000, "mine")), "the close frames crossed");
        peer.half_close();
        drop(socket);
        peer.expect_end();
    }
}

#[test]
fn a_close_frame_that_must_not_be_sent_is_an_error_and_the_connection_stays_open() {
    for (mut socket, mut peer) in both() {
        for code in [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert!(matches!(socket.close(code, ""), Err(Error::Invalid(_))), "{code}");
        }
        assert!(matches!(socket.close(1000, &"x".repeat(124)), Err(Error::Invalid(_))));
        assert!(matches!(socket.close(1005, "why"), Err(Error::Invalid(_))));
        socket.send("still here").unwrap();
        peer.expect(TEXT, "still here");
        peer.send(TEXT, "so am I");
        assert_eq!(socket.read().unwrap(), Some(Message::from("so am I")));
        socket.close(1000, &"x".repeat(123)).unwrap();
        assert_eq!(peer.expect_close(1000), "x".repeat(123));
    }
}

#[test]
fn a_close_frame_without_a_code_can_be_sent() {
    for (socket, mut peer) in both() {
        socket.close(1005, "").unwrap();
        peer.expect(CLOSE, "");
    }
}

#[test]
fn a_peer_that_returns_no_close_frame_is_disconnected() {
    for (mut socket, mut peer) in both() {
        let start = Instant::now();
        let time = Duration::from_millis(60);
        socket.close_within(1000, "", time).unwrap();
        peer.send(TEXT, "I am not done");
        assert_eq!(socket.read().unwrap(), Some(Message::from("I am not done")));
        assert_eq!(socket.read().unwrap(), None);
        assert!(start.elapsed() >= time);
        assert_eq!(socket.closed(), Some(&close(1006, "")));
        peer.expect(CLOSE, close_payload(1000, ""));
        peer.expect_cut();
    }
}

#[test]
fn a_peer_that_returns_the_close_frame_in_time_is_closed_cleanly() {
    let (mut socket, mut peer) = against(Role::Client);
    socket.close_within(1000, "", Duration::from_secs(60)).unwrap();
    peer.expect_close(1000);
    peer.write(peer.role.close(1000, ""));
    assert_eq!(socket.read().unwrap(), None);
    assert_eq!(socket.closed(), Some(&close(1000, "")));
}

#[test]
fn nothing_is_read_after_a_close_frame() {
    for (mut socket, mut peer) in both() {
        let more = [peer.role.frame(TEXT, b"one more thing"), peer.role.close(4000, "again")];
        peer.write([peer.role.close(1000, ""), more.concat()].concat());
        for _ in 0..3 {
            assert_eq!(socket.read().unwrap(), None);
        }
        assert_eq!(socket.closed(), Some(&close(1000, "")));
        peer.expect(CLOSE, close_payload(1000, ""));
    }
}

#[test]
fn a_close_frame_between_fragments_ends_the_message() {
    for (mut socket, mut peer) in both() {
        peer.send(TEXT_FIRST, "I was about to");
        peer.write(peer.role.close(1001, ""));
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1001, "")));
    }
}

#[test]
fn an_end_without_a_close_frame_is_1006() {
    for (mut socket, peer) in both() {
        drop(peer);
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1006, "")));
    }
    for (mut socket, mut peer) in both() {
        peer.send(TEXT_FIRST, "I was about to");
        drop(peer);
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1006, "")));
    }
}

#[test]
fn an_end_in_the_middle_of_a_frame_is_an_error() {
    for role in [Role::Client, Role::Server] {
        let frame = role.frame(TEXT, &[b'x'; 200]);
        for cut in [1, 2, 3, 4, 7, 8, 100, frame.len() - 1] {
            let (mut socket, mut peer) = against(role);
            peer.write(&frame[..cut]);
            drop(peer);
            match socket.read() {
                Err(Error::Io(e)) => assert_eq!(e.kind(), ErrorKind::UnexpectedEof),
                other => panic!("cut at {cut}: {other:?}"),
            }
            assert_eq!(socket.closed(), Some(&close(1006, "")));
        }
    }
}

#[test]
fn a_socket_that_is_dropped_sends_a_close_frame() {
    for (socket, mut peer) in both() {
        peer.half_close();
        socket.send("the last message").unwrap();
        drop(socket);
        peer.expect(TEXT, "the last message");
        peer.expect(CLOSE, close_payload(1000, ""));
        peer.expect_end();
    }
}

#[test]
fn a_sender_that_outlives_its_socket_fails() {
    for (socket, mut peer) in both() {
        let sender = socket.sender();
        peer.half_close();
        drop(socket);
        assert!(is_ended(sender.send("anyone?")));
        sender.close(4000, "").unwrap();
        peer.expect(CLOSE, close_payload(1000, ""));
        peer.expect_end();
    }
}

#[test]
fn terminate_ends_the_connection_without_a_close_frame() {
    for (mut socket, mut peer) in both() {
        socket.sender().terminate();
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1006, "")));
        peer.expect_end();
    }
}

#[test]
fn a_long_message_is_sent_before_the_close_frame_that_follows_it() {
    let bytes: Vec<u8> = (0..4 << 20).map(|i| (i >> 8) as u8).collect();
    for (socket, mut peer) in both() {
        socket.send(bytes.clone()).unwrap(); // longer than the socket buffers
        socket.close(1000, "").unwrap();
        let Some((BINARY, received)) = peer.frame() else { panic!("a message was expected") };
        assert!(received == bytes);
        peer.expect_close(1000);
    }
}
