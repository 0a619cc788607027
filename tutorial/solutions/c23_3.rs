//! Chapter 23, exercise 3: two tabs, one user.
//!
//! Each socket of a user is in a room with the user's name. The server adds it, and no event of
//! a client can: `join` is for rooms without a colon.

use sockets_by_hand::socketio::{Io, Value};

fn serve(io: &Io) {
    io.use_middleware(|socket| match &socket.handshake().auth["name"] {
        name @ Value::String(_) => {
            socket.set_data(name.clone()); // a real server would ask for a password
            Ok(())
        }
        _ => Err("Who are you?".into()),
    });
    io.on_connection(|socket| {
        let name = socket.data();
        socket.join(format!("user:{}", name.as_str().unwrap_or_default()));
        socket.on("join", |event| {
            let [Value::String(room)] = &event.args[..] else { return };
            let allowed = !room.contains(':');
            if allowed {
                event.socket.join(room);
            }
            event.ack(allowed);
        });
        socket.on("whisper", move |event| {
            let [Value::String(to), text] = &event.args[..] else { return };
            let room = format!("user:{to}");
            event.socket.namespace().to(&room).emit("whisper", (name.clone(), text.clone()));
            event.ack(());
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
    fn a_whisper_reaches_all_tabs_of_one_user_and_no_other_client() {
        let (io, address) = serve_socketio();
        serve(&io);
        let mut tabs = [connect(&address, "Ann"), connect(&address, "Ann")];
        let (mut bob, mut eve) = (connect(&address, "Bob"), connect(&address, "Eve"));

        eve.send(r#"421["join","user:Ann"]"#);
        assert_eq!(eve.receive().unwrap(), "431[false]");
        for tab in &mut tabs {
            tab.send(r#"421["join","tea"]"#); // once this is acknowledged, the tab is in its user's room
            assert_eq!(tab.receive().unwrap(), "431[true]");
        }
        bob.send(r#"421["whisper","Ann","between us"]"#);
        assert_eq!(bob.receive().unwrap(), "431[]");
        for tab in &mut tabs {
            assert_eq!(tab.receive().unwrap(), r#"42["whisper","Bob","between us"]"#);
        }
        eve.send(r#"422["join","tea"]"#);
        assert_eq!(eve.receive().unwrap(), "432[true]", "she has received nothing before");
    }
}
