//! Chapter 28, exercise 1: an adapter, for a broker that sends every message to all servers, the sender too.
//!
//! So each server makes up an id for itself, puts it first in all that it publishes, and ignores what begins
//! with its own. (Not its address: behind a proxy or in containers, two servers may have the same.)

use sockets_by_hand::socketio::{Io, Value};
use sockets_by_hand::ws::random::random_id;

struct Adapter {
    id: String,
    io: Io,
}

impl Adapter {
    fn new(io: &Io) -> Adapter {
        Adapter { id: random_id(), io: io.clone() } // a new one at every start
    }

    /// Emits here, and returns what is to be published.
    fn emit(&self, room: &str, name: &str, args: &[Value]) -> String {
        self.io.to(room).emit(name, args);
        let values = [&[Value::from(&*self.id), room.into(), name.into()], args].concat();
        Value::Array(values).to_string()
    }

    /// Emits here what the broker has sent, unless this server sent it.
    fn receive(&self, text: &str) {
        let values = Value::parse(text).unwrap_or(Value::Null);
        let Some([id, Value::String(room), Value::String(name), args @ ..]) = values.as_array()
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
    use crate::{PacketClient, serve_socketio};

    #[test]
    fn a_server_ignores_its_own_messages_and_the_others_do_not() {
        let (adapters, mut clients): (Vec<_>, Vec<_>) = [(); 2]
            .map(|()| {
                let (io, address) = serve_socketio();
                let client = PacketClient::connect(&address);
                (Adapter::new(&io), client)
            })
            .into_iter()
            .unzip();
        for adapter in &adapters {
            adapter.io.sockets_join("tea");
        }
        for (n, sender) in adapters.iter().enumerate() {
            let text = sender.emit("tea", "told", &[n.into()]);
            adapters.iter().for_each(|adapter| adapter.receive(&text)); // the broker: to all
        }
        for client in &mut clients {
            assert_eq!(client.receive().unwrap(), r#"42["told",0]"#);
            assert_eq!(client.receive().unwrap(), r#"42["told",1]"#);
        }
    }
}
