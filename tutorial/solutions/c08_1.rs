//! Chapter 08, exercise 1: all but one.
//!
//! Two outboxes cannot be compared, so each member gets a number when it joins. Numbers are never
//! used again: a member that has left cannot be mistaken for a later one.

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
    /// Adds a member, and returns its number.
    fn join(&self, outbox: Outbox) -> u64 {
        let mut members = self.0.lock().unwrap();
        members.joined += 1;
        let number = members.joined;
        members.outboxes.insert(number, outbox);
        number
    }

    /// Sends a line to all members but `sender`.
    fn send(&self, sender: u64, text: &str) {
        let line: Arc<[u8]> = format!("{text}\n").into_bytes().into();
        let mut members = self.0.lock().unwrap();
        members
            .outboxes
            .retain(|number, outbox| *number == sender || outbox.send(line.clone()).is_ok());
    }
}

#[test]
fn a_line_is_sent_to_all_but_its_sender() {
    use std::io::Read;

    let room = Room::default();
    let mut members = Vec::new();
    for _ in 0..3 {
        let (client, socket) = super::connection();
        let outbox = Outbox::new(socket.into()).unwrap();
        members.push((room.join(outbox.clone()), outbox, client));
    }
    for (number, ..) in &members {
        room.send(*number, &format!("I am {number}"));
    }
    let received = members.into_iter().map(|(_, outbox, mut client)| {
        outbox.end();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    });
    let expected = ["I am 2\nI am 3\n", "I am 1\nI am 3\n", "I am 1\nI am 2\n"];
    assert_eq!(received.collect::<Vec<_>>(), expected);
}
