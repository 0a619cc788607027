//! Chapter 18, exercise 3: a page that reconnects receives the messages that it has missed.
//!
//! Each message is sent with its number, as `17 Hello`. A page that reconnects sends in its query the
//! last number that it received: `?since=17`. The last hundred messages are kept. A page that was
//! disconnected for longer sees by the numbers that some are missing.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sockets_by_hand::ws::{Error, Message, Options, Sender, Server};

const KEPT: usize = 100;

/// The longest message. A hundred of them are kept: without a limit, a client could fill the memory.
const LONGEST: usize = 1000;

/// The last messages, and the clients that receive the next ones. Both are under one lock: otherwise a
/// client could receive a message twice, or not at all.
#[derive(Default)]
struct Log {
    last: u64,
    lines: VecDeque<(u64, String)>,
    clients: Vec<Sender>,
}

impl Log {
    fn broadcast(&mut self, text: &str) {
        self.last += 1;
        let line = format!("{} {text}", self.last);
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back((self.last, line.clone()));
        self.clients.retain(|client| client.send(line.as_str()).is_ok());
    }

    /// Adds a client, and sends it the messages after number `since`.
    fn add(&mut self, client: Sender, since: u64) -> Result<(), Error> {
        for (_, line) in self.lines.iter().filter(|(number, _)| *number > since) {
            client.send(line.as_str())?;
        }
        self.clients.push(client);
        Ok(())
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bind(address: &str) -> std::io::Result<Server> {
    Server::bind(address, Options { max_payload: LONGEST, ..Options::default() })
}

fn serve(server: Server) {
    let log = Mutex::new(Log::default());
    server.serve(move |mut socket| {
        let since = socket.request.query("since").and_then(|since| since.parse().ok());
        lock(&log).add(socket.sender(), since.unwrap_or(u64::MAX))?;
        while let Some(message) = socket.read()? {
            if let Message::Text(text) = message {
                lock(&log).broadcast(&text);
            }
        }
        lock(&log).clients.retain(|client| *client != socket.sender());
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::ws::{Socket, connect};

    fn assert_receives(socket: &mut Socket, line: &str) {
        assert_eq!(socket.read().unwrap(), Some(line.into()));
    }

    #[test]
    fn a_client_that_reconnects_receives_each_missed_message_once() {
        let server = bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", server.address().unwrap());
        std::thread::spawn(|| serve(server));
        let mut ann = connect(&format!("{url}?since=0")).unwrap();
        let mut bob = connect(&format!("{url}?since=0")).unwrap();
        ann.send("Hello").unwrap();
        assert_receives(&mut ann, "1 Hello");
        assert_receives(&mut bob, "1 Hello");

        drop(bob);
        for i in 2..=3 {
            ann.send(format!("number {i}")).unwrap();
            assert_receives(&mut ann, &format!("{i} number {i}"));
        }
        let mut bob = connect(&format!("{url}?since=1")).unwrap();
        assert_receives(&mut bob, "2 number 2");
        assert_receives(&mut bob, "3 number 3");
        bob.send("I am back").unwrap();
        assert_receives(&mut bob, "4 I am back");
        assert_receives(&mut ann, "4 I am back");
    }

    #[test]
    fn the_last_hundred_messages_are_kept() {
        let mut log = Log::default();
        (0..KEPT + 7).for_each(|_| log.broadcast("Hello"));
        assert_eq!(log.lines.len(), KEPT);
        assert_eq!(log.lines.front(), Some(&(8, "8 Hello".to_string())));
    }
}
