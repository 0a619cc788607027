//! A server and all its clients: who is there, what all are told, who is still alive, who may not
//! hurt the others.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use sockets_by_hand::ws::server::Clients;
use sockets_by_hand::ws::{Message, Options, Sender, Server};

use crate::wire::*;

/// Opens a WebSocket, and waits until the server has let it in and echoed a word.
fn enter(server: SocketAddr) -> Peer {
    let mut peer = Peer::open(server);
    peer.send(TEXT, "Hello");
    peer.expect(TEXT, "Hello");
    peer
}

/// The list shrinks when a handler has returned, which takes its thread a moment.
#[track_caller]
fn wait_for(clients: &Clients, number: usize) {
    wait_until(|| clients.all().len() == number);
}

#[test]
fn what_is_said_to_all_reaches_all() {
    let server = server();
    let clients = server.clients();
    let server = serve(server, echo);
    clients.broadcast("to nobody");
    let mut peers: Vec<Peer> = (0..5).map(|_| enter(server)).collect();
    assert_eq!(clients.all().len(), 5);
    clients.broadcast("to all");
    clients.broadcast(vec![1, 2, 3]);
    for peer in &mut peers {
        peer.expect(TEXT, "to all");
        peer.expect(BINARY, [1, 2, 3]);
    }
}

#[test]
fn what_is_said_to_all_but_one_does_not_reach_that_one() {
    let server: Server = server();
    let clients = server.clients();
    let server = serve(server, move |mut socket| {
        while let Some(message) = socket.read()? {
            clients.broadcast_except(Some(&socket), message);
            socket.send("said")?;
        }
        Ok(())
    });
    let mut peers: Vec<Peer> = (0..3).map(|_| Peer::open(server)).collect();
    for peer in &mut peers {
        peer.send(PING, ""); // answered: it is in the list
        peer.expect(PONG, "");
    }
    peers[1].send(TEXT, "news");
    peers[1].expect(TEXT, "said");
    peers[0].expect(TEXT, "news");
    peers[2].expect(TEXT, "news");
}

#[test]
fn who_leaves_is_no_longer_in_the_list_however_it_leaves() {
    let server = server();
    let clients = server.clients();
    let server = serve(server, |mut socket| {
        match socket.read()? {
            Some(Message::Text(text)) if text == "panic" => panic!("as the test wants it"),
            Some(message) => socket.send(message)?,
            None => return Ok(()),
        }
        echo(socket)
    });
    let mut stays = enter(server);
    let mut says_goodbye = enter(server);
    let goes = enter(server);
    let mut offends = enter(server);
    let mut makes_it_panic = Peer::open(server);
    wait_for(&clients, 5);
    says_goodbye.write(By::Client.close(1000, ""));
    says_goodbye.expect_close(1000);
    drop((says_goodbye, goes));
    wait_for(&clients, 3);
    offends.send(TEXT, b"\xff");
    offends.expect_close(1007);
    drop(offends);
    wait_for(&clients, 2);
    makes_it_panic.send(TEXT, "panic");
    makes_it_panic.expect_close(1011);
    makes_it_panic.expect_end();
    drop(makes_it_panic);
    wait_for(&clients, 1);
    clients.broadcast("still here?");
    stays.expect(TEXT, "still here?");
}

#[test]
fn senders_can_be_told_apart() {
    let server = server();
    let clients = server.clients();
    let server = serve(server, echo);
    let _peers = [enter(server), enter(server)];
    let all: Vec<Sender> = clients.all();
    assert!(all[0] == all[0].clone() && all[0] != all[1]);
    assert_ne!(all[0].remote_address(), all[1].remote_address());
}

#[test]
fn a_handler_that_panics_or_fails_hurts_nobody_else() {
    let server = serve(server(), |socket| match socket.request.path() {
        "/panic" => panic!("as the test wants it"),
        "/fail" => Err(std::io::Error::other("as the test wants it").into()),
        _ => echo(socket),
    });
    let mut neighbour = enter(server);
    for (path, code) in [("/panic", 1011), ("/fail", 1000)] {
        let mut peer = Peer::connect(server);
        peer.write(ASK.replace("GET /", &format!("GET {path}")));
        peer.head();
        peer.expect_close(code);
        peer.expect_end();
        neighbour.send(TEXT, "Hello");
        neighbour.expect(TEXT, "Hello");
    }
}

#[test]
fn who_has_not_answered_by_the_next_heartbeat_is_cut_off() {
    let server = server();
    let clients = server.clients();
    let (server, ends) = reporting(server);
    let mut peer = Peer::open(server);
    wait_for(&clients, 1);
    let sender = clients.all().remove(0);
    for _ in 0..3 {
        sender.check_alive();
        peer.expect(PING, "");
        peer.send(PONG, "");
        peer.send(PING, "was that heard?");
        peer.expect(PONG, "was that heard?"); // so it was
    }
    sender.check_alive();
    peer.expect(PING, "");
    sender.check_alive();
    peer.expect_cut();
    assert_eq!(ends.recv().unwrap().closed.code, 1006);
    wait_for(&clients, 0);
}

#[test]
fn heartbeat_cuts_nobody_off_while_the_handler_is_busy() {
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
    (0..3).for_each(|_| sender.check_alive()); // its pongs would not be seen now
    drop(go);
    (0..3).for_each(|_| peer.expect(PING, ""));
    peer.expect(TEXT, "work");
    peer.send(PING, "reading?");
    peer.expect(PONG, "reading?");
    sender.check_alive(); // its time begins anew
    peer.expect(PING, "");
    sender.check_alive();
    peer.expect_cut();
}

#[test]
fn the_heartbeat_keeps_who_answers_and_cuts_off_who_does_not() {
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
    // It was pinged when the other was for the first time, and cut off before its third.
    silent.expect(PING, "");
    silent.expect_cut();
    answers.send(TEXT, "Hello");
    answers.expect(TEXT, "Hello");
    wait_for(&clients, 1);
}

#[test]
fn the_library_s_own_client_answers_the_heartbeat_while_it_reads() {
    let server = server();
    let clients = server.clients();
    let url = format!("ws://{}/", serve(server, echo));
    let mut socket = sockets_by_hand::ws::connect(&url).unwrap();
    let reader = thread::spawn(move || socket.read().unwrap());
    wait_for(&clients, 1);
    let sender = clients.all().remove(0);
    sender.ping(b"").unwrap();
    sender.send("that is all").unwrap();
    assert_eq!(reader.join().unwrap(), Some(Message::from("that is all")));
}

#[test]
fn who_never_reads_is_dropped_while_the_others_get_all() {
    let server = server();
    let clients = server.clients();
    let server = serve(server, echo);
    let mut reads = enter(server);
    let never_reads = enter(server);
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
fn who_asks_and_never_reads_the_answers_is_not_read_from_and_keeps_nobody_waiting() {
    let address = serve(server(), echo);
    let mut peer = Peer::open(address);
    let mut writer = peer.writer();
    let asking = thread::spawn(move || {
        let ping = By::Client.frame(PING, &[b'x'; 125]).repeat(1000);
        while std::io::Write::write_all(&mut writer, &ping).is_ok() {}
    });
    for _ in 0..5 {
        enter(address);
    }
    peer.expect(PONG, [b'x'; 125]);
    peer.destroy();
    asking.join().unwrap();
    enter(address);
}

/// Serves, and says when it has ended.
fn ending(server: Server) -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        server.serve(echo);
        sender.send(()).unwrap();
    });
    receiver
}

#[test]
fn a_server_that_is_closed_lets_in_nobody_and_waits_for_those_who_are_there() {
    let server =
        server_with(Options { heartbeat: Some(Duration::from_secs(60)), ..Options::default() });
    let (address, handle, clients) = (server.address().unwrap(), server.handle(), server.clients());
    let ended = ending(server);
    let mut peer = enter(address);
    handle.close();
    wait_until(|| std::net::TcpStream::connect(address).is_err());
    peer.send(TEXT, "Hello");
    peer.expect(TEXT, "Hello");
    clients.all().iter().for_each(|client| client.close(1001, "closing time").unwrap());
    assert_eq!(peer.expect_close(1001), "closing time");
    peer.write(By::Client.close(1001, ""));
    drop(peer);
    ended.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(clients.all().is_empty());
}

#[test]
fn clients_that_stay_are_cut_off_after_the_close_timeout() {
    let time = Duration::from_millis(50);
    let server = server_with(Options { close_timeout: time, ..Options::default() });
    let (address, handle) = (server.address().unwrap(), server.handle());
    let ended = ending(server);
    let _inside = enter(address);
    let mut asks = Peer::connect(address);
    asks.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    wait_until(|| handle.connections() == 2);
    handle.close();
    ended.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn while_closing_a_page_is_the_last_answer_of_its_connection() {
    let server = server();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let ended = ending(server);
    let mut visitor = Peer::connect(address);
    wait_until(|| handle.connections() == 1);
    handle.close();
    visitor.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(visitor.head().contains("\r\nConnection: close\r\n"));
    drop(visitor);
    ended.recv_timeout(Duration::from_secs(20)).unwrap();
}
