//! Chapter 23, exercise 2: who is here?
//!
//! A socket that disconnects leaves all its rooms, so `disconnect` is too late. During `disconnecting` it
//! is still in them, and must be left out. (So must others that disconnect at the same moment: they are
//! not connected any more.) A lock makes one step of listing the members and emitting the list: otherwise
//! two threads could emit in the wrong order.

use std::sync::{Arc, Mutex, PoisonError};

use sockets_by_hand::socketio::{Io, Socket, Value};

fn emit_members(io: &Io, room: &str, leaving: Option<&Socket>, lock: &Mutex<()>) {
    let _one_at_a_time = lock.lock().unwrap_or_else(PoisonError::into_inner);
    let receivers =
        leaving.iter().fold(io.to(room), |receivers, socket| receivers.except(socket.id()));
    let members = receivers.fetch_sockets();
    let members = members.iter().filter(|socket| socket.is_connected());
    let mut names: Vec<String> = members.map(|s| s.data().as_str().unwrap_or("?").into()).collect();
    names.sort();
    receivers.emit("here", (room, names));
}

fn serve(io: &Io) {
    let order = Arc::new(Mutex::new(()));
    let all = io.clone();
    io.on_connection(move |socket| {
        socket.set_data(socket.handshake().auth["name"].clone());
        let (io, lock) = (all.clone(), order.clone());
        socket.on("join", move |event| {
            let [Value::String(room)] = &event.args[..] else { return };
            event.socket.join(room);
            emit_members(&io, room, None, &lock);
        });
        let (io, lock) = (all.clone(), order.clone());
        socket.on("disconnecting", move |event| {
            for room in event.socket.rooms() {
                emit_members(&io, &room, Some(&event.socket), &lock);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PacketClient, serve_socketio};

    fn connect(address: &str, name: &str) -> PacketClient {
        let mut client = PacketClient::open(address);
        client.send(&format!(r#"40{{"name":"{name}"}}"#));
        assert!(client.receive().unwrap().starts_with("40"));
        client
    }

    #[test]
    fn a_room_receives_its_members_when_one_joins_or_leaves_in_whatever_way() {
        let (io, address) = serve_socketio();
        serve(&io);
        let mut ann = connect(&address, "Ann");
        ann.send(r#"42["join","tea"]"#);
        assert_eq!(ann.receive().unwrap(), r#"42["here","tea",["Ann"]]"#);

        for with_packet in [true, false] {
            let mut bob = connect(&address, "Bob");
            bob.send(r#"42["join","tea"]"#);
            assert_eq!(bob.receive().unwrap(), r#"42["here","tea",["Ann","Bob"]]"#);
            assert_eq!(ann.receive().unwrap(), r#"42["here","tea",["Ann","Bob"]]"#);
            if with_packet {
                bob.send("41");
            } else {
                bob.0.terminate();
            }
            assert_eq!(ann.receive().unwrap(), r#"42["here","tea",["Ann"]]"#);
        }
    }
}
