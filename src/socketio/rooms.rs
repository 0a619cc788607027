//! Rooms: the members of each room, and the rooms of each member.
//!
//! Both maps are kept, so that neither a broadcast to a room nor a client that leaves all its rooms
//! has to search everything. A room exists as long as it has a member.
//!
//! Chapter 23 of the book.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;
use std::sync::Arc;

/// Which ids are in which rooms. It knows nothing of sockets.
#[derive(Debug, Default)]
pub struct Rooms {
    of_room: HashMap<Arc<str>, Names>,
    of_id: HashMap<Arc<str>, Names>,
    /// How often somebody has joined a room.
    joins: u64,
    /// What has changed since the last [`take_events`](Rooms::take_events), if that is recorded.
    events: Option<Vec<RoomEvent>>,
}

/// A change of the rooms. Its name is `create-room`, `join-room`, `leave-room` or `delete-room`.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomEvent {
    /// What has happened.
    pub name: &'static str,
    /// The room.
    pub room: String,
    /// Who has joined or left it. `None` if it was created or deleted.
    pub id: Option<String>,
}

/// The members of a room, or the rooms of a member. Each has the number of its join. A `Set` of
/// JavaScript keeps the order in which it was filled; here the numbers do.
#[derive(Debug, Default)]
struct Names {
    created: u64,
    joined: HashMap<Arc<str>, u64>,
}

impl Rooms {
    /// Adds `id` to `room`.
    pub fn join(&mut self, id: &str, room: &str) {
        self.joins += 1;
        let id = key(&self.of_id, id);
        let room = if *id == *room { id.clone() } else { key(&self.of_room, room) };
        let empty = || Names { created: self.joins, joined: HashMap::new() };
        let members = self.of_room.entry(room.clone()).or_insert_with(empty);
        if members.joined.contains_key(&id) {
            return;
        }
        let created = members.joined.is_empty();
        members.joined.insert(id.clone(), self.joins);
        let rooms = self.of_id.entry(id.clone()).or_insert_with(empty);
        rooms.joined.insert(room.clone(), self.joins);
        if created {
            self.record("create-room", &room, None);
        }
        self.record("join-room", &room, Some(&id));
    }

    /// Removes `id` from `room`.
    pub fn leave(&mut self, id: &str, room: &str) {
        remove(&mut self.of_id, id, room);
        self.remove_member(room, id);
    }

    /// Removes `id` from all its rooms.
    pub fn leave_all(&mut self, id: &str) {
        for room in self.of_id.remove(id).unwrap_or_default().in_order() {
            self.remove_member(&room, id);
        }
    }

    fn remove_member(&mut self, room: &str, id: &str) {
        if remove(&mut self.of_room, room, id) {
            self.record("leave-room", room, Some(id));
            if !self.of_room.contains_key(room) {
                self.record("delete-room", room, None);
            }
        }
    }

    /// Records what changes from now on, for [`take_events`](Rooms::take_events).
    pub fn record_events(&mut self) {
        self.events.get_or_insert_default();
    }

    /// What has changed since this was called the last time; nothing if it is not recorded.
    pub fn take_events(&mut self) -> Vec<RoomEvent> {
        self.events.as_mut().map(mem::take).unwrap_or_default()
    }

    fn record(&mut self, name: &'static str, room: &str, id: Option<&str>) {
        if let Some(events) = &mut self.events {
            events.push(RoomEvent { name, room: room.to_string(), id: id.map(str::to_string) });
        }
    }

    /// The rooms of `id`, in the order of joining.
    pub fn rooms(&self, id: &str) -> Vec<String> {
        let rooms = self.of_id.get(id).map(Names::in_order).unwrap_or_default();
        rooms.iter().map(|room| room.to_string()).collect()
    }

    /// All rooms, with the ids in each, in the order of joining.
    pub fn all(&self) -> BTreeMap<String, Vec<String>> {
        let ids = |room: &Names| room.in_order().iter().map(|id| id.to_string()).collect();
        self.of_room.iter().map(|(name, room)| (name.to_string(), ids(room))).collect()
    }

    /// Whether anybody is in a room.
    pub fn has(&self, room: &str) -> bool {
        self.of_room.contains_key(room)
    }

    /// `id`, with the number of its first join: sorted by it, ids are in the order of joining.
    pub fn number(&self, id: &str) -> Option<(Arc<str>, u64)> {
        self.of_id.get_key_value(id).map(|(id, rooms)| (id.clone(), rooms.created))
    }

    /// The ids in any of the rooms `to` (in any room at all, if that is empty) and in none of
    /// `except`, each once: room after room, and in each in the order of joining.
    ///
    /// ```
    /// use sockets_by_hand::socketio::rooms::Rooms;
    ///
    /// let mut rooms = Rooms::default();
    /// rooms.join("ann", "tea");
    /// rooms.join("bob", "tea");
    /// rooms.join("bob", "news");
    /// assert_eq!(rooms.members(&["tea".into()], &["news".into()]), ["ann".into()]);
    /// ```
    pub fn members(&self, to: &[String], except: &[String]) -> Vec<Arc<str>> {
        let room = |room: &String| self.of_room.get(&**room);
        let mut members = match to {
            [] => in_order(self.of_id.iter().map(|(id, rooms)| (rooms.created, id))),
            rooms => rooms.iter().filter_map(room).flat_map(Names::in_order).collect(),
        };
        if to.len() > 1 {
            let mut seen = HashSet::new();
            members.retain(|id| seen.insert(id.clone()));
        }
        let except: Vec<_> = except.iter().filter_map(room).collect();
        members.retain(|id| !except.iter().any(|room| room.joined.contains_key(id)));
        members
    }
}

impl Names {
    fn in_order(&self) -> Vec<Arc<str>> {
        in_order(self.joined.iter().map(|(name, number)| (*number, name)))
    }
}

/// The names, sorted by their numbers.
fn in_order<'a>(names: impl Iterator<Item = (u64, &'a Arc<str>)>) -> Vec<Arc<str>> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable_by_key(|(number, _)| *number);
    names.into_iter().map(|(_, name)| name.clone()).collect()
}

/// The key of that name: a map and the sets of the other map share its text.
fn key(map: &HashMap<Arc<str>, Names>, name: &str) -> Arc<str> {
    map.get_key_value(name).map_or_else(|| name.into(), |(key, _)| key.clone())
}

/// Removes `name` from the set of `key`, and the set if that leaves it empty. Returns whether it
/// was in it.
fn remove(sets: &mut HashMap<Arc<str>, Names>, key: &str, name: &str) -> bool {
    let Some(set) = sets.get_mut(key) else { return false };
    let removed = set.joined.remove(name).is_some();
    if set.joined.is_empty() {
        sets.remove(key);
    }
    removed
}

/// The names of rooms that [`join`](super::Socket::join), [`to`](super::Broadcast::to) and the like
/// take: one name (`"tea"`) or a list (`["tea", "news"]`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the name of a room or a list of names",
    note = "as in `to(\"tea\")`, `to([\"tea\", \"news\"])` or `to(&names)`"
)]
pub trait IntoRooms {
    /// The names.
    fn into_rooms(self) -> impl Iterator<Item = String>;
}

/// Implements it for one name.
macro_rules! one_name {
    ($($name:ty),*) => {$(
        impl IntoRooms for $name {
            fn into_rooms(self) -> impl Iterator<Item = String> {
                std::iter::once(self.to_string())
            }
        }
    )*};
}

one_name!(&str, String, &String);

impl<T: AsRef<str>> IntoRooms for &[T] {
    fn into_rooms(self) -> impl Iterator<Item = String> {
        self.iter().map(|name| name.as_ref().to_string())
    }
}

impl<T: AsRef<str>, const N: usize> IntoRooms for [T; N] {
    fn into_rooms(self) -> impl Iterator<Item = String> {
        self.into_iter().map(|name| name.as_ref().to_string())
    }
}

impl<T: AsRef<str>> IntoRooms for Vec<T> {
    fn into_rooms(self) -> impl Iterator<Item = String> {
        self.into_iter().map(|name| name.as_ref().to_string())
    }
}

impl<T: AsRef<str>> IntoRooms for &Vec<T> {
    fn into_rooms(self) -> impl Iterator<Item = String> {
        self.iter().map(|name| name.as_ref().to_string())
    }
}
