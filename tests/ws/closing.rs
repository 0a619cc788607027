//! RFC 6455 §5.5.1 and §7: how it ends, from either side, in good order and in bad.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sockets_by_hand::net::outbox::Dropped;
use sockets_by_hand::ws::{Close, Error, Message};

use crate::wire::*;

fn close(code: u16, reason: &str) -> Close {
    Close { code, reason: reason.to_string() }
}

fn is_ended<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Dropped(Dropped::Ended)))
}

#[test]
fn who_says_goodbye_gets_it_back() {
    for (mut socket, mut peer) in both() {
        peer.write(peer.by.close(4321, "that is all"));
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(4321, "that is all")));
        peer.expect(CLOSE, goodbye(4321, "that is all"));
        assert!(is_ended(socket.send("more")));
        assert!(is_ended(socket.ping(b"")));
        peer.half_close();
        drop(socket);
        peer.expect_end();
    }
}

#[test]
fn a_goodbye_without_a_code_is_1005_and_is_returned_without_one() {
    for (mut socket, mut peer) in both() {
        peer.send(CLOSE, "");
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1005, "")));
        peer.expect(CLOSE, "");
    }
}

#[test]
fn a_goodbye_of_ours_is_returned_and_what_comes_before_that_is_read() {
    for (mut socket, mut peer) in both() {
        socket.close(1001, "going home").unwrap();
        peer.expect(CLOSE, goodbye(1001, "going home"));
        assert_eq!(socket.closed(), None, "not yet");
        peer.send(TEXT, "wait");
        peer.send(PING, "are you there?"); // gets no answer any more
        peer.send(BINARY_BEGINS, "one ");
        peer.send(ENDS, "more");
        peer.write(peer.by.close(1001, ""));
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
fn after_our_goodbye_nothing_is_sent_and_no_second_goodbye() {
    for (mut socket, mut peer) in both() {
        let sender = socket.sender();
        socket.close(3000, "").unwrap();
        assert!(is_ended(socket.send("more")));
        assert!(is_ended(sender.send(b"more".to_vec())));
        assert!(is_ended(sender.send_fragmented("more", 1)));
        assert!(is_ended(sender.ping(b"")));
        sender.close(3001, "another").unwrap(); // said already: no error, and no bytes
        peer.expect(CLOSE, goodbye(3000, ""));
        peer.write(peer.by.close(4000, "mine"));
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(4000, "mine")), "they crossed");
        peer.half_close();
        drop(socket);
        peer.expect_end();
    }
}

#[test]
fn a_goodbye_that_nobody_may_say_is_refused_and_the_connection_goes_on() {
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
fn a_goodbye_without_a_code_can_be_said() {
    for (socket, mut peer) in both() {
        socket.close(1005, "").unwrap();
        peer.expect(CLOSE, "");
    }
}

#[test]
fn who_does_not_return_a_goodbye_is_cut_off() {
    for (mut socket, mut peer) in both() {
        let start = Instant::now();
        let time = Duration::from_millis(60);
        socket.close_within(1000, "", time).unwrap();
        peer.send(TEXT, "I am not done");
        assert_eq!(socket.read().unwrap(), Some(Message::from("I am not done")));
        assert_eq!(socket.read().unwrap(), None);
        assert!(start.elapsed() >= time);
        assert_eq!(socket.closed(), Some(&close(1006, "")));
        peer.expect(CLOSE, goodbye(1000, ""));
        peer.expect_cut();
    }
}

#[test]
fn who_returns_a_goodbye_in_time_is_not_cut_off_later() {
    let (mut socket, mut peer) = against(By::Client);
    socket.close_within(1000, "", Duration::from_secs(60)).unwrap();
    peer.expect_close(1000);
    peer.write(peer.by.close(1000, ""));
    assert_eq!(socket.read().unwrap(), None);
    assert_eq!(socket.closed(), Some(&close(1000, "")));
}

#[test]
fn nothing_is_read_behind_a_goodbye() {
    for (mut socket, mut peer) in both() {
        let more = [peer.by.frame(TEXT, b"one more thing"), peer.by.close(4000, "again")];
        peer.write([peer.by.close(1000, ""), more.concat()].concat());
        for _ in 0..3 {
            assert_eq!(socket.read().unwrap(), None);
        }
        assert_eq!(socket.closed(), Some(&close(1000, "")));
        peer.expect(CLOSE, goodbye(1000, ""));
    }
}

#[test]
fn a_goodbye_in_the_middle_of_a_message_ends_it() {
    for (mut socket, mut peer) in both() {
        peer.send(TEXT_BEGINS, "I was about to");
        peer.write(peer.by.close(1001, ""));
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1001, "")));
    }
}

#[test]
fn an_end_without_a_goodbye_is_1006() {
    for (mut socket, peer) in both() {
        drop(peer);
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1006, "")));
    }
    for (mut socket, mut peer) in both() {
        peer.send(TEXT_BEGINS, "I was about to");
        drop(peer);
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1006, "")));
    }
}

#[test]
fn an_end_in_the_middle_of_a_frame_is_an_error() {
    for by in [By::Client, By::Server] {
        let frame = by.frame(TEXT, &[b'x'; 200]);
        for cut in [1, 2, 3, 4, 7, 8, 100, frame.len() - 1] {
            let (mut socket, mut peer) = against(by);
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
fn a_socket_that_is_dropped_says_goodbye() {
    for (socket, mut peer) in both() {
        peer.half_close();
        socket.send("the last word").unwrap();
        drop(socket);
        peer.expect(TEXT, "the last word");
        peer.expect(CLOSE, goodbye(1000, ""));
        peer.expect_end();
    }
}

#[test]
fn a_sender_outlives_its_socket_and_can_only_fail() {
    for (socket, mut peer) in both() {
        let sender = socket.sender();
        peer.half_close();
        drop(socket);
        assert!(is_ended(sender.send("anyone?")));
        sender.close(4000, "").unwrap();
        peer.expect(CLOSE, goodbye(1000, ""));
        peer.expect_end();
    }
}

#[test]
fn a_connection_that_is_terminated_ends_without_a_goodbye() {
    for (mut socket, mut peer) in both() {
        socket.sender().terminate();
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(1006, "")));
        peer.expect_end();
    }
}

#[test]
fn a_long_message_is_out_before_the_goodbye_that_follows_it() {
    let bytes: Vec<u8> = (0..4 << 20).map(|i| (i >> 8) as u8).collect();
    for (socket, mut peer) in both() {
        socket.send(bytes.clone()).unwrap(); // longer than what fits on the way
        socket.close(1000, "").unwrap();
        let Some((BINARY, received)) = peer.frame() else { panic!("a message was expected") };
        assert!(received == bytes);
        peer.expect_close(1000);
    }
}
