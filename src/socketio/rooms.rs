//! Rooms: the members of each room, and the rooms of each member.
//!
//! Both maps are kept, so that neither a broadcast to a room nor a client that leaves all its rooms
//! has to search everything. A room exists as long as it has a member.
//!
//! Chapter 20 of the book.

use std::collections::{HashMap, HashSet};

/// Which ids are in which rooms. It knows nothing of sockets.
#[derive(Debug, Default)]
pub struct Rooms {
    of_room: HashMap<String, HashSet<String>>,
    of_id: HashMap<String, HashSet<String>>,
}

impl Rooms {
    /// Adds `id` to `room`.
    pub fn join(&mut self, id: &str, room: &str) {
        self.of_room.entry(room.to_string()).or_default().insert(id.to_string());
        self.of_id.entry(id.to_string()).or_default().insert(room.to_string());
    }

    /// Removes `id` from `room`.
    pub fn leave(&mut self, id: &str, room: &str) {
        remove(&mut self.of_room, room, id);
        remove(&mut self.of_id, id, room);
    }

    /// Removes `id` from all its rooms.
    pub fn leave_all(&mut self, id: &str) {
        for room in self.of_id.remove(id).unwrap_or_default() {
            remove(&mut self.of_room, &room, id);
        }
    }

    /// The rooms of `id`.
    pub fn rooms(&self, id: &str) -> Vec<String> {
        self.of_id.get(id).into_iter().flatten().cloned().collect()
    }

    /// The ids in any of the rooms `to` (in any room at all, if that is empty) and in none of
    /// `except`, each once.
    ///
    /// ```
    /// use sockets_by_hand::socketio::rooms::Rooms;
    ///
    /// let mut rooms = Rooms::default();
    /// rooms.join("ann", "tea");
    /// rooms.join("bob", "tea");
    /// rooms.join("bob", "news");
    /// assert_eq!(rooms.members(&["tea".into()], &["news".into()]), ["ann"]);
    /// ```
    pub fn members(&self, to: &[String], except: &[String]) -> Vec<String> {
        let excepted = |id: &&String| {
            except.iter().any(|room| self.of_room.get(room).is_some_and(|ids| ids.contains(*id)))
        };
        let members: HashSet<&String> = match to {
            [] => self.of_id.keys().collect(),
            rooms => rooms.iter().filter_map(|room| self.of_room.get(room)).flatten().collect(),
        };
        members.into_iter().filter(|id| !excepted(id)).cloned().collect()
    }
}

/// Removes `value` from the set of `key`, and the set if that leaves it empty.
fn remove(sets: &mut HashMap<String, HashSet<String>>, key: &str, value: &str) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}
