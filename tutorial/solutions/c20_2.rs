//! Chapter 20, exercise 2: a buffer with a limit.
//!
//! The library keeps all that is emitted while it is away, so nothing is given to it then: we keep
//! the last hundred by ourselves. One lock over the look and the deed: who speaks in the moment in
//! which the connection comes back can neither be forgotten nor overtake what was kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sockets_by_hand::socketio::Value;
use sockets_by_hand::socketio::client::Socket;

const KEPT: usize = 100;

type Kept = Mutex<VecDeque<(String, Vec<Value>)>>;

struct Speaker {
    socket: Socket,
    kept: Arc<Kept>,
}

impl Speaker {
    fn new(socket: Socket) -> Speaker {
        let kept = Arc::<Kept>::default();
        let waiting = kept.clone();
        socket.on("connect", move |event| {
            for (name, values) in lock(&waiting).drain(..) {
                event.socket.emit(&name, values);
            }
        });
        Speaker { socket, kept }
    }

    fn emit(&self, name: &str, values: Vec<Value>) {
        let mut kept = lock(&self.kept);
        // It may be connected already, and the listener above not have run yet.
        if kept.is_empty() && self.socket.is_connected() {
            return self.socket.emit(name, values);
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((name.to_string(), values));
    }
}

fn lock(kept: &Kept) -> MutexGuard<'_, VecDeque<(String, Vec<Value>)>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::json;
    use sockets_by_hand::socketio::{Client, Server};
    use std::sync::mpsc;

    #[test]
    fn the_last_hundred_are_kept_and_what_is_new_comes_after_them() {
        let server = Server::bind("127.0.0.1:0", Default::default()).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let (sender, heard) = mpsc::channel();
        server.io().on_connection(move |socket| {
            let sender = sender.clone();
            socket.on("say", move |event| _ = sender.send(event.args[0].as_f64().unwrap()));
        });
        std::thread::spawn(|| server.serve());

        let client = Client::new(&url, Default::default()).unwrap();
        let speaker = Speaker::new(client.clone());
        (0..150).for_each(|i| speaker.emit("say", vec![json!(i)]));
        client.open();
        assert_eq!(heard.recv(), Ok(50.0));
        speaker.emit("say", vec![json!(150)]);
        let rest: Vec<f64> = heard.iter().take(100).collect();
        assert_eq!(rest, (51..=150).map(f64::from).collect::<Vec<_>>());
    }
}
