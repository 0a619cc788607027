//! Chapter 14, exercise 3: a page that was away hears what it has missed.
//!
//! Each message is told with its number, as `17 Hello`. A page that comes back says in its query how
//! far it had heard: `?since=17`. The last hundred messages are kept; whoever was away longer than
//! that sees by the numbers that some are missing.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sockets_by_hand::ws::{Error, Message, Options, Sender, Server};

const KEPT: usize = 100;

/// The longest message: a hundred of them are kept, so that no visitor can fill the memory.
const LONGEST: usize = 1000;

/// What was said, and who hears what will be said. One lock over both: nobody can come between two
/// messages and hear one of them twice, or not at all.
#[derive(Default)]
struct Log {
    last: u64,
    lines: VecDeque<(u64, String)>,
    listeners: Vec<Sender>,
}

impl Log {
    fn say(&mut self, text: &str) {
        self.last += 1;
        let line = format!("{} {text}", self.last);
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back((self.last, line.clone()));
        self.listeners.retain(|listener| listener.send(line.as_str()).is_ok());
    }

    /// From here on the newcomer hears everything, and first what came after number `since`.
    fn listen(&mut self, listener: Sender, since: u64) -> Result<(), Error> {
        for (_, line) in self.lines.iter().filter(|(number, _)| *number > since) {
            listener.send(line.as_str())?;
        }
        self.listeners.push(listener);
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
        lock(&log).listen(socket.sender(), since.unwrap_or(u64::MAX))?;
        while let Some(message) = socket.read()? {
            if let Message::Text(text) = message {
                lock(&log).say(&text);
            }
        }
        lock(&log).listeners.retain(|listener| *listener != socket.sender());
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::ws::{Socket, connect};

    fn hears(socket: &mut Socket, line: &str) {
        assert_eq!(socket.read().unwrap(), Some(line.into()));
    }

    #[test]
    fn who_was_away_hears_what_was_said_meanwhile_and_nothing_twice() {
        let server = bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", server.address().unwrap());
        std::thread::spawn(|| serve(server));
        let mut ann = connect(&format!("{url}?since=0")).unwrap();
        let mut bob = connect(&format!("{url}?since=0")).unwrap();
        ann.send("Hello").unwrap();
        hears(&mut ann, "1 Hello");
        hears(&mut bob, "1 Hello");

        drop(bob);
        for i in 2..=3 {
            ann.send(format!("number {i}")).unwrap();
            hears(&mut ann, &format!("{i} number {i}"));
        }
        let mut bob = connect(&format!("{url}?since=1")).unwrap();
        hears(&mut bob, "2 number 2");
        hears(&mut bob, "3 number 3");
        bob.send("I am back").unwrap();
        hears(&mut bob, "4 I am back");
        hears(&mut ann, "4 I am back");
    }

    #[test]
    fn no_more_is_kept_than_was_promised() {
        let mut log = Log::default();
        (0..KEPT + 7).for_each(|_| log.say("news"));
        assert_eq!(log.lines.len(), KEPT);
        assert_eq!(log.lines.front(), Some(&(8, "8 news".to_string())));
    }
}
