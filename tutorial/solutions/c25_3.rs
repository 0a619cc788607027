//! Chapter 25, exercise 3: a file in pieces.
//!
//! Each acknowledgement says how many bytes of the file the server has, and the next piece begins there. So
//! a piece that arrives twice harms nothing, and an upload goes on where it was after the connection failed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use sockets_by_hand::json;
use sockets_by_hand::socketio::{ClientSocket, Event, Socket, Value};

const PIECE: usize = 64 * 1024;

/// The most bytes that the server keeps of one file.
const MAX_SIZE: usize = 16 * 1024 * 1024;

/// Sends the file from `from` on; `done` receives whether all has arrived. At most `tries`
/// acknowledgements may be missing.
fn upload(
    socket: &ClientSocket,
    file: Arc<[u8]>,
    from: usize,
    tries: u32,
    done: mpsc::Sender<bool>,
) {
    let rest = file.get(from..).unwrap_or_default();
    if rest.is_empty() || tries == 0 {
        _ = done.send(rest.is_empty());
        return;
    }
    let piece = &rest[..rest.len().min(PIECE)];
    let values = [json!("cat.png"), json!(from), json!(piece)];
    let again = socket.clone();
    socket.timeout(Duration::from_secs(10)).emit_with_callback("piece", values, move |result| {
        match result {
            Ok(values) => {
                let has = values[0].as_f64().unwrap_or(0.0) as usize;
                // A server that takes no more must not keep this client busy for ever.
                let tries = if has > from { tries } else { tries - 1 };
                upload(&again, file, has, tries, done);
            }
            Err(_) => upload(&again, file, from, tries - 1, done),
        }
    });
}

/// The server's side: the files by name, as far as they have arrived.
#[derive(Default)]
struct Uploads(Mutex<HashMap<String, Vec<u8>>>);

impl Uploads {
    /// Appends a piece, if it is the next one; returns how many bytes of the file there are now.
    fn add(&self, event: &Event<Socket>) -> usize {
        let [Value::String(name), from, Value::Binary(piece)] = &event.args[..] else { return 0 };
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.entry(name.clone()).or_default();
        if *from == json!(file.len()) && file.len() + piece.len() <= MAX_SIZE {
            file.extend_from_slice(piece);
        }
        file.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::socketio::client::{Client, Options};
    use sockets_by_hand::socketio::{self, Server};
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    #[test]
    fn two_megabytes_arrive_over_either_transport_although_an_acknowledgement_is_lost() {
        for transport in ["websocket", "polling"] {
            let server = Server::bind("127.0.0.1:0", socketio::Options::default()).unwrap();
            let url = format!("http://{}", server.address().unwrap());
            let uploads = Arc::new(Uploads::default());
            let (files, lost) = (uploads.clone(), Arc::new(AtomicBool::new(false)));
            server.io().on_connection(move |socket| {
                let (files, lost) = (files.clone(), lost.clone());
                socket.on("piece", move |event| match files.add(event) {
                    has if has == 3 * PIECE && !lost.swap(true, Relaxed) => {
                        event.socket.disconnect(false); // instead of an acknowledgement
                    }
                    has => event.ack(has),
                });
            });
            std::thread::spawn(|| server.serve());

            let mut options = Options::default();
            options.engine.transports = vec![transport];
            options.backoff.min = Duration::from_millis(1);
            let client = Client::new(&url, options).unwrap();
            client.on("disconnect", |event| {
                if event.args[0].as_str() == Some("io server disconnect") {
                    event.socket.open();
                }
            });
            client.open();
            let file: Arc<[u8]> = (0..2_000_000u32).map(|i| (i / 7) as u8).collect();
            let (done, all) = mpsc::channel();
            upload(&client, file.clone(), 0, 3, done);
            assert_eq!(all.recv(), Ok(true));
            assert!(
                uploads.0.lock().unwrap()["cat.png"][..] == file[..],
                "another file has arrived"
            );
        }
    }
}
