//! Chapter 10, exercise 3: a reference cycle.
//!
//! A `Weak` does not keep the client alive, and `upgrade` returns `None` once the client is gone.
//! With `client.clone()` in its place, the client would own the emitter, the emitter the listener,
//! and the listener the client: the connection would never be closed.

use std::io::Write;
use std::sync::Arc;

use sockets_by_hand::net::{Emitter, Stream};

struct Client {
    stream: Stream,
    events: Emitter<Vec<u8>>,
}

fn echo(client: &Arc<Client>) {
    let weak = Arc::downgrade(client);
    client.events.on("data", move |bytes| {
        let Some(client) = weak.upgrade() else { return };
        _ = client.stream.clone().write_all(bytes);
    });
}

#[test]
fn connection_is_closed_although_a_listener_uses_its_client() {
    use std::io::Read;
    let (mut peer, socket) = super::connection();
    let client = Arc::new(Client { stream: socket.into(), events: Emitter::new() });
    echo(&client);
    client.events.emit("data", &b"Hello".to_vec());
    drop(client);

    peer.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let mut received = String::new();
    peer.read_to_string(&mut received).expect("the connection is closed");
    assert_eq!(received, "Hello");
}
