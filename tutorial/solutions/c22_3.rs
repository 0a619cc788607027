//! Chapter 22, exercise 3: who is at tea, on all servers?
//!
//! Each server tells the others its *whole* list for a room whenever that changes, and again when it
//! has come back to the hub. A list replaces the one before. With "Ann came" and "Ann left" alone,
//! one lost message would be wrong for ever; a lost list is put right by the next one. A
//! server that the hub has lost is forgotten with all its people. (One that comes first with a
//! list of others must ask for theirs: here, `lists` is what it gets.)

use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Presence {
    /// The people of each server, by room.
    servers: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Presence {
    /// A server (or we ourselves) has said who is in a room there.
    fn list(&mut self, server: &str, room: &str, people: &[&str]) {
        let rooms = self.servers.entry(server.to_string()).or_default();
        match people {
            [] => _ = rooms.remove(room), // or rooms of long ago would take memory for ever
            people => {
                let people = people.iter().map(ToString::to_string).collect();
                rooms.insert(room.to_string(), people);
            }
        }
    }

    /// What is to be told to a server that has come: our own lists.
    fn lists(&self, own: &str) -> BTreeMap<String, BTreeSet<String>> {
        self.servers.get(own).cloned().unwrap_or_default()
    }

    /// The hub has lost a server.
    fn gone(&mut self, server: &str) {
        self.servers.remove(server);
    }

    /// Everybody in a room, wherever. Who is there on two servers is there once.
    fn who(&self, room: &str) -> BTreeSet<&str> {
        self.servers.values().filter_map(|rooms| rooms.get(room)).flatten().map(|s| &**s).collect()
    }
}

#[test]
fn a_room_is_the_union_of_what_the_servers_say_last() {
    let mut presence = Presence::default();
    presence.list("one", "tea", &["Ann"]);
    presence.list("two", "tea", &["Ann", "Bob"]); // Ann has two tabs
    assert_eq!(presence.who("tea"), BTreeSet::from(["Ann", "Bob"]));
    // (That Bob left was lost; that Cid came arrived.)
    presence.list("two", "tea", &["Ann", "Cid"]);
    assert_eq!(presence.who("tea"), BTreeSet::from(["Ann", "Cid"]));
    presence.gone("two");
    assert_eq!(presence.who("tea"), BTreeSet::from(["Ann"]));
    assert_eq!(presence.who("news"), BTreeSet::new());
}

#[test]
fn who_comes_late_is_told_what_is_and_not_what_was() {
    let (mut one, mut late) = (Presence::default(), Presence::default());
    one.list("one", "tea", &["Ann"]);
    one.list("one", "news", &["Ann"]);
    one.list("one", "news", &[]);
    for (room, people) in one.lists("one") {
        late.list("one", &room, &people.iter().map(|s| &**s).collect::<Vec<_>>());
    }
    assert_eq!(late.who("tea"), BTreeSet::from(["Ann"]));
    assert_eq!(late.lists("one").len(), 1);
}
