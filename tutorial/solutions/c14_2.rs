//! Chapter 14, exercise 2: a room for each path, in which all hear what one says.
//!
//! Rooms are made by whoever comes first and taken away with the last one. A room that stayed would
//! be memory that any visitor can fill, with one new path after the other.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sockets_by_hand::http::Response;
use sockets_by_hand::ws::{Error, Message, Options, Sender, Server, Socket};

#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Vec<Sender>>>);

impl Rooms {
    fn enter(&self, path: &str, sender: Sender) -> Seat<'_> {
        self.lock().entry(path.to_string()).or_default().push(sender.clone());
        Seat { rooms: self, path: path.to_string(), sender }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Sender>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever drops it has left the room.
struct Seat<'a> {
    rooms: &'a Rooms,
    path: String,
    sender: Sender,
}

impl Seat<'_> {
    /// Tells all others in the room.
    fn say(&self, text: &str) {
        let everyone = self.rooms.lock().get(&self.path).cloned().unwrap_or_default();
        for other in everyone.iter().filter(|other| **other != self.sender) {
            _ = other.send(text); // who cannot be sent to is about to leave
        }
    }
}

impl Drop for Seat<'_> {
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

fn talk(rooms: &Rooms, mut socket: Socket) -> Result<(), Error> {
    let seat = rooms.enter(socket.request.path(), socket.sender());
    socket.send(format!("welcome to {}", seat.path))?;
    while let Some(message) = socket.read()? {
        if let Message::Text(text) = message {
            seat.say(&text);
        }
    }
    Ok(())
}

/// The same page for every room: it opens a WebSocket to the path that it was fetched from.
fn bind(address: &str, page: &'static str) -> std::io::Result<Server> {
    let page = Box::new(|_: &_| Response::html(page));
    Server::bind(address, Options { page, ..Options::default() })
}

fn serve(server: Server) {
    let rooms = Rooms::default();
    server.serve(move |socket| talk(&rooms, socket));
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::ws::connect;

    #[test]
    fn what_is_said_stays_in_the_room() {
        let server = bind("127.0.0.1:0", "a page").unwrap();
        let url = format!("ws://{}", server.address().unwrap());
        std::thread::spawn(|| serve(server));
        let enter = |path: &str| {
            let mut guest = connect(&format!("{url}{path}")).unwrap();
            assert_eq!(guest.read().unwrap(), Some(format!("welcome to {path}").into()));
            guest
        };
        let (ann, mut bob) = (enter("/tea"), enter("/tea"));
        let (eve, mut guy) = (enter("/coffee"), enter("/coffee"));

        eve.send("is anyone here?").unwrap();
        ann.send("one lump or two?").unwrap();
        assert_eq!(bob.read().unwrap(), Some("one lump or two?".into()));
        assert_eq!(guy.read().unwrap(), Some("is anyone here?".into()));
    }

    #[test]
    fn the_last_one_takes_the_room_along() {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let (url, handle) = (format!("ws://{}/tea", server.address().unwrap()), server.handle());
        let serving = std::thread::spawn(|| {
            let rooms = std::sync::Arc::new(Rooms::default());
            let inside = rooms.clone();
            server.serve(move |socket| talk(&inside, socket));
            rooms
        });
        let mut ann = connect(&url).unwrap();
        assert_eq!(ann.read().unwrap(), Some("welcome to /tea".into()));
        drop(ann);
        handle.close();
        assert!(serving.join().unwrap().lock().is_empty());
    }
}
