//! The parts that need no socket: packets, attachments, rooms, awaited acknowledgements.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use sockets_by_hand::json;
use sockets_by_hand::socketio::acks::Acks;
use sockets_by_hand::socketio::codec::{DecodeError, Decoded, Decoder, encode};
use sockets_by_hand::socketio::packet::{Kind, Packet};
use sockets_by_hand::socketio::rooms::Rooms;
use sockets_by_hand::socketio::{AckError, Args, Value};
use sockets_by_hand::ws::Message;

use crate::common::{LIMIT, next};

const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;

mod packets {
    use super::*;

    fn packet(kind: Kind, namespace: &'static str, data: &'static str) -> Packet<'static> {
        Packet::new(kind, namespace, data)
    }

    #[test]
    fn a_packet_is_a_prefix_and_json() {
        for (wire, packet) in [
            ("0", packet(Kind::Connect, "/", "")),
            (r#"0{"sid":"x"}"#, packet(Kind::Connect, "/", r#"{"sid":"x"}"#)),
            ("0/admin,", packet(Kind::Connect, "/admin", "")),
            (r#"0/admin,{"a":1}"#, packet(Kind::Connect, "/admin", r#"{"a":1}"#)),
            ("1", packet(Kind::Disconnect, "/", "")),
            ("1/admin,", packet(Kind::Disconnect, "/admin", "")),
            (r#"2["a",1]"#, packet(Kind::Event, "/", r#"["a",1]"#)),
            (r#"2/a/b-c,["a"]"#, packet(Kind::Event, "/a/b-c", r#"["a"]"#)),
            (r#"20["a"]"#, Packet { id: Some(0), ..packet(Kind::Event, "/", r#"["a"]"#) }),
            (
                r#"2/admin,456["project:delete",123]"#,
                Packet {
                    id: Some(456),
                    ..packet(Kind::Event, "/admin", r#"["project:delete",123]"#)
                },
            ),
            ("3/admin,456[]", Packet { id: Some(456), ..packet(Kind::Ack, "/admin", "[]") }),
            (
                r#"4/admin,{"message":"Not authorized"}"#,
                packet(Kind::ConnectError, "/admin", r#"{"message":"Not authorized"}"#),
            ),
            ("50-[]", packet(Kind::BinaryEvent, "/", "[]")),
            ("51-[]", Packet { attachments: 1, ..packet(Kind::BinaryEvent, "/", "[]") }),
            (
                "512-/admin,7[1]",
                Packet {
                    attachments: 12,
                    id: Some(7),
                    ..packet(Kind::BinaryEvent, "/admin", "[1]")
                },
            ),
            (
                "61-/admin,456[{}]",
                Packet {
                    attachments: 1,
                    id: Some(456),
                    ..packet(Kind::BinaryAck, "/admin", "[{}]")
                },
            ),
            (
                "29007199254740991[]",
                Packet { id: Some(9_007_199_254_740_991), ..packet(Kind::Event, "/", "[]") },
            ),
        ] {
            assert_eq!(Packet::parse(wire), Some(packet));
            assert_eq!(packet.encode(), wire);
        }
    }

    #[test]
    fn a_namespace_with_nothing_behind_it_needs_no_comma() {
        assert_eq!(Packet::parse("0/admin"), Some(packet(Kind::Connect, "/admin", "")));
        assert_eq!(Packet::parse("1/"), Some(packet(Kind::Disconnect, "/", "")));
        assert_eq!(Packet::parse("2/,[1]"), Some(packet(Kind::Event, "/", "[1]")));
    }

    #[test]
    fn a_malformed_packet_is_refused() {
        for wire in [
            "",
            "7",
            "9",
            "a",
            "-1",
            " 2[]",
            "é",
            "\u{1F600}",
            "5",
            "5[]",
            "5-[]",
            "51[]",
            "5a-[]",
            "5+1-[]",
            "5 1-[]",
            "5-1-[]",
            "51.0-[]",
            "6[]",
            "5/admin,1-[]",
            // more than JavaScript can count
            "29007199254740992[]",
            "299999999999999999999999[]",
            "59007199254740992-[]",
        ] {
            assert_eq!(Packet::parse(wire), None, "{wire:?}");
        }
    }
}

mod decoder {
    use super::*;

    /// The packet that these messages make, the last of which completes it.
    #[track_caller]
    fn decoded(messages: impl IntoIterator<Item = Message>) -> Result<Decoded, DecodeError> {
        let mut decoder = Decoder::default();
        let mut last = Ok(None);
        for message in messages {
            assert_eq!(last, Ok(None), "nothing was to come before the last message");
            last = decoder.add(message);
        }
        last.map(|decoded| decoded.expect("the packet is not whole"))
    }

    fn text(text: &str) -> Result<Decoded, DecodeError> {
        decoded([Message::from(text)])
    }

    fn with_bytes<const N: usize>(text: &str, bytes: [&[u8]; N]) -> Result<Decoded, DecodeError> {
        let bytes = bytes.into_iter().map(|bytes| Message::Binary(bytes.to_vec()));
        decoded([Message::from(text)].into_iter().chain(bytes))
    }

    fn binary(bytes: &[u8]) -> Value {
        Value::Binary(bytes.to_vec())
    }

    #[test]
    fn decodes_every_legal_packet() {
        let packet = |kind, namespace: &str, id, values: Value| {
            let values = values.as_array().unwrap().to_vec();
            Ok(Decoded { kind, namespace: namespace.to_string(), id, values })
        };
        for (wire, expected) in [
            ("0", packet(Kind::Connect, "/", None, json!([]))),
            (
                r#"0/admin,{"token":1}"#,
                packet(Kind::Connect, "/admin", None, json!([{"token": 1}])),
            ),
            ("1/admin,", packet(Kind::Disconnect, "/admin", None, json!([]))),
            (r#"2["a"]"#, packet(Kind::Event, "/", None, json!(["a"]))),
            (r#"2[""]"#, packet(Kind::Event, "/", None, json!([""]))),
            (
                r#"2/admin,3["a",1,[null],{"b":true}]"#,
                packet(Kind::Event, "/admin", Some(3), json!(["a", 1, [null], {"b": true}])),
            ),
            ("30[]", packet(Kind::Ack, "/", Some(0), json!([]))),
            ("3[1]", packet(Kind::Ack, "/", None, json!([1]))),
            (
                r#"4{"message":"no"}"#,
                packet(Kind::ConnectError, "/", None, json!([{"message": "no"}])),
            ),
            (r#"4"no""#, packet(Kind::ConnectError, "/", None, json!(["no"]))),
        ] {
            assert_eq!(text(wire), expected, "{wire}");
        }
    }

    #[test]
    fn refuses_illegal_packets() {
        for wire in [
            "",
            "7",
            "hello",
            "2",
            "20",
            "2{}",
            r#"2"a""#,
            "2[]",
            "2[null]",
            "2[{}]",
            r#"2[["a"]]"#,
            "2[true]",
            "2null",
            r#"2["a""#,
            r#"2["a"]]"#,
            r#"2["a",]"#,
            r#"2['a']"#,
            "3",
            "30",
            "30{}",
            "30null",
            r#"30"a""#,
            "0[]",
            "0null",
            "0[",
            r#"0"token""#,
            "0{",
            "1{}",
            "1[]",
            "1null",
            "4",
            "4[]",
            "4null",
            "41",
            r#"51-"a""#,
            "51-{}",
            "51-",
            "61-",
            "61-{}",
        ] {
            let refused = match wire.get(1..3) {
                Some("1-") => with_bytes(wire, [b"x"]), // parsed when the attachments are there
                _ => text(wire),
            };
            assert_eq!(refused, Err(DecodeError), "{wire:?}");
        }
    }

    #[test]
    fn a_name_may_be_a_number() {
        for (wire, name) in [("2[1,2]", "1"), ("2[-0.5,2]", "-0.5"), ("2[1e21,2]", "1e+21")] {
            assert_eq!(text(wire).unwrap().values, [json!(name), json!(2)], "{wire}");
        }
    }

    #[test]
    fn refuses_reserved_events() {
        for name in [
            "connect",
            "connect_error",
            "disconnect",
            "disconnecting",
            "newListener",
            "removeListener",
        ] {
            assert_eq!(text(&format!(r#"2["{name}"]"#)), Err(DecodeError), "{name}");
            let binary = format!(r#"51-["{name}",{PLACEHOLDER}]"#);
            assert_eq!(with_bytes(&binary, [b"x"]), Err(DecodeError), "{name}");
            let escaped = format!(r#"2["\u00{:02x}{}"]"#, name.as_bytes()[0], &name[1..]);
            assert_eq!(text(&escaped), Err(DecodeError), "{escaped}");
            assert!(text(&format!(r#"2["{name}s","{name}"]"#)).is_ok());
        }
    }

    #[test]
    fn refuses_what_is_nested_too_deeply() {
        let deep = format!(r#"2["a",{}{}]"#, "[".repeat(200), "]".repeat(200));
        assert_eq!(text(&deep), Err(DecodeError));
    }

    #[test]
    fn replaces_placeholders_by_attachments() {
        let wire = r#"52-/admin,7["a",{"x":[{"_placeholder":true,"num":1}]},{"num":0,"_placeholder":true},1]"#;
        let decoded = with_bytes(wire, [b"zero", b""]).unwrap();
        assert_eq!(
            (decoded.kind, &*decoded.namespace, decoded.id),
            (Kind::Event, "/admin", Some(7))
        );
        assert_eq!(
            decoded.values,
            ["a".into(), json!({"x": [binary(b"")]}), binary(b"zero"), 1.into()]
        );
        let decoded = with_bytes(&format!("61-7[{PLACEHOLDER}]"), [&[1, 2, 3]]).unwrap();
        assert_eq!((decoded.kind, decoded.id), (Kind::Ack, Some(7)));
        assert_eq!(decoded.values, [binary(&[1, 2, 3])]);
    }

    #[test]
    fn an_object_like_a_placeholder_is_kept_without_attachments() {
        let values = text(&format!(r#"2["a",{PLACEHOLDER}]"#)).unwrap().values;
        assert_eq!(values[1], json!({"_placeholder": true, "num": 0}));
        let wire = r#"51-["a",{"_placeholder":1,"num":0},{"_placeholder":false},"_placeholder"]"#;
        assert_eq!(
            with_bytes(wire, [b"unused"]).unwrap().values[2],
            json!({"_placeholder": false})
        );
    }

    #[test]
    fn refuses_a_placeholder_without_its_attachment() {
        for number in
            ["1", "-1", "0.5", "1e9", "null", "\"0\"", "true", "[]", "99999999999999999999"]
        {
            let wire = format!(r#"51-["a",{{"_placeholder":true,"num":{number}}}]"#);
            assert_eq!(with_bytes(&wire, [b"x"]), Err(DecodeError), "{number}");
        }
        assert_eq!(with_bytes(r#"51-["a",{"_placeholder":true}]"#, [b"x"]), Err(DecodeError));
        assert_eq!(
            with_bytes(r#"51-["a",[[{"b":{"_placeholder":true,"num":2}}]]]"#, [b"x"]),
            Err(DecodeError)
        );
    }

    #[test]
    fn takes_ten_attachments_and_no_more() {
        assert!(with_bytes(r#"510-["a"]"#, [b"x"; 10]).is_ok());
        for count in ["11", "1000", "9007199254740991"] {
            assert_eq!(text(&format!(r#"5{count}-["a"]"#)), Err(DecodeError), "{count}");
        }
    }

    #[test]
    fn uses_each_attachment_once() {
        let many = [PLACEHOLDER; 1000].join(",");
        let bytes = vec![0; 1_000_000];
        let size = match with_bytes(&format!(r#"51-["a",{many}]"#), [&bytes]) {
            Err(DecodeError) => 0,
            Ok(packet) => packet.values.iter().filter_map(Value::as_binary).map(<[u8]>::len).sum(),
        };
        assert!(size <= bytes.len(), "{size} bytes out of {}", bytes.len());
    }

    #[test]
    fn waits_for_the_last_attachment() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.add(r#"52-["a"]"#.into()), Ok(None));
        assert_eq!(decoder.add(Message::Binary(vec![1])), Ok(None));
        assert!(decoder.add(Message::Binary(vec![2])).unwrap().is_some());
        assert!(decoder.add(r#"2["b"]"#.into()).unwrap().is_some());
    }

    #[test]
    fn refuses_an_attachment_without_a_packet() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.add(Message::Binary(vec![1])), Err(DecodeError));
        let mut decoder = Decoder::default();
        assert_eq!(decoder.add(r#"50-["a"]"#.into()), Err(DecodeError)); // a binary packet must have attachments
    }

    #[test]
    fn refuses_text_instead_of_an_attachment() {
        for text in [r#"2["b"]"#, r#"51-["b"]"#, "1", ""] {
            let mut decoder = Decoder::default();
            assert_eq!(decoder.add(r#"52-["a"]"#.into()), Ok(None));
            assert_eq!(decoder.add(Message::Binary(vec![1])), Ok(None));
            assert_eq!(decoder.add(text.into()), Err(DecodeError), "{text:?}");
        }
    }

    #[test]
    fn decodes_all_that_is_encoded() {
        use sockets_by_hand::engineio;
        let values = [
            "name".into(),
            json!([null, {"a": [binary(b"one"), {"b": binary(b"two")}], "c": "€"}, -1.5]),
            binary(b"three"),
        ];
        for (kind, id) in [(Kind::Event, None), (Kind::Event, Some(0)), (Kind::Ack, Some(12))] {
            let outgoing = encode(kind, "/admin", id, &values).unwrap();
            let packets = engineio::Packet::parse_payload(&outgoing.payload()).unwrap();
            let messages = packets.into_iter().map(|packet| match packet {
                engineio::Packet::Message(message) => message,
                packet => panic!("{packet:?}"),
            });
            let expected =
                Decoded { kind, namespace: "/admin".to_string(), id, values: values.to_vec() };
            assert_eq!(decoded(messages), Ok(expected));
        }
    }
}

mod encoding {
    use super::*;

    fn payload(kind: Kind, namespace: &str, id: Option<u64>, values: Value) -> String {
        let outgoing = encode(kind, namespace, id, values.as_array().unwrap()).unwrap();
        outgoing.payload().to_string()
    }

    #[test]
    fn values_are_an_array_behind_the_prefix() {
        let event = |values| payload(Kind::Event, "/", None, values);
        assert_eq!(event(json!(["hello"])), r#"42["hello"]"#);
        assert_eq!(event(json!(["a", 1, "2", {"3": [true]}])), r#"42["a",1,"2",{"3":[true]}]"#);
        assert_eq!(payload(Kind::Event, "/admin", Some(7), json!(["a"])), r#"42/admin,7["a"]"#);
        assert_eq!(payload(Kind::Ack, "/", Some(0), json!([])), "430[]");
        assert_eq!(payload(Kind::Ack, "/admin", Some(9), json!([null])), "43/admin,9[null]");
    }

    #[test]
    fn attachments_follow_in_the_order_of_the_text() {
        let bytes = |byte: u8| Value::Binary(vec![byte]);
        let values = json!(["a", {"x": [bytes(1), 5], "y": bytes(2)}, bytes(3)]);
        assert_eq!(
            payload(Kind::Event, "/", None, values),
            concat!(
                r#"453-["a",{"x":[{"_placeholder":true,"num":0},5],"y":{"_placeholder":true,"num":1}},"#,
                r#"{"_placeholder":true,"num":2}]"#,
                "\x1ebAQ==\x1ebAg==\x1ebAw=="
            )
        );
        assert_eq!(
            payload(Kind::Ack, "/admin", Some(7), json!([bytes(1)])),
            format!("461-/admin,7[{PLACEHOLDER}]\x1ebAQ==")
        );
    }
}

mod rooms_by_id {
    use super::*;

    /// The names, in the order of the alphabet.
    fn sorted(names: impl IntoIterator<Item = impl ToString>) -> Vec<String> {
        let names: BTreeSet<String> = names.into_iter().map(|name| name.to_string()).collect();
        names.into_iter().collect()
    }

    fn members(rooms: &Rooms, to: &[&str], except: &[&str]) -> Vec<String> {
        let members = rooms.members(&names(to), &names(except));
        members.iter().map(|id| id.to_string()).collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn a_room_exists_as_long_as_it_has_a_member() {
        let mut rooms = Rooms::default();
        rooms.join("ann", "tea");
        rooms.join("ann", "tea");
        rooms.join("bob", "tea");
        assert_eq!(members(&rooms, &["tea"], &[]), ["ann", "bob"]);
        rooms.leave("ann", "tea");
        rooms.leave("ann", "tea");
        rooms.leave("eve", "tea");
        rooms.leave("bob", "no such room");
        assert_eq!(members(&rooms, &["tea"], &[]), ["bob"]);
        assert_eq!(rooms.rooms("ann"), names(&[]));
        rooms.leave_all("bob");
        rooms.leave_all("bob");
        assert_eq!(members(&rooms, &["tea"], &[]), names(&[]));
        assert_eq!(members(&rooms, &[], &[]), names(&[]));
        assert!(rooms.all().is_empty());
    }

    #[test]
    fn members_are_in_any_of_these_rooms_and_none_of_those() {
        let mut rooms = Rooms::default();
        for (name, room) in
            [("a", "x"), ("a", "y"), ("b", "x"), ("b", "z"), ("c", "y"), ("d", "z"), ("d", "d")]
        {
            rooms.join(name, room);
        }
        for (to, except, expected) in [
            (&["x"][..], &[][..], &["a", "b"][..]),
            (&["x", "y"], &[], &["a", "b", "c"]),
            (&["x", "x"], &[], &["a", "b"]),
            (&["x", "y"], &["z"], &["a", "c"]),
            (&["x"], &["x"], &[]),
            (&["x", "nowhere"], &["nowhere"], &["a", "b"]),
            (&["nowhere"], &[], &[]),
            (&[], &[], &["a", "b", "c", "d"]),
            (&[], &["x", "d"], &["c"]),
        ] {
            assert_eq!(members(&rooms, to, except), expected, "{to:?} but {except:?}");
        }
    }

    #[test]
    fn members_are_in_the_order_of_joining_room_after_room() {
        let mut rooms = Rooms::default();
        let ids: Vec<String> = (0..50).map(|n| format!("id {}", n * 37 % 50)).collect();
        ids.iter().for_each(|id| rooms.join(id, id));
        ids.iter().rev().for_each(|id| rooms.join(id, "x"));
        ids[10..20].iter().for_each(|id| rooms.join(id, "y"));
        rooms.join(&ids[30], "x"); // it keeps its place
        assert_eq!(members(&rooms, &[], &[]), ids);
        assert_eq!(members(&rooms, &["x"], &[]), ids.iter().rev().cloned().collect::<Vec<_>>());
        let (y, x) = (ids[10..20].iter(), ids[20..].iter().rev().chain(ids[..10].iter().rev()));
        assert_eq!(members(&rooms, &["y", "x"], &[]), y.chain(x).cloned().collect::<Vec<_>>());
        rooms.leave(&ids[0], &ids[0]); // it is still in x
        assert_eq!(members(&rooms, &[], &["y"]), [&ids[..10], &ids[20..]].concat());
        assert_eq!(rooms.rooms(&ids[12]), [&ids[12], "x", "y"]);
        assert_eq!(rooms.all()["y"], ids[10..20]);
        rooms.leave(&ids[10], "y");
        rooms.join(&ids[10], "y"); // it is the last now
        assert_eq!(rooms.all()["y"], [&ids[11..20], &ids[10..11]].concat());
    }

    #[test]
    fn both_maps_agree() {
        let mut rooms = Rooms::default();
        let mut pairs = BTreeSet::new();
        let mut random = 1u64;
        for _ in 0..2000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let name = ["a", "b", "c", "d"][(random >> 33) as usize % 4];
            let room = ["x", "y", "z"][(random >> 40) as usize % 3];
            match random >> 60 {
                0..8 => {
                    rooms.join(name, room);
                    pairs.insert((name, room));
                }
                8..15 => {
                    rooms.leave(name, room);
                    pairs.remove(&(name, room));
                }
                _ => {
                    rooms.leave_all(name);
                    pairs.retain(|(other, _)| *other != name);
                }
            }
            let of_name = pairs.iter().filter(|pair| pair.0 == name).map(|pair| pair.1);
            assert_eq!(sorted(rooms.rooms(name)), of_name.collect::<Vec<_>>());
            let of_room = pairs.iter().filter(|pair| pair.1 == room).map(|pair| pair.0);
            let members = members(&rooms, &[room], &[]);
            assert_eq!(sorted(members), of_room.collect::<Vec<_>>());
        }
    }
}

mod awaited_acknowledgements {
    use super::*;

    type AckResult = Result<Args, AckError>;

    /// Awaits an acknowledgement, and returns the receiver of the result.
    fn expect(acks: &Acks, id: u64, time: Duration) -> mpsc::Receiver<AckResult> {
        let (sender, receiver) = mpsc::channel();
        acks.expect(id, Some(time), Box::new(move |ack| sender.send(ack).unwrap()));
        receiver
    }

    #[test]
    fn each_resolves_the_callback_of_its_id() {
        let acks = Acks::default();
        let (first, second) = (expect(&acks, 0, LIMIT), expect(&acks, 1, LIMIT));
        acks.resolve(1, Ok(Args(vec!["second".into()])));
        acks.resolve(0, Ok(Args::default()));
        assert_eq!(next(&first), Ok(Args::default()));
        assert_eq!(next(&second), Ok(Args(vec!["second".into()])));
    }

    #[test]
    fn one_that_is_forgotten_does_not_call_its_callback() {
        let acks = Acks::default();
        let ack = expect(&acks, 0, LIMIT);
        assert!(acks.is_awaited(0));
        acks.forget(0);
        assert!(!acks.is_awaited(0));
        assert!(ack.recv().is_err());
    }

    #[test]
    fn one_without_a_timeout_is_awaited_until_the_disconnect() {
        let acks = Acks::default();
        let (sender, ack) = mpsc::channel();
        acks.expect(0, None, Box::new(move |result: AckResult| sender.send(result).unwrap()));
        assert!(ack.try_recv().is_err());
        acks.disconnected();
        assert_eq!(next(&ack), Err(AckError::Disconnected));
    }

    #[test]
    fn one_that_is_not_awaited_is_ignored() {
        let acks = Acks::default();
        acks.resolve(0, Ok(Args::default()));
        let ack = expect(&acks, 0, LIMIT);
        acks.resolve(1, Ok(Args::default()));
        assert!(ack.try_recv().is_err());
        acks.resolve(0, Ok(Args(vec![1.into()])));
        acks.resolve(0, Ok(Args(vec![2.into()])));
        assert_eq!(next(&ack), Ok(Args(vec![1.into()])));
        assert!(ack.recv().is_err(), "the callback was called twice");
    }

    #[test]
    fn one_that_is_late_times_out() {
        let acks = Acks::default();
        let ack = expect(&acks, 0, Duration::from_millis(5));
        assert_eq!(next(&ack), Err(AckError::Timeout));
        acks.resolve(0, Ok(Args::default()));
        assert!(ack.recv().is_err());
    }

    #[test]
    fn all_are_resolved_at_the_disconnect() {
        let acks = Acks::default();
        let (first, second) = (expect(&acks, 0, LIMIT), expect(&acks, 1, LIMIT));
        acks.disconnected();
        assert_eq!(next(&first), Err(AckError::Disconnected));
        assert_eq!(next(&second), Err(AckError::Disconnected));
        acks.resolve(0, Ok(Args::default()));
        assert!(first.recv().is_err());
    }

    #[test]
    fn a_callback_may_await_another() {
        let acks = Acks::default();
        let (sender, receiver) = mpsc::channel();
        let again = acks.clone();
        let await_again = Box::new(move |_| sender.send(expect(&again, 1, LIMIT)).unwrap());
        acks.expect(0, Some(LIMIT), await_again);
        acks.resolve(0, Ok(Args::default()));
        let ack = next(&receiver);
        acks.resolve(1, Ok(Args(vec!["again".into()])));
        assert_eq!(next(&ack), Ok(Args(vec!["again".into()])));
    }
}
