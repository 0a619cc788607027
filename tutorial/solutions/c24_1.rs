//! Chapter 24, exercise 1: a token that expires.
//!
//! The `data` of the refusal says what a program needs to know. A failed connection has none: there
//! the client reconnects by itself, with the same token. After three refusals in a row, another token
//! does not help.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use sockets_by_hand::json;
use sockets_by_hand::socketio::client::Socket;

const MAX_REFUSALS: u32 = 3;

/// Sends a new token whenever the server says that the old one has expired.
fn renew(socket: &Socket, new_token: impl Fn() -> String + Send + Sync + 'static) {
    let refused = Arc::new(AtomicU32::new(0));
    let count = refused.clone();
    socket.on("connect", move |_| count.store(0, Relaxed));
    socket.on("connect_error", move |event| {
        let expired = event.args[0]["data"]["code"].as_str() == Some("expired");
        if expired && refused.fetch_add(1, Relaxed) + 1 < MAX_REFUSALS {
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

    /// A client of a server that accepts one token, and the client's events.
    fn client(accepted: &'static str) -> (Client, Receiver<String>) {
        let server = Server::bind("127.0.0.1:0", Default::default()).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        server.io().use_middleware(move |socket| {
            match socket.handshake().auth["token"].as_str() == Some(accepted) {
                true => Ok(()),
                false => Err(ConnectError {
                    message: "your token has expired".to_string(),
                    data: Some(json!({"code": "expired"})),
                }),
            }
        });
        std::thread::spawn(|| server.serve());
        let mut options = Options { auth: json!({"token": "0"}).into(), ..Options::default() };
        options.backoff.min = Duration::from_millis(1);
        let client = Client::new(&url, options).unwrap();
        let (sender, events) = mpsc::channel();
        let connected = sender.clone();
        client.on("connect", move |_| _ = connected.send("connect".to_string()));
        client.on("connect_error", move |_| _ = sender.send("connect_error".to_string()));
        (client, events)
    }

    fn tokens() -> impl Fn() -> String + Send + Sync {
        let made = AtomicU32::new(0);
        move || (made.fetch_add(1, Relaxed) + 1).to_string()
    }

    #[test]
    fn a_new_token_is_accepted() {
        let (client, events) = client("2");
        renew(&client, tokens());
        client.open();
        let received: Vec<String> = events.iter().take(3).collect();
        assert_eq!(received, ["connect_error", "connect_error", "connect"]);
    }

    #[test]
    fn after_three_refusals_in_a_row_it_gives_up() {
        let (client, events) = client("none that there is");
        renew(&client, tokens());
        client.open();
        assert!(events.iter().take(3).all(|event| event == "connect_error"));
        assert!(events.recv_timeout(Duration::from_millis(300)).is_err(), "a fourth attempt");
    }
}
