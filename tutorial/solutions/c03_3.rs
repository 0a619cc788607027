//! Chapter 03, exercise 3: close within a time, then destroy the rest.
//!
//! A clone of each client's `Stream` is kept, since every clone can end the connection. It must go
//! when the handler has returned: the connection ends with its last clone. The order in `close`
//! matters: mark the list as closed, and only then go through it, so that nobody slips in behind.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::{thread, time::Duration};

use sockets_by_hand::net::{Stream, server::Handle};

#[derive(Default)]
struct Guests(Mutex<List>);

#[derive(Default)]
struct List {
    streams: HashMap<u64, Stream>,
    next: u64,
    closed: bool,
}

struct Guest<'a>(&'a Guests, u64);

impl Guests {
    fn let_in(&self, stream: &Stream) -> Option<Guest<'_>> {
        let mut list = self.lock();
        if list.closed {
            return None;
        }
        let id = list.next;
        list.next += 1;
        list.streams.insert(id, stream.clone());
        Some(Guest(self, id))
    }

    /// Closes the door, gives those who are inside until `patience` is over, and ends the rest.
    fn close(&self, handle: &Handle, patience: Duration) {
        handle.close();
        let (tell, all_have_left) = mpsc::channel();
        let waiting = handle.clone();
        thread::spawn(move || {
            waiting.wait();
            _ = tell.send(());
        });
        if all_have_left.recv_timeout(patience).is_ok() {
            return;
        }
        let mut list = self.lock();
        list.closed = true;
        list.streams.values().for_each(Stream::destroy);
        drop(list); // each guest needs it to leave
        handle.wait();
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.lock().streams.remove(&self.1);
    }
}

fn serve(mut stream: Stream, guests: &Guests) -> io::Result<()> {
    let Some(_guest) = guests.let_in(&stream) else { return Ok(()) };
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {
        stream.write_all(b"Hello from server")?;
    }
    Ok(())
}

/// A server with one client, who has been greeted; and what closes the server.
#[cfg(test)]
fn start() -> (Stream, Handle, std::sync::Arc<Guests>) {
    let server = sockets_by_hand::net::Server::bind("127.0.0.1:0").unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let guests = std::sync::Arc::<Guests>::default();
    let inside = guests.clone();
    thread::spawn(move || server.serve(move |stream| serve(stream, &inside)));
    let mut client = Stream::connect(address).unwrap();
    client.write_all(b"Hello from client").unwrap();
    client.read_exact(&mut [0; 17]).unwrap();
    (client, handle, guests)
}

#[test]
fn whoever_stays_too_long_is_sent_out() {
    let (mut client, handle, guests) = start();
    guests.close(&handle, Duration::from_millis(50));
    assert_eq!(handle.connections(), 0);
    assert_eq!(client.read(&mut [0; 17]).unwrap(), 0);
}

#[test]
fn whoever_leaves_in_time_is_let_finish() {
    let (mut client, handle, guests) = start();
    let closing = thread::spawn(move || guests.close(&handle, Duration::from_secs(3600)));
    client.write_all(b"One more thing").unwrap();
    client.read_exact(&mut [0; 17]).unwrap();
    drop(client);
    closing.join().unwrap();
}
