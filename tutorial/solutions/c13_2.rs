//! Chapter 13, exercise 2: closing time.
//!
//! First the door, then a goodbye to everyone who is inside: 1001, "going away". Nobody is missed.
//! `receive` asks whether the door is closed while it has the list locked, and puts on the list under
//! the same lock: who is at the desk is on the list before we go through it, or gets a 503.

use std::time::Duration;

use sockets_by_hand::net::server::Handle;
use sockets_by_hand::ws::server::Clients;

fn closing_time(handle: &Handle, clients: &Clients) {
    handle.close();
    for client in clients.all() {
        // Who is slow to answer is not waited for as long as on other days.
        _ = client.close_within(1001, "closing time", Duration::from_secs(5));
    }
    handle.wait();
}

#[test]
fn everyone_hears_that_it_is_closing_time() {
    use sockets_by_hand::ws::{Close, Options, Server, connect};
    use std::thread;

    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let url = format!("ws://{}/", server.address().unwrap());
    let (handle, clients) = (server.handle(), server.clients());
    let door = thread::spawn(|| {
        server.serve(|mut socket| {
            while socket.read()?.is_some() {}
            Ok(())
        })
    });
    let guests = [(); 3].map(|()| connect(&url).unwrap());
    let guests = guests.map(|mut guest| {
        thread::spawn(move || {
            while guest.read().unwrap().is_some() {}
            guest.closed().cloned().unwrap()
        })
    });

    closing_time(&handle, &clients);
    door.join().unwrap();
    for guest in guests {
        let goodbye = Close { code: 1001, reason: "closing time".to_string() };
        assert_eq!(guest.join().unwrap(), goodbye);
    }
}
