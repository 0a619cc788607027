//! One guest and the server: coming in, events, answers, and every way to part.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use sockets_by_hand::json;
use sockets_by_hand::socketio::namespace::ConnectError;
use sockets_by_hand::socketio::{AckError, Args, Options, Socket, Value};

use super::{assert_hears_nothing_else, come_in, enter, enter_polling, house, house_with};
use crate::common::{Connection, Frame, LIMIT, POLLING, Polling, WebSocket, next, retry, until};

fn end(namespace: &str, reason: &str) -> (String, String) {
    (namespace.to_string(), reason.to_string())
}

fn connect_timeout(time: Duration) -> Options {
    Options { connect_timeout: time, ..Options::default() }
}

mod coming_in {
    use super::*;

    #[test]
    fn who_asks_is_let_in_and_told_a_name() {
        let house = house(|socket| {
            socket.emit("auth", [socket.handshake().auth.clone()]);
        });
        for (asks, answer, auth) in [
            ("40", "40{", r#"42["auth",{}]"#),
            (r#"40{"token":"123"}"#, "40{", r#"42["auth",{"token":"123"}]"#),
            ("40/admin,", "40/admin,{", r#"42/admin,["auth",{}]"#),
            ("40/admin", "40/admin,{", r#"42/admin,["auth",{}]"#),
            (r#"40/admin,{"token":"abc"}"#, "40/admin,{", r#"42/admin,["auth",{"token":"abc"}]"#),
        ] {
            let mut guest = WebSocket::session(house.address);
            guest.send(asks);
            let answered = guest.text();
            let socket = next(&house.sockets);
            assert_eq!(answered, format!(r#"{answer}"sid":"{}"}}"#, socket.id()));
            assert_eq!(guest.text(), auth);
            assert!(socket.is_connected());
        }
    }

    #[test]
    fn a_guest_has_another_name_in_each_namespace() {
        let house = house(|_| {});
        let mut guest = WebSocket::open(house.address, crate::common::WEBSOCKET);
        let hello = guest.text();
        let names = [come_in(&mut guest, ""), come_in(&mut guest, "/admin,")];
        assert!(names.iter().all(|name| name.len() == 20 && !hello.contains(name)));
        assert_ne!(names[0], names[1]);
        assert_eq!(next(&house.sockets).rooms(), [names[0].as_str()]);
        assert_eq!(next(&house.sockets).namespace().name(), "/admin");
    }

    #[test]
    fn over_long_polling_it_is_the_same() {
        let house = house(|_| {});
        let mut guest = enter_polling(house.address);
        let socket = next(&house.sockets);
        assert_eq!(socket.transport(), "polling");
        guest.say(
            "42[\"echo\",1]\x1e452-[\"echo\",{\"_placeholder\":true,\"num\":1}]\x1ebAQ==\x1ebAg==",
        );
        assert_eq!(
            guest.poll(),
            "42[\"echo\",1]\x1e451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\x1ebAg=="
        );
        let mut websocket = guest.upgrade();
        assert_hears_nothing_else(&mut websocket);
        assert_eq!(socket.transport(), "websocket");
    }

    #[test]
    fn there_is_no_namespace_that_nobody_made() {
        let house = house(|_| {});
        let mut guest = WebSocket::session(house.address);
        for (asks, answer) in [
            ("40/random", r#"44/random,{"message":"Invalid namespace"}"#),
            ("40/admin/,{}", r#"44/admin/,{"message":"Invalid namespace"}"#),
            ("40/ADMIN,", r#"44/ADMIN,{"message":"Invalid namespace"}"#),
        ] {
            guest.send(asks);
            assert_eq!(guest.text(), answer);
        }
        come_in(&mut guest, "");
        assert_hears_nothing_else(&mut guest);
        house.io.of("random"); // from now on it is there
        come_in(&mut guest, "/random,");
    }

    #[test]
    fn a_doorkeeper_may_refuse_and_say_why() {
        let house = house(|_| {});
        house.io.use_middleware(|socket| match socket.handshake().auth["token"].as_str() {
            Some("swordfish") => Ok(()),
            Some(_) => Err("wrong".into()),
            None => Err(ConnectError {
                message: "who are \"you\"?".to_string(),
                data: Some(json!({"code": 7, "tries": [1, null]})),
            }),
        });
        let mut guest = WebSocket::session(house.address);
        guest.send("40");
        let answer = r#"44{"message":"who are \"you\"?","data":{"code":7,"tries":[1,null]}}"#;
        assert_eq!(guest.text(), answer);
        guest.send(r#"40{"token":"salmon"}"#);
        assert_eq!(guest.text(), r#"44{"message":"wrong"}"#);
        assert!(house.sockets.try_recv().is_err() && house.io.fetch_sockets().is_empty());
        come_in(&mut guest, "/admin,"); // another door
        guest.send(r#"40{"token":"swordfish"}"#);
        assert!(guest.text().starts_with("40{"));
        assert_hears_nothing_else(&mut guest);
    }

    #[test]
    fn doorkeepers_are_asked_in_order_until_one_refuses() {
        let house = house(|_| {});
        let asked = Arc::new(Mutex::new(Vec::new()));
        for n in 1..=3 {
            let asked = asked.clone();
            house.io.use_middleware(move |socket| {
                asked.lock().unwrap().push(n);
                let refuses = socket.handshake().auth["no"].as_f64() == Some(n.into());
                if refuses { Err("no".into()) } else { Ok(()) }
            });
        }
        let mut guest = WebSocket::session(house.address);
        guest.send(r#"40{"no":2}"#);
        assert_eq!(guest.text(), r#"44{"message":"no"}"#);
        come_in(&mut guest, "");
        assert_eq!(*asked.lock().unwrap(), [1, 2, 1, 2, 3]);
    }

    #[test]
    fn nothing_is_kept_of_a_guest_who_was_refused() {
        let house = house(|_| {});
        let witness = Arc::new(());
        let weak = Arc::downgrade(&witness);
        let witness = Mutex::new(Some(witness));
        house.io.use_middleware(move |socket| {
            let held = (socket.clone(), witness.lock().unwrap().take());
            socket.on("never", move |_| _ = &held);
            Err("no".into())
        });
        let mut guest = WebSocket::session(house.address);
        guest.send("40");
        assert_eq!(guest.text(), r#"44{"message":"no"}"#);
        guest.close();
        until(|| house.handle.sessions() == 0);
        until(|| weak.upgrade().is_none());
    }

    #[test]
    fn whose_session_ends_at_the_door_is_told_the_true_reason() {
        let house = house(|_| {});
        let (sender, reasons) = mpsc::channel();
        let handle = house.handle.clone();
        house.io.use_middleware(move |socket| {
            let sender = sender.clone();
            socket.on("disconnect", move |event| _ = sender.send(event.args[0].clone()));
            handle.close();
            Ok(())
        });
        let mut guest = WebSocket::session(house.address);
        guest.send("40");
        assert_eq!(next(&reasons), json!("server shutting down"));
    }

    #[test]
    fn who_speaks_where_they_are_not_is_sent_away() {
        let house = house(|_| {});
        house.io.of("/closed").use_middleware(|_| Err("no".into()));
        for said in [r#"42["echo"]"#, "430[]", "41", r#"42/admin,["echo"]"#, r#"42/no,["echo"]"#] {
            let mut guest = WebSocket::session(house.address);
            guest.send("40/closed");
            assert_eq!(guest.text(), r#"44/closed,{"message":"no"}"#);
            guest.send(said);
            assert_eq!(guest.read(), Frame::Close(1000), "{said}");
        }
        for said in [r#"42/admin,["echo"]"#, "41/admin", "43/admin,0[]", r#"44{"message":"no"}"#] {
            let mut guest = enter(house.address);
            guest.send(said);
            assert_eq!(guest.read(), Frame::Close(1000), "{said}");
            assert_eq!(next(&house.ends), end("/", "forced server close"));
        }
    }

    #[test]
    fn who_comes_in_twice_is_sent_away() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        come_in(&mut guest, "/admin,");
        guest.send("40");
        assert_eq!(guest.read(), Frame::Close(1000));
        let mut ends = [next(&house.ends), next(&house.ends)];
        ends.sort();
        assert_eq!(ends, [end("/", "forced server close"), end("/admin", "forced server close")]);
    }

    #[test]
    fn disconnect_says_in_its_details_that_the_client_was_too_slow() {
        let mut options = Options::default();
        options.engine.max_queued = 10_000;
        let (sender, ends) = mpsc::channel();
        let house = house_with(options, move |socket| {
            let sender = sender.clone();
            socket.on("disconnect", move |event| _ = sender.send(event.args.clone()));
            (0..3).for_each(|_| socket.emit("much", [json!("x".repeat(10_000))]));
        });
        let mut guest = Polling::open(house.address);
        guest.say("40");
        let details =
            json!({"message": "the client is too slow: more than 10000 bytes wait for it"});
        assert_eq!(next(&ends), Args(vec![json!("transport error"), details]));
    }

    #[test]
    fn a_client_that_provokes_refusals_and_takes_none_is_dropped() {
        let house = house(|_| {});
        let mut guest = Polling::open(house.address);
        guest.say(&["40/x,"; 1_000].join("\x1e"));
        guest.assert_forgotten();
    }

    #[test]
    fn a_client_that_takes_the_refusals_which_it_provokes_stays() {
        let house = house(|_| {});
        let mut guest = Polling::open(house.address);
        for _ in 0..20 {
            guest.say(&["40/x,"; 100].join("\x1e"));
            assert_eq!(guest.poll().split('\x1e').count(), 100);
        }
    }

    #[test]
    fn who_comes_in_nowhere_is_sent_away_in_time() {
        let house = house_with(connect_timeout(Duration::from_millis(20)), |_| {});
        let mut polling = Polling::open(house.address);
        assert_eq!(polling.poll(), "1");
        polling.assert_forgotten();
        assert_eq!(WebSocket::session(house.address).read(), Frame::Close(1000));
    }

    /// A session that has asked to be let in there, if it was answered so before its time was over.
    fn answered(address: SocketAddr, asks: &str, answer: &str) -> Option<WebSocket> {
        let mut guest = WebSocket::session(address);
        guest.send(asks);
        matches!(guest.read(), Frame::Text(text) if text.starts_with(answer)).then_some(guest)
    }

    #[test]
    fn who_is_refused_is_sent_away_in_time() {
        let house = house_with(connect_timeout(Duration::from_millis(250)), |_| {});
        let refusal = r#"44/random,{"message":"Invalid namespace"}"#;
        let mut refused = retry(|| answered(house.address, "40/random", refusal));
        assert_eq!(refused.read(), Frame::Close(1000));
    }

    #[test]
    fn who_is_in_is_not_sent_away_later() {
        let house = house_with(connect_timeout(Duration::from_millis(250)), |_| {});
        let mut inside = retry(|| answered(house.address, "40", "40{"));
        // One that came later is.
        assert_eq!(WebSocket::session(house.address).read(), Frame::Close(1000));
        assert_hears_nothing_else(&mut inside);
    }

    /// Middleware that ends with the time to join: the two race, and either may win.
    #[test]
    fn who_has_joined_is_not_sent_away_by_the_connect_timeout() {
        const TIME: Duration = Duration::from_millis(4);
        for round in 0..150 {
            let mut options = connect_timeout(TIME);
            let (open, opened) = mpsc::channel();
            options.engine.allow_request = Box::new(move |_| open.send(Instant::now()).is_ok());
            let house = house_with(options, |_| {});
            let opened = Mutex::new(opened);
            house.io.use_middleware(move |_| {
                let start = opened.lock().unwrap().recv().unwrap();
                let end = TIME + Duration::from_micros(round * 2);
                while start.elapsed() < end {
                    std::hint::spin_loop();
                }
                Ok(())
            });
            let mut client = WebSocket::session(house.address);
            client.send("40");
            match client.read() {
                Frame::Text(joined) if joined.starts_with("40{") => {
                    assert_hears_nothing_else(&mut client);
                }
                other => assert_eq!(other, Frame::Close(1000), "round {round}"),
            }
        }
    }

    #[test]
    fn a_doorkeeper_who_thinks_keeps_nobody_else_waiting() {
        let (go, may_go) = mpsc::channel::<()>();
        let may_go = Mutex::new(may_go);
        let house = house(|_| {});
        house.io.use_middleware(move |socket| {
            if socket.handshake().auth["slow"] == Value::Bool(true) {
                _ = may_go.lock().unwrap().recv();
            }
            Ok(())
        });
        let mut slow = WebSocket::session(house.address);
        slow.send(r#"40{"slow":true}"#);
        let mut quick = enter(house.address);
        assert_hears_nothing_else(&mut quick);
        house.io.emit("news", [1.into()]);
        assert_eq!(quick.text(), r#"42["news",1]"#);
        drop(go);
        assert!(slow.text().starts_with("40{")); // and none of the news from before
        assert_hears_nothing_else(&mut slow);
    }

    #[test]
    fn who_asks_twice_while_the_doorkeeper_thinks_leaves_nothing_behind() {
        let (begun, begins) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let may_go = Mutex::new(may_go);
        let house = house(|_| {});
        house.io.use_middleware(move |socket| {
            socket.join("tea");
            begun.send(socket.clone()).unwrap();
            if socket.handshake().auth["slow"] == Value::Bool(true) {
                _ = may_go.lock().unwrap().recv();
            }
            Ok(())
        });
        let mut guest = Polling::open(house.address);
        let target = guest.target();
        guest.says.request("POST", &target, "", r#"40{"slow":true}"#);
        let socket = next(&begins);
        let mut websocket = guest.upgrade();
        websocket.send("40"); // it waits until the first has been answered
        drop(go);
        assert!(websocket.text().starts_with("40{"));
        assert_eq!(websocket.read(), Frame::Close(1000));
        assert_eq!(next(&house.ends), end("/", "forced server close"));
        assert_eq!(guest.says.answer().status, 200);
        assert_eq!(socket.rooms(), [""; 0]);
    }

    #[test]
    fn a_doorkeeper_who_panics_leaves_nothing_behind() {
        let (came, sockets) = mpsc::channel();
        let house = house(|_| {});
        house.io.use_middleware(move |socket| {
            socket.join("tea");
            came.send(socket.clone()).unwrap();
            panic!("as the test wants it");
        });
        let mut guest = WebSocket::session(house.address);
        guest.send("40");
        assert_eq!(guest.read(), Frame::Close(1000));
        assert_eq!(next(&sockets).rooms(), [""; 0]);
    }

    #[test]
    fn who_leaves_while_the_doorkeeper_thinks_has_not_been_there() {
        let (begun, begins) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let may_go = Mutex::new(may_go);
        let house = house(|_| {});
        house.io.use_middleware(move |_| {
            begun.send(()).unwrap();
            _ = may_go.lock().unwrap().recv();
            Ok(())
        });
        let mut guest = Polling::open(house.address);
        guest.ask();
        let target = guest.target();
        guest.says.request("POST", &target, "", "40");
        next(&begins);
        drop(guest.asks);
        until(|| house.handle.sessions() == 0);
        drop(go);
        assert_eq!(guest.says.answer().status, 200);
        assert!(house.io.fetch_sockets().is_empty());
        assert!(house.sockets.try_recv().is_err());
    }

    #[test]
    fn the_server_knows_what_a_guest_came_with() {
        let house = house(|_| {});
        let mut connection = Connection::open(house.address);
        connection.request("GET", &format!("{POLLING}&room=tea%26milk"), "X-Who: Ann\r\n", "");
        let hello = connection.answer().body;
        let target = format!("{POLLING}&sid={}", hello.split('"').nth(3).unwrap());
        assert_eq!(connection.post(&target, r#"40{"token":1}"#).short(), (200, "ok"));
        let socket = next(&house.sockets);
        let handshake = socket.handshake();
        assert_eq!(handshake.request.query("room").as_deref(), Some("tea&milk"));
        assert_eq!(handshake.request.headers.get("x-who"), Some("Ann"));
        assert_eq!(*handshake.auth, json!({"token": 1}));
        assert!(handshake.address.is_some_and(|address| address.ip().is_loopback()));
    }

    #[test]
    fn the_server_may_note_something_about_a_guest() {
        let house = house(|socket| {
            socket.on("call me", |event| {
                event.socket.set_data(json!({"name": event.args[0].clone()}));
                event.ack([]);
            });
        });
        let mut guest = enter(house.address);
        let socket = next(&house.sockets);
        assert_eq!(socket.data(), json!({}));
        guest.send(r#"420["call me","Ann"]"#);
        assert_eq!(guest.text(), "430[]");
        assert_eq!(socket.data(), json!({"name": "Ann"}));
        assert_eq!(house.io.fetch_sockets()[0].data()["name"].as_str(), Some("Ann"));
    }
}

mod events {
    use super::*;

    #[test]
    fn come_back_as_they_came() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        for event in [
            r#"42["echo"]"#,
            r#"42["echo",1,"2",{"3":[true]}]"#,
            r#"42["echo",null,-1.5,"Grüße € 😀"]"#,
            r#"42["echo",{"_placeholder":true,"num":0}]"#,
        ] {
            guest.send(event);
            assert_eq!(guest.text(), event);
        }
        let event = r#"452-["echo",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]"#;
        guest.send(event);
        guest.send_bytes(&[1, 2, 3]);
        guest.send_bytes(&[]);
        assert_eq!(guest.text(), event);
        assert_eq!(guest.read(), Frame::Binary(vec![1, 2, 3]));
        assert_eq!(guest.read(), Frame::Binary(vec![]));
    }

    #[test]
    fn of_one_namespace_are_not_heard_in_another() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        come_in(&mut guest, "/admin,");
        guest.send(r#"42/admin,["echo","a"]"#);
        guest.send(r#"42["echo","b"]"#);
        assert_eq!(guest.text(), r#"42/admin,["echo","a"]"#);
        assert_eq!(guest.text(), r#"42["echo","b"]"#);
        house.io.of("admin").emit("news", [1.into()]);
        house.io.emit("news", [2.into()]);
        assert_eq!(guest.text(), r#"42/admin,["news",1]"#);
        assert_eq!(guest.text(), r#"42["news",2]"#);
    }

    #[test]
    fn that_nobody_listens_to_do_no_harm() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        guest.send(r#"42["nobody listens",1]"#);
        guest.send(r#"427["nobody listens",1]"#);
        assert_hears_nothing_else(&mut guest);
    }

    #[test]
    fn are_told_to_those_who_listen_to_all_first_and_to_those_who_listen_once_once() {
        let house = house(|socket| {
            socket.on_any(|event| event.socket.emit("any", [Value::from(&event.name)]));
            socket.once("hello", |event| event.socket.emit("once", &event.args));
            let off = socket.on("hello", |event| event.socket.emit("off", &event.args));
            socket.off(off);
            let off = socket.on_any(|event| event.socket.emit("off", &event.args));
            socket.off_any(off);
        });
        let mut guest = enter(house.address);
        guest.send(r#"42["hello",1]"#);
        guest.send(r#"42["hello",2]"#);
        for expected in [r#"42["any","hello"]"#, r#"42["once",1]"#, r#"42["any","hello"]"#] {
            assert_eq!(guest.text(), expected);
        }
        guest.send("41"); // its end is no event that the guest emitted
        assert_eq!(next(&house.ends), end("/", "client namespace disconnect"));
    }

    #[test]
    fn with_eleven_attachments_are_refused_at_the_sender_and_the_receivers_stay() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        let mut images: Vec<Value> = vec![b"x"[..].into(); 10];
        house.io.emit("ten", &images);
        assert!(guest.text().starts_with(r#"4510-["ten","#));
        (0..10).for_each(|_| assert_eq!(guest.read(), Frame::Binary(b"x".to_vec())));
        images.push(b"x"[..].into());
        let nested = [json!({"images": images})];
        let panicked = catch_unwind(AssertUnwindSafe(|| house.io.emit("eleven", &nested)));
        let message = panicked.unwrap_err();
        let message = message.downcast_ref::<String>().unwrap();
        assert_eq!(message, "11 attachments in one packet: at most 10 are taken");
        assert_hears_nothing_else(&mut guest);
    }

    #[test]
    fn whose_attachments_never_come_end_the_session() {
        let time = Duration::from_millis(50);
        let house = house_with(Options { attachment_timeout: time, ..Options::default() }, |_| {});
        let mut guest = enter(house.address);
        guest.send(r#"451-["picture",{"_placeholder":true,"num":0}]"#);
        assert_eq!(next(&house.ends), end("/", "parse error"));
    }

    #[test]
    fn an_argument_that_was_not_sent_is_null() {
        let house = house(|socket| {
            socket.on("second", |event| event.ack([event.args[1].clone()]));
            socket.on("rest", |event| event.ack(&event.args[2..]));
        });
        let mut guest = enter(house.address);
        guest.send(r#"421["second",1]"#);
        assert_eq!(guest.text(), "431[null]");
        guest.send(r#"422["rest",1]"#);
        assert_eq!(guest.text(), "432[]");
        guest.send(r#"423["rest",1,2,3,4]"#);
        assert_eq!(guest.text(), "433[3,4]");
    }

    #[test]
    fn are_answered_if_an_answer_is_wanted_and_once() {
        let house = house(|socket| {
            socket.on("twice", |event| {
                event.ack([event.wants_ack().into()]);
                event.ack(["again".into()]);
            });
        });
        let mut guest = enter(house.address);
        for (event, answer) in [
            (r#"420["ask"]"#, "430[]"),
            (r#"4212["ask",1,{"2":[false]}]"#, r#"4312[1,{"2":[false]}]"#),
            (r#"420["twice"]"#, "430[true]"),
            (r#"429007199254740991["ask"]"#, "439007199254740991[]"),
        ] {
            guest.send(event);
            assert_eq!(guest.text(), answer);
        }
        guest.send(r#"42["ask",1]"#);
        guest.send(r#"42["twice"]"#);
        assert_hears_nothing_else(&mut guest);
        guest.send(r#"451-7["ask",{"_placeholder":true,"num":0}]"#);
        guest.send_bytes(&[1, 2]);
        assert_eq!(guest.text(), r#"461-7[{"_placeholder":true,"num":0}]"#);
        assert_eq!(guest.read(), Frame::Binary(vec![1, 2]));
        come_in(&mut guest, "/admin,");
        guest.send(r#"42/admin,5["ask",1]"#);
        assert_eq!(guest.text(), "43/admin,5[1]");
    }

    #[test]
    fn may_be_answered_later_and_by_another_thread() {
        let house = house(|socket| {
            socket.on("later", |event| {
                let id = event.args[0].clone();
                let socket = event.socket.clone();
                thread::spawn(move || socket.emit("done", [id]));
            });
        });
        let mut guest = enter(house.address);
        guest.send(r#"42["later",1]"#);
        assert_eq!(guest.text(), r#"42["done",1]"#);
    }

    #[test]
    fn that_cannot_leave_at_once_may_be_lost_if_they_are_volatile() {
        let house = house(|_| {});
        let mut guest = enter_polling(house.address);
        let socket = next(&house.sockets);
        socket.emit_volatile("lost", []);
        house.io.everyone().volatile().emit("lost", []);
        socket.emit("kept", []);
        assert_eq!(guest.poll(), r#"42["kept"]"#);
        // Once a GET waits, they can; nobody is told when it does.
        for emit in [
            Box::new(|| socket.emit_volatile("heard", [])) as Box<dyn Fn()>,
            Box::new(|| house.io.everyone().volatile().emit("heard", [])),
        ] {
            guest.ask();
            let heard = thread::scope(|scope| {
                let hearing = scope.spawn(|| guest.heard());
                until(|| {
                    emit();
                    hearing.is_finished()
                });
                hearing.join().unwrap()
            });
            assert_eq!(heard, r#"42["heard"]"#);
        }
        // A WebSocket can, unless a thread is still writing what came before: on Windows one always does.
        let mut websocket = enter(house.address);
        let socket = next(&house.sockets);
        let heard = thread::scope(|scope| {
            let hearing = scope.spawn(|| websocket.text());
            until(|| {
                socket.emit_volatile("at once", []);
                hearing.is_finished()
            });
            hearing.join().unwrap()
        });
        assert_eq!(heard, r#"42["at once"]"#);
    }
}

mod answers_of_the_guest {
    use super::*;

    type Answers = mpsc::Receiver<Result<Args, AckError>>;

    /// Asks the guest something, and returns what it will answer.
    fn ask(socket: &Socket, time: Duration) -> Answers {
        let (sender, receiver) = mpsc::channel();
        socket.emit_with_ack("ask", ["?".into()], time, move |a| sender.send(a).unwrap());
        receiver
    }

    #[test]
    fn come_to_whoever_asked() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        let socket = next(&house.sockets);
        let (first, second) = (ask(&socket, LIMIT), ask(&socket, LIMIT));
        assert_eq!(guest.text(), r#"420["ask","?"]"#);
        assert_eq!(guest.text(), r#"421["ask","?"]"#);
        guest.send(r#"461-1[{"_placeholder":true,"num":0}]"#);
        guest.send_bytes(b"bytes");
        guest.send(r#"430["yes",1]"#);
        assert_eq!(next(&second), Ok(Args(vec![b"bytes"[..].into()])));
        assert_eq!(next(&first), Ok(Args(vec!["yes".into(), 1.into()])));
    }

    #[test]
    fn that_nobody_awaits_do_no_harm() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        let answer = ask(&next(&house.sockets), LIMIT);
        assert_eq!(guest.text(), r#"420["ask","?"]"#);
        guest.send("437[]");
        guest.send("430[1]");
        guest.send("430[2]");
        assert_hears_nothing_else(&mut guest);
        assert_eq!(next(&answer), Ok(Args(vec![1.into()])));
        assert!(answer.recv().is_err());
    }

    #[test]
    fn that_will_not_come_are_told_on_another_thread_than_asked() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        let socket = next(&house.sockets);
        guest.close();
        next(&house.ends);
        let (sender, called) = mpsc::channel();
        socket.emit_with_ack("ask", [], LIMIT, move |answer| {
            sender.send((answer, thread::current().id())).unwrap();
        });
        let (answer, on) = next(&called);
        assert_eq!(answer, Err(AckError::Disconnected));
        assert_ne!(on, thread::current().id());
    }

    #[test]
    fn to_what_may_not_be_asked_are_not_awaited() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        let socket = next(&house.sockets);
        for (name, values) in [("disconnect", vec![]), ("ask", vec![b"x"[..].into(); 11])] {
            let (sender, called) = mpsc::channel();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                socket
                    .emit_with_ack(name, values, Duration::ZERO, move |_| sender.send(()).unwrap());
            }));
            assert!(panicked.is_err());
            assert_eq!(called.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
        }
        assert_hears_nothing_else(&mut guest);
    }

    #[test]
    fn that_come_too_late_do_no_harm() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        let answer = ask(&next(&house.sockets), Duration::from_millis(5));
        assert_eq!(guest.text(), r#"420["ask","?"]"#);
        assert_eq!(next(&answer), Err(AckError::Timeout));
        guest.send("430[1]");
        assert_hears_nothing_else(&mut guest);
        assert!(answer.recv().is_err());
    }

    #[test]
    fn are_not_awaited_of_one_who_has_gone() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        let socket = next(&house.sockets);
        let answer = ask(&socket, LIMIT);
        assert_eq!(guest.text(), r#"420["ask","?"]"#);
        guest.send("41");
        assert_eq!(next(&answer), Err(AckError::Disconnected));
        assert_eq!(next(&house.ends), end("/", "client namespace disconnect"));
        assert_eq!(next(&ask(&socket, LIMIT)), Err(AckError::Disconnected));
    }

    #[test]
    fn of_one_namespace_are_not_those_of_another() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        let main = next(&house.sockets);
        come_in(&mut guest, "/admin,");
        let admin = next(&house.sockets);
        let (main, admin) = (ask(&main, LIMIT), ask(&admin, LIMIT));
        assert_eq!(guest.text(), r#"420["ask","?"]"#);
        assert_eq!(guest.text(), r#"42/admin,0["ask","?"]"#);
        guest.send(r#"43/admin,0["admin"]"#);
        guest.send(r#"430["main"]"#);
        assert_eq!(next(&main), Ok(Args(vec!["main".into()])));
        assert_eq!(next(&admin), Ok(Args(vec!["admin".into()])));
    }
}

mod parting {
    use super::*;

    #[test]
    fn a_guest_may_leave_a_namespace_and_stay_in_the_others() {
        let house = house(|_| {});
        let mut guest = enter(house.address);
        come_in(&mut guest, "/admin,");
        let (_, admin) = (next(&house.sockets), next(&house.sockets));
        guest.send("41/admin,");
        assert_eq!(next(&house.ends), end("/admin", "client namespace disconnect"));
        assert!(!admin.is_connected() && house.io.of("/admin").fetch_sockets().is_empty());
        assert_hears_nothing_else(&mut guest);
        come_in(&mut guest, "/admin,"); // and come back
        assert_ne!(next(&house.sockets).id(), admin.id());
        guest.send("41");
        assert_eq!(next(&house.ends), end("/", "client namespace disconnect"));
        guest.send(r#"42/admin,["echo"]"#);
        assert_eq!(guest.text(), r#"42/admin,["echo"]"#);
    }

    #[test]
    fn a_guest_may_be_sent_out_of_a_namespace_and_stay_in_the_others() {
        let house = house(|socket| {
            socket.on("out", |event| {
                event.socket.emit("bye", []);
                event.socket.disconnect(false);
                event.socket.disconnect(false);
            });
        });
        let mut guest = enter(house.address);
        come_in(&mut guest, "/admin,");
        guest.send(r#"42/admin,["out"]"#);
        assert_eq!(guest.text(), r#"42/admin,["bye"]"#);
        assert_eq!(guest.text(), "41/admin,");
        assert_eq!(next(&house.ends), end("/admin", "server namespace disconnect"));
        assert_hears_nothing_else(&mut guest);
    }

    #[test]
    fn a_guest_may_be_sent_away_altogether() {
        let house = house(|socket| {
            socket.on("away", |event| event.socket.disconnect(true));
        });
        let mut guest = enter(house.address);
        come_in(&mut guest, "/admin,");
        guest.send(r#"42["away"]"#);
        let mut said = [guest.text(), guest.text()];
        said.sort();
        assert_eq!(said, ["41", "41/admin,"]);
        assert_eq!(guest.read(), Frame::Close(1000));
        assert_eq!(guest.read(), Frame::End);
        let mut ends = [next(&house.ends), next(&house.ends)];
        ends.sort();
        let reason = "server namespace disconnect";
        assert_eq!(ends, [end("/", reason), end("/admin", reason)]);

        let mut guest = enter_polling(house.address);
        guest.say(r#"42["away"]"#);
        assert_eq!(guest.poll(), "41");
        assert_eq!(guest.poll(), "1");
        guest.assert_forgotten();
    }

    #[test]
    fn the_server_is_told_why_a_guest_has_gone() {
        let mut options = Options::default();
        options.engine.max_payload = 100;
        let house = house_with(options, |_| {});
        let address = house.address;
        let reason_after = |leave: fn(WebSocket)| {
            leave(enter(address));
            next(&house.ends).1
        };
        assert_eq!(reason_after(drop), "transport close");
        assert_eq!(reason_after(|mut guest| guest.close()), "transport close");
        assert_eq!(reason_after(|mut guest| guest.send("1")), "transport close");
        assert_eq!(reason_after(|mut guest| guest.send("41")), "client namespace disconnect");
        assert_eq!(reason_after(|mut guest| guest.send("40")), "forced server close");
        assert_eq!(reason_after(|mut guest| guest.send("4nonsense")), "parse error");
        assert_eq!(reason_after(|mut guest| guest.send("nonsense")), "parse error");
        assert_eq!(reason_after(|mut guest| guest.send(&"4".repeat(101))), "transport error");

        let mut guest = enter_polling(address);
        guest.say("1");
        assert_eq!(next(&house.ends).1, "transport close");
        let mut guest = enter_polling(address);
        guest.ask();
        drop(guest);
        assert_eq!(next(&house.ends).1, "transport error");
        while house.sockets.try_recv().is_ok() {}
        let mut guest = enter(address);
        next(&house.sockets);
        house.handle.close();
        assert_eq!(next(&house.ends).1, "server shutting down");
        assert_eq!(guest.read(), Frame::Close(1000));
    }

    #[test]
    fn a_guest_that_gives_no_sign_of_life_is_cut_off() {
        let mut options = Options::default();
        options.engine.ping_interval = Duration::from_millis(200);
        options.engine.ping_timeout = Duration::from_millis(20);
        let house = house_with(options, |_| {});
        // It is in before its first ping, if this machine is quick enough.
        let mut guest = retry(|| {
            let mut guest = WebSocket::session(house.address);
            guest.send("40");
            matches!(guest.read(), Frame::Text(text) if text.starts_with("40{")).then_some(guest)
        });
        assert_eq!(guest.text(), "2");
        assert_eq!(guest.read(), Frame::End);
        assert_eq!(next(&house.ends), end("/", "ping timeout"));
        until(|| house.handle.sessions() == 0);
        while house.ends.try_recv().is_ok() {}
        let _guest = retry(|| {
            let mut guest = Polling::open(house.address);
            let target = guest.target();
            (guest.says.post(&target, "40").status == 200).then_some(guest)
        });
        assert_eq!(next(&house.ends), end("/", "ping timeout"));
    }

    #[test]
    fn every_kind_of_nonsense_ends_its_own_sender_alone() {
        let house = house(|_| {});
        let mut stays = enter(house.address);
        let bytes = |guest: &mut WebSocket| guest.send_bytes(&[1]);
        let waits =
            |guest: &mut WebSocket| guest.send(r#"451-["echo",{"_placeholder":true,"num":0}]"#);
        type Say = Box<dyn Fn(&mut WebSocket)>;
        let mut nonsense: Vec<Say> = vec![
            Box::new(bytes),
            Box::new(move |guest| {
                waits(guest);
                guest.send(r#"42["echo"]"#);
            }),
            Box::new(move |guest| {
                waits(guest);
                bytes(guest);
                bytes(guest);
            }),
            Box::new(move |guest| {
                guest.send(r#"451-["echo",{"_placeholder":true,"num":1}]"#);
                bytes(guest);
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
            nonsense.push(Box::new(move |guest| guest.send(text)));
        }
        for (n, speak) in nonsense.iter().enumerate() {
            let mut guest = enter(house.address);
            speak(&mut guest);
            loop {
                match guest.read() {
                    Frame::Close(code) => break assert_eq!(code, 1000, "nonsense {n}"),
                    Frame::End => panic!("nonsense {n}: no goodbye"),
                    _ => {} // what made sense before it was answered
                }
            }
            assert_eq!(next(&house.ends), end("/", "parse error"), "nonsense {n}");
            assert_hears_nothing_else(&mut stays);
        }
        let mut guest = enter_polling(house.address);
        guest.say("4nonsense");
        assert_eq!(next(&house.ends), end("/", "parse error"));
        assert_hears_nothing_else(&mut stays);
    }

    #[test]
    fn a_guest_that_is_leaving_is_still_in_its_rooms_and_one_that_has_left_in_none() {
        let (told, tells) = mpsc::channel();
        let house = house(move |socket| {
            for name in ["disconnecting", "disconnect"] {
                let told = told.clone();
                socket.on(name, move |event| {
                    let in_room = event.socket.namespace().to("tea").fetch_sockets().len();
                    event.socket.join("too late");
                    let rooms = event.socket.rooms().len();
                    told.send((event.name.clone(), event.args.to_vec(), in_room, rooms)).unwrap();
                });
            }
        });
        let mut guest = enter(house.address);
        guest.send(r#"420["join","tea"]"#);
        assert_eq!(guest.text(), "430[]");
        let socket = next(&house.sockets);
        guest.close();
        let reason = vec![Value::from("transport close")];
        assert_eq!(next(&tells), ("disconnecting".to_string(), reason.clone(), 1, 3));
        assert_eq!(next(&tells), ("disconnect".to_string(), reason, 0, 0));
        until(|| house.handle.sessions() == 0);
        socket.join("tea");
        socket.emit("to nobody", []);
        socket.disconnect(true);
        assert!(socket.rooms().is_empty() && house.io.to("tea").fetch_sockets().is_empty());
        assert!(tells.try_recv().is_err(), "the end was told twice");
    }
}

mod handlers {
    use super::*;

    #[test]
    fn that_panic_end_their_own_guest_alone() {
        let house = house(|socket| {
            if socket.handshake().auth["panic"] == Value::Bool(true) {
                panic!("as the test wants it");
            }
            socket.on("panic", |_| panic!("as the test wants it"));
        });
        let mut stays = enter(house.address);
        let mut guest = enter(house.address);
        come_in(&mut guest, "/admin,");
        guest.send(r#"42["panic"]"#);
        assert_eq!(guest.read(), Frame::Close(1000));
        let mut ends = [next(&house.ends), next(&house.ends)];
        ends.sort();
        assert_eq!(ends, [end("/", "forced close"), end("/admin", "forced close")]);
        let mut guest = WebSocket::session(house.address);
        guest.send(r#"40{"panic":true}"#);
        assert!(guest.text().starts_with("40{"));
        assert_eq!(guest.read(), Frame::Close(1000));
        assert_eq!(next(&house.ends), end("/", "forced close"));
        assert_hears_nothing_else(&mut stays);
        until(|| house.handle.sessions() == 1);
        assert_eq!(house.io.fetch_sockets().len(), 1);
    }

    #[test]
    fn that_panic_at_the_end_leave_nobody_behind() {
        let house = house(|socket| {
            socket.on("disconnecting", |_| panic!("as the test wants it"));
        });
        let mut guest = enter(house.address);
        come_in(&mut guest, "/admin,");
        guest.close();
        until(|| house.handle.sessions() == 0);
        until(|| house.io.fetch_sockets().is_empty());
        until(|| house.io.of("/admin").fetch_sockets().is_empty());
    }

    #[test]
    fn that_take_their_time_keep_nobody_else_waiting() {
        let (go, may_go) = mpsc::channel::<()>();
        let may_go = Arc::new(Mutex::new(may_go));
        let (begun, begins) = mpsc::channel();
        let house = house(move |socket| {
            let (may_go, begun) = (may_go.clone(), begun.clone());
            socket.on("work", move |event| {
                begun.send(()).unwrap();
                _ = may_go.lock().unwrap().recv();
                event.ack(["done".into()]);
            });
        });
        let (mut slow, mut quick) = (enter(house.address), enter(house.address));
        slow.send(r#"420["work"]"#);
        slow.send(r#"421["ask"]"#); // its own thread works: this waits
        next(&begins);
        assert_hears_nothing_else(&mut quick);
        house.io.emit("news", [1.into()]);
        assert_eq!(quick.text(), r#"42["news",1]"#);
        assert_eq!(slow.text(), r#"42["news",1]"#);
        drop(go);
        assert_eq!(slow.text(), r#"430["done"]"#);
        assert_eq!(slow.text(), "431[]");
    }

    #[test]
    fn that_send_their_own_guest_away_return_and_nothing_follows() {
        let returned = Arc::new(AtomicUsize::new(0));
        let house = house({
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
        let mut guest = enter(house.address);
        guest.send(r#"420["away"]"#);
        guest.send(r#"421["away"]"#);
        assert_eq!(guest.text(), "41");
        assert_eq!(guest.read(), Frame::Close(1000));
        assert_eq!(guest.read(), Frame::End);
        until(|| house.handle.sessions() == 0);
        until(|| returned.load(Ordering::Relaxed) == 1);
        until(|| house.io.to("tea").fetch_sockets().is_empty());
    }

    #[test]
    fn that_emit_while_two_guests_leave_do_not_wait_for_each_other() {
        let house = house(|socket| {
            socket.on("disconnect", |event| event.socket.namespace().emit("left", &event.args));
            socket.on("everybody out", |event| event.socket.namespace().disconnect_sockets(true));
        });
        let mut guests: Vec<_> = (0..5).map(|_| enter(house.address)).collect();
        guests[0].send(r#"42["everybody out"]"#);
        for guest in &mut guests {
            while guest.read() != Frame::End {}
        }
        until(|| house.handle.sessions() == 0);
        until(|| house.io.fetch_sockets().is_empty());
    }

    /// A lock of the user's own, which a listener takes, and under which its client is sent away.
    #[test]
    fn disconnect_may_be_called_under_a_lock_that_its_listeners_take() {
        for close in [false, true] {
            let players = Arc::new(Mutex::new(0));
            let house = house({
                let players = players.clone();
                move |socket| {
                    let leaves = players.clone();
                    socket.on("disconnect", move |_| *leaves.lock().unwrap() += 1);
                    let players = players.clone();
                    socket.on("leave me", move |event| {
                        let _players = players.lock().unwrap();
                        event.socket.disconnect(close);
                    });
                }
            });
            let mut clients: Vec<_> = (0..3).map(|_| enter(house.address)).collect();
            let (io, first) = (house.io.clone(), next(&house.sockets));
            clients[2].send(r#"42["leave me"]"#);
            assert_eq!(clients[2].text(), "41");
            next(&house.ends);
            until(|| *players.lock().unwrap() == 1);
            let (told, tells) = mpsc::channel();
            let held = players.clone();
            thread::spawn(move || {
                let players = held.lock().unwrap();
                first.disconnect(close);
                assert!(!first.is_connected());
                io.disconnect_sockets(close);
                told.send(*players).unwrap();
            });
            assert_eq!(next(&tells), 1);
            (0..2).for_each(|_| _ = next(&house.ends));
            until(|| *players.lock().unwrap() == 3);
        }
    }

    #[test]
    fn disconnect_listener_that_panics_keeps_no_other_from_being_called() {
        for name in ["disconnecting", "disconnect"] {
            let (told, tells) = mpsc::channel();
            let house = house(move |socket| {
                socket.on(name, |_| panic!("as the test wants it"));
                let told = told.clone();
                socket.on(name, move |event| told.send(event.name.clone()).unwrap());
            });
            enter(house.address).close();
            assert_eq!(next(&tells), name);
        }
    }

    #[test]
    fn that_emit_under_a_reserved_name_panic_and_await_no_answer() {
        let (called, calls) = mpsc::channel();
        let house = house(move |socket| {
            let called = called.clone();
            let ask = move || {
                socket.emit_with_ack("disconnect", [], LIMIT, move |_| _ = called.send(()));
            };
            assert!(catch_unwind(AssertUnwindSafe(ask)).is_err());
        });
        enter(house.address).close();
        assert_eq!(next(&house.ends), end("/", "transport close"));
        assert!(calls.try_recv().is_err(), "an answer was awaited"); // told before the `disconnect`
    }

    #[test]
    fn that_listen_to_a_guest_who_has_left_meanwhile_hear_of_it_and_are_forgotten() {
        let (told, tells) = mpsc::channel();
        let (begun, begins) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let may_go = Mutex::new(may_go);
        let witness = Arc::new(());
        let weak = Arc::downgrade(&witness);
        let witness = Mutex::new(Some(witness));
        let house = house(move |socket| {
            begun.send(()).unwrap();
            _ = may_go.lock().unwrap().recv();
            let held = (socket.clone(), witness.lock().unwrap().take(), told.clone());
            socket.on("disconnect", move |event| held.2.send(event.args.clone()).unwrap());
        });
        let mut guest = Polling::open(house.address);
        guest.ask();
        let target = guest.target();
        guest.says.request("POST", &target, "", "40");
        next(&begins);
        assert!(guest.heard().starts_with("40{"));
        guest.ask();
        drop(guest);
        until(|| house.handle.sessions() == 0);
        drop(go);
        assert_eq!(next(&tells), ["transport error".into()]);
        drop(next(&house.sockets));
        until(|| weak.upgrade().is_none());
    }
}
