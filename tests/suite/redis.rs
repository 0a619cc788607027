//! RESP2, URLs, and a connection to a server of a few lines. The tests with Redis itself are in `tests/peers/`.

mod replies {
    use sockets_by_hand::redis::resp::{Error, MAX_DEPTH, Reply, encode};

    fn read(bytes: &[u8]) -> Result<Reply, Error> {
        Reply::read(&mut &bytes[..], 10_000)
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        assert_eq!(
            encode(&[b"SET", b"a\r\nb", b""]),
            b"*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n"
        );
    }

    #[test]
    fn every_type_is_read() {
        let all = b"*7\r\n+OK\r\n-ERR no\r\n:-12\r\n$3\r\n\r\n\xff\r\n*0\r\n$-1\r\n*-1\r\n";
        let expected = vec![
            Reply::Simple("OK".to_string()),
            Reply::Error("ERR no".to_string()),
            Reply::Integer(-12),
            Reply::Bulk(b"\r\n\xff".to_vec()),
            Reply::Array(vec![]),
            Reply::Null,
            Reply::Null,
        ];
        assert_eq!(read(all).unwrap(), Reply::Array(expected));
    }

    #[test]
    fn all_that_is_written_is_read_back() {
        let reply = Reply::Array(vec![
            Reply::Array(vec![Reply::Null, Reply::Integer(i64::MIN)]),
            Reply::Bulk(vec![0, 13, 10, 255]),
            Reply::Simple("OK".to_string()),
            Reply::Error("ERR".to_string()),
        ]);
        let mut bytes = Vec::new();
        reply.write(&mut bytes);
        assert_eq!(read(&bytes).unwrap(), reply);
    }

    #[test]
    fn the_end_of_a_line_within_a_text_begins_no_reply() {
        let mut bytes = Vec::new();
        Reply::Error("ERR a\r\n+OK".to_string()).write(&mut bytes);
        assert_eq!(bytes, b"-ERR a\r\n");
    }

    #[test]
    fn malformed_replies_are_refused() {
        for bytes in [
            "\r\n",
            "OK\r\n",
            "?\r\n",
            "+OK\n",
            ":1.5\r\n",
            ":+1\r\n",
            ": 1\r\n",
            ":\r\n",
            "$+1\r\na\r\n",
            "$-2\r\n",
            "*-2\r\n",
            "$1\r\nab\r\n",
            "$99999999999999999999\r\n",
            ":9223372036854775808\r\n",
        ] {
            assert!(matches!(read(bytes.as_bytes()), Err(Error::Malformed(_))), "{bytes:?}");
        }
    }

    #[test]
    fn every_beginning_of_a_reply_waits_for_more() {
        let whole = b"*3\r\n$5\r\nhello\r\n:123\r\n+OK\r\n";
        for len in 0..whole.len() {
            let error = read(&whole[..len]).unwrap_err();
            let Error::Io(e) = error else { panic!("{len}: {error}") };
            assert_eq!(e.kind(), std::io::ErrorKind::UnexpectedEof, "{len}");
        }
    }

    #[test]
    fn arrays_are_nested_up_to_a_limit() {
        let nested = |depth| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(read(&nested(MAX_DEPTH + 1)), Err(Error::Malformed(_))));
    }

    #[test]
    fn a_reply_takes_no_more_memory_than_it_may() {
        let bulk = |len: usize| {
            [format!("${len}\r\n").into_bytes(), vec![0; len], b"\r\n".to_vec()].concat()
        };
        assert!(read(&bulk(9_000)).is_ok());
        for large in
            [bulk(10_001), b"*1000\r\n".iter().chain(&b":1\r\n".repeat(1000)).copied().collect()]
        {
            assert!(matches!(read(&large), Err(Error::TooLarge)));
        }
        assert!(matches!(
            read(&[b"+".to_vec(), vec![b'a'; 20_000]].concat()),
            Err(Error::TooLarge)
        ));
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_follows() {
        for claim in ["$536870912\r\n", "*1\r\n$10001\r\n"] {
            assert!(matches!(read(claim.as_bytes()), Err(Error::TooLarge)), "{claim:?}");
        }
    }

    #[test]
    fn a_length_takes_no_memory_before_its_bytes_arrive() {
        let claims = [&b"$9000\r\nabc"[..], b"*1000000000\r\n:1\r\n"];
        for claim in claims {
            assert!(matches!(Reply::read(&mut &claim[..], usize::MAX), Err(Error::Io(_))));
        }
    }
}

mod urls {
    use sockets_by_hand::redis::url::{Place, Url};

    #[test]
    fn all_parts_are_taken_apart() {
        let url = Url::parse("redis://Ann:p%40s:s@[::1]:7000/3").unwrap();
        assert_eq!(url.place, Place::Tcp("[::1]:7000".to_string()));
        assert_eq!(
            (url.user.as_deref(), url.password.as_deref(), url.database),
            (Some("Ann"), Some("p@s:s"), 3)
        );
        let url = Url::parse("unix://:secret@/run/a%20b.sock?db=1").unwrap();
        assert_eq!(url.place, Place::Unix("/run/a b.sock".to_string()));
        assert_eq!((url.user, url.password.as_deref(), url.database), (None, Some("secret"), 1));
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let local = Url {
            place: Place::Tcp("a:6379".to_string()),
            user: None,
            password: None,
            database: 0,
        };
        assert_eq!(Url::parse("redis://a"), Ok(local.clone()));
        assert_eq!(Url::parse("redis://a:6379/"), Ok(local));
    }

    #[test]
    fn invalid_urls_are_refused() {
        for url in [
            "",
            "redis:a",
            "http://a",
            "rediss://a",
            "redis://",
            "redis://:1",
            "redis://a:x",
            "redis://a:65536",
            "redis://a/x",
            "redis://a/-1",
            "redis://%/",
            "redis://a%zz@b",
            "redis://%ff@a",
            "unix://a",
            "unix:///a?x=1",
        ] {
            assert!(Url::parse(url).is_err() || url == "redis://%/", "{url}");
        }
    }
}

mod connections {
    use std::io::{BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use sockets_by_hand::redis::{Connection, Error, Message, Reply};

    /// A server that answers each command with the next of these replies, and then ends the connection.
    fn server(replies: &'static [&'static str]) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://Ann:secret@{}/2", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut commands = Vec::new();
            for reply in replies {
                let Reply::Array(parts) = Reply::read(&mut reader, 1000).unwrap() else { panic!() };
                let text = |part: &Reply| match part {
                    Reply::Bulk(bulk) => String::from_utf8(bulk.clone()).unwrap(),
                    other => panic!("{other:?}"),
                };
                commands.push(parts.iter().map(text).collect::<Vec<_>>().join(" "));
                stream.write_all(reply.as_bytes()).unwrap();
            }
            commands
        });
        (url, serving)
    }

    #[test]
    fn a_connection_logs_in_and_selects_before_the_first_command() {
        let (url, serving) = server(&["+OK\r\n", "+OK\r\n", "$3\r\nAnn\r\n"]);
        let mut redis = Connection::open(&url).unwrap();
        assert_eq!(redis.command(["GET", "user"]).unwrap(), Reply::Bulk(b"Ann".to_vec()));
        assert_eq!(serving.join().unwrap(), ["AUTH Ann secret", "SELECT 2", "GET user"]);
    }

    #[test]
    fn a_wrong_password_is_an_error_with_the_servers_message() {
        let (url, _) =
            server(&["-WRONGPASS invalid username-password pair or user is disabled.\r\n"]);
        let error = Connection::open(&url).unwrap_err().to_string();
        assert!(error.starts_with("Redis refused: WRONGPASS"), "{error}");
    }

    #[test]
    fn commands_may_be_sent_before_their_replies_are_received() {
        let (url, _) = server(&["+OK\r\n", "+OK\r\n", ":1\r\n", "-ERR no\r\n", ":3\r\n"]);
        let mut redis = Connection::open(&url).unwrap();
        (0..3).for_each(|_| redis.sender.send(["INCR", "n"]).unwrap());
        assert_eq!(redis.receiver.reply().unwrap(), Reply::Integer(1));
        assert!(matches!(redis.receiver.reply(), Err(Error::Refused(_))));
        assert_eq!(redis.receiver.reply().unwrap(), Reply::Integer(3));
        assert!(matches!(redis.receiver.reply(), Err(Error::Io(_))));
    }

    #[test]
    fn messages_come_without_what_confirms_the_subscription() {
        let (url, _) = server(&[
            "+OK\r\n",
            "+OK\r\n",
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nHi\r\n\
             *2\r\n$4\r\npong\r\n$0\r\n\r\n*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\nb\r\n$1\r\n!\r\n",
        ]);
        let mut redis = Connection::open(&url).unwrap();
        redis.sender.send(["SUBSCRIBE", "a"]).unwrap();
        let message = |channel: &[u8], payload: &[u8]| Message {
            channel: channel.into(),
            payload: payload.into(),
        };
        assert_eq!(redis.receiver.message().unwrap(), message(b"a", b"Hi"));
        assert_eq!(redis.receiver.message().unwrap(), message(b"b", b"!"));
    }
}
