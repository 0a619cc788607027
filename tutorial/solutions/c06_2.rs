//! Chapter 06, exercise 2: a history for who comes late.
//!
//! The history and the members are behind one lock. With two, a line could be said between reading
//! the one and joining the other: the newcomer would hear it twice, or never. Keeping a line costs a
//! pointer, for it is shared with the outboxes already.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use sockets_by_hand::net::Outbox;

const REMEMBERED: usize = 20;

#[derive(Default)]
struct Room(Mutex<State>);

#[derive(Default)]
struct State {
    members: Vec<Outbox>,
    history: VecDeque<Arc<[u8]>>,
}

impl Room {
    /// Sends a newcomer what was said last; from then on it hears what is said.
    fn join(&self, member: Outbox) {
        let mut state = self.0.lock().unwrap();
        if state.history.iter().all(|line| member.send(line.clone()).is_ok()) {
            state.members.push(member);
        }
    }

    fn say(&self, text: &str) {
        let line: Arc<[u8]> = format!("{text}\n").into_bytes().into();
        let mut state = self.0.lock().unwrap();
        state.members.retain(|member| member.send(line.clone()).is_ok());
        if state.history.len() == REMEMBERED {
            state.history.pop_front();
        }
        state.history.push_back(line);
    }
}

#[test]
fn who_comes_late_hears_the_last_lines_once_and_in_order() {
    use std::io::{BufRead, BufReader};
    use std::thread;

    let room = Arc::new(Room::default());
    (0..100).for_each(|n| room.say(&n.to_string()));
    let (client, socket) = super::connection();
    let speaker = {
        let room = room.clone();
        thread::spawn(move || (100..200).for_each(|n| room.say(&n.to_string())))
    };
    let newcomer = Outbox::new(socket.into()).unwrap();
    room.join(newcomer.clone()); // while the other talks
    speaker.join().unwrap();
    newcomer.end();

    let heard: Vec<usize> =
        BufReader::new(client).lines().map(|line| line.unwrap().parse().unwrap()).collect();
    assert!(heard.len() >= REMEMBERED);
    let all_to_the_last = 200 - heard.len()..200;
    assert_eq!(heard, all_to_the_last.collect::<Vec<_>>());
}
