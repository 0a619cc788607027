//! The `http` module: heads and bodies, what is refused with which status, and deadlines.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use sockets_by_hand::http::{
    Connection, DeadlineReader, Error, MAX_HEAD, MAX_HEADERS, Request, Response,
};
use sockets_by_hand::net::Stream;

use crate::common::LIMIT;

/// Reads one request from `bytes`, and returns it with the bytes that are left.
fn read(mut bytes: &[u8]) -> (Result<Option<Request>, Error>, &[u8]) {
    let request = Request::read(&mut bytes);
    (request, bytes)
}

#[track_caller]
fn accepted(head: &str) -> Request {
    match read(head.as_bytes()) {
        (Ok(Some(request)), b"") => request,
        other => panic!("{head:?} was read as {other:?}"),
    }
}

/// The status with which `bytes` are refused.
#[track_caller]
fn refused(bytes: impl AsRef<[u8]>) -> u16 {
    let error = read(bytes.as_ref()).0.expect_err(&String::from_utf8_lossy(bytes.as_ref()));
    error.status().expect("a status")
}

/// The head of a GET with a `Host` and these lines, each without its end.
fn get_with(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n")
}

#[test]
fn a_head_is_read_and_what_follows_stays() {
    let wire = b"GET /chat?room=1 HTTP/1.1\r\nHost: a:80\r\nX-Two:  b \t\r\n\r\n\x81\x05Hello";
    let (request, rest) = read(wire);
    let request = request.unwrap().unwrap();
    assert_eq!((&*request.method, &*request.target), ("GET", "/chat?room=1"));
    let headers: Vec<_> = request.headers.iter().collect();
    assert_eq!(headers, [("Host", "a:80"), ("X-Two", "b")]);
    assert_eq!(rest, b"\x81\x05Hello");
}

#[test]
fn a_valid_head_is_read() {
    for head in [
        "GET / HTTP/1.0\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", // RFC 9112 §2.2
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:3000\r\n\r\n",
        "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "M-SEARCH /x;y=%20!$&'()*+,;=:@[]|{}\"\\^` HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\tb: c, \"d\"\r\nx:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nCookie: name=Zoë\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n\r\n",
        "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
    ] {
        accepted(head);
    }
}

#[test]
fn a_header_value_may_have_bytes_that_are_not_utf_8() {
    let (request, _) = read(b"GET / HTTP/1.1\r\nHost: a\r\nX: Zo\xEB\r\n\r\n");
    assert_eq!(request.unwrap().unwrap().headers.get("x"), Some("Zo\u{FFFD}"));
}

#[test]
fn the_request_line_has_exactly_three_parts() {
    for (first, status) in [
        ("GET /", 400),
        ("GET  / HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET\t/ HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 400),
        ("GET /\u{e9} HTTP/1.1", 400),
        ("GET /\u{1}x HTTP/1.1", 400),
        ("GET / http/1.1", 400),
        ("GET / FTP/1.1", 400),
        ("GET / HTTP/1.", 505),
        ("GET / HTTP/1.11", 505),
        ("GET / HTTP/2.0", 505),
        ("PRI * HTTP/2.0", 505),
    ] {
        assert_eq!(refused(format!("{first}\r\nHost: a\r\n\r\n")), status, "{first:?}");
    }
}

#[test]
fn what_two_parsers_could_read_in_two_ways_is_refused() {
    for (lines, status) in [
        ("Content-Length : 5", 400),
        ("X: a\r\n Content-Length: 5", 400), // a folded line
        ("X: a\r\n\tb", 400),
        ("X: a\rContent-Length: 5", 400),
        ("X: a\nContent-Length: 5", 400),
        ("X: a\0b", 400),
        ("X: a\x7fb", 400),
        ("X\x0b: a", 400),
        ("X", 400),
        (": a", 400),
        ("Zoë: a", 400),
        ("Content-Length: 5\r\nContent-Length: 5", 400),
        ("Content-Length: 5\r\ncontent-length: 6", 400),
        ("Content-Length: 5, 5", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: -5", 400),
        ("Content-Length: 0x5", 400),
        ("Content-Length: 5 5", 400),
        ("Content-Length: \u{665}", 400), // a five in Arabic
        ("Content-Length:", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        ("Transfer-Encoding: chunked", 501),
        ("Transfer-Encoding: xchunked", 501),
        ("Transfer-Encoding:", 501),
        ("Host: a", 400), // the second one
        ("Host: b", 400),
        ("Expect: 100-continue", 417),
    ] {
        assert_eq!(refused(get_with(lines)), status, "{lines:?}");
    }
    assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), 400, "no Host");
    assert_eq!(refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
    assert_eq!(refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400);
    assert_eq!(refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
}

#[test]
fn a_line_ends_with_cr_and_lf() {
    for head in ["GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\r\n\n", "\n"] {
        assert_eq!(refused(head), 400, "{head:?}");
    }
}

#[test]
fn a_stream_may_end_before_a_head_but_not_within_one() {
    assert!(read(b"").0.unwrap().is_none());
    let head = get_with("X: a");
    for end in 1..head.len() {
        assert_eq!(refused(&head[..end]), 400, "{:?}", &head[..end]);
    }
}

#[test]
fn a_head_of_16_kib_is_read_and_one_byte_more_is_not() {
    let padded = |len: usize| get_with(&format!("X: {}", "x".repeat(len - get_with("X: ").len())));
    assert_eq!(padded(MAX_HEAD).len(), MAX_HEAD);
    accepted(&padded(MAX_HEAD));
    assert_eq!(refused(padded(MAX_HEAD + 1)), 431);
    assert_eq!(refused("x".repeat(MAX_HEAD)), 431, "without any line end");
    assert_eq!(refused("\r\n".repeat(MAX_HEAD)), 431, "empty lines count");
}

#[test]
fn a_hundred_headers_are_read_and_one_more_is_not() {
    let headers = |n: usize| get_with(&vec!["x:y"; n - 1].join("\r\n")); // and Host
    assert_eq!(accepted(&headers(MAX_HEADERS)).headers.iter().count(), MAX_HEADERS);
    assert_eq!(refused(headers(MAX_HEADERS + 1)), 431);
}

#[test]
fn header_names_match_in_any_case_and_several_are_one_list() {
    let request = accepted(&get_with("connection: keep-alive, ,Upgrade\r\nX: 1\r\nCONNECTION: a"));
    assert_eq!(request.headers.get("Connection"), Some("keep-alive, ,Upgrade"));
    assert_eq!(request.headers.get("Conn"), None);
    let members: Vec<_> = request.headers.list("Connection").collect();
    assert_eq!(members, ["keep-alive", "Upgrade", "a"]);
}

#[test]
fn the_forwarded_address_is_the_one_that_a_trusted_proxy_has_added() {
    let connection = Some("192.0.2.1:5".parse().unwrap());
    let address = |lines: &str, proxies| {
        let mut request = accepted(&get_with(lines));
        request.remote_address = connection;
        request.forwarded_for(proxies).unwrap().to_string()
    };
    let forged = "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nx-forwarded-for: 3.3.3.3";
    for (proxies, expected) in
        [(0, "192.0.2.1:5"), (1, "3.3.3.3:0"), (2, "2.2.2.2:0"), (3, "1.1.1.1:0"), (9, "1.1.1.1:0")]
    {
        assert_eq!(address(forged, proxies), expected, "{proxies}");
    }
    for (entry, expected) in [
        ("2001:db8::1", "[2001:db8::1]:0"),
        ("3.3.3.3:80", "3.3.3.3:80"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ("1.1.1.1, 3.3.3.3 ,, ", "3.3.3.3:0"),
    ] {
        assert_eq!(address(&format!("X-Forwarded-For: {entry}"), 1), expected, "{entry}");
    }
    let long = "1".repeat(10_000);
    let many = "1.1.1.1,".repeat(1_000) + "unknown";
    for entry in ["", ",", "unknown", "_hidden", "1.1.1", "1.1.1.1:99999", "[::1", &long, &many] {
        let lines = format!("X-Forwarded-For: {entry}");
        assert_eq!(address(&lines, 1), "192.0.2.1:5", "{entry}");
    }
    assert_eq!(address("A: b", usize::MAX), "192.0.2.1:5");
}

#[test]
fn a_query_is_decoded() {
    let target =
        "/a%20b?x=1&x=2&n%61me=Ada+L%2BZ%C3%AB&empty=&flag&bad=%zz%4&=c&odd=a=b?c&cut=%C3&%%36=%";
    let request = Request::new("GET", target);
    assert_eq!(request.path(), "/a%20b");
    for (name, value) in [
        ("x", Some("1")),
        ("name", Some("Ada L+Zë")),
        ("empty", Some("")),
        ("flag", Some("")),
        ("bad", Some("%zz%4")),
        ("", Some("c")),
        ("odd", Some("a=b?c")),
        ("cut", Some("\u{FFFD}")),
        ("%6", Some("%")),
        ("X", None),
        ("none", None),
    ] {
        assert_eq!(request.query(name).as_deref(), value, "{name:?}");
    }
    assert_eq!(Request::new("GET", "/").query("x"), None);
    assert_eq!(Request::new("GET", "/?x=%+1").query("x").as_deref(), Some("% 1"));
    assert_eq!(Request::new("GET", "/?x=%aé").query("x").as_deref(), Some("%aé"));
}

#[test]
fn a_connection_is_kept_alive_unless_a_header_closes_it() {
    assert!(accepted(&get_with("X: a")).keep_alive());
    assert!(!accepted(&get_with("Connection: a, Close")).keep_alive());
    assert!(!accepted("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive());
}

#[test]
fn two_requests_and_their_bodies_share_a_connection() {
    let head = |n: usize| format!("POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n");
    let wire = [&head(5), "Hello", &head(0), &head(3), "GET"].concat();
    let mut reader = wire.as_bytes();
    for (path, body) in [("/5", "Hello"), ("/0", ""), ("/3", "GET")] {
        let request = Request::read(&mut reader).unwrap().unwrap();
        assert_eq!(request.path(), path);
        assert_eq!(request.body(&mut reader, 5).unwrap(), body.as_bytes());
    }
    assert!(Request::read(&mut reader).unwrap().is_none());
}

#[test]
fn a_body_is_refused_for_its_length_before_a_byte_of_it_is_read() {
    for length in ["6", "1000000000000", "99999999999999999999999999"] {
        let request = accepted(&get_with(&format!("Content-Length: {length}")));
        let mut body = &b"Hello!"[..];
        assert_eq!(request.body(&mut body, 5).unwrap_err().status(), Some(413), "{length}");
        assert_eq!(body, b"Hello!");
    }
}

#[test]
fn a_body_that_is_cut_short_is_an_error_and_its_length_reserves_no_memory() {
    let request = accepted(&get_with(&format!("Content-Length: {}", usize::MAX)));
    assert_eq!(request.body(&mut &b"Hell"[..], usize::MAX).unwrap_err().status(), Some(400));
}

#[test]
fn a_request_is_written_as_it_is_read() {
    let mut request = Request::new("POST", "/say?to=all");
    request.headers.push("Host", "a");
    let wire = request.encode(b"Hi");
    assert_eq!(wire, b"POST /say?to=all HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nHi");
    let (read, body) = read(&wire);
    let read = read.unwrap().unwrap();
    assert_eq!((&read.method, &read.target), (&request.method, &request.target));
    assert_eq!(read.body(&mut &body[..], 2).unwrap(), b"Hi");
    let empty = String::from_utf8(request.encode(b"")).unwrap();
    assert!(empty.ends_with("\r\nContent-Length: 0\r\n\r\n"), "{empty}");
    let get = Request::new("GET", "/").encode(b"");
    assert_eq!(get, b"GET / HTTP/1.1\r\n\r\n");
}

#[test]
fn no_value_that_is_written_can_begin_a_line() {
    let mut request = Request::new("GET\r\nX:", "/a b\r\n\u{e9}\0");
    request.headers.push("Host", "a\r\nX: b\0c\nd");
    request.headers.push("X\r\nY: z", "e");
    request.headers.push("Content-Length", "7");
    request.headers.push("transfer-encoding", "chunked");
    assert_eq!(
        String::from_utf8(request.encode(b"")).unwrap(),
        "GET--X- /a%20b%0D%0A%C3%A9%00 HTTP/1.1\r\nHost: a  X: b c d\r\nX--Y--z: e\r\n\r\n"
    );
    let mut response = Response::text(200, "Hi");
    response.headers.push("Location", "/\r\n\r\n<script>");
    response.headers.push("Content-length", "7");
    assert_eq!(
        String::from_utf8(response.encode()).unwrap(),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Location: /    <script>\r\nContent-Length: 2\r\n\r\nHi"
    );
}

#[test]
fn a_response_has_a_length_where_it_may_have_a_body() {
    for (status, head) in [
        (101, "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        (204, "HTTP/1.1 204 No Content\r\n\r\n"),
        (304, "HTTP/1.1 304 Not Modified\r\n\r\n"),
        (200, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHi"),
        (431, "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 2\r\n\r\nHi"),
        (299, "HTTP/1.1 299 \r\nContent-Length: 2\r\n\r\nHi"),
    ] {
        let mut response = Response::new(status);
        response.body = b"Hi".to_vec();
        assert_eq!(String::from_utf8(response.encode()).unwrap(), head);
        let expected = if head.ends_with("Hi") { "Hi" } else { "" };
        let read = Response::read(&mut head.as_bytes(), 2).unwrap();
        assert_eq!((read.status, &*read.body), (status, expected.as_bytes()));
    }
    let head = Response::text(200, "Hi").encode_head();
    assert!(head.ends_with(b"\r\nContent-Length: 2\r\n\r\n"), "the response to HEAD");
}

/// Reads a response whose body may have 5 bytes: its body and what is left, or the status of the error.
fn response(wire: &str) -> Result<(String, &str), u16> {
    let mut reader = wire.as_bytes();
    let body = Response::read(&mut reader, 5).map_err(|e| e.status().unwrap())?.body;
    Ok((String::from_utf8(body).unwrap(), &wire[wire.len() - reader.len()..]))
}

#[test]
fn a_response_body_ends_by_its_length_its_chunks_or_the_stream() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
    for (head, rest, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "Hello|", Ok("Hello")),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "|", Ok("")),
        ("HTTP/1.0 200 OK\r\n\r\n", "Hello", Ok("Hello")),
        ("HTTP/1.0 200 OK\r\n\r\n", "Hello!", Err(413)),
        ("HTTP/1.1 101 Switching Protocols\r\nContent-Length: 5\r\n\r\n", "|", Ok("")),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "|", Ok("")),
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nHi", Ok("Hi")),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", "", Err(400)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "Hell", Err(400)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "Hello!", Err(413)),
        (chunked, "5\r\nHello\r\n0\r\n\r\n|", Ok("Hello")),
        (chunked, "1;a=b\r\nH\r\n004 \r\nello\r\n0\r\nExpires: x\r\n\r\n|", Ok("Hello")),
        (chunked, "0\r\n\r\n|", Ok("")),
        (chunked, "2\r\nHi\r\n", Err(400)),
        (chunked, "2\r\nHi\r\n0\r\n", Err(400)),
        (chunked, "5\r\nHell", Err(400)),
        (chunked, "5\r\nHello\r\n1\r\n!\r\n0\r\n\r\n", Err(413)),
        (chunked, "ffffffffffffffffffffffff\r\n", Err(413)),
        (chunked, "2\r\nHiya\r\n0\r\n\r\n", Err(400)),
        (chunked, "2\nHi\n0\n\n", Err(400)),
        (chunked, "-2\r\nHi\r\n", Err(400)),
        (chunked, "+2\r\nHi\r\n", Err(400)),
        (chunked, "0x2\r\nHi\r\n", Err(400)),
        (chunked, "\r\nHi\r\n", Err(400)),
        (chunked, ";a\r\nHi\r\n", Err(400)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "", Err(400)),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            "",
            Err(400),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "Hello", Err(400)),
    ] {
        let wire = [head, rest].concat();
        let expected =
            expected.map(|body| (body.to_string(), if rest.ends_with('|') { "|" } else { "" }));
        assert_eq!(response(&wire), expected, "{wire:?}");
    }
}

#[test]
fn an_invalid_status_line_is_refused() {
    for first in ["", "HTTP/2 200 OK", "HTTP/1.1", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK"] {
        assert_eq!(response(&format!("{first}\r\nX: a\r\n\r\n")), Err(400), "{first:?}");
    }
    for first in ["HTTP/1.1 +20 OK", "HTTP/1.1 099 OK", "HTTP/1.1 abc", "220 mail ESMTP"] {
        assert_eq!(response(&format!("{first}\r\n\r\n")), Err(400), "{first:?}");
    }
}

/// Both ends of a connection: the peer's, and ours with its reader.
fn connection() -> (Stream, BufReader<DeadlineReader>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = Stream::connect(listener.local_addr().unwrap()).unwrap();
    (theirs, DeadlineReader::buffered(listener.accept().unwrap().0.into()))
}

#[test]
fn a_head_that_trickles_misses_its_deadline() {
    let (mut theirs, mut ours) = connection();
    let time = Duration::from_millis(300);
    let begun = Instant::now();
    let trickling = thread::spawn(move || {
        // It never ends by itself. Between two bytes there is a thirtieth of the deadline.
        for byte in "GET / HTTP/1.1\r\nX: ".bytes().chain(std::iter::repeat(b'x')) {
            thread::sleep(time / 30);
            if theirs.write_all(&[byte]).is_err() {
                return;
            }
        }
    });
    ours.get_mut().deadline = Some(begun + time);
    let error = Request::read(&mut ours).unwrap_err();
    let took = begun.elapsed();
    assert_eq!(error.status(), Some(408), "{error}");
    assert!(took >= time && took < LIMIT, "{took:?}");
    drop(ours);
    trickling.join().unwrap();
}

#[test]
fn a_silent_client_misses_its_deadline() {
    let (_theirs, mut ours) = connection();
    ours.get_mut().deadline = Some(Instant::now() + Duration::from_millis(50));
    assert_eq!(Request::read(&mut ours).unwrap_err().status(), Some(408));
    ours.get_mut().deadline = Some(Instant::now());
    assert_eq!(Request::read(&mut ours).unwrap_err().status(), Some(408), "already past");
}

#[test]
fn a_connection_without_a_deadline_waits() {
    let (mut theirs, mut ours) = connection();
    theirs.write_all(get_with("X: a").as_bytes()).unwrap();
    ours.get_mut().deadline = Some(Instant::now() + LIMIT);
    assert!(Request::read(&mut ours).unwrap().is_some());
    let time = Duration::from_millis(50);
    ours.get_mut().deadline = Some(Instant::now() + time);
    assert_eq!(Request::read(&mut ours).unwrap_err().status(), Some(408));
    ours.get_mut().deadline = None;
    let later = thread::spawn(move || {
        thread::sleep(time * 2); // longer than the timeout that was set
        theirs.write_all(b"frame").unwrap();
    });
    let mut frame = String::new();
    ours.read_to_string(&mut frame).unwrap();
    assert_eq!(frame, "frame");
    later.join().unwrap();
}

#[test]
fn bytes_after_a_head_stay_in_the_buffer() {
    let (mut theirs, mut ours) = connection();
    theirs.write_all(&[get_with("Upgrade: websocket").as_bytes(), b"\x81\x00"].concat()).unwrap();
    assert!(Request::read(&mut ours).unwrap().is_some());
    assert!(ours.fill_buf().unwrap().starts_with(b"\x81"));
}

#[test]
fn an_error_response_has_its_body_though_the_request_before_it_was_a_head() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut theirs = Stream::connect(listener.local_addr().unwrap()).unwrap();
    theirs.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nmalformed\r\n\r\n").unwrap();
    theirs.end().unwrap();
    let mut ours = Connection::new(listener.accept().unwrap().0.into(), 1 << 20).unwrap();
    assert_eq!(ours.next(Duration::from_secs(10)).unwrap().unwrap().method, "HEAD");
    assert!(ours.next(Duration::from_secs(10)).unwrap().is_none());
    let refusal = Response::read(&mut BufReader::new(theirs), 80).unwrap();
    assert_eq!(refusal.status, 400);
    assert!(refusal.body.starts_with(b"the first line is not"));
}

/// Random numbers that are the same in every run: xorshift.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Reads its bytes in chunks of random length.
struct Chunks<'a>(&'a [u8], Rng);

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = (1 + self.1.below(7)).min(self.0.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

#[test]
fn no_bytes_cause_a_panic_however_they_are_chunked() {
    let parts = [
        "GET / HTTP/1.1\r\n",
        "HTTP/1.1 200 OK\r\n",
        "Host: a\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n",
        "\n",
        "\r",
        ":",
        " ",
        "3\r\nabc\r\n",
        "0\r\n\r\n",
        "?a=%41&%",
        "é",
        "\0",
        "x",
        "ffffffffffffffff\r\n",
    ];
    let mut rng = Rng(0x5EED);
    let (mut requests, mut responses) = (0, 0);
    for round in 0..20_000 {
        let first = ["", "GET / HTTP/1.1\r\nHost: a\r\n", "HTTP/1.1 200 OK\r\n"];
        let mut bytes = Vec::from(first[rng.below(3)]);
        for _ in 0..rng.below(8) {
            bytes.extend(parts[rng.below(parts.len())].bytes());
        }
        if round % 4 == 0 && !bytes.is_empty() {
            let at = rng.below(bytes.len());
            bytes[at] = rng.below(256) as u8;
        }
        let chunked = || BufReader::with_capacity(5, Chunks(&bytes, Rng(round + 1)));

        let (mut whole, mut chunks) = (&bytes[..], chunked());
        let request = Request::read(&mut whole);
        let same = Request::read(&mut chunks);
        assert_eq!(format!("{request:?}"), format!("{same:?}"), "{bytes:?}");
        if let Ok(Some(request)) = request {
            requests += 1;
            request.query("a");
            let body = request.body(&mut whole, 9);
            assert_eq!(format!("{body:?}"), format!("{:?}", request.body(&mut chunks, 9)));
        }
        let response = Response::read(&mut &bytes[..], 9);
        let same = Response::read(&mut chunked(), 9);
        assert_eq!(format!("{response:?}"), format!("{same:?}"), "{bytes:?}");
        responses += usize::from(response.is_ok());
    }
    assert!(requests > 50 && responses > 50, "{requests} requests, {responses} responses");
}

#[test]
fn with_replaces_a_header_and_push_adds_one() {
    let mut response = Response::text(200, "alert()").with("content-type", "text/javascript");
    response.headers.push("Set-Cookie", "a=1");
    response.headers.push("Set-Cookie", "b=2");
    let wire = String::from_utf8(response.encode()).unwrap();
    assert_eq!(wire.to_ascii_lowercase().matches("content-type:").count(), 1, "{wire}");
    assert_eq!(response.headers.get("Content-Type"), Some("text/javascript"));
    assert_eq!(response.headers.all("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
}
