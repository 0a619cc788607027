//! The landing below floor 3, over real sockets, with requests and frames written by hand.

mod common;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Connection, Frame, PATH, POLLING, Polling, WEBSOCKET, WebSocket, next, retry, until};
use sockets_by_hand::engineio::packet::SEPARATOR;
use sockets_by_hand::engineio::{Cors, Event, Handle, Options, Outgoing, Packet, Server, Session};
use sockets_by_hand::http::Response;
use sockets_by_hand::ws::Message;

/// A server that says back whatever it is told, and what a test wants to know of it.
struct House {
    address: SocketAddr,
    handle: Handle,
    /// Each session that is opened.
    sessions: Receiver<Session>,
    /// Why each session ended.
    ends: Receiver<&'static str>,
}

fn house(options: Options) -> House {
    house_with(options, |session, message| say(session, Packet::Message(message)))
}

fn house_with(
    options: Options,
    heard: impl Fn(&Session, Message) + Clone + Send + Sync + 'static,
) -> House {
    let server = Server::bind("127.0.0.1:0", options).unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let (opened, sessions) = mpsc::channel();
    let (ended, ends) = mpsc::channel();
    thread::spawn(move || {
        server.serve(move |session| {
            _ = opened.send(session.clone());
            let (session, heard, ended) = (session.clone(), heard.clone(), ended.clone());
            Box::new(move |event| match event {
                Event::Message(message) => heard(&session, message),
                Event::Close(reason) => _ = ended.send(reason),
            })
        });
    });
    House { address, handle, sessions, ends }
}

/// A guest over a WebSocket, and its session, which has said something back.
fn greeted(house: &House) -> (WebSocket, Session) {
    let mut guest = WebSocket::session(house.address);
    guest.send("4hello");
    assert_eq!(guest.text(), "4hello");
    (guest, next(&house.sessions))
}

fn say(session: &Session, packet: Packet) {
    session.send(&Arc::new(packet.into()));
}

fn text(text: &str) -> Packet {
    Packet::Message(text.into())
}

/// For what a test waits to see.
const SHORT: Duration = Duration::from_millis(20);

/// For what must not be over before the test has come to it. (It may be, on a machine that has much else
/// to do: then the test tries again.)
const LONGER: Duration = Duration::from_millis(300);

mod packets {
    use super::*;

    #[test]
    fn each_is_a_character_and_what_it_carries() {
        let bytes = |bytes: &[u8]| Packet::Message(Message::Binary(bytes.to_vec()));
        for (packet, wire) in [
            (Packet::Open("{}".to_string()), "0{}"),
            (Packet::Close, "1"),
            (Packet::Ping(String::new()), "2"),
            (Packet::Ping("probe".to_string()), "2probe"),
            (Packet::Pong(String::new()), "3"),
            (Packet::Pong("probe".to_string()), "3probe"),
            (text(""), "4"),
            (text("hello"), "4hello"),
            (text("4 is not €"), "44 is not €"),
            (Packet::Upgrade, "5"),
            (Packet::Noop, "6"),
            (bytes(&[]), "b"),
            (bytes(&[1]), "bAQ=="),
            (bytes(&[1, 2, 3, 4]), "bAQIDBA=="),
            (bytes(&[0xfb, 0xff]), "b+/8="),
        ] {
            assert_eq!(Packet::parse(wire), Some(packet.clone()));
            let mut payload = String::new();
            packet.write(&mut payload);
            assert_eq!(payload, wire);
        }
    }

    #[test]
    fn what_is_none_is_not_taken_for_one() {
        for wire in
            ["", "7", "9", "-1", "a", " 4", "é", "B", "b!", "bAQI", "bAQ", "bAQ==AQ==", "\0"]
        {
            assert_eq!(Packet::parse(wire), None, "{wire:?}");
        }
    }

    #[test]
    fn bytes_over_a_websocket_are_a_message_as_they_are() {
        let bytes = Message::Binary(b"4hello".to_vec());
        assert_eq!(Packet::from_message(bytes.clone()), Some(Packet::Message(bytes)));
        assert_eq!(Packet::from_message("4hello".into()), Some(text("hello")));
        assert_eq!(Packet::from_message("".into()), None);
    }

    #[test]
    fn a_payload_is_packets_with_a_mark_between_them() {
        let packets = vec![text("one"), Packet::Message(Message::Binary(vec![1])), Packet::Noop];
        let payload = Outgoing::new(packets.clone()).payload();
        assert_eq!(&*payload, "4one\x1ebAQ==\x1e6");
        assert_eq!(Packet::parse_payload(&payload), Some(packets));
        for payload in ["", "4one\x1e", "\x1e4one", "4one\x1e\x1e4two", "4one\x1e9", "\x1e"] {
            assert_eq!(Packet::parse_payload(payload), None, "{payload:?}");
        }
    }

    #[test]
    fn each_is_a_frame_of_its_own_whatever_its_length() {
        for (length, head) in [
            (0, &[0x81, 1][..]),
            (124, &[0x81, 125]),
            (125, &[0x81, 126, 0, 126]),
            (65_534, &[0x81, 126, 0xff, 0xff]),
            (65_535, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let data = "x".repeat(length);
            let frames = Outgoing::from(text(&data)).frames();
            assert_eq!(&*frames, [head, b"4", data.as_bytes()].concat(), "{length}");
        }
        let frames = Outgoing::new(vec![text("a"), Packet::Message(vec![7, 8].into())]).frames();
        assert_eq!(*frames, [0x81, 2, b'4', b'a', 0x82, 2, 7, 8]);
    }

    #[test]
    fn each_form_is_made_once_and_shared() {
        let outgoing = Outgoing::from(text("to a thousand"));
        assert!(Arc::ptr_eq(&outgoing.frames(), &outgoing.frames()));
        assert!(Arc::ptr_eq(&outgoing.payload(), &outgoing.payload()));
    }
}

mod the_beginning {
    use super::*;

    #[test]
    fn over_long_polling_a_session_begins_with_what_is_agreed_on() {
        let house = house(Options::default());
        let answer = Connection::open(house.address).get(POLLING);
        let session = next(&house.sessions);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let hello = format!(
            r#"0{{"sid":"{}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}"#,
            session.id()
        );
        assert_eq!(answer.body, hello);
        assert_eq!((session.transport(), house.handle.sessions()), ("polling", 1));
    }

    #[test]
    fn over_a_websocket_too_and_nothing_is_left_to_upgrade_to() {
        let house = house(Options {
            ping_interval: Duration::from_millis(30_500),
            max_payload: 5,
            ..Options::default()
        });
        let mut socket = WebSocket::open(house.address, WEBSOCKET);
        let hello = socket.text();
        let session = next(&house.sessions);
        let expected = format!(
            r#"0{{"sid":"{}","upgrades":[],"pingInterval":30500,"pingTimeout":20000,"maxPayload":5}}"#,
            session.id()
        );
        assert_eq!(hello, expected);
        assert_eq!((session.transport(), house.handle.sessions()), ("websocket", 1));
    }

    #[test]
    fn every_session_has_a_name_of_its_own_that_needs_no_escape() {
        let house = house(Options::default());
        let mut names: Vec<_> = (0..20).map(|_| Polling::open(house.address).sid).collect();
        for name in &names {
            assert_eq!(name.len(), 20);
            assert!(
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
                "{name}"
            );
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 20);
    }

    #[test]
    fn the_request_and_the_address_of_the_client_are_known() {
        let house = house(Options::default());
        let stream = TcpStream::connect(house.address).unwrap();
        let ours = stream.local_addr().unwrap();
        drop(stream);
        Connection::open(house.address).request(
            "GET",
            &format!("{POLLING}&t=x%20y"),
            "X-A: b\r\n",
            "",
        );
        let session = next(&house.sessions);
        assert_eq!(session.request().query("t").as_deref(), Some("x y"));
        assert_eq!(session.request().headers.get("x-a"), Some("b"));
        assert_eq!(session.remote_address().map(|address| address.ip()), Some(ours.ip()));
    }

    #[test]
    fn who_asks_for_the_wrong_thing_is_told_what_was_wrong() {
        let house = house(Options::default());
        let transport = (400, r#"{"code":0,"message":"Transport unknown"}"#);
        let sid = (400, r#"{"code":1,"message":"Session ID unknown"}"#);
        let method = (400, r#"{"code":2,"message":"Bad handshake method"}"#);
        let request = (400, r#"{"code":3,"message":"Bad request"}"#);
        let version = (400, r#"{"code":5,"message":"Unsupported protocol version"}"#);
        for (verb, query, expected) in [
            ("GET", "transport=polling", version),
            ("GET", "EIO=abc&transport=polling", version),
            ("GET", "EIO=3&transport=polling", version),
            ("GET", "EIO=4", transport),
            ("GET", "EIO=4&transport=abc", transport),
            ("GET", "EIO=4&transport=constructor", transport),
            ("GET", "", transport),
            ("GET", "EIO=4&transport=websocket", request),
            ("POST", "EIO=4&transport=polling", method),
            ("PUT", "EIO=4&transport=polling", method),
            ("DELETE", "EIO=4&transport=polling", method),
            ("OPTIONS", "EIO=4&transport=polling", method),
            ("GET", "EIO=4&transport=polling&sid=abc", sid),
            ("POST", "EIO=4&transport=polling&sid=", sid),
            ("GET", "EIO=4&transport=abc&sid=abc", transport),
        ] {
            let mut connection = Connection::open(house.address);
            connection.request(verb, &format!("/socket.io/?{query}"), "", "");
            let answer = connection.answer();
            assert_eq!(answer.short(), expected, "{verb} {query}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
        for (query, expected) in [
            ("transport=websocket", version),
            ("EIO=abc&transport=websocket", version),
            ("EIO=4", transport),
            ("EIO=4&transport=abc", transport),
            ("EIO=4&transport=polling", request),
            ("EIO=4&transport=websocket&sid=abc", sid),
        ] {
            let asked = WebSocket::ask(house.address, &format!("/socket.io/?{query}"));
            let answer = asked.err().unwrap_or_else(|| panic!("{query} is a WebSocket"));
            assert_eq!(answer.short(), expected, "{query}");
        }
        assert_eq!(house.handle.sessions(), 0);
    }

    #[test]
    fn a_request_that_is_none_for_a_websocket_is_told_so() {
        let house = house(Options::default());
        let mut connection = Connection::open(house.address);
        let lines = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n";
        connection.request("GET", WEBSOCKET, lines, "");
        assert_eq!(connection.answer().status, 426);
        assert!(connection.has_ended());
        assert_eq!(house.handle.sessions(), 0);
    }

    #[test]
    fn only_the_transports_that_are_allowed_can_be_had() {
        let polling = house(Options { transports: vec!["polling"], ..Options::default() });
        let hello = Connection::open(polling.address).get(POLLING).body;
        assert!(hello.contains(r#""upgrades":[],"#), "{hello}");
        let refused = WebSocket::ask(polling.address, WEBSOCKET).err().unwrap();
        assert_eq!(refused.short(), (400, r#"{"code":0,"message":"Transport unknown"}"#));

        let websocket = house(Options { transports: vec!["websocket"], ..Options::default() });
        assert_eq!(Connection::open(websocket.address).get(POLLING).status, 400);
        WebSocket::session(websocket.address);
    }

    #[test]
    fn who_may_not_come_in_is_turned_away_over_either_transport() {
        let judged = |request: &sockets_by_hand::http::Request| {
            request.headers.get("x-pass").is_some_and(|pass| pass == "swordfish")
        };
        let house = house(Options { allow_request: Box::new(judged), ..Options::default() });
        let forbidden = (403, r#"{"code":4,"message":"Forbidden"}"#);
        assert_eq!(Connection::open(house.address).get(POLLING).short(), forbidden);
        assert_eq!(WebSocket::ask(house.address, WEBSOCKET).err().unwrap().short(), forbidden);
        let mut connection = Connection::open(house.address);
        connection.request("GET", POLLING, "X-Pass: swordfish\r\n", "");
        assert_eq!(connection.answer().status, 200);
    }

    #[test]
    fn all_other_paths_are_for_pages() {
        let house = house(Options {
            path: "/talk".to_string(), // as good as "/talk/"
            page: Box::new(|request| Response::text(200, request.path())),
            ..Options::default()
        });
        let mut connection = Connection::open(house.address);
        assert_eq!(connection.get("/").short(), (200, "/"));
        assert_eq!(connection.get("/talks").body, "/talks");
        assert_eq!(connection.get("/socket.io/?EIO=4&transport=polling").body, "/socket.io/");
        assert_eq!(connection.post("/form", "a=b").body, "/form");
        assert!(connection.get("/talk/?EIO=4&transport=polling").body.starts_with("0{"));
    }

    #[test]
    fn one_client_too_many_is_told_to_come_back() {
        let house = house(Options { max_connections: 1, ..Options::default() });
        let _first = WebSocket::session(house.address);
        let mut second = Connection::open(house.address);
        assert_eq!(second.answer().status, 503);
        assert!(second.has_ended());
    }
}

mod the_limit_on_sessions {
    use super::*;

    #[test]
    fn a_session_without_a_second_request_is_forgotten() {
        let house = house(Options { first_request_timeout: SHORT, ..Options::default() });
        Connection::open(house.address).get(POLLING);
        assert_eq!(next(&house.ends), "ping timeout");
        until(|| house.handle.sessions() == 0);
    }

    #[test]
    fn a_second_request_keeps_the_session() {
        let house = house(Options { first_request_timeout: LONGER, ..Options::default() });
        let mut client = loop {
            let mut client = Polling::open(house.address);
            let target = client.target();
            if client.says.post(&target, "4here").status == 200 {
                break client; // in time, however slow the machine is
            }
        };
        // Another that comes later, and is left alone for that time.
        let opened = Connection::open(house.address).get(POLLING).body;
        let other = std::iter::repeat_with(|| next(&house.sessions));
        let other = { other }.find(|session| opened.contains(session.id())).unwrap();
        until(|| other.closed().is_some());
        assert_eq!(client.poll(), "4here");
    }

    #[test]
    fn who_only_opens_sessions_keeps_no_newcomer_out() {
        let house = house(Options { max_connections: 4, ..Options::default() });
        let mut waits = Polling::open(house.address);
        let held = next(&house.sessions);
        waits.ask();
        until(|| held.is_writable());
        let mut opens = Connection::open(house.address);
        for _ in 0..20 {
            let opened = opens.get(POLLING);
            assert_eq!(opened.status, 200, "{opened:?}");
            let sid = opened.body.split('"').nth(3).unwrap();
            assert!(house.handle.sessions() <= 4);
            // That it also says something does not make it a client that listens.
            assert_eq!(opens.post(&format!("{POLLING}&sid={sid}"), "4").status, 200);
        }
        (0..17).for_each(|_| assert_eq!(next(&house.ends), "ping timeout"));
        waits.say("4still here");
        assert_eq!(waits.heard(), "4still here");
    }
}

mod messages {
    use super::*;

    #[test]
    fn what_is_posted_comes_back_to_the_next_get() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        for payload in [
            "4hello",
            "4",
            "4Grüße €\u{1F600}",
            "4test1\x1e4test2\x1e4test3",
            "4hello\x1ebAQIDBA==",
            "b",
        ] {
            guest.say(payload);
            assert_eq!(guest.poll(), payload);
        }
    }

    #[test]
    fn a_get_waits_until_there_is_something_to_say() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let session = next(&house.sessions);
        assert!(!session.is_writable());
        guest.ask();
        until(|| session.is_writable());
        say(&session, text("now"));
        assert_eq!(guest.heard(), "4now");
    }

    #[test]
    fn what_is_said_meanwhile_waits_for_the_next_get_and_keeps_its_order() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let session = next(&house.sessions);
        let pair = vec![text("b"), Packet::Message(vec![1].into())];
        say(&session, text("a"));
        session.send(&Arc::new(Outgoing::new(pair)));
        say(&session, text("c"));
        assert_eq!(guest.poll(), ["4a", "4b", "bAQ==", "4c"].join(SEPARATOR));
    }

    #[test]
    fn over_a_websocket_each_comes_back_as_it_was() {
        let house = house(Options::default());
        let mut guest = WebSocket::session(house.address);
        for text in ["4hello", "4", "4Grüße €\u{1F600}"] {
            guest.send(text);
            assert_eq!(guest.text(), text);
        }
        for bytes in [&[][..], &[1, 2, 3, 4], &[b'4'; 70_000]] {
            guest.send_bytes(bytes);
            assert_eq!(guest.read(), Frame::Binary(bytes.to_vec()));
        }
    }

    #[test]
    fn nonsense_in_a_post_ends_the_session() {
        let house = house(Options::default());
        // An open, an upgrade and a noop are the server's to say, or have their place elsewhere.
        for body in ["abc", "", "4good\x1eabc", "bA", "4\x1e", "0{}", "5", "6", "2"] {
            let mut guest = Polling::open(house.address);
            let answer = guest.says.post(&guest.target(), body);
            let refused = (400, r#"{"code":3,"message":"Bad request"}"#);
            assert_eq!(answer.short(), refused, "{body:?}");
            assert!(guest.says.has_ended());
            assert_eq!(next(&house.ends), "parse error");
            guest.assert_forgotten();
        }
        let mut guest = Polling::open(house.address);
        let head =
            format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", guest.target());
        guest.says.send([head.as_bytes(), b"4\xff"].concat());
        assert_eq!(guest.says.answer().status, 400);
        assert_eq!(next(&house.ends), "parse error");
    }

    #[test]
    fn nonsense_over_a_websocket_ends_the_session() {
        let house = house(Options::default());
        for text in ["abc", "", "9", "0{}", "5", "6", "bA"] {
            let mut guest = WebSocket::session(house.address);
            guest.send(text);
            assert_eq!(guest.read(), Frame::Close(1000), "{text:?}");
            assert_eq!(guest.read(), Frame::End);
            assert_eq!(next(&house.ends), "parse error");
        }
        until(|| house.handle.sessions() == 0);
    }

    #[test]
    fn a_message_may_be_as_long_as_was_agreed_and_no_longer() {
        let house = house(Options { max_payload: 8, ..Options::default() });
        let mut guest = Polling::open(house.address);
        guest.say("4seven 7");
        assert_eq!(guest.poll(), "4seven 7");
        assert_eq!(guest.says.post(&guest.target(), "4eight 88").short(), (413, ""));
        assert!(guest.says.has_ended());
        assert_eq!(next(&house.ends), "transport error");
        guest.assert_forgotten();

        let mut guest = WebSocket::session(house.address);
        guest.send("4seven 7");
        assert_eq!(guest.text(), "4seven 7");
        guest.send("4eight 88");
        assert_eq!(guest.read(), Frame::Close(1009));
        assert_eq!(next(&house.ends), "transport error");
    }

    #[test]
    fn a_body_where_none_is_due_is_not_taken_for_the_next_request() {
        let house = house(Options {
            cors: Some(Cors { origins: vec!["*".to_string()], credentials: false }),
            page: Box::new(|_| panic!("a body was read as a request")),
            ..Options::default()
        });
        let guest = Polling::open(house.address);
        let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        for (method, target) in
            [("GET", guest.target().as_str()), ("GET", POLLING), ("OPTIONS", POLLING)]
        {
            let mut connection = Connection::open(house.address);
            connection.request(method, target, "", hidden);
            assert_eq!(connection.answer().status, 413, "{method} {target}");
            assert!(connection.has_ended());
        }
    }

    #[test]
    fn a_body_may_take_longer_than_a_head() {
        let second = Duration::from_secs(1);
        let house = house(Options { handshake_timeout: second, ..Options::default() });
        let guest = Polling::open(house.address);
        let mut connection = Connection::open(house.address);
        let head = format!("POST {} HTTP/1.1\r\nHost: a\r\n", guest.target());
        connection.send(head + "Content-Length: 5\r\n\r\n4slo");
        // A head that began later is late.
        assert_eq!(Connection::open(house.address).answer().status, 408);
        connection.send("w");
        assert_eq!(connection.answer().short(), (200, "ok"));
    }

    #[test]
    fn a_body_that_does_not_arrive_in_time_ends_the_session() {
        let house = house(Options { http_request_body_timeout: SHORT, ..Options::default() });
        let mut client = Polling::open(house.address);
        let head = format!("POST {} HTTP/1.1\r\nHost: a\r\n", client.target());
        client.says.send(head + "Content-Length: 5\r\n\r\n4slo");
        assert_eq!(client.says.answer().short(), (408, ""));
        assert!(client.says.has_ended());
        assert_eq!(next(&house.ends), "transport error");
        client.assert_forgotten();
    }

    #[test]
    fn times_without_an_end_are_times() {
        let ever = Duration::MAX;
        let house = house(Options {
            ping_interval: ever,
            ping_timeout: ever,
            handshake_timeout: ever,
            http_request_body_timeout: ever,
            first_request_timeout: ever,
            upgrade_timeout: ever,
            ..Options::default()
        });
        let mut guest = Polling::open(house.address);
        guest.say("4hello");
        assert_eq!(guest.poll(), "4hello");
        guest.upgrade();
    }

    #[test]
    fn how_much_may_wait_can_be_set() {
        let house = house(Options { max_queued: 9_000_000, ..Options::default() });
        let mut polling = Polling::open(house.address);
        let mut websocket = WebSocket::session(house.address);
        let much = text(&"x".repeat(300_000));
        for session in [next(&house.sessions), next(&house.sessions)] {
            (0..20).for_each(|_| say(&session, much.clone()));
            assert_eq!(session.closed(), None);
        }
        assert!(polling.poll().len() > 6_000_000);
        (0..20).for_each(|_| assert_eq!(websocket.text().len(), 300_001));
    }

    #[test]
    fn a_client_that_never_asks_is_given_up_when_too_much_waits_for_it() {
        let house = house(Options { max_queued: 1 << 20, ..Options::default() });
        let guest = Polling::open(house.address);
        let session = next(&house.sessions);
        let much = text(&"x".repeat(300_000));
        for _ in 0..4 {
            say(&session, much.clone()); // the first, and under 1 MiB behind it
            assert!(session.closed().is_none());
        }
        say(&session, much.clone());
        assert_eq!(session.closed(), Some("transport error")); // at once: nothing more piles up
        let details = "the client is too slow: more than 1048576 bytes wait for it";
        assert_eq!(session.details(), Some(details));
        assert_eq!(next(&house.ends), "transport error");
        guest.assert_forgotten();
        say(&session, much); // to nobody
    }
}

mod a_burst {
    use super::*;

    const STROKES: usize = 5_000;

    /// What a server says to a newcomer: many small messages, and some large ones.
    fn burst(session: &Session) {
        for i in 0..STROKES {
            say(session, text(&format!("{i:300}")));
        }
        for _ in 0..5 {
            say(session, Packet::Message(Message::Binary(vec![7; 400_000])));
        }
    }

    #[test]
    fn arrives_over_long_polling() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        burst(&next(&house.sessions));
        let body = guest.poll();
        let packets: Vec<&str> = body.split(SEPARATOR).collect();
        assert_eq!(packets.len(), STROKES + 5);
        assert_eq!(packets[STROKES - 1], format!("4{:300}", STROKES - 1));
        assert!(packets[STROKES].starts_with("bBwcH"));
    }

    #[test]
    fn arrives_over_a_websocket_and_through_an_upgrade() {
        let house = house(Options::default());
        let websocket = WebSocket::session(house.address);
        let session = next(&house.sessions);
        let bursts = thread::spawn(move || burst(&session));
        let mut polling = Polling::open(house.address);
        burst(&next(&house.sessions));
        for mut guest in [websocket, polling.upgrade()] {
            (0..STROKES).for_each(|i| assert_eq!(guest.text(), format!("4{i:300}")));
            (0..5).for_each(|_| assert_eq!(guest.read(), Frame::Binary(vec![7; 400_000])));
        }
        bursts.join().unwrap();
    }

    #[test]
    fn a_client_that_does_not_read_it_is_dropped_and_the_details_say_so() {
        let house = house(Options { max_queued: 10_000, ..Options::default() });
        let _guest = WebSocket::session(house.address);
        let session = next(&house.sessions);
        let much = text(&"x".repeat(300_000));
        until(|| {
            say(&session, much.clone());
            session.closed().is_some()
        });
        assert_eq!(next(&house.ends), "transport error");
        let details = "the client is too slow: more than 10000 bytes wait for it";
        assert_eq!(session.details(), Some(details));
    }
}

mod the_heartbeat {
    use super::*;

    #[test]
    fn who_answers_each_ping_stays() {
        let house = house(Options { ping_interval: SHORT, ..Options::default() });
        let mut polling = Polling::open(house.address);
        let mut websocket = WebSocket::session(house.address);
        for _ in 0..3 {
            assert_eq!(polling.poll(), "2");
            polling.say("3");
            assert_eq!(websocket.text(), "2");
            websocket.send("3");
        }
        polling.say("4still here");
        assert!(polling.poll().contains("4still here")); // perhaps behind a ping
    }

    #[test]
    fn the_next_ping_comes_after_the_pong_and_not_before() {
        let house = house(Options { ping_interval: SHORT, ..Options::default() });
        let mut guest = WebSocket::session(house.address);
        assert_eq!(guest.text(), "2");
        let start = std::time::Instant::now();
        guest.send("3");
        assert_eq!(guest.text(), "2");
        assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
    }

    #[test]
    fn a_websocket_that_does_not_answer_a_ping_is_cut_off() {
        let house =
            house(Options { ping_interval: SHORT, ping_timeout: SHORT, ..Options::default() });
        let mut websocket = WebSocket::session(house.address);
        assert_eq!(websocket.text(), "2");
        assert_eq!(websocket.read(), Frame::End);
        assert_eq!(next(&house.ends), "ping timeout");
    }

    #[test]
    fn a_client_that_polls_and_does_not_answer_a_ping_is_told_of_the_end() {
        let house =
            house(Options { ping_interval: SHORT, ping_timeout: LONGER, ..Options::default() });
        let polling = retry(|| {
            let mut polling = Polling::open(house.address);
            let target = polling.target();
            let mut hears = |said: &str| polling.asks.get(&target).short() == (200, said);
            (hears("2") && hears("1")).then_some(polling)
        });
        assert_eq!(next(&house.ends), "ping timeout");
        polling.assert_forgotten();
    }

    #[test]
    fn silence_is_no_timeout_while_the_listener_is_busy() {
        let (told, tells) = mpsc::channel();
        let options = Options { ping_interval: LONGER, ping_timeout: SHORT, ..Options::default() };
        let house = house_with(options, move |session, _| {
            thread::sleep(LONGER * 2);
            told.send(session.closed()).unwrap();
        });
        let (_websocket, closed) = retry(|| {
            let mut websocket = WebSocket::session(house.address);
            websocket.send("4work"); // it has to arrive before a ping timeout
            Some((websocket, tells.recv_timeout(LONGER * 10).ok()?))
        });
        assert_eq!(closed, None);
        assert_eq!(next(&house.ends), "ping timeout"); // it is silent from then on too
        let _polling = retry(|| {
            let mut polling = Polling::open(house.address);
            let target = polling.target();
            (polling.says.post(&target, "4work").short() == (200, "ok")).then_some(polling)
        });
        assert_eq!(next(&tells), None);
        assert_eq!(next(&house.ends), "ping timeout");
    }

    #[test]
    fn who_neither_asks_nor_answers_is_forgotten() {
        let house =
            house(Options { ping_interval: SHORT, ping_timeout: SHORT, ..Options::default() });
        let guest = Polling::open(house.address);
        assert_eq!(next(&house.ends), "ping timeout");
        guest.assert_forgotten();
        assert_eq!(house.handle.sessions(), 0);
    }

    /// A pong can be here before the server has done what it does after a ping.
    #[test]
    fn a_pong_that_comes_at_once_counts() {
        let house = house(Options {
            ping_interval: Duration::from_millis(1),
            ping_timeout: Duration::from_secs(60),
            ..Options::default()
        });
        let guests: Vec<_> = (0..8).map(|_| Polling::open(house.address).upgrade()).collect();
        let answer = |mut guest: WebSocket| {
            move || {
                for round in 0..150 {
                    assert_eq!(guest.read(), Frame::Text("2".to_string()), "round {round}");
                    guest.send("3");
                }
            }
        };
        let answering: Vec<_> = guests.into_iter().map(|g| thread::spawn(answer(g))).collect();
        answering.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

mod the_end {
    use super::*;

    #[test]
    fn a_client_that_says_goodbye_over_long_polling_gets_its_get_back() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let session = next(&house.sessions);
        guest.ask();
        until(|| session.is_writable());
        guest.say("1");
        assert_eq!(guest.heard(), "6");
        assert_eq!(next(&house.ends), "transport close");
        guest.assert_forgotten();
    }

    #[test]
    fn a_client_that_says_goodbye_over_a_websocket_is_hung_up_on() {
        let house = house(Options::default());
        let mut guest = WebSocket::session(house.address);
        guest.send("1");
        assert_eq!(guest.read(), Frame::Close(1000));
        assert_eq!(guest.read(), Frame::End);
        assert_eq!(next(&house.ends), "transport close");
    }

    #[test]
    fn a_websocket_that_is_closed_or_lost_ends_its_session() {
        let house = house(Options::default());
        let mut guest = WebSocket::session(house.address);
        guest.close();
        assert_eq!(guest.read(), Frame::Close(1000));
        assert_eq!(guest.read(), Frame::End);
        assert_eq!(next(&house.ends), "transport close");

        drop(WebSocket::session(house.address));
        assert_eq!(next(&house.ends), "transport close");
        until(|| house.handle.sessions() == 0);
    }

    #[test]
    fn a_server_that_ends_a_session_tells_the_get_that_waits() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let session = next(&house.sessions);
        guest.ask();
        until(|| session.is_writable());
        session.close("forced close");
        assert_eq!(guest.heard(), "1");
        assert_eq!(next(&house.ends), "forced close");
        assert!(session.closed().is_some());
        guest.assert_forgotten();
    }

    #[test]
    fn a_server_that_ends_a_session_still_lets_the_next_get_have_what_was_said() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let session = next(&house.sessions);
        say(&session, text("the last word"));
        session.close("forced close");
        say(&session, text("one more"));
        assert_eq!(next(&house.ends), "forced close");
        assert_eq!(house.handle.sessions(), 1);
        assert_eq!(guest.poll(), "4the last word");
        assert_eq!(guest.poll(), "1"); // on its own: a client stops listening there
        guest.assert_forgotten();
    }

    #[test]
    fn what_nobody_fetches_after_the_end_is_forgotten() {
        let house = house(Options { ping_timeout: SHORT, ..Options::default() });
        let _guest = Polling::open(house.address);
        next(&house.sessions).close("forced close");
        until(|| house.handle.sessions() == 0);
    }

    #[test]
    fn a_server_that_ends_a_session_says_goodbye_over_its_websocket() {
        let house = house(Options::default());
        let (mut guest, session) = greeted(&house);
        say(&session, text("the last word"));
        session.close("forced close");
        assert_eq!(guest.text(), "4the last word");
        assert_eq!(guest.read(), Frame::Close(1000));
        assert_eq!(guest.read(), Frame::End);
        assert_eq!(next(&house.ends), "forced close");
    }

    #[test]
    fn a_server_that_closes_ends_all_sessions_and_waits_for_them() {
        let house = house(Options::default());
        let (mut websocket, session) = greeted(&house);
        let mut polling = Polling::open(house.address);
        until(|| house.handle.sessions() == 2);
        polling.ask();
        let sessions = [session, next(&house.sessions)];
        until(|| sessions.iter().all(Session::is_writable));
        house.handle.close();
        assert_eq!(polling.heard(), "1");
        assert_eq!(websocket.read(), Frame::Close(1000));
        assert_eq!([next(&house.ends), next(&house.ends)], ["server shutting down"; 2]);
        drop((polling, websocket));
        house.handle.wait();
        let refused = TcpStream::connect(house.address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(house.handle.sessions(), 0);
    }

    /// Whether a house whose connection has been made by `connect` is empty soon after it is closed.
    #[track_caller]
    fn closes<T>(options: Options, connect: impl FnOnce(&House) -> T) {
        let house = house(Options { close_timeout: SHORT, ..options });
        let _open = connect(&house);
        until(|| house.handle.connections() > 0);
        house.handle.close();
        let (waited, end) = mpsc::channel();
        let handle = house.handle.clone();
        thread::spawn(move || {
            handle.wait();
            waited.send(()).unwrap();
        });
        next(&end);
        assert_eq!(house.handle.connections(), 0);
    }

    #[test]
    fn half_a_body_does_not_outlive_the_server() {
        let body_time = Duration::from_secs(3600);
        let options = Options { http_request_body_timeout: body_time, ..Options::default() };
        closes(options, |house| {
            let mut client = Connection::open(house.address);
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
            client
        });
    }

    #[test]
    fn an_answer_that_is_not_read_does_not_outlive_the_server() {
        let (asked, answering) = mpsc::channel();
        let page = Box::new(move |_: &_| {
            asked.send(()).unwrap();
            Response::text(200, &"x".repeat(32 * 1024 * 1024))
        });
        closes(Options { page, ..Options::default() }, |house| {
            let mut client = Connection::open(house.address);
            client.request("GET", "/", "Connection: close\r\n", "");
            next(&answering);
            client
        });
    }

    #[test]
    #[ignore = "takes ten seconds; .ci/run runs it"]
    fn once_a_held_get_is_answered_the_connection_ends_soon_without_a_request() {
        let house = house(Options::default());
        let mut polling = Polling::open(house.address);
        polling.ask();
        let session = next(&house.sessions);
        until(|| session.is_writable());
        thread::sleep(Duration::from_secs(6)); // longer than a client may take that is not held
        say(&session, text("late"));
        assert_eq!(polling.heard(), "4late");
        assert!(polling.asks.has_ended(), "within the 20 s that it waits");
    }

    #[test]
    fn while_closing_each_answer_is_the_last_of_its_connection() {
        let house = house(Options::default());
        let mut visitor = Connection::open(house.address);
        assert_eq!(visitor.get("/").header("connection"), None);
        let mut polling = Polling::open(house.address);
        polling.ask();
        let session = next(&house.sessions);
        until(|| session.is_writable());
        house.handle.close();
        assert_eq!(visitor.get("/").header("connection"), Some("close"));
        let answer = polling.asks.answer();
        assert_eq!((answer.header("connection"), &*answer.body), (Some("close"), "1"));
    }

    #[test]
    fn the_reason_is_told_once_whatever_ends_the_session_first() {
        let house = house(Options::default());
        let (guest, session) = greeted(&house);
        let ending: Vec<_> = (0..4)
            .map(|_| session.clone())
            .map(|session| thread::spawn(move || session.close("forced close")))
            .collect();
        ending.into_iter().for_each(|thread| thread.join().unwrap());
        drop(guest);
        until(|| house.handle.sessions() == 0);
        assert_eq!(next(&house.ends), "forced close");
        assert!(house.ends.try_recv().is_err());
    }

    /// What a listener has heard: it blocks, or ends its own session, where a message says so.
    fn heard(end: impl Fn(&Session) + Clone + Send + Sync + 'static) -> (House, Receiver<String>) {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let (address, handle) = (server.address().unwrap(), server.handle());
        let (told, tells) = mpsc::channel();
        thread::spawn(move || {
            server.serve(move |session| {
                let (session, end, told) = (session.clone(), end.clone(), told.clone());
                Box::new(move |event| {
                    if let Event::Message(_) = event {
                        end(&session);
                    }
                    _ = told.send(format!("{event:?}"));
                })
            });
        });
        let (_, sessions) = mpsc::channel();
        let (_, ends) = mpsc::channel();
        (House { address, handle, sessions, ends }, tells)
    }

    #[test]
    fn close_is_told_after_the_message_that_is_being_handled() {
        let on_its_own_thread = |session: &Session| session.close("forced close");
        let on_another = |session: &Session| {
            let session = session.clone();
            thread::spawn(move || session.close("forced close")).join().unwrap();
        };
        let both: [fn(&Session); 2] = [on_its_own_thread, on_another];
        for end in both {
            let (house, tells) = heard(end);
            let mut client = WebSocket::session(house.address);
            client.send("4one");
            client.send("4two");
            assert_eq!(next(&tells), r#"Message(Text("one"))"#);
            assert_eq!(next(&tells), r#"Close("forced close")"#);
            assert_eq!(client.read(), Frame::Close(1000));
            until(|| house.handle.sessions() == 0);
            assert!(tells.try_recv().is_err(), "something began after the end");
        }
    }

    #[test]
    fn nothing_begins_after_a_close() {
        for _ in 0..40 {
            let (house, tells) = heard(|_| {});
            let mut client = WebSocket::session(house.address);
            let handle = house.handle.clone();
            let flood = thread::spawn(move || (0..200).for_each(|_| client.send("4more")));
            next(&tells);
            handle.close();
            flood.join().unwrap();
            handle.wait();
            let told: Vec<_> = tells.try_iter().collect();
            let close = told.iter().position(|told| told.starts_with("Close"));
            assert_eq!(close, Some(told.len() - 1), "{told:?}");
        }
    }

    #[test]
    fn a_listener_that_panics_ends_its_own_session_alone() {
        let house = house_with(Options::default(), |session, message| match message {
            Message::Text(text) if text == "panic" => panic!("as the test wants it"),
            message => say(session, Packet::Message(message)),
        });
        let mut stays = WebSocket::session(house.address);
        let mut websocket = WebSocket::session(house.address);
        websocket.send("4panic");
        assert_eq!(websocket.read(), Frame::Close(1000));
        assert_eq!(next(&house.ends), "forced close");
        let mut polling = Polling::open(house.address);
        polling.say("4panic");
        assert_eq!(next(&house.ends), "forced close");
        assert_eq!(polling.poll(), "1");
        stays.send("4hello");
        assert_eq!(stays.text(), "4hello");
    }

    #[test]
    fn an_end_that_comes_before_anyone_listens_is_told_all_the_same() {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let address = server.address().unwrap();
        let (ended, ends) = mpsc::channel();
        thread::spawn(move || {
            server.serve(move |session| {
                session.close("forced close");
                let (session, ended) = (session.clone(), ended.clone());
                Box::new(move |event| {
                    _ = ended.send((format!("{event:?}"), session.closed().is_some()))
                })
            });
        });
        for _ in 0..2 {
            assert_eq!(WebSocket::session(address).read(), Frame::Close(1000));
            assert_eq!(next(&ends), (r#"Close("forced close")"#.to_string(), true));
        }
    }

    #[test]
    fn nothing_is_left_of_a_session_that_is_over() {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let (address, handle) = (server.address().unwrap(), server.handle());
        let witness = Arc::new(());
        let weak = Arc::downgrade(&witness);
        let witness = Mutex::new(Some(witness));
        let serving = thread::spawn(move || {
            server.serve(move |session| {
                // The listener holds its session, which holds the listener.
                let held = (session.clone(), witness.lock().unwrap().take());
                Box::new(move |_| _ = &held)
            });
        });
        let mut guest = Polling::open(address);
        assert!(weak.upgrade().is_some());
        guest.upgrade().close();
        until(|| weak.upgrade().is_none());
        drop(guest);
        handle.close();
        serving.join().unwrap();
    }
}

mod requests {
    use super::*;

    #[test]
    fn one_connection_opens_a_hundred_sessions_and_then_ends() {
        let house = house(Options::default());
        let mut connection = Connection::open(house.address);
        for _ in 0..99 {
            let answer = connection.get(POLLING);
            assert_eq!((answer.status, answer.header("connection")), (200, None));
        }
        let answer = connection.get(POLLING);
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        assert!(connection.has_ended());
        let sid = answer.body.split('"').nth(3).unwrap();
        let target = format!("{POLLING}&sid={sid}");
        assert_eq!(Connection::open(house.address).post(&target, "4hello").short(), (200, "ok"));
    }

    #[test]
    fn two_gets_at_a_time_end_the_session() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let session = next(&house.sessions);
        guest.ask();
        until(|| session.is_writable());
        let second = Connection::open(house.address).get(&guest.target());
        assert_eq!(second.short(), (400, r#"{"code":3,"message":"Bad request"}"#));
        assert_eq!(guest.heard(), "1");
        assert_eq!(next(&house.ends), "transport error");
        guest.assert_forgotten();
    }

    #[test]
    fn a_client_that_leaves_while_its_get_waits_ends_the_session() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        guest.ask();
        let session = next(&house.sessions);
        until(|| session.is_writable());
        drop(guest);
        assert_eq!(next(&house.ends), "transport error");
        assert_eq!(house.handle.sessions(), 0);
    }

    #[test]
    fn a_request_behind_a_get_that_waits_ends_the_session() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        guest.ask();
        guest.ask();
        assert_eq!(guest.asks.answer().status, 400);
        assert!(guest.asks.has_ended());
        assert_eq!(next(&house.ends), "transport error");
    }

    #[test]
    fn a_client_may_leave_between_two_gets() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        guest.say("4one");
        assert_eq!(guest.poll(), "4one");
        let target = guest.target();
        let Polling { asks, says, .. } = guest;
        asks.leave();
        says.leave();
        let mut connection = Connection::open(house.address);
        assert_eq!(connection.post(&target, "4two").short(), (200, "ok"));
        assert_eq!(connection.get(&target).short(), (200, "4two"));
        assert!(house.ends.try_recv().is_err());
    }

    #[test]
    fn two_posts_at_a_time_end_the_session() {
        let (begun, begins) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let may_go = Arc::new(Mutex::new(may_go));
        let house = house_with(Options::default(), move |_, _| {
            begun.send(()).unwrap();
            _ = may_go.lock().unwrap().recv();
        });
        let mut guest = Polling::open(house.address);
        let target = guest.target();
        guest.says.request("POST", &target, "", "4one");
        next(&begins);
        let second = Connection::open(house.address).post(&target, "4two");
        assert_eq!(second.short(), (400, r#"{"code":3,"message":"Bad request"}"#));
        drop(go);
        assert_eq!(next(&house.ends), "transport error"); // once the first has been received
        guest.says.answer();
        guest.assert_forgotten();
    }

    #[test]
    fn two_posts_whose_bodies_overlap_end_the_session() {
        let house = house(Options::default());
        let mut client = Polling::open(house.address);
        let target = client.target();
        client
            .says
            .send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n4o"));
        // Until the server has read that head, another post does not overlap with it.
        let refused = (400, r#"{"code":3,"message":"Bad request"}"#);
        until(|| Connection::open(house.address).post(&target, "4two").short() == refused);
        assert_eq!(next(&house.ends), "transport error");
        client.says.send("ne");
        client.says.answer();
        client.assert_forgotten();
    }

    #[test]
    fn the_clients_script_is_said_to_be_elsewhere() {
        let house = house(Options::default());
        for name in ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js?v=4"] {
            let answer = Connection::open(house.address).get(&format!("{PATH}{name}"));
            assert_eq!(answer.status, 404, "{name}");
            assert!(answer.body.contains("dist/socket.io.min.js"), "{name}: {}", answer.body);
        }
        let mut client = Connection::open(house.address);
        let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(client.post(&format!("{PATH}socket.io.js"), hidden).status, 404);
        assert!(client.has_ended(), "a body was read as a request");
    }

    #[test]
    fn other_methods_have_no_place_in_a_session_and_do_it_no_harm() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        for method in ["PUT", "DELETE", "OPTIONS"] {
            let mut connection = Connection::open(house.address);
            connection.request(method, &guest.target(), "", "");
            let refused = (400, r#"{"code":3,"message":"Bad request"}"#);
            assert_eq!(connection.answer().short(), refused, "{method}");
        }
        guest.say("4unharmed");
        assert_eq!(guest.poll(), "4unharmed");
    }

    #[test]
    fn one_connection_is_enough_for_a_whole_session() {
        let house = house(Options::default());
        let mut connection = Connection::open(house.address);
        let hello = connection.get(POLLING).body;
        let target = format!("{POLLING}&sid={}", hello.split('"').nth(3).unwrap());
        for _ in 0..3 {
            assert_eq!(connection.post(&target, "4hello").short(), (200, "ok"));
            assert_eq!(connection.get(&target).short(), (200, "4hello"));
        }
        assert_eq!(connection.get("/page").status, 404);
        assert_eq!(connection.post(&target, "1").short(), (200, "ok"));
        assert_eq!(next(&house.ends), "transport close");
        assert_eq!(connection.get(&target).status, 400);
    }

    #[test]
    fn a_connection_ends_after_a_request_that_wants_it_so() {
        let house = house(Options::default());
        let guest = Polling::open(house.address);
        let session = next(&house.sessions);
        for (method, target, body) in [
            ("GET", POLLING, ""),
            ("POST", &guest.target(), "4hello"),
            ("GET", &guest.target(), ""),
        ] {
            let mut connection = Connection::open(house.address);
            connection.request(method, target, "Connection: close\r\n", body);
            let answer = connection.answer();
            assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
            assert!(connection.has_ended());
        }
        let mut connection = Connection::open(house.address);
        connection.request("GET", &guest.target(), "Connection: close\r\n", "");
        until(|| session.is_writable());
        say(&session, text("held"));
        assert_eq!(connection.answer().body, "4held");
        assert!(connection.has_ended());
        assert!(session.closed().is_none());
    }

    #[test]
    fn pages_of_other_origins_are_not_spoken_to_unless_that_was_set() {
        let house = house(Options::default());
        let mut connection = Connection::open(house.address);
        connection.request("GET", POLLING, "Origin: http://a.example\r\n", "");
        let answer = connection.answer();
        assert_eq!(answer.status, 200);
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("Access-Control")));
    }

    #[test]
    fn pages_of_the_origins_that_were_set_are_answered() {
        let origins = vec!["http://a.example".to_string(), "http://b.example".to_string()];
        let house = house(Options {
            cors: Some(Cors { origins, credentials: true }),
            ..Options::default()
        });
        for (origin, allowed) in [
            ("http://a.example", Some("http://a.example")),
            ("http://b.example", Some("http://b.example")),
            ("http://c.example", None),
        ] {
            let line = format!("Origin: {origin}\r\n");
            for target in [POLLING, "/socket.io/?EIO=3&transport=polling"] {
                let mut connection = Connection::open(house.address);
                connection.request("GET", target, &line, "");
                let answer = connection.answer();
                assert_eq!(answer.header("access-control-allow-origin"), allowed);
                assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
                assert_eq!(answer.header("vary"), Some("Origin"));
            }
        }
    }

    #[test]
    fn a_browser_that_asks_first_is_told_what_it_may_send() {
        let origins = vec!["*".to_string()];
        let house = house(Options {
            cors: Some(Cors { origins, credentials: false }),
            ..Options::default()
        });
        let mut connection = Connection::open(house.address);
        let lines = "Origin: http://a.example\r\nAccess-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: x-one, x-two\r\n";
        connection.request("OPTIONS", POLLING, lines, "");
        let answer = connection.answer();
        assert_eq!(answer.short(), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET,POST"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("x-one, x-two"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(connection.get(POLLING).status, 200);
        assert_eq!(house.handle.sessions(), 1);
    }

    #[test]
    fn a_held_get_is_answered_with_the_headers_for_its_own_origin() {
        let origins = vec!["http://a.example".to_string()];
        let house = house(Options {
            cors: Some(Cors { origins, credentials: false }),
            ..Options::default()
        });
        let mut guest = Polling::open(house.address);
        let session = next(&house.sessions);
        let target = guest.target();
        guest.asks.request("GET", &target, "Origin: http://a.example\r\n", "");
        until(|| session.is_writable());
        say(&session, text("hi"));
        let answer = guest.asks.answer();
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    }
}

mod the_upgrade {
    use super::*;

    #[test]
    fn a_websocket_is_tried_out_and_takes_over() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let session = next(&house.sessions);
        guest.ask();
        until(|| session.is_writable());
        let mut socket = guest.probe();
        assert_eq!(guest.heard(), "6");
        assert_eq!(guest.poll(), "6"); // from now on no GET is held
        assert_eq!(session.transport(), "polling");
        socket.send("5");
        socket.send("4hello");
        assert_eq!(socket.text(), "4hello");
        assert_eq!((session.transport(), house.handle.sessions()), ("websocket", 1));
    }

    #[test]
    fn afterwards_requests_are_refused_and_do_no_harm() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let mut socket = guest.upgrade();
        socket.send("4hello");
        assert_eq!(socket.text(), "4hello");
        let refused = (400, r#"{"code":3,"message":"Bad request"}"#);
        assert_eq!(Connection::open(house.address).get(&guest.target()).short(), refused);
        assert_eq!(Connection::open(house.address).post(&guest.target(), "4x").short(), refused);
        socket.send("4still here");
        assert_eq!(socket.text(), "4still here");
    }

    #[test]
    fn a_session_that_has_a_websocket_takes_no_other() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let mut socket = guest.upgrade();
        socket.send("4hello");
        assert_eq!(socket.text(), "4hello");
        let target = format!("{WEBSOCKET}&sid={}", guest.sid);
        // It says nothing, and is sent away all the same.
        let mut second = WebSocket::open(house.address, &target);
        assert_eq!(second.read(), Frame::Close(1000));
        assert_eq!(second.read(), Frame::End);
        socket.send("4still here");
        assert_eq!(socket.text(), "4still here");

        let mut first = WebSocket::open(house.address, WEBSOCKET);
        let sid = first.text().split('"').nth(3).unwrap().to_string();
        let mut second = WebSocket::open(house.address, &format!("{WEBSOCKET}&sid={sid}"));
        second.send("2probe");
        assert_eq!(second.read(), Frame::Close(1000));
    }

    #[test]
    fn of_two_websockets_that_try_the_first_takes_over() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let mut first = guest.probe();
        let target = format!("{WEBSOCKET}&sid={}", guest.sid);
        let mut second = WebSocket::open(house.address, &target);
        second.send("2probe");
        assert_eq!(second.read(), Frame::Close(1000));
        first.send("5");
        first.send("4hello");
        assert_eq!(first.text(), "4hello");
    }

    #[test]
    fn a_websocket_that_does_not_take_over_leaves_the_session_as_it_was() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let target = format!("{WEBSOCKET}&sid={}", guest.sid);
        for said in ["2", "2prob", "5", "4hello", "abc", ""] {
            let mut socket = WebSocket::open(house.address, &target);
            socket.send(said);
            assert_eq!(socket.read(), Frame::Close(1000), "{said:?}");
        }
        for said in ["2probe", "4hello", "abc"] {
            let mut socket = guest.probe();
            socket.send(said);
            assert_eq!(socket.read(), Frame::Close(1000), "{said:?}");
            assert_eq!(socket.read(), Frame::End);
        }
        let mut socket = guest.probe();
        socket.close();
        assert_eq!(socket.read(), Frame::Close(1000));
        assert_eq!(socket.read(), Frame::End);
        guest.say("4unharmed");
        assert_eq!(guest.poll(), "4unharmed");
        let session = next(&house.sessions);
        // A GET is held again, once the server has seen the WebSocket's end as well: before, it gets a noop.
        guest.ask();
        while !session.is_writable() {
            if guest.asks.has_come() {
                assert_eq!(guest.heard(), "6");
                guest.ask();
            }
            thread::yield_now();
        }
        assert!(house.ends.try_recv().is_err());
    }

    #[test]
    fn a_websocket_that_sends_no_probe_in_time_is_cut_off() {
        let house = house(Options { upgrade_timeout: SHORT, ..Options::default() });
        let mut guest = Polling::open(house.address);
        let mut socket = WebSocket::open(house.address, &format!("{WEBSOCKET}&sid={}", guest.sid));
        assert_eq!(socket.read(), Frame::End);
        guest.say("4unharmed");
        assert_eq!(guest.poll(), "4unharmed");
    }

    /// A WebSocket that has been probed in time, if this machine was quick enough.
    fn probed(address: SocketAddr, sid: &str) -> Option<WebSocket> {
        let mut socket = WebSocket::open(address, &format!("{WEBSOCKET}&sid={sid}"));
        socket.send("2probe");
        (socket.read() == Frame::Text("3probe".to_string())).then_some(socket)
    }

    #[test]
    fn a_websocket_that_is_probed_and_does_not_take_over_in_time_is_cut_off() {
        let house = house(Options { upgrade_timeout: LONGER, ..Options::default() });
        let mut guest = Polling::open(house.address);
        let mut socket = retry(|| probed(house.address, &guest.sid));
        assert_eq!(socket.read(), Frame::End);
        guest.say("4unharmed");
        assert_eq!(guest.poll(), "4unharmed");
    }

    #[test]
    fn a_websocket_that_has_taken_over_is_not_cut_off_later() {
        let house = house(Options { upgrade_timeout: LONGER, ..Options::default() });
        let mut socket = retry(|| {
            let mut socket = probed(house.address, &Polling::open(house.address).sid)?;
            socket.send("5");
            socket.send("4first");
            (socket.read() == Frame::Text("4first".to_string())).then_some(socket)
        });
        // One that came later is.
        let target = format!("{WEBSOCKET}&sid={}", Polling::open(house.address).sid);
        assert_eq!(WebSocket::open(house.address, &target).read(), Frame::End);
        socket.send("4later");
        assert_eq!(socket.text(), "4later");
    }

    #[test]
    fn what_waits_is_the_first_that_the_websocket_brings() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let session = next(&house.sessions);
        let mut socket = guest.probe();
        for word in ["one", "two"] {
            say(&session, text(word));
        }
        say(&session, Packet::Message(vec![3].into()));
        socket.send("5");
        assert_eq!(socket.text(), "4one");
        assert_eq!(socket.text(), "4two");
        assert_eq!(socket.read(), Frame::Binary(vec![3]));
    }

    #[test]
    fn nothing_is_lost_or_changes_places_while_messages_flow() {
        const COUNT: usize = 400;
        let house = house(Options::default());
        for _ in 0..5 {
            let mut guest = Polling::open(house.address);
            let session = next(&house.sessions);
            let emitting = thread::spawn(move || {
                for n in 0..COUNT {
                    say(&session, text(&n.to_string()));
                    thread::yield_now();
                }
            });
            let mut heard = Vec::new();
            heard.extend(guest.poll().split(SEPARATOR).map(str::to_string));
            guest.ask();
            let mut socket = guest.probe();
            heard.extend(guest.heard().split(SEPARATOR).map(str::to_string));
            socket.send("5");
            heard.retain(|packet| packet != "6");
            while heard.len() < COUNT {
                heard.push(socket.text());
            }
            let expected: Vec<_> = (0..COUNT).map(|n| format!("4{n}")).collect();
            assert_eq!(heard, expected);
            emitting.join().unwrap();
        }
    }

    #[test]
    fn a_session_that_ends_meanwhile_does_not_come_back() {
        let house = house(Options::default());
        let mut guest = Polling::open(house.address);
        let session = next(&house.sessions);
        let mut socket = guest.probe();
        session.close("forced close");
        socket.send("5");
        assert_eq!(socket.read(), Frame::Close(1000));
        assert_eq!(next(&house.ends), "forced close");
    }
}
