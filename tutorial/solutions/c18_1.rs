//! Chapter 18, exercise 1: every page shows how many clients are connected.
//!
//! The number is changed and broadcast under one lock. Otherwise two clients that connect at once could
//! broadcast their numbers in the wrong order, and every page would show the older one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sockets_by_hand::ws::server::Clients;
use sockets_by_hand::ws::{Error, Options, Server, Socket};

struct Online {
    clients: Clients,
    count: Mutex<usize>,
}

/// A client that is counted until its handler has ended, even by an error or a panic.
struct Counted<'a> {
    online: &'a Online,
    socket: Socket,
}

impl Online {
    fn count(&self, socket: Socket) -> Counted<'_> {
        let mut count = self.lock();
        *count += 1;
        self.clients.broadcast(format!("online: {count}"));
        Counted { online: self, socket }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut count = self.online.lock();
        *count -= 1;
        self.online.clients.broadcast_except(Some(&self.socket), format!("online: {count}"));
    }
}

fn serve(server: Server) {
    let online = Online { clients: server.clients(), count: Mutex::new(0) };
    server.serve(move |socket| -> Result<(), Error> {
        let mut client = online.count(socket);
        while let Some(message) = client.socket.read()? {
            client.socket.send(message)?;
        }
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::ws::connect;

    #[test]
    fn every_connect_and_disconnect_is_broadcast() {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let url = format!("ws://{}/", server.address().unwrap());
        std::thread::spawn(|| serve(server));
        let assert_receives = |socket: &mut Socket, text: &str| {
            assert_eq!(socket.read().unwrap(), Some(text.into()));
        };

        let mut ann = connect(&url).unwrap();
        assert_receives(&mut ann, "online: 1");
        let mut bob = connect(&url).unwrap();
        assert_receives(&mut bob, "online: 2");
        assert_receives(&mut ann, "online: 2");

        let mut eve = connect(&url).unwrap();
        assert_receives(&mut eve, "online: 3");
        assert_receives(&mut ann, "online: 3");
        eve.terminate(); // without a close frame
        assert_receives(&mut ann, "online: 2");
        drop(bob); // with one
        assert_receives(&mut ann, "online: 1");
    }
}
