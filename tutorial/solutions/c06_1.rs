//! Chapter 06, exercise 1: all but one.
//!
//! Two outboxes cannot be compared, so each member gets a number when it joins. Numbers are never
//! used again: who has left cannot be mistaken for who came after.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sockets_by_hand::net::Outbox;

#[derive(Default)]
struct Room(Mutex<Members>);

#[derive(Default)]
struct Members {
    joined: u64,
    outboxes: BTreeMap<u64, Outbox>,
}

impl Room {
    /// Lets a member in, and returns its number.
    fn join(&self, outbox: Outbox) -> u64 {
        let mut members = self.0.lock().unwrap();
        members.joined += 1;
        let number = members.joined;
        members.outboxes.insert(number, outbox);
        number
    }

    /// Sends a line to everyone but `speaker`.
    fn say(&self, speaker: u64, text: &str) {
        let line: Arc<[u8]> = format!("{text}\n").into_bytes().into();
        let mut members = self.0.lock().unwrap();
        members
            .outboxes
            .retain(|number, outbox| *number == speaker || outbox.send(line.clone()).is_ok());
    }
}

#[test]
fn everyone_hears_a_line_but_the_one_who_said_it() {
    use std::io::Read;

    let room = Room::default();
    let mut members = Vec::new();
    for _ in 0..3 {
        let (client, socket) = super::connection();
        let outbox = Outbox::new(socket.into()).unwrap();
        members.push((room.join(outbox.clone()), outbox, client));
    }
    for (number, ..) in &members {
        room.say(*number, &format!("I am {number}"));
    }
    let heard = members.into_iter().map(|(_, outbox, mut client)| {
        outbox.end();
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        heard
    });
    let expected = ["I am 2\nI am 3\n", "I am 1\nI am 3\n", "I am 1\nI am 2\n"];
    assert_eq!(heard.collect::<Vec<_>>(), expected);
}
