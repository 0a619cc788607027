//! Chapter 22, exercise 1: a hub that cannot tell who speaks.
//!
//! It sends what it hears to all, the speaker too. So each server makes up an id for itself, puts it
//! before all that it says, and ignores what begins with its own. (Not its address: behind a proxy
//! or in containers, two servers may have the same.)

use std::hash::{BuildHasher, RandomState};

use sockets_by_hand::socketio::{Io, Value};

struct Adapter {
    id: String,
    io: Io,
}

impl Adapter {
    fn new(io: &Io) -> Adapter {
        let id = format!("{:016x}", RandomState::new().hash_one(())); // new with every start
        Adapter { id, io: io.clone() }
    }

    /// Emits here, and returns what is to be sent to the hub.
    fn emit(&self, room: &str, name: &str, args: &[Value]) -> String {
        self.io.to(room).emit(name, args);
        let said = [&[Value::from(&*self.id), room.into(), name.into()], args].concat();
        Value::Array(said).to_string()
    }

    /// Emits here what the hub has sent, unless it was ours.
    fn hear(&self, said: &str) {
        let said = Value::parse(said).unwrap_or(Value::Null);
        let Some([id, Value::String(room), Value::String(name), args @ ..]) = said.as_array()
        else {
            return;
        };
        if id.as_str() != Some(&self.id) {
            self.io.to(room).emit(name, args);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guest, street};

    #[test]
    fn a_server_does_not_hear_itself_and_the_others_do() {
        let (streets, mut guests): (Vec<_>, Vec<_>) = [(); 2]
            .map(|()| {
                let (io, address) = street();
                let guest = Guest::enter(&address);
                (Adapter::new(&io), guest)
            })
            .into_iter()
            .unzip();
        for street in &streets {
            street.io.sockets_join("tea");
        }
        for (n, speaker) in streets.iter().enumerate() {
            let said = speaker.emit("tea", "told", &[n.into()]);
            streets.iter().for_each(|street| street.hear(&said)); // the hub: to all
        }
        for guest in &mut guests {
            assert_eq!(guest.hear().unwrap(), r#"42["told",0]"#);
            assert_eq!(guest.hear().unwrap(), r#"42["told",1]"#);
        }
    }
}
