//! Rooms: who is in which, and which has whom.
//!
//! Picture two lists of the same thing. One has a page for each room, with the names of those in it;
//! the other a page for each name, with their rooms. Both are kept, so that neither "who hears this?"
//! nor "where has Bob been?" must leaf through everything. A room is there as long as somebody is.
//!
//! Chapter 19 of the book.

use std::collections::{HashMap, HashSet};

/// Who is in which room. A leaf: it knows names, and nothing of sockets.
#[derive(Debug, Default)]
pub struct Rooms {
    of_room: HashMap<String, HashSet<String>>,
    of_id: HashMap<String, HashSet<String>>,
}

impl Rooms {
    /// Puts `id` into `room`.
    pub fn join(&mut self, id: &str, room: &str) {
        self.of_room.entry(room.to_string()).or_default().insert(id.to_string());
        self.of_id.entry(id.to_string()).or_default().insert(room.to_string());
    }

    /// Takes `id` out of `room`.
    pub fn leave(&mut self, id: &str, room: &str) {
        take(&mut self.of_room, room, id);
        take(&mut self.of_id, id, room);
    }

    /// Takes `id` out of all its rooms.
    pub fn leave_all(&mut self, id: &str) {
        for room in self.of_id.remove(id).unwrap_or_default() {
            take(&mut self.of_room, &room, id);
        }
    }

    /// The rooms that `id` is in.
    pub fn rooms(&self, id: &str) -> Vec<String> {
        self.of_id.get(id).into_iter().flatten().cloned().collect()
    }

    /// Those in any of the rooms `to` (in any room at all, if none is named) and in none of `except`,
    /// each once.
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

fn take(pages: &mut HashMap<String, HashSet<String>>, page: &str, name: &str) {
    if let Some(names) = pages.get_mut(page) {
        names.remove(name);
        if names.is_empty() {
            pages.remove(page);
        }
    }
}
