//! Chapter 19, exercise 2: who is here?
//!
//! A socket that disconnects leaves all its rooms, so `disconnect` is too late: `disconnecting` still
//! knows them. But then it is still in them as well, and must be left out. (So must others who are
//! leaving at the same moment: they are not connected any more.) A lock makes "who is
//! there?" and "tell them" one step: otherwise two could tell in the wrong order.

use std::sync::{Arc, Mutex, PoisonError};

use sockets_by_hand::socketio::{Io, Socket, Value};

fn tell(io: &Io, room: &str, leaving: Option<&Socket>, lock: &Mutex<()>) {
    let _one_at_a_time = lock.lock().unwrap_or_else(PoisonError::into_inner);
    let whom = leaving.iter().fold(io.to(room), |whom, socket| whom.except(socket.id()));
    let there = whom.fetch_sockets();
    let there = there.iter().filter(|socket| socket.is_connected());
    let mut names: Vec<String> = there.map(|s| s.data().as_str().unwrap_or("?").into()).collect();
    names.sort();
    whom.emit("here", [room.into(), names.into()]);
}

fn serve(io: &Io) {
    let lock = Arc::new(Mutex::new(()));
    let street = io.clone();
    io.on_connection(move |socket| {
        socket.set_data(socket.handshake().auth["name"].clone());
        let (io, one) = (street.clone(), lock.clone());
        socket.on("join", move |event| {
            let [Value::String(room)] = &event.args[..] else { return };
            event.socket.join(room);
            tell(&io, room, None, &one);
        });
        let (io, one) = (street.clone(), lock.clone());
        socket.on("disconnecting", move |event| {
            for room in event.socket.rooms() {
                tell(&io, &room, Some(&event.socket), &one);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guest, street};

    fn enter(address: &str, name: &str) -> Guest {
        let mut guest = Guest::arrive(address);
        guest.say(&format!(r#"40{{"name":"{name}"}}"#));
        assert!(guest.hear().unwrap().starts_with("40"));
        guest
    }

    #[test]
    fn a_room_hears_who_comes_and_who_goes_in_whatever_way() {
        let (io, address) = street();
        serve(&io);
        let mut ann = enter(&address, "Ann");
        ann.say(r#"42["join","tea"]"#);
        assert_eq!(ann.hear().unwrap(), r#"42["here","tea",["Ann"]]"#);

        for goodbye in [true, false] {
            let mut bob = enter(&address, "Bob");
            bob.say(r#"42["join","tea"]"#);
            assert_eq!(bob.hear().unwrap(), r#"42["here","tea",["Ann","Bob"]]"#);
            assert_eq!(ann.hear().unwrap(), r#"42["here","tea",["Ann","Bob"]]"#);
            if goodbye {
                bob.say("41");
            } else {
                bob.0.terminate();
            }
            assert_eq!(ann.hear().unwrap(), r#"42["here","tea",["Ann"]]"#);
        }
    }
}
