//! The program `wiretap`: it passes on each byte, and explains what it means.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use sockets_by_hand::socketio;
use sockets_by_hand::ws::deflate::{deflate::Deflater, gzip};
use sockets_by_hand::ws::frame::{Header, Opcode, encode};

mod page;
use crate::common::{LIMIT, Polling, UPGRADE, next, status};

/// A wiretap that runs until the test has ended.
struct Wiretap {
    program: Program,
    lines: Receiver<String>,
    address: SocketAddr,
}

impl Wiretap {
    fn start(target: SocketAddr) -> Wiretap {
        Wiretap::with(target, &[])
    }

    fn with(target: SocketAddr, options: &[&str]) -> Wiretap {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wiretap"))
            .args(["127.0.0.1:0", &target.to_string()])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let first = next(&lines);
        let address = first.split(' ').nth(2).unwrap().parse().unwrap();
        assert_eq!(
            first,
            format!("Listening on {address} for {target}. It shows everything, passwords too.")
        );
        Wiretap { program: Program(child), lines, address }
    }

    /// A connection to the target through it.
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// Waits for lines that end with these, in this order, among others. Returns all lines.
    #[track_caller]
    fn shows(&self, expected: &[&str]) -> String {
        let mut all = String::new();
        for expected in expected {
            loop {
                let line = self.lines.recv_timeout(LIMIT);
                let line = line.unwrap_or_else(|_| panic!("{expected:?} is not in:\n{all}"));
                all += &format!("{line}\n");
                if line.ends_with(expected) {
                    break;
                }
            }
        }
        all
    }
}

/// A program that ends with the test, even if the test fails.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A server of which each test accepts one connection by hand, through a wiretap.
fn by_hand() -> (Wiretap, TcpStream, TcpStream) {
    by_hand_with(&[])
}

fn by_hand_with(options: &[&str]) -> (Wiretap, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let wiretap = Wiretap::with(listener.local_addr().unwrap(), options);
    let client = wiretap.connect();
    let server = listener.accept().unwrap().0;
    server.set_read_timeout(Some(LIMIT)).unwrap();
    (wiretap, client, server)
}

/// The same after a handshake, with these lines in both heads.
fn upgraded(target: &str, lines: &str) -> (Wiretap, TcpStream, TcpStream) {
    let (wiretap, client, server) = by_hand();
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{UPGRADE}{lines}\r\n");
    send(&client, &server, request.as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{lines}\r\n"
    );
    send(&server, &client, response.as_bytes());
    wiretap.shows(&["(fits the key)", "← from here on both sides speak websocket"]);
    (wiretap, client, server)
}

/// Sends bytes, and waits until the other end has them.
#[track_caller]
fn send(mut from: &TcpStream, mut to: &TcpStream, bytes: &[u8]) {
    from.write_all(bytes).unwrap();
    let mut arrived = vec![0; bytes.len()];
    to.read_exact(&mut arrived).unwrap();
    assert_eq!(arrived, bytes);
}

/// A frame of a client.
fn masked(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    encode(fin, opcode, payload, Some([1, 2, 3, 4]))
}

mod plain_bytes {
    use super::*;

    #[test]
    fn are_passed_on_and_shown_as_text() {
        let (wiretap, client, server) = by_hand();
        send(&client, &server, b"Hello from client");
        send(&server, &client, b"Hello from server\n");
        wiretap.shows(&[
            "#1 → connects",
            "#1 → 17 bytes: \"Hello from client\"",
            "#1 ← 18 bytes: \"Hello from server\\n\"",
        ]);
    }

    #[test]
    fn that_are_no_text_are_dumped_with_their_offsets() {
        let (wiretap, client, server) = by_hand();
        send(&client, &server, b"0123456789");
        wiretap.shows(&["10 bytes: \"0123456789\""]);
        send(&client, &server, &[0xff, 0, 1, 2, b'A']);
        wiretap.shows(&[
            "→ 5 bytes: ff 00 01 02 41",
            "00000a  ff 00 01 02 41                                   ....A",
        ]);
    }

    #[test]
    fn cannot_command_the_terminal() {
        let (wiretap, client, server) = by_hand();
        // Clears the screen, sets the title, goes back to the beginning of the line, forges a line
        // of the wiretap, C1's command, and text from right to left.
        let attack =
            "an innocent line \x1b[2J\x1b]0;title\x07\r\n  0.000 #9 → \u{9b}31m\u{202e}txt";
        send(&client, &server, attack.as_bytes());
        let shown = wiretap
            .shows(&[r#"\u{1b}[2J\u{1b}]0;title\u{7}\r\n  0.000 #9 → \u{9b}31m\u{202e}txt""#]);
        assert!(!shown.contains(['\x1b', '\u{9b}', '\u{202e}', '\r']));
    }

    #[test]
    fn a_half_close_is_passed_on_and_the_other_direction_goes_on() {
        let (wiretap, mut client, mut server) = by_hand();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut question = String::new();
        server.read_to_string(&mut question).unwrap();
        assert_eq!(question, "question");
        server.write_all(b"answer").unwrap();
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer");
        wiretap.shows(&[
            "→ ends its direction (FIN) after 8 bytes",
            "← 6 bytes: \"answer\"",
            "← ends its direction (FIN) after 6 bytes",
        ]);
    }
}

mod http {
    use super::*;

    #[test]
    fn heads_and_bodies_are_explained_however_they_are_cut() {
        let (wiretap, client, server) = by_hand();
        for byte in b"POST /say HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nHi" {
            send(&client, &server, &[*byte]);
        }
        send(
            &server,
            &client,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n1\r\n!\r\n0\r\n\r\n\
              HTTP/1.1 408 Request Timeout\r\n\r\nup to the end",
        );
        drop(server);
        wiretap.shows(&[
            "http POST /say HTTP/1.1",
            "    Host: a",
            "  * Content-Length: 2",
            "http body, 2 bytes: \"Hi\"",
            "http HTTP/1.1 200 OK",
            "http chunk, 5 bytes",
            "http chunk, 0 bytes",
            "http body, 6 bytes: \"Hello!\"",
            "http HTTP/1.1 408 Request Timeout",
            "http body, 13 bytes: \"up to the end\"",
        ]);
    }

    #[test]
    fn chunks_may_be_cut_anywhere_and_a_trailer_may_follow_them() {
        let (wiretap, client, server) = by_hand_with(&["--raw"]);
        send(&client, &server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = b"3;a=b\r\n\r\nH\r\n2\r\n\r\n\r\n0\r\nServer-Timing: 1\r\n\r\n";
        for byte in [&head[..], body, b"HTTP/1.1 204 No Content\r\n\r\n"].concat() {
            send(&server, &client, &[byte]);
        }
        wiretap.shows(&[
            "http chunk, 3 bytes",
            "000000  33 3b 61 3d 62                                   3;a=b",
            "http chunk, 2 bytes",
            "http chunk, 0 bytes",
            "http body, 5 bytes: \"\\r\\nH\\r\\n\"",
            "http HTTP/1.1 204 No Content",
        ]);
    }

    #[test]
    fn a_chunk_that_is_longer_than_its_size_is_shown_as_bytes() {
        let (wiretap, client, server) = by_hand();
        send(&client, &server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        send(&server, &client, format!("{head}1\r\nXYZ\r\n").as_bytes());
        wiretap.shows(&[
            "http chunk, 1 bytes",
            "only bytes: the size of a chunk is not a hexadecimal number",
            "4 bytes: \"YZ\\r\\n\"",
        ]);
    }

    #[test]
    fn a_body_that_is_cut_short_is_shown_as_such() {
        let (wiretap, client, server) = by_hand();
        send(&client, &server, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nHello");
        drop(client);
        wiretap.shows(&["→   http body, 5 bytes: \"Hello\"", "→ ends in the middle of a message"]);
    }

    #[test]
    fn a_compressed_body_is_decompressed() {
        let (wiretap, client, server) = by_hand();
        let body = gzip::compress("Hello ".repeat(20).as_bytes(), 6);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        send(&client, &server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        send(&server, &client, &[head.as_bytes(), &body].concat());
        wiretap.shows(&[&format!(
            "http body, {} bytes, gzip: 120 bytes: \"{}\"",
            body.len(),
            "Hello ".repeat(20)
        )]);
    }

    #[test]
    fn responses_without_a_body_are_known() {
        let (wiretap, client, server) = by_hand();
        send(
            &client,
            &server,
            b"HEAD / HTTP/1.1\r\n\r\nPUT / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        );
        send(&server, &client, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        send(&server, &client, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
        send(&server, &client, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHi");
        wiretap.shows(&[
            "HTTP/1.1 200 OK",
            "HTTP/1.1 100 Continue",
            "HTTP/1.1 204 No Content",
            "HTTP/1.1 200 OK",
            "body, 2 bytes: \"Hi\"",
        ]);
    }

    #[test]
    fn what_only_begins_like_http_is_text() {
        let (wiretap, client, server) = by_hand();
        send(&client, &server, b"GET the door\n");
        wiretap.shows(&["→ 13 bytes: \"GET the door\\n\""]);
    }

    #[test]
    fn a_head_that_breaks_the_rules_is_shown_as_bytes() {
        let (wiretap, client, server) = by_hand();
        send(&client, &server, b"GET / HTTP/1.1\r\nno header\r\n\r\n");
        wiretap.shows(&[
            "→ from here on only bytes: a header is not a name, a colon at once, and a value",
            "→ 29 bytes: \"GET / HTTP/1.1\\r\\nno header\\r\\n\\r\\n\"",
        ]);
    }
}

mod websocket {
    use super::*;

    #[test]
    fn frames_are_shown_with_their_bits_and_unmasked() {
        let (wiretap, client, server) = upgraded("/", "");
        for byte in masked(true, Opcode::Text, b"Hello") {
            send(&client, &server, &[byte]);
        }
        send(&server, &client, &encode(true, Opcode::Ping, b"", None));
        send(&server, &client, &encode(true, Opcode::Close, b"\x03\xe9bye", None));
        send(&client, &server, &masked(true, Opcode::Close, b""));
        wiretap.shows(&[
            "#1 →   websocket text, 5 bytes: \"Hello\"",
            "  FIN 1, RSV 000, opcode 1, MASK 1, key 01 02 03 04, length 5",
            "#1 ←   websocket ping, 0 bytes",
            "  FIN 1, RSV 000, opcode 9, MASK 0, length 0",
            "#1 ←   websocket close, 1001 (going away), reason \"bye\"",
            "#1 →   websocket close, without a code",
        ]);
    }

    #[test]
    fn fragments_are_put_together_around_control_frames() {
        let (wiretap, client, server) = upgraded("/", "");
        send(&client, &server, &masked(false, Opcode::Text, "안".as_bytes()));
        send(&client, &server, &masked(true, Opcode::Ping, b"?"));
        send(&client, &server, &masked(true, Opcode::Continuation, "녕".as_bytes()));
        wiretap.shows(&[
            "text, 3 bytes: \"안\"",
            "ping, 1 byte: \"?\"",
            "continuation, 3 bytes: \"녕\"",
            "message of 2 frames, 6 bytes: \"안녕\"",
        ]);
    }

    #[test]
    fn compressed_messages_are_inflated_with_those_before_them() {
        let (wiretap, client, server) =
            upgraded("/", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        let mut deflater = Deflater::new(15, 6);
        let mut lengths = Vec::new();
        for _ in 0..2 {
            let deflated = deflater.message(b"a rather long message, sent twice");
            let payload = &deflated[..deflated.len() - 4];
            let len = payload.len() as u64;
            let header = Header { fin: true, rsv1: true, opcode: Opcode::Text, mask: None, len };
            let mut frame = Vec::new();
            header.encode(payload, &mut frame);
            send(&server, &client, &frame);
            lengths.push(len);
        }
        assert!(lengths[1] < lengths[0] / 2, "the second has a match in the first: {lengths:?}");
        let shown = "message, inflated, 33 bytes: \"a rather long message, sent twice\"";
        let bits = format!("RSV 100, opcode 1, MASK 0, length {}", lengths[1]);
        wiretap.shows(&[shown, &bits, shown]);
    }

    #[test]
    fn an_illegal_frame_is_shown_as_bytes() {
        let (wiretap, client, server) = upgraded("/", "");
        send(&client, &server, &[0xff, 0x00]);
        wiretap.shows(&[
            "→ from here on only bytes: an illegal frame arrived: a reserved bit is set, and no \
             extension was agreed on",
            "→ 2 bytes: ff 00",
        ]);
    }

    #[test]
    fn an_accept_that_does_not_fit_its_key_is_marked() {
        let (wiretap, client, server) = by_hand();
        send(&client, &server, format!("GET / HTTP/1.1\r\n{UPGRADE}\r\n").as_bytes());
        let wrong = "Upgrade: websocket\r\nSec-WebSocket-Accept: wrong\r\n\r\n";
        send(&server, &client, format!("HTTP/1.1 101 Switching Protocols\r\n{wrong}").as_bytes());
        wiretap.shows(&["* Sec-WebSocket-Accept: wrong (does not fit the key)"]);
    }

    #[test]
    fn a_frame_of_gigabytes_takes_little_memory() {
        let (wiretap, mut client, mut server) = upgraded("/", "");
        const LEN: u64 = 64 * 1024 * 1024; // as good as gigabytes: it is far more than is kept
        let header =
            Header { fin: true, rsv1: false, opcode: Opcode::Binary, mask: None, len: LEN };
        let mut frame = Vec::new();
        header.write(&mut frame);
        server.write_all(&frame).unwrap();
        let writer = thread::spawn(move || {
            let piece = vec![7; 1024 * 1024];
            (0..LEN / piece.len() as u64).for_each(|_| server.write_all(&piece).unwrap());
            server.write_all(&encode(true, Opcode::Text, b"after it", None)).unwrap();
        });
        let mut left = frame.len() as u64 + LEN + 10;
        let mut buffer = vec![0; 1024 * 1024];
        while left > 0 {
            let n = client.read(&mut buffer).unwrap() as u64;
            left -= n.min(left);
        }
        writer.join().unwrap();
        if let Some(peak) = status(wiretap.program.0.id(), "VmHWM:") {
            assert!(peak < 48 * 1024, "the wiretap has taken {peak} KiB");
        }
    }
}

mod sessions {
    use super::*;

    /// A Socket.IO server that echoes, and the address of a wiretap in front of it.
    fn server() -> (Wiretap, socketio::Server) {
        let server = socketio::Server::bind("127.0.0.1:0", Default::default()).unwrap();
        server.io().on_connection(|socket| {
            socket.on("echo", |event| event.ack(&event.args));
        });
        (Wiretap::start(server.address().unwrap()), server)
    }

    #[test]
    fn packets_of_engineio_and_socketio_are_explained_in_bodies_and_frames() {
        let (wiretap, server) = server();
        thread::spawn(move || server.serve());
        // (Each connection is explained by a thread of its own, so the lines of one are waited for before
        // the next one is opened.)
        let mut polling = Polling::open(wiretap.address);
        wiretap.shows(&["http GET /socket.io/?EIO=4&transport=polling HTTP/1.1"]);
        polling.post("40/admin,{\"token\":\"x\"}\x1e40");
        wiretap.shows(&[
            "→     engine.io message, 21 bytes: \"0/admin,{\"token\":\"x\"}\"",
            "→       socket.io connect, namespace /admin: {\"token\":\"x\"}",
            "→       socket.io connect, namespace /",
        ]);
        polling.poll();
        polling.post("42[\"echo\",{\"a\":1}]");
        wiretap.shows(&["→       socket.io event \"echo\", namespace /: {\"a\":1}"]);
        let mut socket = polling.upgrade();
        socket.send("420[\"echo\",\"Hello\"]");
        wiretap.shows(&[
            "→   websocket text, 6 bytes: \"2probe\"",
            "→     engine.io ping, 5 bytes: \"probe\"",
            "→     engine.io upgrade",
            "→       socket.io event \"echo\", namespace /, id 0: \"Hello\"",
            "←     engine.io message, 11 bytes: \"30[\"Hello\"]\"",
            "←       socket.io ack, namespace /, id 0: \"Hello\"",
        ]);
    }

    #[test]
    fn attachments_are_put_back_even_if_they_come_another_way() {
        let (wiretap, server) = server();
        thread::spawn(move || server.serve());
        let mut polling = Polling::open(wiretap.address);
        polling.post("40");
        polling.poll();
        polling.post("451-0[\"echo\",{\"_placeholder\":true,\"num\":0}]");
        wiretap.shows(&["→       socket.io packet, attachments to follow: 1"]);
        let mut socket = polling.upgrade();
        socket.send_bytes(&[1, 2, 255]);
        wiretap.shows(&[
            "→     engine.io binary message, 3 bytes: 01 02 ff",
            "→       socket.io event \"echo\", namespace /, id 0: \"<3 bytes: 01 02 ff>\"",
            "←       socket.io ack, namespace /, id 0: \"<3 bytes: 01 02 ff>\"",
        ]);
    }

    #[test]
    fn ourclient_talks_to_our_server_through_it() {
        let (wiretap, server) = server();
        thread::spawn(move || server.serve());
        let client = socketio::Client::connect(&format!("http://{}", wiretap.address)).unwrap();
        let (sender, answers) = channel();
        client.timeout(LIMIT).emit_with_callback("echo", ("Hello", vec![1_u8, 2]), move |answer| {
            sender.send(format!("{answer:?}")).unwrap();
        });
        assert!(next(&answers).contains("Hello"));
        wiretap.shows(&[
            "socket.io event \"echo\", namespace /, id 0: \"Hello\", \"<2 bytes: 01 02>\"",
        ]);
    }
}

#[test]
fn a_server_that_cannot_be_reached_ends_the_connection() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let wiretap = Wiretap::start(nobody);
    assert_eq!(wiretap.connect().read(&mut [0]).unwrap(), 0);
    assert!(wiretap.shows(&[")"]).contains("#1 ← is lost: "));
}

#[test]
fn a_reset_ends_both_directions() {
    let (wiretap, mut client, mut server) = by_hand();
    client.write_all(b"unread").unwrap();
    server.read_exact(&mut [0]).unwrap();
    drop(server); // with bytes that it has not read: it resets the connection
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    assert!(wiretap.shows(&[")"]).contains("#1 ← is lost: "));
}

#[test]
fn raw_adds_the_bytes_of_each_layer() {
    let (wiretap, client, server) = by_hand_with(&["--raw"]);
    send(&client, &server, b"Hello, server!\n!!!");
    wiretap.shows(&[
        "000000  48 65 6c 6c 6f 2c 20 73 65 72 76 65 72 21 0a 21  Hello, server!.!",
        "000010  21 21                                            !!",
    ]);
}

/// A wiretap whose terminal is paused, and a connection through it. Its output is read by the test.
fn paused() -> (Program, impl Iterator<Item = String>, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wiretap"))
        .args(["127.0.0.1:0", &target.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address: SocketAddr = lines.next().unwrap().split(' ').nth(2).unwrap().parse().unwrap();
    let client = TcpStream::connect(address).unwrap();
    let server = listener.accept().unwrap().0;
    (Program(child), lines, client, server)
}

#[test]
fn a_terminal_that_is_paused_delays_no_byte_and_later_shows_all() {
    let (_program, lines, client, server) = paused();
    for _ in 0..3000 {
        send(&client, &server, &[b'x'; 100]);
    }
    drop(client);
    let lines = lines.take_while(|line| !line.contains("(FIN)") && !line.contains("too much"));
    assert_eq!(lines.filter(|line| line.contains("100 bytes: \"xxx")).count(), 3000);
}

#[test]
fn a_terminal_that_is_paused_too_long_is_told_that_more_was_passed_on() {
    let (_program, mut lines, client, server) = paused();
    for _ in 0..512 {
        send(&client, &server, &[b'x'; 64 * 1024]); // twice what may wait
    }
    assert!(lines.any(|line| line.ends_with("too much to explain: from here on only passed on")));
    send(&client, &server, b"still passed on");
}
