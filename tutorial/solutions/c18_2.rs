//! Chapter 18, exercise 2: a room for each path.
//!
//! The first client of a path makes its room, and the last one removes it. If empty rooms stayed, any
//! client could fill the memory, with one new path after the other.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sockets_by_hand::http::Response;
use sockets_by_hand::ws::{Error, Message, Options, Sender, Server, Socket};

#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Vec<Sender>>>);

impl Rooms {
    fn join(&self, path: &str, sender: Sender) -> Membership<'_> {
        self.lock().entry(path.to_string()).or_default().push(sender.clone());
        Membership { rooms: self, path: path.to_string(), sender }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Sender>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client in a room. It leaves the room when this is dropped.
struct Membership<'a> {
    rooms: &'a Rooms,
    path: String,
    sender: Sender,
}

impl Membership<'_> {
    /// Sends a message to all others in the room.
    fn broadcast(&self, text: &str) {
        let members = self.rooms.lock().get(&self.path).cloned().unwrap_or_default();
        for other in members.iter().filter(|other| **other != self.sender) {
            _ = other.send(text); // if it fails, that client is about to leave
        }
    }
}

impl Drop for Membership<'_> {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        if let Some(room) = rooms.get_mut(&self.path) {
            room.retain(|other| *other != self.sender);
            if room.is_empty() {
                rooms.remove(&self.path);
            }
        }
    }
}

fn chat(rooms: &Rooms, mut socket: Socket) -> Result<(), Error> {
    let membership = rooms.join(socket.request.path(), socket.sender());
    socket.send(format!("welcome to {}", membership.path))?;
    while let Some(message) = socket.read()? {
        if let Message::Text(text) = message {
            membership.broadcast(&text);
        }
    }
    Ok(())
}

/// The same page for every room: it opens a WebSocket to the path that it was fetched from.
fn bind(address: &str, page: &'static str) -> std::io::Result<Server> {
    let mut server = Server::bind(address, Options::default())?;
    server.page(|_, _| Response::html(page));
    Ok(server)
}

fn serve(server: Server) {
    let rooms = Rooms::default();
    server.serve(move |socket| chat(&rooms, socket));
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::ws::connect;

    #[test]
    fn messages_reach_only_the_same_room() {
        let server = bind("127.0.0.1:0", "a page").unwrap();
        let url = format!("ws://{}", server.address().unwrap());
        std::thread::spawn(|| serve(server));
        let join = |path: &str| {
            let mut client = connect(&format!("{url}{path}")).unwrap();
            assert_eq!(client.read().unwrap(), Some(format!("welcome to {path}").into()));
            client
        };
        let (ann, mut bob) = (join("/tea"), join("/tea"));
        let (eve, mut guy) = (join("/coffee"), join("/coffee"));

        eve.send("is anyone here?").unwrap();
        ann.send("one lump or two?").unwrap();
        assert_eq!(bob.read().unwrap(), Some("one lump or two?".into()));
        assert_eq!(guy.read().unwrap(), Some("is anyone here?".into()));
    }

    #[test]
    fn a_room_ends_with_its_last_client() {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let (url, handle) = (format!("ws://{}/tea", server.address().unwrap()), server.handle());
        let serving = std::thread::spawn(|| {
            let rooms = std::sync::Arc::new(Rooms::default());
            let shared = rooms.clone();
            server.serve(move |socket| chat(&shared, socket));
            rooms
        });
        let mut ann = connect(&url).unwrap();
        assert_eq!(ann.read().unwrap(), Some("welcome to /tea".into()));
        drop(ann);
        handle.close();
        assert!(serving.join().unwrap().lock().is_empty());
    }
}
