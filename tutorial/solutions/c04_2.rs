//! Chapter 04, exercise 2: a limit for each address.
//!
//! A map counts the clients of each address. An address without clients is removed, or the map would
//! grow with each address that ever connected. (Over IPv6 one customer gets 2^64 addresses: there,
//! count by the first half of the address.)

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sockets_by_hand::net::Stream;

struct PerAddress {
    limit: usize,
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// Counts a client of an address, until it is dropped, however the handler ends.
struct ConnectionGuard<'a>(&'a PerAddress, IpAddr);

impl PerAddress {
    fn new(limit: usize) -> PerAddress {
        PerAddress { limit, clients: Mutex::default() }
    }

    fn try_acquire(&self, ip: IpAddr) -> Option<ConnectionGuard<'_>> {
        let mut clients = self.lock();
        let count = clients.get(&ip).copied().unwrap_or(0);
        if count >= self.limit {
            return None;
        }
        clients.insert(ip, count + 1);
        Some(ConnectionGuard(self, ip))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionGuard<'_> {
    fn drop(&mut self) {
        let mut clients = self.0.lock();
        match clients.get_mut(&self.1) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = clients.remove(&self.1),
        }
    }
}

fn serve(mut stream: Stream, limits: &PerAddress) -> io::Result<()> {
    let Some(address) = stream.remote_address() else { return Ok(()) }; // it has disconnected already
    let Some(_guard) = limits.try_acquire(address.ip()) else { return Ok(()) };
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {
        stream.write_all(b"Hello from server")?;
    }
    Ok(())
}

#[test]
fn each_address_has_a_limit_of_its_own() {
    let limits = PerAddress::new(2);
    let [one, another] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
    let first = limits.try_acquire(one);
    let second = limits.try_acquire(one);
    assert!(first.is_some() && second.is_some() && limits.try_acquire(one).is_none());
    assert!(limits.try_acquire(another).is_some());
    drop(first);
    assert!(limits.try_acquire(one).is_some());
    drop(second);
    assert!(limits.lock().is_empty());
}

#[test]
fn one_client_too_many_from_one_address_is_closed() {
    let limits = PerAddress::new(1);
    let pair = || {
        let (client, socket) = super::connection();
        (client, Stream::from(socket))
    };
    let ((mut first, served), (mut second, refused)) = (pair(), pair());
    std::thread::scope(|scope| {
        scope.spawn(|| serve(served, &limits));
        first.write_all(b"Hello from client").unwrap();
        first.read_exact(&mut [0; 17]).unwrap();
        serve(refused, &limits).unwrap();
        assert_eq!(second.read(&mut [0; 17]).unwrap(), 0);
        drop(first);
    });
}
