//! One client and the server: connecting, events, acknowledgements, and disconnecting.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sockets_by_hand::http::Request;
use sockets_by_hand::json;
use sockets_by_hand::socketio::namespace::ConnectError;
use sockets_by_hand::socketio::{AckError, Args, Handshake, Options, Socket, Value};

use super::{
    assert_receives_nothing_else, connect_to, connected, connected_polling, server, server_with,
};
use crate::common::{
    Connection, Frame, LIMIT, POLLING, Polling, WebSocket, next, retry, sid, until,
};

fn end(namespace: &str, reason: &str) -> (String, String) {
    (namespace.to_string(), reason.to_string())
}

fn connect_timeout(time: Duration) -> Options {
    Options { connect_timeout: time, ..Options::default() }
}

mod connecting {
    use super::*;

    #[test]
    fn connect_is_answered_with_a_sid() {
        let server = server(|socket| {
            socket.emit("auth", [socket.handshake().auth.clone()]);
        });
        for (request, response, auth) in [
            ("40", "40{", r#"42["auth",{}]"#),
            (r#"40{"token":"123"}"#, "40{", r#"42["auth",{"token":"123"}]"#),
            ("40/admin,", "40/admin,{", r#"42/admin,["auth",{}]"#),
            ("40/admin", "40/admin,{", r#"42/admin,["auth",{}]"#),
            (r#"40/admin,{"token":"abc"}"#, "40/admin,{", r#"42/admin,["auth",{"token":"abc"}]"#),
        ] {
            let mut client = WebSocket::session(server.address);
            client.send(request);
            let received = client.text();
            let socket = next(&server.sockets);
            assert_eq!(received, format!(r#"{response}"sid":"{}"}}"#, socket.id()));
            assert_eq!(client.text(), auth);
            assert!(socket.is_connected());
        }
    }

    #[test]
    fn a_client_has_another_sid_in_each_namespace() {
        let server = server(|_| {});
        let mut client = WebSocket::open(server.address, crate::common::WEBSOCKET);
        let open_packet = client.text();
        let sids = [connect_to(&mut client, ""), connect_to(&mut client, "/admin,")];
        assert!(sids.iter().all(|sid| sid.len() == 20 && !open_packet.contains(sid)));
        assert_ne!(sids[0], sids[1]);
        assert_eq!(next(&server.sockets).rooms(), [sids[0].as_str()]);
        assert_eq!(next(&server.sockets).namespace().name(), "/admin");
    }

    #[test]
    fn polling_clients_connect_too() {
        let server = server(|_| {});
        let mut client = connected_polling(server.address);
        let socket = next(&server.sockets);
        assert_eq!(socket.transport(), "polling");
        client.post(
            "42[\"echo\",1]\x1e452-[\"echo\",{\"_placeholder\":true,\"num\":1}]\x1ebAQ==\x1ebAg==",
        );
        assert_eq!(
            client.poll(),
            "42[\"echo\",1]\x1e451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\x1ebAg=="
        );
        let mut websocket = client.upgrade();
        assert_receives_nothing_else(&mut websocket);
        assert_eq!(socket.transport(), "websocket");
    }

    #[test]
    fn an_unknown_namespace_is_refused() {
        let server = server(|_| {});
        let mut client = WebSocket::session(server.address);
        for (request, response) in [
            ("40/random", r#"44/random,{"message":"Invalid namespace"}"#),
            ("40/admin/,{}", r#"44/admin/,{"message":"Invalid namespace"}"#),
            ("40/ADMIN,", r#"44/ADMIN,{"message":"Invalid namespace"}"#),
        ] {
            client.send(request);
            assert_eq!(client.text(), response);
        }
        connect_to(&mut client, "");
        assert_receives_nothing_else(&mut client);
        server.io.of("random"); // it exists from now on
        connect_to(&mut client, "/random,");
    }

    #[test]
    fn middleware_refuses_with_a_message_and_data() {
        let server = server(|_| {});
        server.io.use_middleware(|socket| match socket.handshake().auth["token"].as_str() {
            Some("swordfish") => Ok(()),
            Some(_) => Err("wrong".into()),
            None => Err(ConnectError {
                message: "who are \"you\"?".to_string(),
                data: Some(json!({"code": 7, "tries": [1, null]})),
            }),
        });
        let mut client = WebSocket::session(server.address);
        client.send("40");
        let response = r#"44{"message":"who are \"you\"?","data":{"code":7,"tries":[1,null]}}"#;
        assert_eq!(client.text(), response);
        client.send(r#"40{"token":"salmon"}"#);
        assert_eq!(client.text(), r#"44{"message":"wrong"}"#);
        assert!(server.sockets.try_recv().is_err() && server.io.fetch_sockets().is_empty());
        connect_to(&mut client, "/admin,"); // another namespace
        client.send(r#"40{"token":"swordfish"}"#);
        assert!(client.text().starts_with("40{"));
        assert_receives_nothing_else(&mut client);
    }

    #[test]
    fn middleware_runs_in_order_until_one_refuses() {
        let server = server(|_| {});
        let calls = Arc::new(Mutex::new(Vec::new()));
        for n in 1..=3 {
            let calls = calls.clone();
            server.io.use_middleware(move |socket| {
                calls.lock().unwrap().push(n);
                let refuses = socket.handshake().auth["no"].as_f64() == Some(n.into());
                if refuses { Err("no".into()) } else { Ok(()) }
            });
        }
        let mut client = WebSocket::session(server.address);
        client.send(r#"40{"no":2}"#);
        assert_eq!(client.text(), r#"44{"message":"no"}"#);
        connect_to(&mut client, "");
        assert_eq!(*calls.lock().unwrap(), [1, 2, 1, 2, 3]);
    }

    #[test]
    fn nothing_is_kept_of_a_refused_client() {
        let server = server(|_| {});
        let witness = Arc::new(());
        let weak = Arc::downgrade(&witness);
        let witness = Mutex::new(Some(witness));
        server.io.use_middleware(move |socket| {
            let held = (socket.clone(), witness.lock().unwrap().take());
            socket.on("never", move |_| _ = &held);
            Err("no".into())
        });
        let mut client = WebSocket::session(server.address);
        client.send("40");
        assert_eq!(client.text(), r#"44{"message":"no"}"#);
        client.close();
        until(|| server.handle.sessions() == 0);
        until(|| weak.upgrade().is_none());
    }

    #[test]
    fn disconnect_before_connection_has_the_reason_of_the_session() {
        let server = server(|_| {});
        let (sender, reasons) = mpsc::channel();
        let handle = server.handle.clone();
        server.io.use_middleware(move |socket| {
            let sender = sender.clone();
            socket.on("disconnect", move |event| _ = sender.send(event.args[0].clone()));
            handle.close();
            Ok(())
        });
        let mut client = WebSocket::session(server.address);
        client.send("40");
        assert_eq!(next(&reasons), json!("server shutting down"));
    }

    #[test]
    fn an_event_in_a_namespace_not_connected_to_ends_the_session() {
        let server = server(|_| {});
        server.io.of("/closed").use_middleware(|_| Err("no".into()));
        for packet in [r#"42["echo"]"#, "430[]", "41", r#"42/admin,["echo"]"#, r#"42/no,["echo"]"#]
        {
            let mut client = WebSocket::session(server.address);
            client.send("40/closed");
            assert_eq!(client.text(), r#"44/closed,{"message":"no"}"#);
            client.send(packet);
            assert_eq!(client.read(), Frame::Close(1005), "{packet}");
        }
        for packet in [r#"42/admin,["echo"]"#, "41/admin", "43/admin,0[]", r#"44{"message":"no"}"#]
        {
            let mut client = connected(server.address);
            client.send(packet);
            assert_eq!(client.read(), Frame::Close(1005), "{packet}");
            assert_eq!(next(&server.ends), end("/", "forced server close"));
        }
    }

    #[test]
    fn a_second_connect_ends_the_session() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        connect_to(&mut client, "/admin,");
        client.send("40");
        assert_eq!(client.read(), Frame::Close(1005));
        let mut ends = [next(&server.ends), next(&server.ends)];
        ends.sort();
        assert_eq!(ends, [end("/", "forced server close"), end("/admin", "forced server close")]);
    }

    #[test]
    fn disconnect_details_say_that_the_client_was_too_slow() {
        let mut options = Options::default();
        options.engine.max_queued = 10_000;
        let (sender, ends) = mpsc::channel();
        let server = server_with(options, move |socket| {
            let sender = sender.clone();
            socket.on("disconnect", move |event| _ = sender.send(event.args.clone()));
            (0..3).for_each(|_| _ = socket.emit("much", [json!("x".repeat(10_000))]));
        });
        let mut client = Polling::open(server.address);
        client.post("40");
        let details =
            json!({"message": "the client is too slow: more than 10000 bytes wait for it"});
        assert_eq!(next(&ends), Args(vec![json!("transport error"), details]));
    }

    #[test]
    fn disconnect_details_say_what_was_wrong_with_a_request() {
        let mut options = Options::default();
        options.engine.max_payload = 100;
        options.engine.http_request_body_timeout = Duration::from_millis(500);
        let (sender, ends) = mpsc::channel();
        let server = server_with(options, move |socket| {
            let sender = sender.clone();
            socket.on("disconnect", move |event| _ = sender.send(event.args.clone()));
        });
        let begin_post = |mut client: Polling| {
            let target = client.target();
            let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
            client.post.send(head + "4");
            client
        };
        let details_after = |violate: &dyn Fn(Polling) -> Polling| {
            let mut client = Polling::open(server.address);
            client.post("40");
            client.poll();
            next(&server.sockets);
            let _open = violate(client);
            let args = next(&ends);
            assert_eq!(args[0], "transport error");
            args[1]["message"].as_str().unwrap().to_string()
        };
        let overlap = details_after(&|mut client| {
            client.send_get();
            client.post.request("GET", &client.target(), "", "");
            client
        });
        assert_eq!(overlap, "overlap from client");
        let aborted = details_after(&|mut client| {
            client.send_get();
            client.get = Connection::open(server.address);
            client
        });
        assert_eq!(aborted, "poll connection closed prematurely");
        let too_large = details_after(&|mut client| {
            client.send_post(&"4".repeat(101));
            client
        });
        assert_eq!(too_large, "payload too large");
        assert_eq!(details_after(&begin_post), "http request timeout");
        let ended = details_after(&|client| {
            let mut client = begin_post(client);
            client.post = Connection::open(server.address);
            client
        });
        assert_eq!(ended, "data request connection closed prematurely");
    }

    #[test]
    fn a_client_that_causes_refusals_and_reads_none_is_dropped() {
        let server = server(|_| {});
        let mut client = Polling::open(server.address);
        client.post(&["40/x,"; 1_000].join("\x1e"));
        client.assert_forgotten();
    }

    #[test]
    fn a_client_that_reads_its_refusals_stays_connected() {
        let server = server(|_| {});
        let mut client = Polling::open(server.address);
        for _ in 0..20 {
            client.post(&["40/x,"; 100].join("\x1e"));
            assert_eq!(client.poll().split('\x1e').count(), 100);
        }
    }

    #[test]
    fn a_client_that_connects_to_no_namespace_is_disconnected_in_time() {
        let server = server_with(connect_timeout(Duration::from_millis(20)), |_| {});
        let mut polling = Polling::open(server.address);
        assert_eq!(polling.poll(), "1");
        polling.assert_forgotten();
        assert_eq!(WebSocket::session(server.address).read(), Frame::Close(1005));
    }

    /// A client that has sent a CONNECT packet, if it received this response before its timeout.
    fn try_connect(address: SocketAddr, request: &str, response: &str) -> Option<WebSocket> {
        let mut client = WebSocket::session(address);
        client.send(request);
        matches!(client.read(), Frame::Text(text) if text.starts_with(response)).then_some(client)
    }

    #[test]
    fn a_refused_client_is_disconnected_in_time() {
        let server = server_with(connect_timeout(Duration::from_millis(250)), |_| {});
        let refusal = r#"44/random,{"message":"Invalid namespace"}"#;
        let mut refused = retry(|| try_connect(server.address, "40/random", refusal));
        assert_eq!(refused.read(), Frame::Close(1005));
    }

    #[test]
    fn a_connected_client_is_not_disconnected_later() {
        let server = server_with(connect_timeout(Duration::from_millis(250)), |_| {});
        let mut client = retry(|| try_connect(server.address, "40", "40{"));
        // A later one is.
        assert_eq!(WebSocket::session(server.address).read(), Frame::Close(1005));
        assert_receives_nothing_else(&mut client);
    }

    /// Middleware that ends when the connect timeout ends: the two race, and either may win.
    #[test]
    fn a_client_that_connects_in_time_stays_connected() {
        const TIME: Duration = Duration::from_millis(4);
        for round in 0..150 {
            let mut options = connect_timeout(TIME);
            let (open, opened) = mpsc::channel();
            options.engine.allow_request = Box::new(move |_| open.send(Instant::now()).is_ok());
            let server = server_with(options, |_| {});
            let opened = Mutex::new(opened);
            server.io.use_middleware(move |_| {
                let start = opened.lock().unwrap().recv().unwrap();
                let end = TIME + Duration::from_micros(round * 2);
                while start.elapsed() < end {
                    std::hint::spin_loop();
                }
                Ok(())
            });
            let mut client = WebSocket::session(server.address);
            client.send("40");
            match client.read() {
                Frame::Text(joined) if joined.starts_with("40{") => {
                    assert_receives_nothing_else(&mut client);
                }
                other => assert_eq!(other, Frame::Close(1005), "round {round}"),
            }
        }
    }

    #[test]
    fn middleware_that_blocks_delays_no_other_client() {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let server = server(|_| {});
        server.io.use_middleware(move |socket| {
            if socket.handshake().auth["slow"] == Value::Bool(true) {
                _ = released.lock().unwrap().recv();
            }
            Ok(())
        });
        let mut slow = WebSocket::session(server.address);
        slow.send(r#"40{"slow":true}"#);
        let mut quick = connected(server.address);
        assert_receives_nothing_else(&mut quick);
        server.io.emit("event", [1.into()]);
        assert_eq!(quick.text(), r#"42["event",1]"#);
        drop(release);
        assert!(slow.text().starts_with("40{")); // and none of the broadcasts before
        assert_receives_nothing_else(&mut slow);
    }

    #[test]
    fn a_second_connect_during_the_middleware_leaves_nothing_behind() {
        let (started, starts) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let server = server(|_| {});
        server.io.use_middleware(move |socket| {
            socket.join("tea");
            started.send(socket.clone()).unwrap();
            if socket.handshake().auth["slow"] == Value::Bool(true) {
                _ = released.lock().unwrap().recv();
            }
            Ok(())
        });
        let mut client = Polling::open(server.address);
        client.send_post(r#"40{"slow":true}"#);
        let socket = next(&starts);
        let mut websocket = client.upgrade();
        websocket.send("40"); // handled after the first has been answered
        drop(release);
        assert!(websocket.text().starts_with("40{"));
        assert_eq!(websocket.read(), Frame::Close(1005));
        assert_eq!(next(&server.ends), end("/", "forced server close"));
        assert_eq!(client.post.response().status, 200);
        assert_eq!(socket.rooms(), [""; 0]);
    }

    #[test]
    fn middleware_that_panics_leaves_nothing_behind() {
        let (sender, sockets) = mpsc::channel();
        let server = server(|_| {});
        server.io.use_middleware(move |socket| {
            socket.join("tea");
            sender.send(socket.clone()).unwrap();
            panic!("as the test wants it");
        });
        let mut client = WebSocket::session(server.address);
        client.send("40");
        assert_eq!(client.read(), Frame::Close(1005));
        assert_eq!(next(&sockets).rooms(), [""; 0]);
    }

    #[test]
    fn a_client_that_leaves_during_the_middleware_emits_no_event() {
        let (started, starts) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let server = server(|_| {});
        server.io.use_middleware(move |_| {
            started.send(()).unwrap();
            _ = released.lock().unwrap().recv();
            Ok(())
        });
        let mut client = Polling::open(server.address);
        client.send_get();
        client.send_post("40");
        next(&starts);
        drop(client.get);
        until(|| server.handle.sessions() == 0);
        drop(release);
        assert_eq!(client.post.response().status, 200);
        assert!(server.io.fetch_sockets().is_empty());
        assert!(server.sockets.try_recv().is_err());
    }

    #[test]
    fn handshake_has_the_request_and_auth() {
        let server = server(|_| {});
        let mut connection = Connection::open(server.address);
        connection.request("GET", &format!("{POLLING}&room=tea%26milk"), "X-Who: Ann\r\n", "");
        let open_packet = connection.response().body;
        let target = format!("{POLLING}&sid={}", sid(&open_packet));
        assert_eq!(connection.post(&target, r#"40{"token":1}"#).status_and_body(), (200, "ok"));
        let socket = next(&server.sockets);
        let handshake = socket.handshake();
        let query = handshake.query();
        assert_eq!(query["room"], "tea&milk");
        assert_eq!(query.keys().collect::<Vec<_>>(), ["EIO", "room", "transport"]);
        assert_eq!(handshake.url(), format!("{POLLING}&room=tea%26milk"));
        assert_eq!(handshake.headers().get("x-who"), Some("Ann"));
        assert!(handshake.issued <= SystemTime::now());
        assert!(!handshake.secure && !handshake.xdomain());
        assert_eq!(*handshake.auth, json!({"token": 1}));
        assert!(handshake.address.is_some_and(|address| address.ip().is_loopback()));
    }

    #[test]
    fn handshake_is_written_as_by_npm_for_other_servers() {
        let mut request = Request::new("GET", "/socket.io/?EIO=4&room=tea%26milk");
        for (name, value) in
            [("Cookie", "a=1"), ("X-Who", "Ann"), ("cookie", "b=2"), ("x-who", "Bob")]
        {
            request.headers.push(name, value);
        }
        for (seconds, time) in [
            (0, "Thu Jan 01 1970 00:00:00"),
            (951_827_696, "Tue Feb 29 2000 12:34:56"),
            (1_709_251_199, "Thu Feb 29 2024 23:59:59"),
            (1_709_251_200, "Fri Mar 01 2024 00:00:00"),
            (4_107_542_400, "Mon Mar 01 2100 00:00:00"),
        ] {
            let issued = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let (auth, address) = (&json!({"token": 1}), Some("[::1]:7".parse().unwrap()));
            let handshake = Handshake { request: &request, auth, address, issued, secure: false };
            assert_eq!(
                Value::from(handshake),
                json!({
                    "headers": {"cookie": "a=1; b=2", "x-who": "Ann, Bob"},
                    "time": format!("{time} GMT+0000 (Coordinated Universal Time)"),
                    "address": "::1",
                    "xdomain": false,
                    "secure": false,
                    "issued": seconds as f64 * 1000.0,
                    "url": "/socket.io/?EIO=4&room=tea%26milk",
                    "query": {"EIO": "4", "room": "tea&milk"},
                    "auth": {"token": 1},
                })
            );
        }
    }

    #[test]
    fn handshake_address_is_that_of_the_client_behind_a_trusted_proxy() {
        let mut options = Options::default();
        options.engine.trust_proxy = 1;
        let server = server_with(options, |_| {});
        let lines = "X-Forwarded-For: 203.0.113.7\r\n";
        Polling::open_with(server.address, lines).post("40");
        let address = next(&server.sockets).handshake().address;
        assert_eq!(address, Some("203.0.113.7:0".parse().unwrap()));
    }

    #[test]
    fn data_can_be_set_and_read() {
        let server = server(|socket| {
            socket.on("call me", |event| {
                event.socket.set_data(json!({"name": event.args[0].clone()}));
                event.ack([]);
            });
        });
        let mut client = connected(server.address);
        let socket = next(&server.sockets);
        assert_eq!(socket.data(), json!({}));
        client.send(r#"420["call me","Ann"]"#);
        assert_eq!(client.text(), "430[]");
        assert_eq!(socket.data(), json!({"name": "Ann"}));
        assert_eq!(server.io.fetch_sockets()[0].data()["name"].as_str(), Some("Ann"));
    }
}

mod events {
    use super::*;

    #[test]
    fn are_echoed_unchanged() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        for event in [
            r#"42["echo"]"#,
            r#"42["echo",1,"2",{"3":[true]}]"#,
            r#"42["echo",null,-1.5,"Grüße € 😀"]"#,
            r#"42["echo",{"_placeholder":true,"num":0}]"#,
        ] {
            client.send(event);
            assert_eq!(client.text(), event);
        }
        let event = r#"452-["echo",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]"#;
        client.send(event);
        client.send_bytes(&[1, 2, 3]);
        client.send_bytes(&[]);
        assert_eq!(client.text(), event);
        assert_eq!(client.read(), Frame::Binary(vec![1, 2, 3]));
        assert_eq!(client.read(), Frame::Binary(vec![]));
    }

    #[test]
    fn of_one_namespace_are_not_received_in_another() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        connect_to(&mut client, "/admin,");
        client.send(r#"42/admin,["echo","a"]"#);
        client.send(r#"42["echo","b"]"#);
        assert_eq!(client.text(), r#"42/admin,["echo","a"]"#);
        assert_eq!(client.text(), r#"42["echo","b"]"#);
        server.io.of("admin").emit("event", [1.into()]);
        server.io.emit("event", [2.into()]);
        assert_eq!(client.text(), r#"42/admin,["event",1]"#);
        assert_eq!(client.text(), r#"42["event",2]"#);
    }

    #[test]
    fn without_a_listener_do_no_harm() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        client.send(r#"42["nobody listens",1]"#);
        client.send(r#"427["nobody listens",1]"#);
        assert_receives_nothing_else(&mut client);
    }

    #[test]
    fn are_received_by_on_any_first_and_by_once_once() {
        let server = server(|socket| {
            socket.on_any(|event| _ = event.socket.emit("any", [Value::from(&event.name)]));
            socket.once("hello", |event| _ = event.socket.emit("once", &event.args));
            let off = socket.on("hello", |event| _ = event.socket.emit("off", &event.args));
            socket.off(off);
            let off = socket.on_any(|event| _ = event.socket.emit("off", &event.args));
            socket.off_any(off);
        });
        let mut client = connected(server.address);
        client.send(r#"42["hello",1]"#);
        client.send(r#"42["hello",2]"#);
        for expected in [r#"42["any","hello"]"#, r#"42["once",1]"#, r#"42["any","hello"]"#] {
            assert_eq!(client.text(), expected);
        }
        client.send("41"); // `disconnect` is not an event of the client
        assert_eq!(next(&server.ends), end("/", "client namespace disconnect"));
    }

    #[test]
    fn whose_attachments_do_not_arrive_end_the_session() {
        let time = Duration::from_millis(50);
        let server =
            server_with(Options { attachment_timeout: time, ..Options::default() }, |_| {});
        let mut client = connected(server.address);
        client.send(r#"451-["picture",{"_placeholder":true,"num":0}]"#);
        assert_eq!(next(&server.ends), end("/", "parse error"));
    }

    #[test]
    fn an_argument_that_was_not_sent_is_null() {
        let server = server(|socket| {
            socket.on("second", |event| event.ack([event.args[1].clone()]));
            socket.on("rest", |event| event.ack(&event.args[2..]));
        });
        let mut client = connected(server.address);
        client.send(r#"421["second",1]"#);
        assert_eq!(client.text(), "431[null]");
        client.send(r#"422["rest",1]"#);
        assert_eq!(client.text(), "432[]");
        client.send(r#"423["rest",1,2,3,4]"#);
        assert_eq!(client.text(), "433[3,4]");
    }

    #[test]
    fn are_acknowledged_if_that_is_wanted_and_once() {
        let server = server(|socket| {
            socket.on("twice", |event| {
                event.ack([event.wants_ack().into()]);
                event.ack(["again".into()]);
            });
        });
        let mut client = connected(server.address);
        for (event, ack) in [
            (r#"420["ask"]"#, "430[]"),
            (r#"4212["ask",1,{"2":[false]}]"#, r#"4312[1,{"2":[false]}]"#),
            (r#"420["twice"]"#, "430[true]"),
            (r#"429007199254740991["ask"]"#, "439007199254740991[]"),
        ] {
            client.send(event);
            assert_eq!(client.text(), ack);
        }
        client.send(r#"42["ask",1]"#);
        client.send(r#"42["twice"]"#);
        assert_receives_nothing_else(&mut client);
        client.send(r#"451-7["ask",{"_placeholder":true,"num":0}]"#);
        client.send_bytes(&[1, 2]);
        assert_eq!(client.text(), r#"461-7[{"_placeholder":true,"num":0}]"#);
        assert_eq!(client.read(), Frame::Binary(vec![1, 2]));
        connect_to(&mut client, "/admin,");
        client.send(r#"42/admin,5["ask",1]"#);
        assert_eq!(client.text(), "43/admin,5[1]");
    }

    #[test]
    fn may_be_acknowledged_later_by_another_thread() {
        let server = server(|socket| {
            socket.on("later", |event| {
                let id = event.args[0].clone();
                let socket = event.socket.clone();
                thread::spawn(move || socket.emit("done", [id]));
            });
        });
        let mut client = connected(server.address);
        client.send(r#"42["later",1]"#);
        assert_eq!(client.text(), r#"42["done",1]"#);
    }

    #[test]
    fn that_are_volatile_are_lost_if_they_cannot_be_written_at_once() {
        let server = server(|_| {});
        let mut client = connected_polling(server.address);
        let socket = next(&server.sockets);
        socket.emit_volatile("lost", []);
        server.io.everyone().volatile().emit("lost", []);
        socket.emit("kept", []);
        assert_eq!(client.poll(), r#"42["kept"]"#);
        // Once a GET is held they can. No event says when it is.
        for emit in [
            Box::new(|| _ = socket.emit_volatile("received", [])) as Box<dyn Fn()>,
            Box::new(|| server.io.everyone().volatile().emit("received", [])),
        ] {
            client.send_get();
            let received = thread::scope(|scope| {
                let receiving = scope.spawn(|| client.received());
                until(|| {
                    emit();
                    receiving.is_finished()
                });
                receiving.join().unwrap()
            });
            assert_eq!(received, r#"42["received"]"#);
        }
        // A WebSocket can, unless a thread is still writing what came before: on Windows one always
        // does.
        let mut websocket = connected(server.address);
        let socket = next(&server.sockets);
        let received = thread::scope(|scope| {
            let receiving = scope.spawn(|| websocket.text());
            until(|| {
                socket.emit_volatile("at once", []);
                receiving.is_finished()
            });
            receiving.join().unwrap()
        });
        assert_eq!(received, r#"42["at once"]"#);
    }
}

mod acknowledgements_of_the_client {
    use super::*;

    type Acks = mpsc::Receiver<Result<Args, AckError>>;

    /// Emits an event with an acknowledgement, and returns its receiver.
    fn emit_with_ack(socket: &Socket, time: Duration) -> Acks {
        let (sender, receiver) = mpsc::channel();
        socket
            .timeout(time)
            .emit_with_callback("ask", ["?".into()], move |ack| sender.send(ack).unwrap());
        receiver
    }

    #[test]
    fn resolve_the_callback_of_their_event() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        let socket = next(&server.sockets);
        let (first, second) = (emit_with_ack(&socket, LIMIT), emit_with_ack(&socket, LIMIT));
        assert_eq!(client.text(), r#"420["ask","?"]"#);
        assert_eq!(client.text(), r#"421["ask","?"]"#);
        client.send(r#"461-1[{"_placeholder":true,"num":0}]"#);
        client.send_bytes(b"bytes");
        client.send(r#"430["yes",1]"#);
        assert_eq!(next(&second), Ok(Args(vec![b"bytes"[..].into()])));
        assert_eq!(next(&first), Ok(Args(vec!["yes".into(), 1.into()])));
    }

    #[test]
    fn that_are_not_awaited_do_no_harm() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        let ack = emit_with_ack(&next(&server.sockets), LIMIT);
        assert_eq!(client.text(), r#"420["ask","?"]"#);
        client.send("437[]");
        client.send("430[1]");
        client.send("430[2]");
        assert_receives_nothing_else(&mut client);
        assert_eq!(next(&ack), Ok(Args(vec![1.into()])));
        assert!(ack.recv().is_err());
    }

    #[test]
    fn that_will_not_come_are_resolved_on_another_thread() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        let socket = next(&server.sockets);
        client.close();
        next(&server.ends);
        let (sender, called) = mpsc::channel();
        socket.timeout(LIMIT).emit_with_callback("ask", [], move |ack| {
            sender.send((ack, thread::current().id())).unwrap();
        });
        let (ack, callback_thread) = next(&called);
        assert_eq!(ack, Err(AckError::Disconnected));
        assert_ne!(callback_thread, thread::current().id());
    }

    #[test]
    fn are_not_awaited_for_an_event_that_panics() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        let socket = next(&server.sockets);
        let (sender, called) = mpsc::channel();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            socket
                .timeout(Duration::ZERO)
                .emit_with_callback("disconnect", (), move |_| sender.send(()).unwrap());
        }));
        assert!(panicked.is_err());
        assert_eq!(called.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
        assert_receives_nothing_else(&mut client);
    }

    #[test]
    fn that_are_late_do_no_harm() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        let ack = emit_with_ack(&next(&server.sockets), Duration::from_millis(5));
        assert_eq!(client.text(), r#"420["ask","?"]"#);
        assert_eq!(next(&ack), Err(AckError::Timeout));
        client.send("430[1]");
        assert_receives_nothing_else(&mut client);
        assert!(ack.recv().is_err());
    }

    #[test]
    fn are_not_awaited_from_a_disconnected_client() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        let socket = next(&server.sockets);
        let ack = emit_with_ack(&socket, LIMIT);
        assert_eq!(client.text(), r#"420["ask","?"]"#);
        client.send("41");
        assert_eq!(next(&ack), Err(AckError::Disconnected));
        assert_eq!(next(&server.ends), end("/", "client namespace disconnect"));
        assert_eq!(next(&emit_with_ack(&socket, LIMIT)), Err(AckError::Disconnected));
    }

    #[test]
    fn of_one_namespace_are_not_those_of_another() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        let main = next(&server.sockets);
        connect_to(&mut client, "/admin,");
        let admin = next(&server.sockets);
        let (main, admin) = (emit_with_ack(&main, LIMIT), emit_with_ack(&admin, LIMIT));
        assert_eq!(client.text(), r#"420["ask","?"]"#);
        assert_eq!(client.text(), r#"42/admin,0["ask","?"]"#);
        client.send(r#"43/admin,0["admin"]"#);
        client.send(r#"430["main"]"#);
        assert_eq!(next(&main), Ok(Args(vec!["main".into()])));
        assert_eq!(next(&admin), Ok(Args(vec!["admin".into()])));
    }
}

mod disconnecting {
    use super::*;

    #[test]
    fn a_client_can_leave_one_namespace() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        connect_to(&mut client, "/admin,");
        let (_, admin) = (next(&server.sockets), next(&server.sockets));
        client.send("41/admin,");
        assert_eq!(next(&server.ends), end("/admin", "client namespace disconnect"));
        assert!(!admin.is_connected() && server.io.of("/admin").fetch_sockets().is_empty());
        assert_receives_nothing_else(&mut client);
        connect_to(&mut client, "/admin,"); // and connect again
        assert_ne!(next(&server.sockets).id(), admin.id());
        client.send("41");
        assert_eq!(next(&server.ends), end("/", "client namespace disconnect"));
        client.send(r#"42/admin,["echo"]"#);
        assert_eq!(client.text(), r#"42/admin,["echo"]"#);
    }

    #[test]
    fn disconnect_false_leaves_one_namespace() {
        let server = server(|socket| {
            socket.on("out", |event| {
                event.socket.emit("bye", []);
                event.socket.disconnect(false);
                event.socket.disconnect(false);
            });
        });
        let mut client = connected(server.address);
        connect_to(&mut client, "/admin,");
        client.send(r#"42/admin,["out"]"#);
        assert_eq!(client.text(), r#"42/admin,["bye"]"#);
        assert_eq!(client.text(), "41/admin,");
        assert_eq!(next(&server.ends), end("/admin", "server namespace disconnect"));
        assert_receives_nothing_else(&mut client);
    }

    #[test]
    fn disconnect_true_ends_the_session() {
        let server = server(|socket| {
            socket.on("away", |event| event.socket.disconnect(true));
        });
        let mut client = connected(server.address);
        connect_to(&mut client, "/admin,");
        client.send(r#"42["away"]"#);
        let mut packets = [client.text(), client.text()];
        packets.sort();
        assert_eq!(packets, ["41", "41/admin,"]);
        assert_eq!(client.read(), Frame::Close(1005));
        assert_eq!(client.read(), Frame::End);
        let mut ends = [next(&server.ends), next(&server.ends)];
        ends.sort();
        let reason = "server namespace disconnect";
        assert_eq!(ends, [end("/", reason), end("/admin", reason)]);

        let mut client = connected_polling(server.address);
        client.post(r#"42["away"]"#);
        assert_eq!(client.poll(), "41");
        assert_eq!(client.poll(), "1");
        client.assert_forgotten();
    }

    #[test]
    fn disconnect_has_the_reason() {
        let mut options = Options::default();
        options.engine.max_payload = 100;
        let server = server_with(options, |_| {});
        let address = server.address;
        let reason_after = |leave: fn(WebSocket)| {
            leave(connected(address));
            next(&server.ends).1
        };
        assert_eq!(reason_after(drop), "transport close");
        assert_eq!(reason_after(|mut client| client.close()), "transport close");
        assert_eq!(reason_after(|mut client| client.send("1")), "transport close");
        assert_eq!(reason_after(|mut client| client.send("41")), "client namespace disconnect");
        assert_eq!(reason_after(|mut client| client.send("40")), "forced server close");
        assert_eq!(reason_after(|mut client| client.send("4malformed")), "parse error");
        assert_eq!(reason_after(|mut client| client.send("malformed")), "parse error");
        assert_eq!(reason_after(|mut client| client.send(&"4".repeat(101))), "transport error");

        let mut client = connected_polling(address);
        client.post("1");
        assert_eq!(next(&server.ends).1, "transport close");
        let mut client = connected_polling(address);
        client.send_get();
        drop(client);
        assert_eq!(next(&server.ends).1, "transport error");
        while server.sockets.try_recv().is_ok() {}
        let mut client = connected(address);
        next(&server.sockets);
        server.handle.close();
        assert_eq!(next(&server.ends).1, "server shutting down");
        assert_eq!(client.read(), Frame::Close(1005));
    }

    #[test]
    fn a_silent_client_is_disconnected() {
        let mut options = Options::default();
        options.engine.ping_interval = Duration::from_millis(200);
        options.engine.ping_timeout = Duration::from_millis(20);
        let server = server_with(options, |_| {});
        // It connects before its first ping, if the machine is fast enough.
        let mut client = retry(|| {
            let mut client = WebSocket::session(server.address);
            client.send("40");
            matches!(client.read(), Frame::Text(text) if text.starts_with("40{")).then_some(client)
        });
        assert_eq!(client.text(), "2");
        assert_eq!(client.read(), Frame::End);
        assert_eq!(next(&server.ends), end("/", "ping timeout"));
        until(|| server.handle.sessions() == 0);
        while server.ends.try_recv().is_ok() {}
        let _client = retry(|| {
            let mut client = Polling::open(server.address);
            (client.try_post("40").status == 200).then_some(client)
        });
        assert_eq!(next(&server.ends), end("/", "ping timeout"));
    }

    #[test]
    fn every_malformed_packet_ends_only_its_own_session() {
        let server = server(|_| {});
        let mut other = connected(server.address);
        let bytes = |client: &mut WebSocket| client.send_bytes(&[1]);
        let header =
            |client: &mut WebSocket| client.send(r#"451-["echo",{"_placeholder":true,"num":0}]"#);
        type Send = Box<dyn Fn(&mut WebSocket)>;
        let mut cases: Vec<Send> = vec![
            Box::new(bytes),
            Box::new(move |client| {
                header(client);
                client.send(r#"42["echo"]"#);
            }),
            Box::new(move |client| {
                header(client);
                bytes(client);
                bytes(client);
            }),
            Box::new(move |client| {
                client.send(r#"451-["echo",{"_placeholder":true,"num":1}]"#);
                bytes(client);
            }),
        ];
        for text in [
            "4",
            "47",
            "4abc",
            "42",
            "42{}",
            "42[]",
            "42[1",
            r#"42["echo"]]"#,
            r#"42["connect"]"#,
            r#"42["disconnect","pretended"]"#,
            "41{}",
            "40[]",
            r#"4511-["echo"]"#,
            r#"45["echo"]"#,
        ] {
            cases.push(Box::new(move |client| client.send(text)));
        }
        for (n, send) in cases.iter().enumerate() {
            let mut client = connected(server.address);
            send(&mut client);
            loop {
                match client.read() {
                    Frame::Close(code) => break assert_eq!(code, 1005, "packet {n}"),
                    Frame::End => panic!("packet {n}: no close frame"),
                    _ => {} // the responses to valid packets before it
                }
            }
            assert_eq!(next(&server.ends), end("/", "parse error"), "packet {n}");
            assert_receives_nothing_else(&mut other);
        }
        let mut client = connected_polling(server.address);
        client.post("4malformed");
        assert_eq!(next(&server.ends), end("/", "parse error"));
        assert_receives_nothing_else(&mut other);
    }

    #[test]
    fn rooms_are_left_between_disconnecting_and_disconnect() {
        let (sender, events) = mpsc::channel();
        let server = server(move |socket| {
            for name in ["disconnecting", "disconnect"] {
                let sender = sender.clone();
                socket.on(name, move |event| {
                    let in_room = event.socket.namespace().to("tea").fetch_sockets().len();
                    event.socket.join("too late");
                    let rooms = event.socket.rooms().len();
                    sender.send((event.name.clone(), event.args.to_vec(), in_room, rooms)).unwrap();
                });
            }
        });
        let mut client = connected(server.address);
        client.send(r#"420["join","tea"]"#);
        assert_eq!(client.text(), "430[]");
        let socket = next(&server.sockets);
        client.close();
        let reason = vec![Value::from("transport close")];
        assert_eq!(next(&events), ("disconnecting".to_string(), reason.clone(), 1, 3));
        assert_eq!(next(&events), ("disconnect".to_string(), reason, 0, 0));
        until(|| server.handle.sessions() == 0);
        socket.join("tea");
        socket.emit("to nobody", []);
        socket.disconnect(true);
        assert!(socket.rooms().is_empty() && server.io.to("tea").fetch_sockets().is_empty());
        assert!(events.try_recv().is_err(), "an event was emitted twice");
    }
}

mod handlers {
    use super::*;

    #[test]
    fn that_panic_end_only_their_own_session() {
        let server = server(|socket| {
            if socket.handshake().auth["panic"] == Value::Bool(true) {
                panic!("as the test wants it");
            }
            socket.on("panic", |_| panic!("as the test wants it"));
        });
        let mut other = connected(server.address);
        let mut client = connected(server.address);
        connect_to(&mut client, "/admin,");
        client.send(r#"42["panic"]"#);
        assert_eq!(client.read(), Frame::Close(1005));
        let mut ends = [next(&server.ends), next(&server.ends)];
        ends.sort();
        assert_eq!(ends, [end("/", "forced close"), end("/admin", "forced close")]);
        let mut client = WebSocket::session(server.address);
        client.send(r#"40{"panic":true}"#);
        assert!(client.text().starts_with("40{"));
        assert_eq!(client.read(), Frame::Close(1005));
        assert_eq!(next(&server.ends), end("/", "forced close"));
        assert_receives_nothing_else(&mut other);
        until(|| server.handle.sessions() == 1);
        assert_eq!(server.io.fetch_sockets().len(), 1);
    }

    #[test]
    fn that_panic_in_disconnect_leave_no_socket_behind() {
        let server = server(|socket| {
            socket.on("disconnecting", |_| panic!("as the test wants it"));
        });
        let mut client = connected(server.address);
        connect_to(&mut client, "/admin,");
        client.close();
        until(|| server.handle.sessions() == 0);
        until(|| server.io.fetch_sockets().is_empty());
        until(|| server.io.of("/admin").fetch_sockets().is_empty());
    }

    #[test]
    fn that_block_delay_no_other_client() {
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let (started, starts) = mpsc::channel();
        let server = server(move |socket| {
            let (released, started) = (released.clone(), started.clone());
            socket.on("work", move |event| {
                started.send(()).unwrap();
                _ = released.lock().unwrap().recv();
                event.ack(["done".into()]);
            });
        });
        let (mut slow, mut quick) = (connected(server.address), connected(server.address));
        slow.send(r#"420["work"]"#);
        slow.send(r#"421["ask"]"#); // its own thread is in the handler: this waits
        next(&starts);
        assert_receives_nothing_else(&mut quick);
        server.io.emit("event", [1.into()]);
        assert_eq!(quick.text(), r#"42["event",1]"#);
        assert_eq!(slow.text(), r#"42["event",1]"#);
        drop(release);
        assert_eq!(slow.text(), r#"430["done"]"#);
        assert_eq!(slow.text(), "431[]");
    }

    #[test]
    fn that_disconnect_their_own_socket_receive_no_more_events() {
        let returned = Arc::new(AtomicUsize::new(0));
        let server = server({
            let returned = returned.clone();
            move |socket| {
                let returned = returned.clone();
                socket.on("away", move |event| {
                    event.socket.join("tea");
                    event.socket.disconnect(true);
                    event.socket.emit("to nobody", []);
                    event.ack([]);
                    returned.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        let mut client = connected(server.address);
        client.send(r#"420["away"]"#);
        client.send(r#"421["away"]"#);
        assert_eq!(client.text(), "41");
        assert_eq!(client.read(), Frame::Close(1005));
        assert_eq!(client.read(), Frame::End);
        until(|| server.handle.sessions() == 0);
        until(|| returned.load(Ordering::Relaxed) == 1);
        until(|| server.io.to("tea").fetch_sockets().is_empty());
    }

    #[test]
    fn that_emit_while_two_clients_leave_do_not_deadlock() {
        let server = server(|socket| {
            socket.on("disconnect", |event| event.socket.namespace().emit("left", &event.args));
            socket.on("everybody out", |event| event.socket.namespace().disconnect_sockets(true));
        });
        let mut clients: Vec<_> = (0..5).map(|_| connected(server.address)).collect();
        clients[0].send(r#"42["everybody out"]"#);
        for client in &mut clients {
            while client.read() != Frame::End {}
        }
        until(|| server.handle.sessions() == 0);
        until(|| server.io.fetch_sockets().is_empty());
    }

    /// A lock of the user's, which a listener takes, and under which its client is disconnected.
    #[test]
    fn disconnect_may_be_called_under_a_lock_that_its_listeners_take() {
        for close in [false, true] {
            let players = Arc::new(Mutex::new(0));
            let server = server({
                let players = players.clone();
                move |socket| {
                    let counter = players.clone();
                    socket.on("disconnect", move |_| *counter.lock().unwrap() += 1);
                    let players = players.clone();
                    socket.on("leave me", move |event| {
                        let _players = players.lock().unwrap();
                        event.socket.disconnect(close);
                    });
                }
            });
            let mut clients: Vec<_> = (0..3).map(|_| connected(server.address)).collect();
            let (io, first) = (server.io.clone(), next(&server.sockets));
            clients[2].send(r#"42["leave me"]"#);
            assert_eq!(clients[2].text(), "41");
            next(&server.ends);
            until(|| *players.lock().unwrap() == 1);
            let (sender, counts) = mpsc::channel();
            let held = players.clone();
            thread::spawn(move || {
                let players = held.lock().unwrap();
                first.disconnect(close);
                assert!(!first.is_connected());
                io.disconnect_sockets(close);
                sender.send(*players).unwrap();
            });
            assert_eq!(next(&counts), 1);
            (0..2).for_each(|_| _ = next(&server.ends));
            until(|| *players.lock().unwrap() == 3);
        }
    }

    #[test]
    fn disconnect_listener_that_panics_keeps_no_other_from_being_called() {
        for name in ["disconnecting", "disconnect"] {
            let (sender, names) = mpsc::channel();
            let server = server(move |socket| {
                socket.on(name, |_| panic!("as the test wants it"));
                let sender = sender.clone();
                socket.on(name, move |event| sender.send(event.name.clone()).unwrap());
            });
            connected(server.address).close();
            assert_eq!(next(&names), name);
        }
    }

    #[test]
    fn that_emit_a_reserved_event_panic_and_await_no_acknowledgement() {
        let (called, calls) = mpsc::channel();
        let server = server(move |socket| {
            let called = called.clone();
            let emit = move || {
                socket
                    .timeout(LIMIT)
                    .emit_with_callback("disconnect", [], move |_| _ = called.send(()));
            };
            assert!(catch_unwind(AssertUnwindSafe(emit)).is_err());
        });
        connected(server.address).close();
        assert_eq!(next(&server.ends), end("/", "transport close"));
        assert!(calls.try_recv().is_err(), "the callback was registered"); // resolved before `disconnect`
    }

    #[test]
    fn added_after_the_disconnect_are_called_and_freed() {
        let (sender, reasons) = mpsc::channel();
        let (started, starts) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let witness = Arc::new(());
        let weak = Arc::downgrade(&witness);
        let witness = Mutex::new(Some(witness));
        let server = server(move |socket| {
            started.send(()).unwrap();
            _ = released.lock().unwrap().recv();
            let held = (socket.clone(), witness.lock().unwrap().take(), sender.clone());
            socket.on("disconnect", move |event| held.2.send(event.args.clone()).unwrap());
        });
        let mut client = Polling::open(server.address);
        client.send_get();
        client.send_post("40");
        next(&starts);
        assert!(client.received().starts_with("40{"));
        client.send_get();
        drop(client);
        until(|| server.handle.sessions() == 0);
        drop(release);
        let details = json!({"message": "poll connection closed prematurely"});
        assert_eq!(next(&reasons), ["transport error".into(), details]);
        drop(next(&server.sockets));
        until(|| weak.upgrade().is_none());
    }
}
