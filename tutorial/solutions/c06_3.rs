//! Chapter 06, exercise 3: the oldest is dropped, and the client stays.
//!
//! Only what nobody has begun to write may be dropped: half a message would spoil all that follow.
//! So the postman takes the message out of the box before it writes, and it always stands at the
//! door: a thread a client, where the outbox has one only while it must.

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

    /// The postman's thread: until the end, and until all is out.
    fn deliver(&self, mut socket: impl Write) -> io::Result<()> {
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
fn a_slow_client_misses_the_oldest_and_gets_the_newest() {
    use std::io::{BufRead, BufReader};

    let (client, socket) = super::connection();
    let newest = Arc::new(Newest::new(3));
    let postman = {
        let newest = newest.clone();
        std::thread::spawn(move || newest.deliver(socket))
    };
    let position = |n: usize| format!("{n:060000}\n").into_bytes().into(); // too many for any buffer
    (0..500).for_each(|n| newest.send(position(n)));
    newest.end();

    let heard: Vec<usize> =
        BufReader::new(client).lines().map(|line| line.unwrap().parse().unwrap()).collect();
    assert!(heard.ends_with(&[497, 498, 499]), "the newest are kept: {heard:?}");
    assert!(heard.len() < 500, "the oldest are dropped");
    assert!(heard.is_sorted_by(|one, next| one < next), "in order, and none twice: {heard:?}");
    postman.join().unwrap().unwrap();
}
