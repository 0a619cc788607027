//! Chapter 24, exercise 2: a buffer with a limit.
//!
//! The library buffers all that is emitted while it is not connected, so nothing is given to it then: the
//! last hundred events are in a buffer of our own. One lock covers the check and what follows from it: an
//! event that is emitted while the socket becomes connected is neither lost, nor overtakes the buffer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sockets_by_hand::socketio::Value;
use sockets_by_hand::socketio::client::Socket;

const MAX_BUFFERED: usize = 100;

type Buffer = Mutex<VecDeque<(String, Vec<Value>)>>;

struct BufferedSocket {
    socket: Socket,
    buffer: Arc<Buffer>,
}

impl BufferedSocket {
    fn new(socket: Socket) -> BufferedSocket {
        let buffer = Arc::<Buffer>::default();
        let buffered = buffer.clone();
        socket.on("connect", move |event| {
            for (name, values) in lock(&buffered).drain(..) {
                event.socket.emit(&name, values);
            }
        });
        BufferedSocket { socket, buffer }
    }

    fn emit(&self, name: &str, values: Vec<Value>) {
        let mut buffer = lock(&self.buffer);
        // It may be connected, although the listener above has not run yet.
        if buffer.is_empty() && self.socket.is_connected() {
            self.socket.emit(name, values);
            return;
        }
        if buffer.len() == MAX_BUFFERED {
            buffer.pop_front();
        }
        buffer.push_back((name.to_string(), values));
    }
}

fn lock(buffer: &Buffer) -> MutexGuard<'_, VecDeque<(String, Vec<Value>)>> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::json;
    use sockets_by_hand::socketio::{Client, Server};
    use std::sync::mpsc;

    #[test]
    fn the_last_hundred_events_are_buffered_and_new_ones_follow() {
        let server = Server::bind("127.0.0.1:0", Default::default()).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let (sender, received) = mpsc::channel();
        server.io().on_connection(move |socket| {
            let sender = sender.clone();
            socket.on("say", move |event| _ = sender.send(event.args[0].as_f64().unwrap()));
        });
        std::thread::spawn(|| server.serve());

        let client = Client::new(&url, Default::default()).unwrap();
        let socket = BufferedSocket::new(client.clone());
        (0..150).for_each(|i| socket.emit("say", vec![json!(i)]));
        client.open();
        assert_eq!(received.recv(), Ok(50.0));
        socket.emit("say", vec![json!(150)]);
        let rest: Vec<f64> = received.iter().take(100).collect();
        assert_eq!(rest, (51..=150).map(f64::from).collect::<Vec<_>>());
    }
}
