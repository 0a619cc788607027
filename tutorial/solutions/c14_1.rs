//! Chapter 14, exercise 1: every page says how many are there.
//!
//! The number is changed and told under one lock. Otherwise two who come at once could tell their
//! numbers in the wrong order, and every page would show the older one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sockets_by_hand::ws::server::Clients;
use sockets_by_hand::ws::{Error, Options, Server, Socket};

struct Online {
    clients: Clients,
    count: Mutex<usize>,
}

/// One who is counted until the handler has ended, whether by a goodbye, an error or a panic.
struct Here<'a> {
    online: &'a Online,
    socket: Socket,
}

impl Online {
    fn enter(&self, socket: Socket) -> Here<'_> {
        let mut count = self.lock();
        *count += 1;
        self.clients.broadcast(format!("online: {count}"));
        Here { online: self, socket }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        let mut count = self.online.lock();
        *count -= 1;
        self.online.clients.broadcast_except(Some(&self.socket), format!("online: {count}"));
    }
}

fn serve(server: Server) {
    let online = Online { clients: server.clients(), count: Mutex::new(0) };
    server.serve(move |socket| -> Result<(), Error> {
        let mut here = online.enter(socket);
        while let Some(message) = here.socket.read()? {
            here.socket.send(message)?;
        }
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::ws::connect;

    #[test]
    fn everyone_hears_who_comes_and_who_goes_in_whatever_way() {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let url = format!("ws://{}/", server.address().unwrap());
        std::thread::spawn(|| serve(server));
        let hears = |socket: &mut Socket, text: &str| {
            assert_eq!(socket.read().unwrap(), Some(text.into()));
        };

        let mut ann = connect(&url).unwrap();
        hears(&mut ann, "online: 1");
        let mut bob = connect(&url).unwrap();
        hears(&mut bob, "online: 2");
        hears(&mut ann, "online: 2");

        let mut eve = connect(&url).unwrap();
        hears(&mut eve, "online: 3");
        hears(&mut ann, "online: 3");
        eve.terminate(); // without a goodbye
        hears(&mut ann, "online: 2");
        drop(bob); // with one
        hears(&mut ann, "online: 1");
    }
}
