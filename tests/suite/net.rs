//! The `net` module through its public API: what each part promises, and that a client that misbehaves
//! disturbs no other.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sockets_by_hand::net::server::Handle;
use sockets_by_hand::net::{Options, Server, Stream};

use crate::common::{LIMIT, is_alone, next, status, until};

/// The timeout of each `read`: a test that would hang fails.
const READ_TIMEOUT: Option<Duration> = Some(LIMIT.saturating_mul(2));

/// Both ends of a new connection on this machine.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    client.set_read_timeout(READ_TIMEOUT).unwrap();
    server.set_read_timeout(READ_TIMEOUT).unwrap();
    (server, client)
}

/// Two connected streams of the library, of each kind: TCP, and a Unix socket.
fn pairs() -> Vec<(Stream, Stream)> {
    let (one, other) = connection();
    #[allow(unused_mut)] // where there are no Unix sockets
    let mut pairs = vec![(one.into(), other.into())];
    #[cfg(unix)]
    {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        one.set_read_timeout(READ_TIMEOUT).unwrap();
        other.set_read_timeout(READ_TIMEOUT).unwrap();
        pairs.push((one.into(), other.into()));
    }
    pairs
}

/// A connection on whose first end a `write` blocks: the buffers to the second are full of dots.
fn full() -> (TcpStream, TcpStream) {
    let (mut ours, theirs) = connection();
    ours.set_nonblocking(true).unwrap();
    while ours.write(&[b'.'; 64 * 1024]).is_ok() {}
    ours.set_nonblocking(false).unwrap();
    (ours, theirs)
}

/// Reads to the end, and returns what follows the dots.
fn after_the_dots(mut socket: TcpStream) -> String {
    let mut received = String::new();
    socket.read_to_string(&mut received).unwrap();
    received.trim_start_matches('.').to_string()
}

/// Runs `task` on a thread of its own, and returns the receiver of its result.
fn run_on_thread<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(task()));
    receiver
}

mod server {
    use super::*;

    /// A handler that echoes.
    fn echo(mut stream: Stream) -> io::Result<()> {
        io::copy(&mut stream.clone(), &mut stream).map(drop)
    }

    fn start<H>(server: Server, handler: H) -> (SocketAddr, Handle, JoinHandle<()>)
    where
        H: Fn(Stream) -> io::Result<()> + Send + Sync + 'static,
    {
        let (address, handle) = (server.address().unwrap(), server.handle());
        (address, handle, thread::spawn(move || server.serve(handler)))
    }

    fn bind() -> Server {
        bind_with(Options::default())
    }

    fn bind_with(options: Options) -> Server {
        Server::bind("127.0.0.1:0", options).unwrap()
    }

    fn connect(address: SocketAddr) -> Stream {
        let client = Stream::connect(address).unwrap();
        client.set_timeout(READ_TIMEOUT).unwrap();
        client
    }

    /// A client that has got one echo: it is counted, and its handler runs.
    fn served(address: SocketAddr) -> Stream {
        let mut client = connect(address);
        assert!(echoes(&mut client), "the server ended the connection");
        client
    }

    fn echoes(client: &mut Stream) -> bool {
        let mut answer = [0; 5];
        client.write_all(b"Hello").is_ok()
            && client.read_exact(&mut answer).is_ok()
            && &answer == b"Hello"
    }

    #[test]
    fn a_client_over_max_connections_is_closed_at_once_and_the_others_stay_connected() {
        let server = bind_with(Options { max_connections: 2, ..Options::default() });
        let (address, handle, serving) = start(server, echo);
        let (mut first, second) = (served(address), served(address));
        assert_eq!(handle.connections(), 2);

        let mut third = connect(address);
        assert_eq!(third.read(&mut [0; 1]).unwrap(), 0);
        assert!(echoes(&mut first));

        drop(second);
        until(|| handle.connections() == 1);
        served(address);
        drop(first);
        handle.close();
        serving.join().unwrap();
    }

    #[test]
    fn a_client_over_max_connections_gets_the_overload_response() {
        let overload_response = b"Full";
        let options = Options { max_connections: 0, overload_response, ..Options::default() };
        let server = bind_with(options);
        let (address, handle, serving) = start(server, echo);
        let mut received = String::new();
        connect(address).read_to_string(&mut received).unwrap();
        assert_eq!(received, "Full");
        handle.close();
        serving.join().unwrap();
    }

    #[test]
    fn close_frees_the_port_and_lets_connected_clients_finish() {
        let (address, handle, serving) = start(bind(), echo);
        let mut client = served(address);
        handle.close();
        handle.close(); // a second time changes nothing

        let refused = Stream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        drop(Server::bind(address, Options::default()).expect("the port is free"));
        assert!(echoes(&mut client));
        assert_eq!(handle.connections(), 1);
        assert!(!serving.is_finished(), "it serves until the last client has disconnected");

        drop(client);
        handle.wait();
        assert_eq!(handle.connections(), 0);
        serving.join().unwrap();
    }

    #[test]
    fn wait_returns_with_the_last_handler() {
        let (finish, may_finish) = mpsc::channel();
        let may_finish = std::sync::Mutex::new(may_finish);
        let (address, handle, serving) = start(bind(), move |mut stream| {
            stream.write_all(b"Hello")?;
            drop(stream);
            may_finish.lock().unwrap().recv().unwrap();
            Ok(())
        });
        let mut received = String::new();
        connect(address).read_to_string(&mut received).unwrap();
        handle.close();
        let waiting = run_on_thread(move || handle.wait());
        assert!(waiting.try_recv().is_err(), "the handler still runs");
        finish.send(()).unwrap();
        next(&waiting);
        serving.join().unwrap();
    }

    #[test]
    fn a_server_that_was_closed_before_it_served_serves_no_client() {
        let server = bind();
        let address = server.address().unwrap();
        let mut early = connect(address);
        server.handle().close();
        server.serve(|_| panic!("no client may be served"));
        // The kernel closes the connections of its queue with the listener.
        assert!(matches!(early.read(&mut [0; 1]), Ok(0) | Err(_)));
    }

    #[test]
    fn close_frees_the_port_before_serve_is_called_too() {
        let server = bind();
        let (address, handle) = (server.address().unwrap(), server.handle());
        handle.close();
        drop(Server::bind(address, Options::default()).expect("the port is free"));
        assert_eq!(server.address(), Some(address));
        handle.wait();
    }

    #[test]
    fn a_server_that_is_dropped_before_it_serves_is_closed() {
        let server = bind();
        let (address, handle) = (server.address().unwrap(), server.handle());
        drop(server);
        drop(Server::bind(address, Options::default()).expect("the port is free"));
        assert!(handle.is_closed());
        handle.wait();
    }

    #[test]
    fn connections_left_after_the_close_timeout_are_destroyed() {
        let close_timeout = Duration::from_millis(50);
        let server = bind_with(Options { close_timeout, ..Options::default() });
        let (address, handle, serving) = start(server, echo);
        let mut clients = [served(address), served(address)];
        handle.close();
        let ended = run_on_thread(move || serving.join().unwrap());
        ended.recv_timeout(LIMIT).expect("serve returns, though the clients stay connected");
        assert_eq!(handle.connections(), 0);
        assert!(clients.iter_mut().all(|client| matches!(client.read(&mut [0]), Ok(0) | Err(_))));
    }

    #[test]
    fn wait_on_a_server_that_has_not_served_yet_returns_when_it_is_closed() {
        let server = bind();
        let handle = server.handle();
        let waiting = run_on_thread(move || handle.wait());
        let still_waits = waiting.recv_timeout(Duration::from_millis(50));
        assert_eq!(still_waits, Err(mpsc::RecvTimeoutError::Timeout));
        let (_, handle, serving) = start(server, echo);
        handle.close();
        next(&waiting);
        serving.join().unwrap();
    }

    #[test]
    fn a_handler_may_close_the_server() {
        let server = bind();
        let handle = server.handle();
        let (address, _, serving) = start(server, move |_| {
            handle.close();
            Ok(())
        });
        connect(address);
        serving.join().unwrap();
    }

    #[test]
    fn a_handler_that_fails_or_panics_ends_its_own_connection_and_no_other() {
        let (address, handle, serving) = start(bind(), |mut stream: Stream| {
            let mut first = [0];
            stream.read_exact(&mut first)?;
            match &first {
                b"p" => std::panic::resume_unwind(Box::new("a panic that prints nothing")),
                b"e" => Err(io::Error::other("an error of the handler")),
                _ => stream.write_all(&first).and_then(|()| echo(stream)),
            }
        });
        let mut other = served(address);
        for first in [b"p", b"e"] {
            let mut client = connect(address);
            client.write_all(first).unwrap();
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
            until(|| handle.connections() == 1);
            assert!(echoes(&mut other));
        }
        served(address);
        drop(other);
        handle.close();
        serving.join().unwrap();
    }

    #[test]
    fn the_thread_of_a_handler_has_the_address_of_its_client_in_its_name() {
        let (address, handle, serving) = start(bind(), |mut stream: Stream| {
            stream.write_all(thread::current().name().unwrap_or_default().as_bytes())
        });
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(READ_TIMEOUT).unwrap();
        let mut name = String::new();
        client.read_to_string(&mut name).unwrap();
        assert_eq!(name, format!("client {}", client.local_addr().unwrap()));
        handle.close();
        serving.join().unwrap();
    }

    #[test]
    fn an_invalid_address_and_one_in_use_are_different_errors() {
        let taken = bind();
        let kind = |address: &str| Server::bind(address, Options::default()).err().unwrap().kind();
        assert_eq!(kind("invalid"), ErrorKind::InvalidInput);
        assert_eq!(kind(&taken.address().unwrap().to_string()), ErrorKind::AddrInUse);
    }

    #[cfg(unix)]
    mod on_a_path {
        use super::*;
        #[cfg(target_os = "linux")]
        use std::iter;
        use std::os::unix::net::UnixListener;
        use std::path::{Path, PathBuf};
        use std::{env, fs, process};

        /// The path of a socket file, which is removed at the end of the test.
        struct SocketFile(PathBuf);

        impl SocketFile {
            fn new(name: &str) -> SocketFile {
                SocketFile(env::temp_dir().join(format!("{}-{name}", process::id())))
            }

            /// Serves there until it is closed.
            fn serve(&self) -> (Handle, JoinHandle<()>) {
                let server = Server::bind_path(&self.0, Options::default()).unwrap();
                assert_eq!(server.address(), None);
                (server.handle(), thread::spawn(move || server.serve(echo)))
            }
        }

        impl Drop for SocketFile {
            fn drop(&mut self) {
                _ = fs::remove_file(&self.0);
            }
        }

        #[track_caller]
        fn assert_serves(path: &Path) {
            assert!(echoes(&mut Stream::connect_path(path).unwrap()));
        }

        #[test]
        fn close_removes_the_socket_file() {
            let file = SocketFile::new("gone");
            let (handle, serving) = file.serve();
            assert_serves(&file.0);
            handle.close();
            assert!(!file.0.exists());
            serving.join().unwrap();

            drop(Server::bind_path(&file.0, Options::default()).unwrap()); // a server that never served removes it too
            assert!(!file.0.exists());
        }

        #[test]
        fn a_stale_file_is_replaced() {
            let file = SocketFile::new("stale");
            drop(UnixListener::bind(&file.0).unwrap());
            assert!(file.0.exists(), "a server that was killed leaves it");
            let (handle, serving) = file.serve();
            assert_serves(&file.0);
            handle.close();
            serving.join().unwrap();
        }

        #[test]
        fn the_file_of_a_live_server_is_not_touched() {
            let file = SocketFile::new("live");
            let (handle, serving) = file.serve();
            let taken = Server::bind_path(&file.0, Options::default()).err().unwrap();
            assert_eq!(taken.kind(), ErrorKind::AddrInUse);
            assert_serves(&file.0);
            handle.close();
            serving.join().unwrap();
        }

        /// Without its file, no client can connect to it: as after a cleanup of the temporary folder.
        #[cfg(target_os = "linux")]
        #[test]
        fn a_server_whose_file_was_removed_can_be_closed() {
            let file = SocketFile::new("swept");
            let (handle, serving) = file.serve();
            let mut client = Stream::connect_path(&file.0).unwrap();
            assert!(echoes(&mut client));
            fs::remove_file(&file.0).unwrap();
            drop(client);
            let closed = run_on_thread(move || {
                handle.close();
                serving.join().unwrap();
            });
            closed.recv_timeout(LIMIT).expect("close returns");
        }

        #[cfg(target_os = "linux")]
        #[test]
        fn bind_path_does_not_wait_for_a_live_server_with_a_full_queue() {
            let file = SocketFile::new("full");
            let _live = UnixListener::bind(&file.0).unwrap(); // accepts no client
            let (connected, clients) = mpsc::channel();
            let path = file.0.clone();
            thread::spawn(move || {
                let clients = iter::repeat_with(|| Stream::connect_path(&path));
                clients.map_while(Result::ok).for_each(|client| _ = connected.send(client));
            });
            // The queue is full when no more clients connect.
            let _clients: Vec<Stream> =
                iter::from_fn(|| clients.recv_timeout(Duration::from_millis(500)).ok()).collect();
            let path = file.0.clone();
            let bound = run_on_thread(move || {
                Server::bind_path(path, Options::default()).err().unwrap().kind()
            });
            assert_eq!(bound.recv_timeout(LIMIT), Ok(ErrorKind::AddrInUse));
        }

        #[test]
        fn a_file_that_is_no_socket_is_not_touched() {
            let file = SocketFile::new("file");
            fs::write(&file.0, "years of work").unwrap();
            let taken = Server::bind_path(&file.0, Options::default()).err().unwrap();
            assert_eq!(taken.kind(), ErrorKind::AddrInUse);
            assert_eq!(fs::read_to_string(&file.0).unwrap(), "years of work");
        }

        #[test]
        fn a_missing_folder_and_a_missing_server_are_errors() {
            let file = SocketFile::new("none");
            let below = file.0.join("socket");
            assert_eq!(
                Server::bind_path(below, Options::default()).err().unwrap().kind(),
                ErrorKind::NotFound
            );
            let refused = Stream::connect_path(&file.0).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NotFound);
            drop(UnixListener::bind(&file.0).unwrap());
            let refused = Stream::connect_path(&file.0).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
    }
}

mod stream {
    use super::*;

    #[test]
    fn after_end_the_other_side_can_still_send() {
        for (mut ours, mut theirs) in pairs() {
            ours.write_all(b"Hello").unwrap();
            ours.end().unwrap();
            let mut received = String::new();
            theirs.read_to_string(&mut received).unwrap();
            assert_eq!(received, "Hello");
            assert!(ours.write(b"more").is_err(), "nothing follows the end");

            theirs.write_all(b"Good bye").unwrap();
            drop(theirs);
            let mut answer = String::new();
            ours.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "Good bye");
        }
    }

    #[test]
    fn the_connection_stays_open_until_the_last_clone_is_dropped() {
        for (ours, mut theirs) in pairs() {
            let mut clone = ours.clone();
            drop(ours);
            clone.write_all(b"Hello").unwrap();
            drop(clone);
            let mut received = String::new();
            theirs.read_to_string(&mut received).unwrap();
            assert_eq!(received, "Hello");
        }
    }

    #[test]
    fn destroy_wakes_a_blocked_read() {
        for (ours, mut theirs) in pairs() {
            let mut reader = ours.clone();
            let (about_to_read, started) = mpsc::channel();
            let woken = run_on_thread(move || {
                about_to_read.send(()).unwrap();
                matches!(reader.read(&mut [0; 1]), Ok(0) | Err(_))
            });
            started.recv().unwrap();
            ours.destroy();
            assert_eq!(woken.recv_timeout(LIMIT), Ok(true));
            assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
            ours.destroy(); // a second time changes nothing
        }
    }

    #[test]
    fn destroy_wakes_a_blocked_write() {
        for (ours, _theirs) in pairs() {
            let mut writer = ours.clone();
            let woken =
                run_on_thread(move || while writer.write_all(&[b'.'; 64 * 1024]).is_ok() {});
            until(|| ours.bytes_written() > 0);
            ours.destroy();
            next(&woken);
        }
    }

    #[test]
    fn a_read_timeout_leaves_the_connection_open() {
        for (mut ours, mut theirs) in pairs() {
            ours.set_timeout(Some(Duration::from_millis(20))).unwrap();
            for _ in 0..2 {
                let silence = ours.read(&mut [0; 5]).unwrap_err();
                assert_eq!(silence.kind(), ErrorKind::TimedOut);
            }
            theirs.write_all(b"Hello").unwrap();
            assert_eq!(ours.read(&mut [0; 5]).unwrap(), 5);

            ours.set_timeout(None).unwrap();
            let waiting = run_on_thread(move || ours.read(&mut [0; 5]).unwrap());
            let still_waits = waiting.recv_timeout(Duration::from_millis(60));
            assert_eq!(still_waits, Err(mpsc::RecvTimeoutError::Timeout));
            theirs.write_all(b"Hello").unwrap();
            assert_eq!(waiting.recv_timeout(LIMIT), Ok(5));
            assert_eq!(
                theirs.set_timeout(Some(Duration::ZERO)).unwrap_err().kind(),
                ErrorKind::InvalidInput
            );
        }
    }

    #[test]
    fn bytes_are_counted_for_all_clones_together() {
        for (mut ours, mut theirs) in pairs() {
            assert_eq!((ours.bytes_written(), theirs.bytes_read()), (0, 0));
            ours.write_all(b"Hello").unwrap();
            ours.clone().write_all(b", world").unwrap();
            theirs.read_exact(&mut [0; 7]).unwrap();
            theirs.clone().read_exact(&mut [0; 5]).unwrap();
            assert_eq!((ours.bytes_written(), theirs.bytes_read()), (12, 12));
            assert_eq!((ours.bytes_read(), theirs.bytes_written()), (0, 0));
        }
    }

    #[test]
    fn remote_address_is_known_over_tcp_only() {
        let (ours, theirs) = connection();
        let address = theirs.local_addr().unwrap();
        assert_eq!(Stream::from(ours).remote_address(), Some(address));
        assert_eq!(pairs().into_iter().skip(1).find_map(|(one, _)| one.remote_address()), None);
        for (one, _other) in pairs() {
            one.set_no_delay(true).unwrap();
        }
    }

    #[test]
    fn connect_returns_the_reason_of_a_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Stream::connect_within(address, LIMIT).unwrap();
        drop(listener);
        let kind = |result: io::Result<Stream>| result.unwrap_err().kind();
        assert_eq!(kind(Stream::connect(address)), ErrorKind::ConnectionRefused);
        assert_eq!(kind(Stream::connect_within(address, LIMIT)), ErrorKind::ConnectionRefused);
        assert_eq!(kind(Stream::connect("invalid")), ErrorKind::InvalidInput);
    }
}

mod framing {
    use super::*;
    use sockets_by_hand::net::framing::{Error, read_frame, read_line, write_frame, write_line};
    use std::io::BufReader;

    /// A result that can be compared and printed.
    fn plain<T>(result: Result<T, Error>) -> Result<T, String> {
        result.map_err(|e| e.to_string())
    }

    /// The bytes, what is read from them, and the bytes that are left.
    type Case<T> = (&'static [u8], Result<Option<T>, String>, &'static [u8]);

    #[test]
    fn lines_end_at_a_line_feed_the_end_or_the_limit() {
        let too_long = || Err("a message of more than 4 bytes arrived".to_string());
        let not_text = || Err("a line arrived that is not UTF-8 text".to_string());
        let table: [Case<&str>; 17] = [
            (b"", Ok(None), b""),
            (b"\n", Ok(Some("")), b""),
            (b"\r\n", Ok(Some("")), b""),
            (b"one\ntwo\n", Ok(Some("one")), b"two\n"),
            (b"one\r\ntwo", Ok(Some("one")), b"two"),
            (b"one", Ok(Some("one")), b""),
            (b"one\r", Ok(Some("one\r")), b""),
            (b"\rone\n", Ok(Some("\rone")), b""),
            (b"one\r\r\n", Ok(Some("one\r")), b""),
            // as long as the limit, and one byte longer
            (b"four\n", Ok(Some("four")), b""),
            (b"four\r\n!", Ok(Some("four")), b"!"),
            (b"four", Ok(Some("four")), b""),
            (b"fives\n", too_long(), b""),
            (b"fives", too_long(), b""),
            (b"four\r\r\n", too_long(), b"\n"),
            // not UTF-8
            (b"\xc3\xa9\n", Ok(Some("é")), b""),
            (b"\xc3\n\xa9", not_text(), b"\xa9"),
        ];
        for (bytes, expected, left) in table {
            let mut stream = bytes;
            let line = plain(read_line(&mut stream, 4));
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(
                line.as_ref().map(Option::as_deref),
                expected.as_ref().copied(),
                "{shown:?}"
            );
            assert_eq!(stream, left, "what is left of {shown:?}");
        }
    }

    #[test]
    fn frames_end_after_their_length_or_at_the_limit() {
        let too_long = || Err("a message of more than 4 bytes arrived".to_string());
        let short = |n| Err(format!("the stream ended {n} bytes before the end of a frame"));
        let table: [Case<&[u8]>; 10] = [
            (b"", Ok(None), b""),
            (b"\0\0\0\0", Ok(Some(b"")), b""),
            (b"\0\0\0\x03one\0\0", Ok(Some(b"one")), b"\0\0"),
            (b"\0\0\0\x04four", Ok(Some(b"four")), b""),
            (b"\0\0\0\x05fives", too_long(), b"fives"),
            (b"\x01\0\0\0", too_long(), b""),
            (b"\xff\xff\xff\xff", too_long(), b""),
            (b"\0", short(3), b""),
            (b"\0\0\0", short(1), b""),
            (b"\0\0\0\x04one", short(1), b""),
        ];
        for (bytes, expected, left) in table {
            let mut stream = bytes;
            let frame = plain(read_frame(&mut stream, 4));
            assert_eq!(
                frame.as_ref().map(Option::as_deref),
                expected.as_ref().copied(),
                "{bytes:?}"
            );
            assert_eq!(stream, left, "what is left of {bytes:?}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let mut wire = Vec::new();
        write_line(&mut wire, "안녕하세요").unwrap();
        write_frame(&mut wire, &[b'\n'; 70_000]).unwrap();
        write_frame(&mut wire, b"").unwrap();
        write_line(&mut wire, "").unwrap();
        let mut stream = &wire[..];
        assert_eq!(read_line(&mut stream, 80).unwrap().unwrap(), "안녕하세요");
        assert_eq!(read_frame(&mut stream, 70_000).unwrap().unwrap(), [b'\n'; 70_000]);
        assert_eq!(read_frame(&mut stream, 0).unwrap().unwrap(), b"");
        assert_eq!(read_line(&mut stream, 0).unwrap().unwrap(), "");
        assert_eq!(read_line(&mut stream, usize::MAX).unwrap(), None);
    }

    /// Reads one byte at a time, as from a network.
    struct ByteByByte<'a>(&'a [u8]);

    impl Read for ByteByByte<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn lines_and_frames_may_arrive_byte_by_byte() {
        let mut stream = BufReader::with_capacity(1, ByteByByte(b"one\r\n\0\0\0\x03two"));
        assert_eq!(read_line(&mut stream, 3).unwrap().unwrap(), "one");
        assert_eq!(read_frame(&mut stream, 3).unwrap().unwrap(), b"two");
    }

    #[test]
    fn reading_does_not_wait_for_more_than_the_message() {
        let (mut ours, theirs) = connection();
        let (sender, received) = mpsc::channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(theirs);
            sender.send(read_frame(&mut reader, 80).unwrap().unwrap()).unwrap();
            sender.send(read_frame(&mut reader, 80).unwrap().unwrap()).unwrap();
            sender.send(read_line(&mut reader, 80).unwrap().unwrap().into()).unwrap();
        });
        write_frame(&mut ours, b"").unwrap();
        assert_eq!(next(&received), b"");
        write_frame(&mut ours, b"one").unwrap();
        assert_eq!(next(&received), b"one");
        write_line(&mut ours, "two").unwrap();
        assert_eq!(next(&received), b"two");
    }

    #[test]
    fn a_line_without_an_end_is_an_error_at_the_limit() {
        let mut endless = BufReader::new(io::repeat(b'x'));
        assert!(matches!(read_line(&mut endless, 1000), Err(Error::TooLong(1000))));
    }

    #[test]
    fn a_length_reserves_no_memory_before_its_bytes_arrive() {
        if !is_alone() {
            return;
        }
        let before = address_space();
        let error = read_frame(&mut &b"\xff\xff\xff\xffshort"[..], u32::MAX as usize).unwrap_err();
        let missing = u32::MAX as usize - 5;
        assert!(matches!(error, Error::CutShort(m) if m == missing), "{error}");
        let taken = address_space() - before;
        assert!(taken < 3 << 30, "{taken} bytes were reserved for 4 GiB that never arrived");
    }

    /// The peak of this process's address space, where the system tells it.
    fn address_space() -> usize {
        status("self", "VmPeak:").unwrap_or(0) * 1024
    }

    #[test]
    fn a_connection_reset_is_not_the_end_of_the_stream() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::ConnectionReset.into())
            }
        }
        let lost = |e: Error| io::Error::from(e).kind() == ErrorKind::ConnectionReset;
        assert!(lost(read_line(&mut BufReader::new(Broken), 80).unwrap_err()));
        assert!(lost(read_frame(&mut Broken, 80).unwrap_err()));
        assert!(lost(read_frame(&mut b"\0\0\0\x05on".chain(Broken), 80).unwrap_err()));
        let too_long = io::Error::from(Error::TooLong(4));
        assert_eq!(too_long.kind(), ErrorKind::InvalidData);
    }
}

mod backoff {
    use super::*;
    use sockets_by_hand::net::Backoff;

    fn without_jitter() -> Backoff {
        Backoff { jitter: 0.0, ..Backoff::default() }
    }

    #[test]
    fn pauses_double_up_to_max_and_begin_again_after_reset() {
        let mut backoff = Backoff {
            min: Duration::from_millis(100),
            max: Duration::from_millis(1000),
            ..without_jitter()
        };
        for _ in 0..2 {
            let pauses: Vec<_> = (0..6).map(|_| backoff.next_pause().as_millis()).collect();
            assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
            assert_eq!(backoff.attempts, 6);
            backoff.reset();
        }
    }

    #[test]
    fn jitter_changes_a_pause_by_half_of_it_at_most() {
        let backoff = Backoff { max: Duration::from_secs(3600), ..Backoff::default() };
        for (attempts, seconds) in [(0, 1.0), (1, 2.0), (5, 32.0)] {
            let pause = |random| backoff.pause(attempts, random).as_secs_f64();
            assert_eq!([0.0, 0.5, 1.0].map(pause), [0.5, 1.0, 1.5].map(|part| part * seconds));
        }
    }

    #[test]
    fn random_pauses_use_the_whole_range_of_the_jitter() {
        let pauses: Vec<f64> =
            (0..5000).map(|_| Backoff::default().next_pause().as_secs_f64()).collect();
        assert!(pauses.iter().all(|pause| (0.5..=1.5).contains(pause)));
        // Ten equal intervals: each has 500 on average, and fewer than 350 once in 10^11 runs.
        for part in 0..10 {
            let from = 0.5 + f64::from(part) / 10.0;
            let count = pauses.iter().filter(|pause| (from..from + 0.1).contains(*pause)).count();
            assert!(count > 350, "{count} of 5,000 pauses are between {from} and {} s", from + 0.1);
        }
    }

    #[test]
    fn no_pause_is_longer_than_max() {
        let mut backoff = Backoff::default();
        assert!((0..1000).all(|_| backoff.next_pause() <= Duration::from_secs(5)));
    }

    #[test]
    fn any_number_of_attempts_has_a_pause() {
        for attempts in [31, 32, 63, 64, 1023, 1024, u32::MAX] {
            for random in [0.0, 0.5, 1.0] {
                assert_eq!(Backoff::default().pause(attempts, random), Duration::from_secs(5));
            }
        }
        let mut backoff = Backoff { attempts: u32::MAX, ..Backoff::default() };
        assert_eq!(backoff.next_pause(), backoff.next_pause());
    }

    #[test]
    fn any_fields_have_a_pause() {
        let forever = Backoff { max: Duration::MAX, ..Backoff::default() };
        assert_eq!(forever.pause(100, 0.5), Duration::MAX);
        let at_once = Backoff { min: Duration::ZERO, ..Backoff::default() };
        assert!(at_once.pause(u32::MAX, 0.5) <= at_once.max);
        for jitter in [-1.0, 7.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let wild = Backoff { jitter, ..Backoff::default() };
            assert!([0.0, 0.5, 1.0].map(|r| wild.pause(3, r)) <= [wild.max; 3]);
        }
    }
}

mod emitter {
    use super::*;
    use sockets_by_hand::net::Emitter;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::sync::{Arc, Barrier, Mutex};

    /// An emitter, and a log of the calls of its listeners.
    #[derive(Clone, Default)]
    struct Logged {
        emitter: Arc<Emitter<u32>>,
        log: Arc<Mutex<Vec<String>>>,
    }

    impl Logged {
        /// A listener that logs its name, and the value with which it was called.
        fn logs(&self, name: &'static str) -> impl Fn(&u32) + Send + Sync + 'static {
            let log = self.log.clone();
            move |value| log.lock().unwrap().push(format!("{name} {value}"))
        }

        /// Takes what has been logged since the last time.
        fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.log.lock().unwrap())
        }
    }

    #[test]
    fn listeners_are_called_in_the_order_in_which_they_were_added() {
        let logged = Logged::default();
        logged.emitter.on("event", logged.logs("first"));
        logged.emitter.on("other", logged.logs("never"));
        logged.emitter.once("event", logged.logs("second"));
        logged.emitter.on("event", logged.logs("third"));
        assert!(logged.emitter.emit("event", &1));
        assert_eq!(logged.take(), ["first 1", "second 1", "third 1"]);
        assert!(logged.emitter.emit("event", &2));
        assert_eq!(logged.take(), ["first 2", "third 2"]);
    }

    #[test]
    fn once_is_called_once_and_emit_returns_whether_there_was_a_listener() {
        let logged = Logged::default();
        assert!(!logged.emitter.emit("event", &0));
        logged.emitter.once("event", logged.logs("once"));
        assert!(logged.emitter.emit("event", &1));
        assert!(!logged.emitter.emit("event", &2));
        assert_eq!(logged.take(), ["once 1"]);
    }

    #[test]
    fn once_is_called_once_though_many_threads_emit() {
        let logged = Logged::default();
        logged.emitter.once("event", logged.logs("once"));
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    logged.emitter.emit("event", &1);
                });
            }
        });
        assert_eq!(logged.take(), ["once 1"]);
    }

    #[test]
    fn off_removes_one_listener_and_no_other() {
        let logged = Logged::default();
        let first = logged.emitter.on("event", logged.logs("first"));
        let second = logged.emitter.once("event", logged.logs("second"));
        assert_ne!(first, second);
        logged.emitter.off(first);
        logged.emitter.off(first); // a second time changes nothing
        logged.emitter.emit("event", &1);
        logged.emitter.off(second);
        assert_eq!(logged.take(), ["second 1"]);
    }

    #[test]
    fn a_listener_id_means_nothing_to_another_emitter() {
        let (one, other) = (Emitter::<u32>::new(), Emitter::<u32>::new());
        let listener = one.on("event", |_| {});
        other.on("event", |_| {});
        other.off(listener);
        assert!(other.emit("event", &1), "its own listener is still there");
    }

    #[test]
    fn listeners_added_or_removed_in_a_listener_count_from_the_next_emit() {
        let logged = Logged::default();
        let also = logged.clone();
        let last = Arc::new(Mutex::new(None));
        let the_last = last.clone();
        logged.emitter.once("event", move |_| {
            also.emitter.on("event", also.logs("new"));
            also.emitter.off(the_last.lock().unwrap().take().unwrap());
        });
        *last.lock().unwrap() = Some(logged.emitter.on("event", logged.logs("last")));
        logged.emitter.emit("event", &1);
        assert_eq!(logged.take(), ["last 1"]);
        logged.emitter.emit("event", &2);
        assert_eq!(logged.take(), ["new 2"]);
    }

    #[test]
    fn a_listener_may_emit_and_once_has_been_removed_by_then() {
        let logged = Logged::default();
        let also = logged.clone();
        logged.emitter.once("event", logged.logs("once"));
        logged.emitter.on("event", move |value| {
            if *value > 0 {
                also.emitter.emit("event", &(value - 1));
            }
        });
        logged.emitter.on("event", logged.logs("after"));
        logged.emitter.emit("event", &2);
        assert_eq!(logged.take(), ["once 2", "after 0", "after 1", "after 2"]);
    }

    #[test]
    fn a_value_that_a_removed_listener_holds_may_emit_in_its_drop() {
        struct Last(Logged);
        impl Drop for Last {
            fn drop(&mut self) {
                self.0.emitter.emit("gone", &1);
            }
        }
        let logged = Logged::default();
        logged.emitter.on("gone", logged.logs("gone"));
        let last = Last(logged.clone());
        let listener = logged.emitter.on("event", move |_| _ = &last);
        let also = logged.clone();
        run_on_thread(move || also.emitter.off(listener)).recv_timeout(LIMIT).unwrap();
        assert_eq!(logged.take(), ["gone 1"]);
    }

    #[test]
    fn a_listener_that_panics_leaves_the_emitter_usable() {
        let logged = Logged::default();
        logged.emitter.on("event", logged.logs("before"));
        let panicking = logged.emitter.on("event", |_| resume_unwind(Box::new("prints nothing")));
        logged.emitter.on("event", logged.logs("after"));
        let panicked = catch_unwind(AssertUnwindSafe(|| logged.emitter.emit("event", &1)));
        assert!(panicked.is_err(), "the caller of emit gets the panic");
        assert_eq!(logged.take(), ["before 1"]);
        logged.emitter.off(panicking);
        logged.emitter.emit("event", &2);
        assert_eq!(logged.take(), ["before 2", "after 2"]);
    }

    #[test]
    fn emit_to_each_and_emit_last_call_all_listeners_though_one_panics() {
        for emit in [Emitter::emit_to_each, Emitter::emit_last] {
            let logged = Logged::default();
            logged.emitter.on("end", logged.logs("before"));
            logged.emitter.on("end", |_| resume_unwind(Box::new("prints nothing")));
            logged.emitter.on("end", logged.logs("after"));
            emit(&logged.emitter, "end", &1);
            assert_eq!(logged.take(), ["before 1", "after 1"]);
        }
    }
}

mod outbox {
    use super::*;
    use sockets_by_hand::net::Outbox;
    use sockets_by_hand::net::outbox::{DEADLINE, Dropped, MAX_QUEUED};
    use std::sync::Arc;

    fn outbox(stream: TcpStream) -> Outbox {
        Outbox::new(stream.into()).unwrap()
    }

    /// Broadcasts to many clients, of which one never reads: the others receive all of it without delay.
    fn broadcast(readers: usize) {
        let (stalled, never_reads) = full();
        let stalled = outbox(stalled);
        let (boxes, clients): (Vec<_>, Vec<_>) = (0..readers).map(|_| connection()).unzip();
        let boxes: Vec<Outbox> = boxes.into_iter().map(outbox).collect();
        let messages: Vec<Arc<[u8]>> =
            (0..500).map(|i| format!("{i:1000}\n").into_bytes().into()).collect();
        let all = messages.concat();
        let len = all.len();
        let read = |mut client: TcpStream| {
            run_on_thread(move || {
                let mut received = vec![0; len];
                client.read_exact(&mut received).map(|()| received).unwrap()
            })
        };
        let reads: Vec<_> = clients.into_iter().map(read).collect();

        let mut waits = Vec::new();
        for message in &messages {
            let start = Instant::now();
            stalled.send(message.clone()).unwrap();
            waits.push(start.elapsed());
            for client in &boxes {
                client.send(message.clone()).unwrap();
            }
        }
        for received in reads {
            assert!(next(&received) == all, "not what was sent");
        }
        // No sender waits for the stalled client. (A machine that pauses delays some messages, not most.)
        waits.sort();
        let median = waits[waits.len() / 2];
        assert!(median < Duration::from_millis(5), "the stalled client took {median:?} a message");
        assert_eq!(stalled.dropped(), None);

        stalled.end(); // when it reads at last, it receives all too
        assert!(after_the_dots(never_reads).as_bytes() == all);
    }

    #[test]
    fn a_client_that_never_reads_delays_no_other() {
        broadcast(25);
    }

    #[test]
    #[ignore = "needs 1,000 descriptors, which not every system gives; .ci/run runs it"]
    fn a_client_that_never_reads_delays_none_of_500() {
        broadcast(500);
    }

    #[test]
    fn the_messages_of_each_sender_stay_whole_and_in_order() {
        for (ours, theirs) in [connection(), full()] {
            let outbox = outbox(ours);
            let received = run_on_thread(move || after_the_dots(theirs));
            thread::scope(|scope| {
                for sender in 0..10 {
                    let outbox = &outbox;
                    scope.spawn(move || {
                        for i in 0..300 {
                            outbox.send(format!("{sender} {i}\n").into_bytes()).unwrap();
                        }
                    });
                }
            });
            outbox.end();
            let received = next(&received);
            assert_eq!(received.lines().count(), 3000);
            for sender in 0..10 {
                let prefix = format!("{sender} ");
                let numbers = received.lines().filter_map(|line| line.strip_prefix(&prefix));
                assert!(numbers.eq((0..300).map(|i| i.to_string())), "of sender {sender}");
            }
        }
    }

    #[test]
    fn a_message_larger_than_all_buffers_arrives_whole_and_before_the_next() {
        let (ours, theirs) = connection();
        let outbox = outbox(ours);
        let large = "large ".repeat(3 << 20);
        outbox.send(large.as_bytes()).unwrap();
        outbox.send([0; 0]).unwrap(); // an empty message is a message too
        outbox.send(b"small".to_vec()).unwrap();
        outbox.end();
        assert!(after_the_dots(theirs) == large + "small");
    }

    #[test]
    fn a_client_that_is_too_slow_is_dropped_and_its_blocked_read_wakes() {
        let (ours, _theirs) = full();
        let mut reader = Stream::from(ours);
        let outbox = Outbox::with_limits(reader.clone(), 10_000, DEADLINE).unwrap();
        let woken = run_on_thread(move || matches!(reader.read(&mut [0; 1]), Ok(0) | Err(_)));
        assert_eq!(outbox.dropped(), None);
        let why = (0..).find_map(|_| outbox.send([b'x'; 1000]).err());
        let too_slow = Dropped::TooSlow(10_000);
        assert_eq!(why, Some(too_slow));
        assert_eq!(woken.recv_timeout(LIMIT), Ok(true));
        assert_eq!(outbox.dropped(), Some(too_slow));
        assert_eq!(outbox.send(*b"more"), Err(too_slow));
        assert_eq!(outbox.wait_for_room(), Err(too_slow));
    }

    #[test]
    fn each_queued_message_counts_more_than_its_bytes() {
        let (ours, _theirs) = full();
        let outbox = Outbox::with_limits(ours.into(), 1 << 20, DEADLINE).unwrap();
        outbox.send(vec![b'x'; 8 << 20]).unwrap(); // so that those after it are queued
        let sent = (0..1 << 20).take_while(|_| outbox.send(*b"x").is_ok()).count();
        assert!((1000..100_000).contains(&sent), "{sent} messages of one byte were queued");
    }

    #[test]
    fn a_client_that_reads_nothing_until_the_deadline_is_dropped() {
        let (ours, _theirs) = full();
        let mut reader = Stream::from(ours);
        let deadline = Duration::from_millis(200);
        let outbox = Outbox::with_limits(reader.clone(), MAX_QUEUED, deadline).unwrap();
        let start = Instant::now();
        outbox.send(vec![b'x'; 8 << 20]).unwrap(); // more than the buffers can take
        assert!(matches!(reader.read(&mut [0; 1]), Ok(0) | Err(_)));
        assert!(start.elapsed() >= deadline);
        assert_eq!(outbox.dropped(), Some(Dropped::Stalled(deadline)));
        assert_eq!(outbox.send(*b"more"), Err(Dropped::Stalled(deadline)));
    }

    #[test]
    fn a_client_that_reads_slowly_does_not_renew_the_deadline_of_an_end() {
        let (ours, mut theirs) = full();
        let reader = Stream::from(ours);
        let deadline = Duration::from_secs(2);
        let outbox = Outbox::with_limits(reader.clone(), usize::MAX, deadline).unwrap();
        // Small messages: on Windows the deadline is for each `write`, however much it has sent.
        let message: Arc<[u8]> = vec![b'x'; 4 << 10].into();
        (0..16 << 10).for_each(|_| outbox.send(message.clone()).unwrap());
        outbox.end();
        let read = run_on_thread(move || {
            let (mut piece, mut read) = (vec![0; 64 * 1024], 0);
            while let Ok(n @ 1..) = theirs.read(&mut piece) {
                read += n;
                thread::sleep(Duration::from_millis(10)); // 64 MiB take 10 s at least
            }
            read
        });
        outbox.wait_until_sent();
        assert_eq!(outbox.dropped(), Some(Dropped::EndTimeout(deadline)));
        assert!(next(&read) < 64 << 20);
    }

    #[test]
    fn a_thread_waits_for_a_few_slow_clients_and_leaves_the_others_to_drain_threads() {
        let message: Arc<[u8]> = (*b"message").into();
        // A wait of 5 ms for each of them would be 300 ms each time.
        until(|| {
            let (boxes, _clients): (Vec<_>, Vec<_>) = (0..60).map(|_| full()).unzip();
            let boxes: Vec<Outbox> = boxes.into_iter().map(outbox).collect();
            let start = Instant::now();
            boxes.iter().for_each(|client| client.send(message.clone()).unwrap());
            start.elapsed() < Duration::from_millis(250)
        });
    }

    #[test]
    fn a_connection_ends_with_its_outbox_though_the_client_was_slow() {
        let (ours, theirs) = full();
        let outbox = outbox(ours);
        outbox.send(*b"late").unwrap();
        let read = run_on_thread(move || {
            thread::sleep(Duration::from_millis(100)); // so that the drain thread has to wait
            after_the_dots(theirs)
        });
        outbox.wait_until_sent();
        drop(outbox);
        assert_eq!(next(&read), "late");
    }

    #[test]
    fn a_deadline_of_zero_is_refused() {
        let refused = Outbox::with_limits(connection().0.into(), 10, Duration::ZERO).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn end_follows_what_is_queued_and_nothing_follows_it() {
        let (ours, mut theirs) = full();
        let mut reader = Stream::from(ours);
        let outbox = Outbox::new(reader.clone()).unwrap();
        for i in 0..100 {
            outbox.send(format!("{i}\n").into_bytes()).unwrap();
        }
        outbox.end();
        outbox.end(); // a second time changes nothing
        assert_eq!(outbox.send(*b"more"), Err(Dropped::Ended));
        assert_eq!(outbox.dropped(), None);

        theirs.write_all(b"Good bye").unwrap(); // only our side has ended
        reader.read_exact(&mut [0; 8]).unwrap();
        let all: String = (0..100).map(|i| format!("{i}\n")).collect();
        assert_eq!(after_the_dots(theirs), all);
    }

    #[test]
    fn nothing_follows_send_last_and_the_connection_stays_open() {
        let (ours, mut theirs) = connection();
        let outbox = outbox(ours);
        outbox.send_last(*b"Good bye").unwrap();
        assert_eq!(outbox.send(*b"more"), Err(Dropped::Ended));
        theirs.read_exact(&mut [0; 8]).unwrap();
        theirs.set_nonblocking(true).unwrap();
        assert_eq!(theirs.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        outbox.end();
        theirs.set_nonblocking(false).unwrap();
        assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn a_client_that_has_disconnected_is_lost() {
        let (ours, theirs) = connection();
        let outbox = outbox(ours);
        drop(theirs);
        let why = loop {
            // The kernel learns it with a delay.
            if let Err(why) = outbox.send(*b"still there?") {
                break why;
            }
        };
        assert!(matches!(why, Dropped::Lost(_)), "{why:?}");
        assert_eq!(outbox.dropped(), Some(why));
    }

    #[test]
    fn wait_for_room_waits_until_the_client_reads() {
        let (ours, mut theirs) = full();
        let outbox = Outbox::with_limits(ours.into(), 1000, DEADLINE).unwrap();
        outbox.wait_for_room().unwrap();
        outbox.send(vec![b'x'; 8 << 20]).unwrap();
        outbox.wait_for_room().unwrap(); // nothing is queued *behind* it
        outbox.send([b'y'; 2000]).unwrap();
        let also = outbox.clone();
        let waiting = run_on_thread(move || also.wait_for_room());
        let still_waits = waiting.recv_timeout(Duration::from_millis(50));
        assert_eq!(still_waits, Err(mpsc::RecvTimeoutError::Timeout));
        let received = run_on_thread(move || io::copy(&mut theirs, &mut io::sink()).unwrap());
        assert_eq!(waiting.recv_timeout(LIMIT), Ok(Ok(())));
        outbox.end();
        assert!(next(&received) > (8 << 20) + 2000);
    }

    #[test]
    fn two_peers_that_write_before_they_read_do_not_deadlock() {
        let (one, other) = connection();
        let write_then_read = |socket: TcpStream| {
            run_on_thread(move || {
                let mut stream = Stream::from(socket);
                let outbox = Outbox::with_limits(stream.clone(), 64 << 20, DEADLINE).unwrap();
                let piece: Arc<[u8]> = vec![b'x'; 1 << 20].into();
                for _ in 0..16 {
                    outbox.send(piece.clone()).unwrap();
                }
                outbox.end();
                io::copy(&mut stream, &mut io::sink()).unwrap()
            })
        };
        let received = [one, other].map(write_then_read);
        assert_eq!(received.map(|received| next(&received)), [16 << 20; 2]);
    }
}

mod report {
    use super::*;
    use sockets_by_hand::net::report::{Lines, escaped};

    #[test]
    fn a_line_has_been_written_when_say_returns() {
        let (written, lines) = mpsc::channel();
        let log = Lines::new(move |line| written.send(line.to_string()).unwrap());
        for i in 0..1000 {
            log.write(&i.to_string());
            assert_eq!(lines.try_recv(), Ok(i.to_string()));
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_dropped_and_later_ones_are_not() {
        let (written, lines) = mpsc::channel();
        let (write, may_write) = mpsc::channel();
        let log = Lines::new(move |line| {
            may_write.recv().unwrap();
            _ = written.send(line.to_string());
        });
        (0..1000).for_each(|i| log.write(&i.to_string()));
        (0..1000).for_each(|_| write.send(()).unwrap());
        let first: Vec<String> = (0..256).map(|_| next(&lines)).collect();
        assert!(first.iter().enumerate().all(|(i, line)| *line == i.to_string()), "{first:?}");
        log.write("again");
        while next(&lines) != "again" {}
    }

    #[test]
    fn a_line_whose_writer_panics_does_not_stop_the_next() {
        let (written, lines) = mpsc::channel();
        let log = Lines::new(move |line| match line {
            "one" => panic!("the writer panics"),
            _ => written.send(line.to_string()).unwrap(),
        });
        log.write("one");
        log.write("two");
        assert_eq!(lines.recv_timeout(LIMIT).as_deref(), Ok("two"));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escaped("a\r\n\0b\u{1b}[2J\u{7f}\u{9b}"), r"a\r\n\0b\u{1b}[2J\u{7f}\u{9b}");
        assert_eq!(escaped("é\t안녕 😀 \"\\n\""), "é\t안녕 😀 \"\\n\"");
    }
}
