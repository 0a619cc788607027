//! Chapter 20, exercise 3: ordered once, and only once.
//!
//! Without an answer the client cannot know whether the server has heard it. So it asks again, under
//! the same number, and the server remembers which numbers of whom it has served. What identifies
//! the client is what it shows as `auth`: the socket's id is a new one each time.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use sockets_by_hand::json;
use sockets_by_hand::socketio::{ClientSocket, Event, Socket};

/// Orders, and asks again until there is an answer; `done` hears whether there ever was one.
fn order(socket: &ClientSocket, number: u64, dish: &str, tries: u32, done: mpsc::Sender<bool>) {
    let (again, same) = (socket.clone(), dish.to_string());
    let values = [json!(number), json!(dish)];
    socket.emit_with_ack("order", values, Duration::from_secs(10), move |answer| match answer {
        Ok(_) => _ = done.send(true),
        Err(_) if tries <= 1 => _ = done.send(false),
        Err(_) => order(&again, number, &same, tries - 1, done),
    });
}

/// The server's side: what has been ordered, by whom, under which number. (A real one keeps it where
/// it outlives the program, and forgets what is old.)
#[derive(Default)]
struct Kitchen {
    served: Mutex<HashSet<(String, String)>>,
}

impl Kitchen {
    /// Whether this order is to be cooked: it has not been before.
    fn is_new(&self, event: &Event<Socket>) -> bool {
        let who = event.socket.handshake().auth["name"].as_str().unwrap_or_default().to_string();
        let number = event.args[0].to_string();
        self.served.lock().unwrap_or_else(PoisonError::into_inner).insert((who, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::socketio::Server;
    use sockets_by_hand::socketio::client::{Client, Options};
    use std::sync::Arc;

    #[test]
    fn an_order_whose_answer_was_lost_is_not_cooked_twice() {
        let server = Server::bind("127.0.0.1:0", Default::default()).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let kitchen = Arc::new(Kitchen::default());
        let (cook, cooked) = mpsc::channel();
        server.io().on_connection(move |socket| {
            let (kitchen, cook) = (kitchen.clone(), cook.clone());
            socket.on("order", move |event| match kitchen.is_new(event) {
                true => {
                    cook.send(event.args[1].to_string()).unwrap();
                    event.socket.disconnect(false); // instead of an answer
                }
                false => event.ack([]),
            });
        });
        std::thread::spawn(|| server.serve());

        let mut options = Options { auth: json!({"name": "Ann"}), ..Options::default() };
        options.backoff.min = Duration::from_millis(1);
        let client = Client::new(&url, options).unwrap();
        client.on("disconnect", |event| {
            if event.args[0].as_str() == Some("io server disconnect") {
                event.socket.open();
            }
        });
        client.open();
        let (done, answered) = mpsc::channel();
        order(&client, 7, "soup", 3, done.clone());
        assert_eq!(answered.recv(), Ok(true));
        order(&client, 8, "cake", 3, done);
        assert_eq!(answered.recv(), Ok(true));
        assert_eq!(cooked.try_iter().collect::<Vec<_>>(), ["\"soup\"", "\"cake\""]);
    }
}
