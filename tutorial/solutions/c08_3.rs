//! Chapter 08, exercise 3: the ring.
//!
//! A `Weak` is an address without a claim: it does not keep the client alive, and `upgrade` finds
//! out whether it still is. With `client.clone()` in its place, the client would hold the board, the
//! board the listener, and the listener the client, and the connection would never be closed.

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
fn a_client_that_answers_itself_still_goes_away() {
    use std::io::Read;
    let (mut caller, socket) = super::connection();
    let client = Arc::new(Client { stream: socket.into(), events: Emitter::new() });
    echo(&client);
    client.events.emit("data", &b"Hello".to_vec());
    drop(client);

    caller.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let mut heard = String::new();
    caller.read_to_string(&mut heard).expect("the connection is closed");
    assert_eq!(heard, "Hello");
}
