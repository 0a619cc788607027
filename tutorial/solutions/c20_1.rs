//! Chapter 20, exercise 1: a token that expires.
//!
//! The server says in `data` what a program needs to know. A failure of the network has none: there
//! the client comes back by itself, and with the same token. After three refusals in a row it is not
//! the token.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use sockets_by_hand::json;
use sockets_by_hand::socketio::client::Socket;

const PATIENCE: u32 = 3;

/// Shows a new token whenever the server says that the old one has expired.
fn renew(socket: &Socket, new_token: impl Fn() -> String + Send + Sync + 'static) {
    let refused = Arc::new(AtomicU32::new(0));
    let let_in = refused.clone();
    socket.on("connect", move |_| let_in.store(0, Relaxed));
    socket.on("connect_error", move |event| {
        let expired = event.args[0]["data"]["code"].as_str() == Some("expired");
        if expired && refused.fetch_add(1, Relaxed) + 1 < PATIENCE {
            event.socket.set_auth(json!({"token": new_token()}));
            event.socket.open();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::socketio::client::{Client, Options};
    use sockets_by_hand::socketio::{ConnectError, Server};
    use std::sync::mpsc::{self, Receiver};
    use std::time::Duration;

    /// A client of a server that likes one token, and what happens to it.
    fn client(liked: &'static str) -> (Client, Receiver<String>) {
        let server = Server::bind("127.0.0.1:0", Default::default()).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        server.io().use_middleware(move |socket| {
            match socket.handshake().auth["token"].as_str() == Some(liked) {
                true => Ok(()),
                false => Err(ConnectError {
                    message: "your token has expired".to_string(),
                    data: Some(json!({"code": "expired"})),
                }),
            }
        });
        std::thread::spawn(|| server.serve());
        let mut options = Options { auth: json!({"token": "0"}), ..Options::default() };
        options.backoff.min = Duration::from_millis(1);
        let client = Client::new(&url, options).unwrap();
        let (sender, events) = mpsc::channel();
        let connected = sender.clone();
        client.on("connect", move |_| _ = connected.send("connect".to_string()));
        client.on("connect_error", move |_| _ = sender.send("connect_error".to_string()));
        (client, events)
    }

    fn counting() -> impl Fn() -> String + Send + Sync {
        let made = AtomicU32::new(0);
        move || (made.fetch_add(1, Relaxed) + 1).to_string()
    }

    #[test]
    fn a_new_token_opens_the_door() {
        let (client, events) = client("2");
        renew(&client, counting());
        client.open();
        let heard: Vec<String> = events.iter().take(3).collect();
        assert_eq!(heard, ["connect_error", "connect_error", "connect"]);
    }

    #[test]
    fn after_three_refusals_in_a_row_it_is_enough() {
        let (client, events) = client("none that there is");
        renew(&client, counting());
        client.open();
        assert!(events.iter().take(3).all(|event| event == "connect_error"));
        assert!(events.recv_timeout(Duration::from_millis(300)).is_err(), "a fourth attempt");
    }
}
