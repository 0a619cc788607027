//! Floor 1 through its public face: what each part promises, and who is hurt by a bad neighbour.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sockets_by_hand::net::server::Handle;
use sockets_by_hand::net::{Server, Stream};

/// So long a thing may take that happens at once, on a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(20);

/// After so long a `read` gives up: a test that would hang fails.
const PATIENCE: Option<Duration> = Some(LIMIT.saturating_mul(2));

/// Both ends of a new connection on this machine.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    client.set_read_timeout(PATIENCE).unwrap();
    server.set_read_timeout(PATIENCE).unwrap();
    (server, client)
}

/// The same with both ends ours, of each kind that there is.
fn pairs() -> Vec<(Stream, Stream)> {
    let (one, other) = connection();
    #[allow(unused_mut)] // where there are no Unix sockets
    let mut pairs = vec![(one.into(), other.into())];
    #[cfg(unix)]
    {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        one.set_read_timeout(PATIENCE).unwrap();
        other.set_read_timeout(PATIENCE).unwrap();
        pairs.push((one.into(), other.into()));
    }
    pairs
}

/// A connection on whose first end a `write` waits: the buffers to the second are full of dots.
fn full() -> (TcpStream, TcpStream) {
    let (mut ours, theirs) = connection();
    ours.set_nonblocking(true).unwrap();
    while ours.write(&[b'.'; 64 * 1024]).is_ok() {}
    ours.set_nonblocking(false).unwrap();
    (ours, theirs)
}

/// All that comes behind the dots, up to the end.
fn behind_the_dots(mut socket: TcpStream) -> String {
    let mut heard = String::new();
    socket.read_to_string(&mut heard).unwrap();
    heard.trim_start_matches('.').to_string()
}

/// Runs `task` on a thread of its own, and tells when it has ended, and with what.
fn apart<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(task()));
    receiver
}

/// Waits for what nobody announces.
#[track_caller]
fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "it did not come to that");
        thread::yield_now();
    }
}

mod server {
    use super::*;

    /// Sends back whatever comes.
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
        Server::bind("127.0.0.1:0").unwrap()
    }

    fn connect(address: SocketAddr) -> Stream {
        let client = Stream::connect(address).unwrap();
        client.set_timeout(PATIENCE).unwrap();
        client
    }

    /// A client that has been served once: it is counted, and its handler runs.
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
    fn one_client_too_many_is_closed_at_once_and_the_others_stay() {
        let mut server = bind();
        server.max_connections = 2;
        let (address, handle, door) = start(server, echo);
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
        door.join().unwrap();
    }

    #[test]
    fn one_client_too_many_hears_the_farewell() {
        let mut server = bind();
        (server.max_connections, server.farewell) = (0, b"Full");
        let (address, handle, door) = start(server, echo);
        let mut heard = String::new();
        connect(address).read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "Full");
        handle.close();
        door.join().unwrap();
    }

    #[test]
    fn closing_frees_the_port_and_lets_those_who_are_there_finish() {
        let (address, handle, door) = start(bind(), echo);
        let mut client = served(address);
        handle.close();
        handle.close(); // a second time changes nothing

        let refused = Stream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        drop(Server::bind(address).expect("the port is free"));
        assert!(echoes(&mut client));
        assert_eq!(handle.connections(), 1);
        assert!(!door.is_finished(), "it serves until the last client has gone");

        drop(client);
        handle.wait();
        assert_eq!(handle.connections(), 0);
        door.join().unwrap();
    }

    #[test]
    fn waiting_ends_with_the_last_handler() {
        let (finish, may_finish) = mpsc::channel();
        let may_finish = std::sync::Mutex::new(may_finish);
        let (address, handle, door) = start(bind(), move |mut stream| {
            stream.write_all(b"Hello")?;
            drop(stream);
            may_finish.lock().unwrap().recv().unwrap();
            Ok(())
        });
        let mut heard = String::new();
        connect(address).read_to_string(&mut heard).unwrap();
        handle.close();
        let waiting = apart(move || handle.wait());
        assert!(waiting.try_recv().is_err(), "the handler still runs");
        finish.send(()).unwrap();
        waiting.recv_timeout(LIMIT).unwrap();
        door.join().unwrap();
    }

    #[test]
    fn a_server_that_was_closed_before_it_served_serves_nobody() {
        let server = bind();
        let address = server.address().unwrap();
        let mut early = connect(address);
        server.handle().close();
        server.serve(|_| panic!("nobody may be served"));
        // Whoever was in the kernel's queue is sent away with it.
        assert!(matches!(early.read(&mut [0; 1]), Ok(0) | Err(_)));
    }

    #[test]
    fn closing_frees_the_port_before_serve_is_called_too() {
        let server = bind();
        let (address, handle) = (server.address().unwrap(), server.handle());
        handle.close();
        drop(Server::bind(address).expect("the port is free"));
        assert_eq!(server.address(), Some(address));
        handle.wait();
    }

    #[test]
    fn a_server_that_is_dropped_before_it_serves_is_closed() {
        let server = bind();
        let (address, handle) = (server.address().unwrap(), server.handle());
        drop(server);
        drop(Server::bind(address).expect("the port is free"));
        assert!(handle.is_closed());
        handle.wait();
    }

    #[test]
    fn connections_left_after_the_close_timeout_are_destroyed() {
        let mut server = bind();
        server.close_timeout = Duration::from_millis(50);
        let (address, handle, serving) = start(server, echo);
        let mut clients = [served(address), served(address)];
        handle.close();
        let ended = apart(move || serving.join().unwrap());
        ended.recv_timeout(LIMIT).expect("serve returns, though the clients stay");
        assert_eq!(handle.connections(), 0);
        assert!(clients.iter_mut().all(|client| matches!(client.read(&mut [0]), Ok(0) | Err(_))));
    }

    #[test]
    fn waiting_for_a_server_that_has_not_begun_to_serve_lasts_until_it_is_closed() {
        let server = bind();
        let handle = server.handle();
        let waiting = apart(move || handle.wait());
        let still_waits = waiting.recv_timeout(Duration::from_millis(50));
        assert_eq!(still_waits, Err(mpsc::RecvTimeoutError::Timeout));
        let (_, handle, door) = start(server, echo);
        handle.close();
        waiting.recv_timeout(LIMIT).unwrap();
        door.join().unwrap();
    }

    #[test]
    fn a_handler_may_close_the_server() {
        let server = bind();
        let handle = server.handle();
        let (address, _, door) = start(server, move |_| {
            handle.close();
            Ok(())
        });
        connect(address);
        door.join().unwrap();
    }

    #[test]
    fn a_handler_that_fails_or_panics_ends_its_own_connection_and_no_other() {
        let (address, handle, door) = start(bind(), |mut stream: Stream| {
            let mut first = [0];
            stream.read_exact(&mut first)?;
            match &first {
                b"p" => std::panic::resume_unwind(Box::new("a panic that prints nothing")),
                b"e" => Err(io::Error::other("an error that a test wants")),
                _ => stream.write_all(&first).and_then(|()| echo(stream)),
            }
        });
        let mut neighbour = served(address);
        for first in [b"p", b"e"] {
            let mut client = connect(address);
            client.write_all(first).unwrap();
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
            until(|| handle.connections() == 1);
            assert!(echoes(&mut neighbour));
        }
        served(address);
        drop(neighbour);
        handle.close();
        door.join().unwrap();
    }

    #[test]
    fn a_bad_address_and_one_in_use_are_told_apart() {
        let taken = bind();
        let kind = |address: &str| Server::bind(address).err().unwrap().kind();
        assert_eq!(kind("nonsense"), ErrorKind::InvalidInput);
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

        /// A name for a socket file, which goes away with the test.
        struct Place(PathBuf);

        impl Place {
            fn new(name: &str) -> Place {
                Place(env::temp_dir().join(format!("{}-{name}", process::id())))
            }

            /// Serves there until told to end.
            fn serve(&self) -> (Handle, JoinHandle<()>) {
                let server = Server::bind_path(&self.0).unwrap();
                assert_eq!(server.address(), None);
                (server.handle(), thread::spawn(move || server.serve(echo)))
            }
        }

        impl Drop for Place {
            fn drop(&mut self) {
                _ = fs::remove_file(&self.0);
            }
        }

        #[track_caller]
        fn answers(path: &Path) {
            assert!(echoes(&mut Stream::connect_path(path).unwrap()));
        }

        #[test]
        fn the_file_goes_away_with_the_server() {
            let place = Place::new("gone");
            let (handle, door) = place.serve();
            answers(&place.0);
            handle.close();
            assert!(!place.0.exists());
            door.join().unwrap();

            drop(Server::bind_path(&place.0).unwrap()); // nor does one that never served leave it
            assert!(!place.0.exists());
        }

        #[test]
        fn a_stale_file_is_replaced() {
            let place = Place::new("stale");
            drop(UnixListener::bind(&place.0).unwrap());
            assert!(place.0.exists(), "this is how a server that was killed leaves it");
            let (handle, door) = place.serve();
            answers(&place.0);
            handle.close();
            door.join().unwrap();
        }

        #[test]
        fn the_file_of_a_live_server_is_not_touched() {
            let place = Place::new("live");
            let (handle, door) = place.serve();
            let taken = Server::bind_path(&place.0).err().unwrap();
            assert_eq!(taken.kind(), ErrorKind::AddrInUse);
            answers(&place.0);
            handle.close();
            door.join().unwrap();
        }

        /// With its file gone, nobody can connect to it: as after a sweep of the temporary folder.
        #[cfg(target_os = "linux")]
        #[test]
        fn a_server_whose_file_has_gone_can_be_closed() {
            let place = Place::new("swept");
            let (handle, serving) = place.serve();
            let mut client = Stream::connect_path(&place.0).unwrap();
            assert!(echoes(&mut client));
            fs::remove_file(&place.0).unwrap();
            drop(client);
            let closed = apart(move || {
                handle.close();
                serving.join().unwrap();
            });
            closed.recv_timeout(LIMIT).expect("close returns");
        }

        #[cfg(target_os = "linux")]
        #[test]
        fn a_live_server_whose_queue_is_full_is_not_waited_for() {
            let place = Place::new("full");
            let _live = UnixListener::bind(&place.0).unwrap(); // accepts nobody
            let (connected, waits) = mpsc::channel();
            let path = place.0.clone();
            thread::spawn(move || {
                let clients = iter::repeat_with(|| Stream::connect_path(&path));
                clients.map_while(Result::ok).for_each(|client| _ = connected.send(client));
            });
            // The queue is full once no more connect.
            let _clients: Vec<Stream> =
                iter::from_fn(|| waits.recv_timeout(Duration::from_millis(500)).ok()).collect();
            let path = place.0.clone();
            let bound = apart(move || Server::bind_path(path).err().unwrap().kind());
            assert_eq!(bound.recv_timeout(LIMIT), Ok(ErrorKind::AddrInUse));
        }

        #[test]
        fn a_file_that_is_no_socket_is_not_touched() {
            let place = Place::new("file");
            fs::write(&place.0, "years of work").unwrap();
            let taken = Server::bind_path(&place.0).err().unwrap();
            assert_eq!(taken.kind(), ErrorKind::AddrInUse);
            assert_eq!(fs::read_to_string(&place.0).unwrap(), "years of work");
        }

        #[test]
        fn no_folder_is_an_error_and_so_is_no_server() {
            let place = Place::new("none");
            let below = place.0.join("socket");
            assert_eq!(Server::bind_path(below).err().unwrap().kind(), ErrorKind::NotFound);
            let nobody = Stream::connect_path(&place.0).unwrap_err();
            assert_eq!(nobody.kind(), ErrorKind::NotFound);
            drop(UnixListener::bind(&place.0).unwrap());
            let nobody = Stream::connect_path(&place.0).unwrap_err();
            assert_eq!(nobody.kind(), ErrorKind::ConnectionRefused);
        }
    }
}

mod stream {
    use super::*;

    #[test]
    fn after_the_end_of_our_side_the_other_can_still_answer() {
        for (mut ours, mut theirs) in pairs() {
            ours.write_all(b"Hello").unwrap();
            ours.end().unwrap();
            let mut heard = String::new();
            theirs.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "Hello");
            assert!(ours.write(b"more").is_err(), "nothing follows the end");

            theirs.write_all(b"Good bye").unwrap();
            drop(theirs);
            let mut answer = String::new();
            ours.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "Good bye");
        }
    }

    #[test]
    fn the_line_stays_open_until_the_last_clone_is_gone() {
        for (ours, mut theirs) in pairs() {
            let mut clone = ours.clone();
            drop(ours);
            clone.write_all(b"Hello").unwrap();
            drop(clone);
            let mut heard = String::new();
            theirs.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "Hello");
        }
    }

    #[test]
    fn destroy_wakes_a_thread_that_reads() {
        for (ours, mut theirs) in pairs() {
            let mut reader = ours.clone();
            let (about_to_read, started) = mpsc::channel();
            let woken = apart(move || {
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
    fn destroy_wakes_a_thread_that_writes() {
        for (ours, _theirs) in pairs() {
            let mut writer = ours.clone();
            let woken = apart(move || while writer.write_all(&[b'.'; 64 * 1024]).is_ok() {});
            until(|| ours.bytes_written() > 0);
            ours.destroy();
            woken.recv_timeout(LIMIT).unwrap();
        }
    }

    #[test]
    fn silence_is_a_timeout_and_leaves_the_connection_open() {
        for (mut ours, mut theirs) in pairs() {
            ours.set_timeout(Some(Duration::from_millis(20))).unwrap();
            for _ in 0..2 {
                let silence = ours.read(&mut [0; 5]).unwrap_err();
                assert_eq!(silence.kind(), ErrorKind::TimedOut);
            }
            theirs.write_all(b"Hello").unwrap();
            assert_eq!(ours.read(&mut [0; 5]).unwrap(), 5);

            ours.set_timeout(None).unwrap();
            let waiting = apart(move || ours.read(&mut [0; 5]).unwrap());
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
    fn all_clones_count_together() {
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
    fn the_other_ends_address_is_known_over_tcp_alone() {
        let (ours, theirs) = connection();
        let address = theirs.local_addr().unwrap();
        assert_eq!(Stream::from(ours).remote_address(), Some(address));
        assert_eq!(pairs().into_iter().skip(1).find_map(|(one, _)| one.remote_address()), None);
        for (one, _other) in pairs() {
            one.set_no_delay(true).unwrap();
        }
    }

    #[test]
    fn connecting_says_why_it_failed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Stream::connect_within(address, LIMIT).unwrap();
        drop(listener);
        let kind = |result: io::Result<Stream>| result.unwrap_err().kind();
        assert_eq!(kind(Stream::connect(address)), ErrorKind::ConnectionRefused);
        assert_eq!(kind(Stream::connect_within(address, LIMIT)), ErrorKind::ConnectionRefused);
        assert_eq!(kind(Stream::connect("nonsense")), ErrorKind::InvalidInput);
    }
}

mod framing {
    use super::*;
    use sockets_by_hand::net::framing::{Error, read_frame, read_line, write_frame, write_line};
    use std::io::BufReader;

    /// A result that can be compared, and seen when it is not the right one.
    fn plain<T>(result: Result<T, Error>) -> Result<T, String> {
        result.map_err(|e| e.to_string())
    }

    /// What comes, what is read out of it, and what is left.
    type Case<T> = (&'static [u8], Result<Option<T>, String>, &'static [u8]);

    #[test]
    fn lines_end_where_they_should() {
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
            // just as long as may be, and one longer
            (b"four\n", Ok(Some("four")), b""),
            (b"four\r\n!", Ok(Some("four")), b"!"),
            (b"four", Ok(Some("four")), b""),
            (b"fives\n", too_long(), b""),
            (b"fives", too_long(), b""),
            (b"four\r\r\n", too_long(), b"\n"),
            // what is not text
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
    fn frames_end_where_they_should() {
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

    /// A stream that hands over one byte at a time, as a network may.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_they_come() {
        let mut stream = BufReader::with_capacity(1, Drip(b"one\r\n\0\0\0\x03two"));
        assert_eq!(read_line(&mut stream, 3).unwrap().unwrap(), "one");
        assert_eq!(read_frame(&mut stream, 3).unwrap().unwrap(), b"two");
    }

    #[test]
    fn nobody_waits_for_more_than_the_message() {
        let (mut ours, theirs) = connection();
        let (sender, heard) = mpsc::channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(theirs);
            sender.send(read_frame(&mut reader, 80).unwrap().unwrap()).unwrap();
            sender.send(read_frame(&mut reader, 80).unwrap().unwrap()).unwrap();
            sender.send(read_line(&mut reader, 80).unwrap().unwrap().into()).unwrap();
        });
        write_frame(&mut ours, b"").unwrap();
        assert_eq!(heard.recv_timeout(LIMIT).unwrap(), b"");
        write_frame(&mut ours, b"one").unwrap();
        assert_eq!(heard.recv_timeout(LIMIT).unwrap(), b"one");
        write_line(&mut ours, "two").unwrap();
        assert_eq!(heard.recv_timeout(LIMIT).unwrap(), b"two");
    }

    #[test]
    fn a_line_without_an_end_is_given_up_at_the_limit() {
        let mut endless = BufReader::new(io::repeat(b'x'));
        assert!(matches!(read_line(&mut endless, 1000), Err(Error::TooLong(1000))));
    }

    #[test]
    fn a_length_is_a_claim_and_takes_no_memory() {
        let before = address_space();
        let error = read_frame(&mut &b"\xff\xff\xff\xffshort"[..], u32::MAX as usize).unwrap_err();
        let missing = u32::MAX as usize - 5;
        assert!(matches!(error, Error::CutShort(m) if m == missing), "{error}");
        let taken = address_space() - before;
        assert!(taken < 3 << 30, "{taken} bytes were taken for 4 GiB that never came");
    }

    /// The most that this process has ever had, where that can be asked: threads of other tests
    /// take some of it meanwhile, but no GiB.
    fn address_space() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
        let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<usize>().ok());
        kib.unwrap_or(0) * 1024
    }

    #[test]
    fn a_lost_connection_is_not_an_end() {
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
    fn pauses_double_up_to_the_longest_and_begin_again() {
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
    fn a_pause_strays_by_half_of_itself_at_most_and_by_all_of_that() {
        let backoff = Backoff { max: Duration::from_secs(3600), ..Backoff::default() };
        for (attempts, seconds) in [(0, 1.0), (1, 2.0), (5, 32.0)] {
            let pause = |random| backoff.pause(attempts, random).as_secs_f64();
            assert_eq!([0.0, 0.5, 1.0].map(pause), [0.5, 1.0, 1.5].map(|part| part * seconds));
        }
    }

    #[test]
    fn chance_uses_the_whole_of_the_jitter_and_no_more() {
        let pauses: Vec<f64> =
            (0..5000).map(|_| Backoff::default().next_pause().as_secs_f64()).collect();
        assert!(pauses.iter().all(|pause| (0.5..=1.5).contains(pause)));
        // Ten equal parts: each has 500 on average, and below 350 once in 10^11 runs.
        for part in 0..10 {
            let from = 0.5 + f64::from(part) / 10.0;
            let there = pauses.iter().filter(|pause| (from..from + 0.1).contains(*pause)).count();
            assert!(there > 350, "{there} of 5,000 pauses are between {from} and {} s", from + 0.1);
        }
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let mut backoff = Backoff::default();
        assert!((0..1000).all(|_| backoff.next_pause() <= Duration::from_secs(5)));
    }

    #[test]
    fn after_however_many_attempts_there_is_a_pause() {
        for attempts in [31, 32, 63, 64, 1023, 1024, u32::MAX] {
            for random in [0.0, 0.5, 1.0] {
                assert_eq!(Backoff::default().pause(attempts, random), Duration::from_secs(5));
            }
        }
        let mut backoff = Backoff { attempts: u32::MAX, ..Backoff::default() };
        assert_eq!(backoff.next_pause(), backoff.next_pause());
    }

    #[test]
    fn whatever_its_fields_say_there_is_a_pause() {
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

    /// A board, and a diary in which listeners write.
    #[derive(Clone, Default)]
    struct Scene {
        board: Arc<Emitter<u32>>,
        diary: Arc<Mutex<Vec<String>>>,
    }

    impl Scene {
        /// A listener that writes its name, and the value that it was called with.
        fn writes(&self, name: &'static str) -> impl Fn(&u32) + Send + Sync + 'static {
            let diary = self.diary.clone();
            move |value| diary.lock().unwrap().push(format!("{name} {value}"))
        }

        /// What has been written since the last time.
        fn read(&self) -> Vec<String> {
            std::mem::take(&mut self.diary.lock().unwrap())
        }
    }

    #[test]
    fn listeners_are_called_in_the_order_in_which_they_came() {
        let scene = Scene::default();
        scene.board.on("news", scene.writes("first"));
        scene.board.on("other", scene.writes("nobody"));
        scene.board.once("news", scene.writes("second"));
        scene.board.on("news", scene.writes("third"));
        assert!(scene.board.emit("news", &1));
        assert_eq!(scene.read(), ["first 1", "second 1", "third 1"]);
        assert!(scene.board.emit("news", &2));
        assert_eq!(scene.read(), ["first 2", "third 2"]);
    }

    #[test]
    fn once_is_once_and_emit_says_whether_anybody_heard() {
        let scene = Scene::default();
        assert!(!scene.board.emit("news", &0));
        scene.board.once("news", scene.writes("once"));
        assert!(scene.board.emit("news", &1));
        assert!(!scene.board.emit("news", &2));
        assert_eq!(scene.read(), ["once 1"]);
    }

    #[test]
    fn once_is_once_though_many_threads_emit_together() {
        let scene = Scene::default();
        scene.board.once("news", scene.writes("once"));
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    scene.board.emit("news", &1);
                });
            }
        });
        assert_eq!(scene.read(), ["once 1"]);
    }

    #[test]
    fn off_takes_one_listener_away_and_leaves_its_twin() {
        let scene = Scene::default();
        let first = scene.board.on("news", scene.writes("first"));
        let second = scene.board.once("news", scene.writes("second"));
        assert_ne!(first, second);
        scene.board.off(first);
        scene.board.off(first); // a second time changes nothing
        scene.board.emit("news", &1);
        scene.board.off(second);
        assert_eq!(scene.read(), ["second 1"]);
    }

    #[test]
    fn the_number_of_a_listener_means_nothing_to_another_board() {
        let (one, other) = (Emitter::<u32>::new(), Emitter::<u32>::new());
        let listener = one.on("news", |_| {});
        other.on("news", |_| {});
        other.off(listener);
        assert!(other.emit("news", &1), "its own listener is still there");
    }

    #[test]
    fn what_a_listener_changes_counts_from_the_next_emit_on() {
        let scene = Scene::default();
        let also = scene.clone();
        let last = Arc::new(Mutex::new(None));
        let the_last = last.clone();
        scene.board.once("news", move |_| {
            also.board.on("news", also.writes("new"));
            also.board.off(the_last.lock().unwrap().take().unwrap());
        });
        *last.lock().unwrap() = Some(scene.board.on("news", scene.writes("last")));
        scene.board.emit("news", &1);
        assert_eq!(scene.read(), ["last 1"]);
        scene.board.emit("news", &2);
        assert_eq!(scene.read(), ["new 2"]);
    }

    #[test]
    fn a_listener_may_emit_and_once_is_over_by_then() {
        let scene = Scene::default();
        let also = scene.clone();
        scene.board.once("news", scene.writes("once"));
        scene.board.on("news", move |value| {
            if *value > 0 {
                also.board.emit("news", &(value - 1));
            }
        });
        scene.board.on("news", scene.writes("after"));
        scene.board.emit("news", &2);
        assert_eq!(scene.read(), ["once 2", "after 0", "after 1", "after 2"]);
    }

    #[test]
    fn what_a_listener_holds_may_use_the_board_as_it_goes() {
        struct Last(Scene);
        impl Drop for Last {
            fn drop(&mut self) {
                self.0.board.emit("gone", &1);
            }
        }
        let scene = Scene::default();
        scene.board.on("gone", scene.writes("gone"));
        let last = Last(scene.clone());
        let listener = scene.board.on("news", move |_| _ = &last);
        let also = scene.clone();
        apart(move || also.board.off(listener)).recv_timeout(LIMIT).unwrap();
        assert_eq!(scene.read(), ["gone 1"]);
    }

    #[test]
    fn a_listener_that_panics_leaves_the_board_in_use() {
        let scene = Scene::default();
        scene.board.on("news", scene.writes("before"));
        let bad = scene.board.on("news", |_| resume_unwind(Box::new("prints nothing")));
        scene.board.on("news", scene.writes("behind"));
        let panicked = catch_unwind(AssertUnwindSafe(|| scene.board.emit("news", &1)));
        assert!(panicked.is_err(), "it is the emitter's caller who hears of it");
        assert_eq!(scene.read(), ["before 1"]);
        scene.board.off(bad);
        scene.board.emit("news", &2);
        assert_eq!(scene.read(), ["before 2", "behind 2"]);
    }

    #[test]
    fn listeners_of_an_end_are_all_called_though_one_panics() {
        for emit in [Emitter::emit_to_each, Emitter::emit_last] {
            let scene = Scene::default();
            scene.board.on("end", scene.writes("before"));
            scene.board.on("end", |_| resume_unwind(Box::new("prints nothing")));
            scene.board.on("end", scene.writes("behind"));
            emit(&scene.board, "end", &1);
            assert_eq!(scene.read(), ["before 1", "behind 1"]);
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

    /// Many hear the same, and one of them never reads: the others hear all of it, and at once.
    fn broadcast(readers: usize) {
        let (stalled, sleeper) = full();
        let stalled = outbox(stalled);
        let (boxes, clients): (Vec<_>, Vec<_>) = (0..readers).map(|_| connection()).unzip();
        let boxes: Vec<Outbox> = boxes.into_iter().map(outbox).collect();
        let news: Vec<Arc<[u8]>> =
            (0..500).map(|i| format!("{i:1000}\n").into_bytes().into()).collect();
        let all = news.concat();
        let len = all.len();
        let hear = |mut client: TcpStream| {
            apart(move || {
                let mut heard = vec![0; len];
                client.read_exact(&mut heard).map(|()| heard).unwrap()
            })
        };
        let heard: Vec<_> = clients.into_iter().map(hear).collect();

        let mut waits = Vec::new();
        for message in &news {
            let start = Instant::now();
            stalled.send(message.clone()).unwrap();
            waits.push(start.elapsed());
            for client in &boxes {
                client.send(message.clone()).unwrap();
            }
        }
        for heard in heard {
            assert!(heard.recv_timeout(LIMIT).unwrap() == all, "not what was sent");
        }
        // No sender waits for the stalled client. (A machine that pauses delays some messages, not most.)
        waits.sort();
        let median = waits[waits.len() / 2];
        assert!(median < Duration::from_millis(5), "the stalled client took {median:?} a message");
        assert_eq!(stalled.dropped(), None);

        stalled.end(); // and when it reads at last, nothing is lost either
        assert!(behind_the_dots(sleeper).as_bytes() == all);
    }

    #[test]
    fn a_client_that_never_reads_delays_nobody_else() {
        broadcast(25);
    }

    #[test]
    #[ignore = "needs 1,000 descriptors, which not every system gives; .ci/run runs it"]
    fn a_client_that_never_reads_delays_none_of_many() {
        broadcast(500);
    }

    #[test]
    fn every_senders_messages_stay_whole_and_in_order() {
        for (ours, theirs) in [connection(), full()] {
            let outbox = outbox(ours);
            let heard = apart(move || behind_the_dots(theirs));
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
            let heard = heard.recv_timeout(LIMIT).unwrap();
            assert_eq!(heard.lines().count(), 3000);
            for sender in 0..10 {
                let prefix = format!("{sender} ");
                let numbers = heard.lines().filter_map(|line| line.strip_prefix(&prefix));
                assert!(numbers.eq((0..300).map(|i| i.to_string())), "of sender {sender}");
            }
        }
    }

    #[test]
    fn a_message_larger_than_all_buffers_arrives_whole_and_those_behind_it_follow() {
        let (ours, theirs) = connection();
        let outbox = outbox(ours);
        let large = "large ".repeat(3 << 20);
        outbox.send(large.as_bytes()).unwrap();
        outbox.send([0; 0]).unwrap(); // nothing at all is a message too
        outbox.send(b"small".to_vec()).unwrap();
        outbox.end();
        assert!(behind_the_dots(theirs) == large + "small");
    }

    #[test]
    fn a_client_that_is_too_slow_is_dropped_and_its_own_thread_wakes() {
        let (ours, _theirs) = full();
        let mut reader = Stream::from(ours);
        let outbox = Outbox::with_limits(reader.clone(), 10_000, DEADLINE).unwrap();
        let woken = apart(move || matches!(reader.read(&mut [0; 1]), Ok(0) | Err(_)));
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
    fn many_small_messages_are_a_lot_too() {
        let (ours, _theirs) = full();
        let outbox = Outbox::with_limits(ours.into(), 1 << 20, DEADLINE).unwrap();
        outbox.send(vec![b'x'; 8 << 20]).unwrap(); // so that those behind it wait
        let sent = (0..1 << 20).take_while(|_| outbox.send(*b"x").is_ok()).count();
        assert!((1000..100_000).contains(&sent), "{sent} messages of one byte were kept");
    }

    #[test]
    fn a_client_that_takes_nothing_until_the_deadline_is_dropped() {
        let (ours, _theirs) = full();
        let mut reader = Stream::from(ours);
        let deadline = Duration::from_millis(200);
        let outbox = Outbox::with_limits(reader.clone(), MAX_QUEUED, deadline).unwrap();
        let start = Instant::now();
        outbox.send(vec![b'x'; 8 << 20]).unwrap(); // more than any room that is left
        assert!(matches!(reader.read(&mut [0; 1]), Ok(0) | Err(_)));
        assert!(start.elapsed() >= deadline);
        assert_eq!(outbox.dropped(), Some(Dropped::Stalled(deadline)));
        assert_eq!(outbox.send(*b"more"), Err(Dropped::Stalled(deadline)));
    }

    #[test]
    fn a_client_that_reads_slowly_does_not_renew_the_deadline_of_an_end() {
        let (ours, mut theirs) = full();
        let reader = Stream::from(ours);
        let deadline = Duration::from_millis(500);
        let outbox = Outbox::with_limits(reader.clone(), MAX_QUEUED, deadline).unwrap();
        outbox.send(vec![b'x'; 64 << 20]).unwrap();
        outbox.end();
        let read = apart(move || {
            let (mut piece, mut read) = (vec![0; 64 * 1024], 0);
            while let Ok(n @ 1..) = theirs.read(&mut piece) {
                read += n;
                thread::sleep(Duration::from_millis(10)); // 64 MiB take 10 s at least
            }
            read
        });
        outbox.wait_until_sent();
        assert_eq!(outbox.dropped(), Some(Dropped::EndTimeout(deadline)));
        assert!(read.recv_timeout(LIMIT).unwrap() < 64 << 20);
    }

    #[test]
    fn a_thread_waits_for_a_few_slow_clients_and_leaves_the_others_to_drain_threads() {
        let news: Arc<[u8]> = (*b"news").into();
        // To wait for each of them, were it 5 ms, would come to 300 ms each time.
        until(|| {
            let (boxes, _clients): (Vec<_>, Vec<_>) = (0..60).map(|_| full()).unzip();
            let boxes: Vec<Outbox> = boxes.into_iter().map(outbox).collect();
            let start = Instant::now();
            boxes.iter().for_each(|client| client.send(news.clone()).unwrap());
            start.elapsed() < Duration::from_millis(250)
        });
    }

    #[test]
    fn a_connection_ends_with_its_outbox_though_the_client_was_slow() {
        let (ours, theirs) = full();
        let outbox = outbox(ours);
        outbox.send(*b"late").unwrap();
        let read = apart(move || {
            thread::sleep(Duration::from_millis(100)); // so that the drain thread has to wait
            behind_the_dots(theirs)
        });
        outbox.wait_until_sent();
        drop(outbox);
        assert_eq!(read.recv_timeout(LIMIT).unwrap(), "late");
    }

    #[test]
    fn a_deadline_of_nothing_is_refused() {
        let refused = Outbox::with_limits(connection().0.into(), 10, Duration::ZERO).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn the_end_comes_behind_what_is_queued_and_nothing_follows_it() {
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

        theirs.write_all(b"Good bye").unwrap(); // it was our side alone
        reader.read_exact(&mut [0; 8]).unwrap();
        let all: String = (0..100).map(|i| format!("{i}\n")).collect();
        assert_eq!(behind_the_dots(theirs), all);
    }

    #[test]
    fn nothing_follows_the_last_message_and_the_connection_stays_open() {
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
    fn a_client_that_has_gone_is_lost() {
        let (ours, theirs) = connection();
        let outbox = outbox(ours);
        drop(theirs);
        let why = loop {
            // It takes a moment until the kernel knows.
            if let Err(why) = outbox.send(*b"anybody there?") {
                break why;
            }
        };
        assert!(matches!(why, Dropped::Lost(_)), "{why:?}");
        assert_eq!(outbox.dropped(), Some(why));
    }

    #[test]
    fn room_is_waited_for_until_the_client_reads() {
        let (ours, mut theirs) = full();
        let outbox = Outbox::with_limits(ours.into(), 1000, DEADLINE).unwrap();
        outbox.wait_for_room().unwrap();
        outbox.send(vec![b'x'; 8 << 20]).unwrap();
        outbox.wait_for_room().unwrap(); // nothing waits *behind* it
        outbox.send([b'y'; 2000]).unwrap();
        let also = outbox.clone();
        let waiting = apart(move || also.wait_for_room());
        let still_waits = waiting.recv_timeout(Duration::from_millis(50));
        assert_eq!(still_waits, Err(mpsc::RecvTimeoutError::Timeout));
        let heard = apart(move || io::copy(&mut theirs, &mut io::sink()).unwrap());
        assert_eq!(waiting.recv_timeout(LIMIT), Ok(Ok(())));
        outbox.end();
        assert!(heard.recv_timeout(LIMIT).unwrap() > (8 << 20) + 2000);
    }

    #[test]
    fn two_that_write_to_each_other_before_they_read_do_not_deadlock() {
        let (one, other) = connection();
        let talks = |socket: TcpStream| {
            apart(move || {
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
        let talks = [one, other].map(talks);
        assert_eq!(talks.map(|heard| heard.recv_timeout(LIMIT).unwrap()), [16 << 20; 2]);
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
            log.say(&i.to_string());
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
        (0..1000).for_each(|i| log.say(&i.to_string()));
        (0..1000).for_each(|_| write.send(()).unwrap());
        let first: Vec<String> = (0..256).map(|_| lines.recv_timeout(LIMIT).unwrap()).collect();
        assert!(first.iter().enumerate().all(|(i, line)| *line == i.to_string()), "{first:?}");
        log.say("again");
        while lines.recv_timeout(LIMIT).unwrap() != "again" {}
    }

    #[test]
    fn a_line_that_panics_is_no_harm_to_the_next() {
        let (written, lines) = mpsc::channel();
        let log = Lines::new(move |line| match line {
            "one" => panic!("as the test wants it"),
            _ => written.send(line.to_string()).unwrap(),
        });
        log.say("one");
        log.say("two");
        assert_eq!(lines.recv_timeout(LIMIT).as_deref(), Ok("two"));
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(escaped("a\r\n\0b\u{1b}[2J\u{7f}\u{9b}"), r"a\r\n\0b\u{1b}[2J\u{7f}\u{9b}");
        assert_eq!(escaped("é\t안녕 😀 \"\\n\""), "é\t안녕 😀 \"\\n\"");
    }
}
