//! Chapter 19, exercise 3: two tabs, one user.
//!
//! Each socket of a user is in one room with the user's name. The server puts it there, and no event of
//! a client leads into such a room: `join` is for rooms without a colon.

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
        socket.join(&format!("user:{}", name.as_str().unwrap_or_default()));
        socket.on("join", |event| {
            let [Value::String(room)] = &event.args[..] else { return };
            let good = !room.contains(':');
            if good {
                event.socket.join(room);
            }
            event.ack([good.into()]);
        });
        socket.on("whisper", move |event| {
            let [Value::String(to), text] = &event.args[..] else { return };
            let room = format!("user:{to}");
            event.socket.namespace().to(&room).emit("whisper", [name.clone(), text.clone()]);
            event.ack([]);
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
    fn a_whisper_is_heard_in_all_tabs_of_one_user_and_nowhere_else() {
        let (io, address) = street();
        serve(&io);
        let mut tabs = [enter(&address, "Ann"), enter(&address, "Ann")];
        let (mut bob, mut eve) = (enter(&address, "Bob"), enter(&address, "Eve"));

        eve.say(r#"421["join","user:Ann"]"#);
        assert_eq!(eve.hear().unwrap(), "431[false]");
        for tab in &mut tabs {
            tab.say(r#"421["join","tea"]"#); // once this is answered, the tab is in its user's room
            assert_eq!(tab.hear().unwrap(), "431[true]");
        }
        bob.say(r#"421["whisper","Ann","Eve listens"]"#);
        assert_eq!(bob.hear().unwrap(), "431[]");
        for tab in &mut tabs {
            assert_eq!(tab.hear().unwrap(), r#"42["whisper","Bob","Eve listens"]"#);
        }
        eve.say(r#"422["join","tea"]"#);
        assert_eq!(eve.hear().unwrap(), "432[true]", "she has heard nothing before");
    }
}
