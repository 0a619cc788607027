//! Chapter 08, exercise 2: a history for who comes late.
//!
//! The history and the members are behind one lock. With two, a line could be sent between reading
//! the one and joining the other: the new member would receive it twice, or never. Keeping a line
//! costs a pointer, for it is shared with the outboxes already.

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
    /// Sends the history to a new member, which receives all later lines too.
    fn join(&self, member: Outbox) {
        let mut state = self.0.lock().unwrap();
        if state.history.iter().all(|line| member.send(line.clone()).is_ok()) {
            state.members.push(member);
        }
    }

    fn send(&self, text: &str) {
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
fn a_late_member_receives_the_last_lines_once_and_in_order() {
    use std::io::{BufRead, BufReader};
    use std::thread;

    let room = Arc::new(Room::default());
    (0..100).for_each(|n| room.send(&n.to_string()));
    let (client, socket) = super::connection();
    let sender = {
        let room = room.clone();
        thread::spawn(move || (100..200).for_each(|n| room.send(&n.to_string())))
    };
    let late = Outbox::new(socket.into()).unwrap();
    room.join(late.clone()); // while the other thread sends
    sender.join().unwrap();
    late.end();

    let received: Vec<usize> =
        BufReader::new(client).lines().map(|line| line.unwrap().parse().unwrap()).collect();
    assert!(received.len() >= REMEMBERED);
    let all_to_the_last = 200 - received.len()..200;
    assert_eq!(received, all_to_the_last.collect::<Vec<_>>());
}
