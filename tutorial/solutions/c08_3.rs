//! Chapter 08, exercise 3: the oldest message is discarded, and the client stays connected.
//!
//! Only a message that nobody has begun to write may be discarded: half a message would spoil all
//! that follow. So the writer thread takes a message out of the queue before it writes. There is one
//! such thread for each client all the time, where the outbox has one only for a slow client.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};

/// Keeps the newest messages for a client, at most `max` of them.
struct Newest {
    max: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<[u8]>>,
    ended: bool,
}

impl Newest {
    fn new(max: usize) -> Newest {
        Newest { max, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Never waits, and never fails: a message that is late is worth nothing.
    fn send(&self, message: Arc<[u8]>) {
        let mut state = self.state.lock().unwrap();
        if state.queue.len() == self.max {
            state.queue.pop_front();
        }
        state.queue.push_back(message);
        self.changed.notify_one();
    }

    fn end(&self) {
        self.state.lock().unwrap().ended = true;
        self.changed.notify_one();
    }

    /// Writes the messages, until the end and until the queue is empty.
    fn write_messages(&self, mut socket: impl Write) -> io::Result<()> {
        let nothing_to_do = |state: &mut State| state.queue.is_empty() && !state.ended;
        loop {
            let state = self.state.lock().unwrap();
            let next = self.changed.wait_while(state, nothing_to_do).unwrap().queue.pop_front();
            let Some(message) = next else { return Ok(()) };
            socket.write_all(&message)?; // without the lock: others send meanwhile
        }
    }
}

#[test]
fn a_slow_client_misses_the_oldest_and_receives_the_newest() {
    use std::io::{BufRead, BufReader};

    let (client, socket) = super::connection();
    let newest = Arc::new(Newest::new(3));
    let writer = {
        let newest = newest.clone();
        std::thread::spawn(move || newest.write_messages(socket))
    };
    let position = |n: usize| format!("{n:060000}\n").into_bytes().into(); // too many for any buffer
    (0..500).for_each(|n| newest.send(position(n)));
    newest.end();

    let received: Vec<usize> =
        BufReader::new(client).lines().map(|line| line.unwrap().parse().unwrap()).collect();
    assert!(received.ends_with(&[497, 498, 499]), "the newest are kept: {received:?}");
    assert!(received.len() < 500, "the oldest are discarded");
    assert!(
        received.is_sorted_by(|one, next| one < next),
        "in order, and none twice: {received:?}"
    );
    writer.join().unwrap().unwrap();
}
