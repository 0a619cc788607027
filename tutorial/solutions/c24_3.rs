//! Chapter 24, exercise 3: exactly once.
//!
//! Without an acknowledgement the client cannot know whether the server has received the order. So it
//! emits it again, with the same number, and the server remembers the numbers of each client. The `auth`
//! identifies the client: the socket's id is a new one each time.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use sockets_by_hand::json;
use sockets_by_hand::socketio::{ClientSocket, Event, Socket};

/// Orders, again and again until there is an acknowledgement; `done` receives whether there was one.
fn order(socket: &ClientSocket, number: u64, dish: &str, tries: u32, done: mpsc::Sender<bool>) {
    let (again, same) = (socket.clone(), dish.to_string());
    let values = [json!(number), json!(dish)];
    socket.timeout(Duration::from_secs(10)).emit_with_callback("order", values, move |result| {
        match result {
            Ok(_) => _ = done.send(true),
            Err(_) if tries <= 1 => _ = done.send(false),
            Err(_) => order(&again, number, &same, tries - 1, done),
        }
    });
}

/// The server's side: the clients and the numbers of their orders. (A real one keeps them in a file or a
/// database, and removes old ones.)
#[derive(Default)]
struct Kitchen {
    orders: Mutex<HashSet<(String, String)>>,
}

impl Kitchen {
    /// Whether this order has not been received before.
    fn is_new(&self, event: &Event<Socket>) -> bool {
        let who = event.socket.handshake().auth["name"].as_str().unwrap_or_default().to_string();
        let number = event.args[0].to_string();
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).insert((who, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::socketio::Server;
    use sockets_by_hand::socketio::client::{Client, Options};
    use std::sync::Arc;

    #[test]
    fn an_order_without_an_acknowledgement_is_not_cooked_twice() {
        let server = Server::bind("127.0.0.1:0", Default::default()).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let kitchen = Arc::new(Kitchen::default());
        let (cook, cooked) = mpsc::channel();
        server.io().on_connection(move |socket| {
            let (kitchen, cook) = (kitchen.clone(), cook.clone());
            socket.on("order", move |event| match kitchen.is_new(event) {
                true => {
                    cook.send(event.args[1].to_string()).unwrap();
                    event.socket.disconnect(false); // instead of an acknowledgement
                }
                false => event.ack(()),
            });
        });
        std::thread::spawn(|| server.serve());

        let mut options = Options { auth: json!({"name": "Ann"}).into(), ..Options::default() };
        options.backoff.min = Duration::from_millis(1);
        let client = Client::new(&url, options).unwrap();
        client.on("disconnect", |event| {
            if event.args[0].as_str() == Some("io server disconnect") {
                event.socket.open();
            }
        });
        client.open();
        let (done, results) = mpsc::channel();
        order(&client, 7, "soup", 3, done.clone());
        assert_eq!(results.recv(), Ok(true));
        order(&client, 8, "cake", 3, done);
        assert_eq!(results.recv(), Ok(true));
        assert_eq!(cooked.try_iter().collect::<Vec<_>>(), ["\"soup\"", "\"cake\""]);
    }
}
