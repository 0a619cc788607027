//! A server and all its clients: the list of clients, broadcasts, the heartbeat, closing; and that no
//! client disturbs the others.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use sockets_by_hand::ws::server::Clients;
use sockets_by_hand::ws::{Message, Options, Sender, Server};

use super::peer::*;
use crate::common::{next, until};

/// Opens a WebSocket, and waits until the server has echoed a message: it is in the list by then.
fn open_and_echo(server: SocketAddr) -> Peer {
    let mut peer = Peer::open(server);
    peer.send(TEXT, "Hello");
    peer.expect(TEXT, "Hello");
    peer
}

/// Waits until the list has that many clients: one leaves it when its handler has returned.
#[track_caller]
fn wait_for_clients(clients: &Clients, number: usize) {
    until(|| clients.all().len() == number);
}

#[test]
fn broadcast_reaches_every_client() {
    let server = server();
    let clients = server.clients();
    let server = serve(server, echo);
    clients.broadcast("to no client");
    let mut peers: Vec<Peer> = (0..5).map(|_| open_and_echo(server)).collect();
    assert_eq!(clients.all().len(), 5);
    clients.broadcast("to all");
    clients.broadcast(vec![1, 2, 3]);
    for peer in &mut peers {
        peer.expect(TEXT, "to all");
        peer.expect(BINARY, [1, 2, 3]);
    }
}

#[test]
fn broadcast_except_reaches_every_client_but_one() {
    let server: Server = server();
    let clients = server.clients();
    let server = serve(server, move |mut socket| {
        while let Some(message) = socket.read()? {
            clients.broadcast_except(Some(&socket), message);
            socket.send("sent")?;
        }
        Ok(())
    });
    let mut peers: Vec<Peer> = (0..3).map(|_| Peer::open(server)).collect();
    for peer in &mut peers {
        peer.send(PING, ""); // once it is answered, the client is in the list
        peer.expect(PONG, "");
    }
    peers[1].send(TEXT, "a message");
    peers[1].expect(TEXT, "sent");
    peers[0].expect(TEXT, "a message");
    peers[2].expect(TEXT, "a message");
}

#[test]
fn a_client_that_ends_leaves_the_list_however_it_ends() {
    let server = server();
    let clients = server.clients();
    let server = serve(server, |mut socket| {
        match socket.read()? {
            Some(Message::Text(text)) if text == "panic" => panic!("the handler fails"),
            Some(message) => socket.send(message)?,
            None => return Ok(()),
        }
        echo(socket)
    });
    let mut stays_open = open_and_echo(server);
    let mut closes = open_and_echo(server);
    let drops = open_and_echo(server);
    let mut sends_invalid = open_and_echo(server);
    let mut panics = Peer::open(server);
    wait_for_clients(&clients, 5);
    closes.write(Role::Client.close(1000, ""));
    closes.expect_close(1000);
    drop((closes, drops));
    wait_for_clients(&clients, 3);
    sends_invalid.send(TEXT, b"\xff");
    sends_invalid.expect_close(1007);
    drop(sends_invalid);
    wait_for_clients(&clients, 2);
    panics.send(TEXT, "panic");
    panics.expect_close(1011);
    panics.expect_end();
    drop(panics);
    wait_for_clients(&clients, 1);
    clients.broadcast("still here?");
    stays_open.expect(TEXT, "still here?");
}

#[test]
fn senders_of_different_clients_are_not_equal() {
    let server = server();
    let clients = server.clients();
    let server = serve(server, echo);
    let _peers = [open_and_echo(server), open_and_echo(server)];
    let all: Vec<Sender> = clients.all();
    assert!(all[0] == all[0].clone() && all[0] != all[1]);
    assert_ne!(all[0].remote_address(), all[1].remote_address());
}

#[test]
fn a_handler_that_panics_or_fails_disturbs_no_other_client() {
    let server = serve(server(), |socket| match socket.request.path() {
        "/panic" => panic!("the handler fails"),
        "/fail" => Err(std::io::Error::other("the handler fails").into()),
        _ => echo(socket),
    });
    let mut other = open_and_echo(server);
    for (path, code) in [("/panic", 1011), ("/fail", 1000)] {
        let mut peer = Peer::connect(server);
        peer.write(REQUEST.replace("GET /", &format!("GET {path}")));
        peer.head();
        peer.expect_close(code);
        peer.expect_end();
        other.send(TEXT, "Hello");
        other.expect(TEXT, "Hello");
    }
}

#[test]
fn a_client_without_a_pong_by_the_next_heartbeat_is_terminated() {
    let server = server();
    let clients = server.clients();
    let (server, ends) = reporting(server);
    let mut peer = Peer::open(server);
    wait_for_clients(&clients, 1);
    let sender = clients.all().remove(0);
    for _ in 0..3 {
        sender.check_alive();
        peer.expect(PING, "");
        peer.send(PONG, "");
        peer.send(PING, "was it read?");
        peer.expect(PONG, "was it read?"); // so the pong before it was read too
    }
    sender.check_alive();
    peer.expect(PING, "");
    sender.check_alive();
    peer.expect_cut();
    assert_eq!(ends.recv().unwrap().closed.code, 1006);
    wait_for_clients(&clients, 0);
}

#[test]
fn the_heartbeat_terminates_no_client_while_its_handler_is_busy() {
    let server = server();
    let clients = server.clients();
    let (begun, begins) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    let server = serve(server, move |mut socket| {
        while let Some(message) = socket.read()? {
            begun.send(()).unwrap();
            _ = may_go.lock().unwrap().recv();
            socket.send(message)?;
        }
        Ok(())
    });
    let mut peer = Peer::open(server);
    peer.send(TEXT, "work");
    begins.recv().unwrap();
    let sender = clients.all().remove(0);
    (0..3).for_each(|_| sender.check_alive()); // its pongs are not read now
    drop(go);
    (0..3).for_each(|_| peer.expect(PING, ""));
    peer.expect(TEXT, "work");
    peer.send(PING, "reading?");
    peer.expect(PONG, "reading?");
    sender.check_alive(); // the handler reads again: its time begins again
    peer.expect(PING, "");
    sender.check_alive();
    peer.expect_cut();
}

#[test]
fn the_heartbeat_keeps_a_client_that_answers_and_terminates_one_that_does_not() {
    let server =
        server_with(Options { heartbeat: Some(Duration::from_secs(1)), ..Options::default() });
    let clients = server.clients();
    let server = serve(server, echo);
    let mut silent = Peer::open(server);
    let mut answers = Peer::open(server);
    for _ in 0..3 {
        let Some((PING, payload)) = answers.frame() else { panic!("a ping was expected") };
        answers.send(PONG, payload);
    }
    // It was pinged at the first heartbeat, and terminated before the third.
    silent.expect(PING, "");
    silent.expect_cut();
    answers.send(TEXT, "Hello");
    answers.expect(TEXT, "Hello");
    wait_for_clients(&clients, 1);
}

#[test]
fn the_librarys_own_client_answers_the_heartbeat_while_it_reads() {
    let server = server();
    let clients = server.clients();
    let url = format!("ws://{}/", serve(server, echo));
    let mut socket = sockets_by_hand::ws::connect(&url).unwrap();
    let reader = thread::spawn(move || socket.read().unwrap());
    wait_for_clients(&clients, 1);
    let sender = clients.all().remove(0);
    sender.ping(b"").unwrap();
    sender.send("that is all").unwrap();
    assert_eq!(reader.join().unwrap(), Some(Message::from("that is all")));
}

#[test]
fn a_client_that_never_reads_is_dropped_while_the_others_receive_all() {
    let server = server();
    let clients = server.clients();
    let server = serve(server, echo);
    let mut reads = open_and_echo(server);
    let never_reads = open_and_echo(server);
    let mut message = vec![0; 256 * 1024];
    for i in 0u32.. {
        assert!(i < 1000, "{i} messages wait for a client that does not read");
        message[..4].copy_from_slice(&i.to_be_bytes());
        clients.broadcast(message.clone());
        reads.expect(BINARY, &message);
        if clients.all().len() == 1 {
            break;
        }
    }
    reads.send(TEXT, "Hello");
    reads.expect(TEXT, "Hello");
    drop(never_reads);
}

#[test]
fn a_client_that_pings_and_never_reads_is_not_read_from_and_delays_no_other() {
    let address = serve(server(), echo);
    let mut peer = Peer::open(address);
    let mut writer = peer.writer();
    let pinging = thread::spawn(move || {
        let ping = Role::Client.frame(PING, &[b'x'; 125]).repeat(1000);
        while std::io::Write::write_all(&mut writer, &ping).is_ok() {}
    });
    for _ in 0..5 {
        open_and_echo(address);
    }
    peer.expect(PONG, [b'x'; 125]);
    peer.destroy();
    pinging.join().unwrap();
    open_and_echo(address);
}

/// Serves, and returns the receiver of the end of `serve`.
fn serve_to_end(server: Server) -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        server.serve(echo);
        sender.send(()).unwrap();
    });
    receiver
}

#[test]
fn a_closed_server_accepts_no_client_and_waits_for_the_connected_ones() {
    let server =
        server_with(Options { heartbeat: Some(Duration::from_secs(60)), ..Options::default() });
    let (address, handle, clients) = (server.address().unwrap(), server.handle(), server.clients());
    let ended = serve_to_end(server);
    let mut peer = open_and_echo(address);
    handle.close();
    until(|| std::net::TcpStream::connect(address).is_err());
    peer.send(TEXT, "Hello");
    peer.expect(TEXT, "Hello");
    clients.all().iter().for_each(|client| client.close(1001, "closing time").unwrap());
    assert_eq!(peer.expect_close(1001), "closing time");
    peer.write(Role::Client.close(1001, ""));
    drop(peer);
    next(&ended);
    assert!(clients.all().is_empty());
}

#[test]
fn clients_that_stay_connected_are_terminated_after_the_close_timeout() {
    let time = Duration::from_millis(50);
    let server = server_with(Options { close_timeout: time, ..Options::default() });
    let (address, handle) = (server.address().unwrap(), server.handle());
    let ended = serve_to_end(server);
    let _connected = open_and_echo(address);
    let mut requesting = Peer::connect(address);
    requesting.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    until(|| handle.connections() == 2);
    handle.close();
    next(&ended);
}

#[test]
fn while_closing_a_page_is_the_last_response_of_its_connection() {
    let server = server();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let ended = serve_to_end(server);
    let mut client = Peer::connect(address);
    until(|| handle.connections() == 1);
    handle.close();
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.head().contains("\r\nConnection: close\r\n"));
    drop(client);
    next(&ended);
}
