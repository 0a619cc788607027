//! Chapter 13, exercise 2: closing time.
//!
//! First the door, then a goodbye to everyone who is inside: 1001, "going away". Somebody may have
//! come through the door and not be on the list yet, so we go round until nobody is left. To say
//! goodbye to the same client again does no harm: a second one is not sent.

use std::thread;
use std::time::Duration;

use sockets_by_hand::net::server::Handle;
use sockets_by_hand::ws::server::Clients;

fn closing_time(handle: &Handle, clients: &Clients) {
    handle.close();
    while handle.connections() > 0 {
        for client in clients.all() {
            // Who is slow to answer is not waited for as long as on other days.
            _ = client.close_within(1001, "closing time", Duration::from_secs(5));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn everyone_hears_that_it_is_closing_time() {
    use sockets_by_hand::ws::{Close, Server, connect};

    let server = Server::bind("127.0.0.1:0").unwrap();
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
