//! Chapter 28, exercise 3: who is in a room, on all servers?
//!
//! Each server sends the others its *whole* list for a room whenever that changes, and again when it
//! has reconnected to the broker. A list replaces the one before. With "Ann joined" and "Ann left" alone,
//! one lost message would leave a wrong list for ever; a lost list is corrected by the next one. A
//! server that has lost the broker is removed with all its clients. (A server that connects must ask the
//! others for their lists: here, `lists` is what it gets.)

use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Presence {
    /// The names of the clients of each server, by room.
    servers: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Presence {
    /// Sets who is in a room of a server (of another one, or of this one).
    fn set(&mut self, server: &str, room: &str, names: &[&str]) {
        let rooms = self.servers.entry(server.to_string()).or_default();
        match names {
            [] => _ = rooms.remove(room), // or empty rooms would take memory for ever
            names => {
                let names = names.iter().map(ToString::to_string).collect();
                rooms.insert(room.to_string(), names);
            }
        }
    }

    /// What a server that has connected gets: the lists of this one.
    fn lists(&self, own: &str) -> BTreeMap<String, BTreeSet<String>> {
        self.servers.get(own).cloned().unwrap_or_default()
    }

    /// Removes a server that has lost the broker.
    fn remove(&mut self, server: &str) {
        self.servers.remove(server);
    }

    /// The names in a room on all servers, each once.
    fn members(&self, room: &str) -> BTreeSet<&str> {
        self.servers.values().filter_map(|rooms| rooms.get(room)).flatten().map(|s| &**s).collect()
    }
}

#[test]
fn a_room_is_the_union_of_the_last_lists_of_all_servers() {
    let mut presence = Presence::default();
    presence.set("one", "tea", &["Ann"]);
    presence.set("two", "tea", &["Ann", "Bob"]); // Ann has two tabs
    assert_eq!(presence.members("tea"), BTreeSet::from(["Ann", "Bob"]));
    // (The list without Bob was lost; the one with Cid arrived.)
    presence.set("two", "tea", &["Ann", "Cid"]);
    assert_eq!(presence.members("tea"), BTreeSet::from(["Ann", "Cid"]));
    presence.remove("two");
    assert_eq!(presence.members("tea"), BTreeSet::from(["Ann"]));
    assert_eq!(presence.members("news"), BTreeSet::new());
}

#[test]
fn a_late_server_gets_the_current_lists() {
    let (mut one, mut late) = (Presence::default(), Presence::default());
    one.set("one", "tea", &["Ann"]);
    one.set("one", "news", &["Ann"]);
    one.set("one", "news", &[]);
    for (room, names) in one.lists("one") {
        late.set("one", &room, &names.iter().map(|s| &**s).collect::<Vec<_>>());
    }
    assert_eq!(late.members("tea"), BTreeSet::from(["Ann"]));
    assert_eq!(late.lists("one").len(), 1);
}
