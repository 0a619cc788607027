//! Chapter 03, exercise 2: a limit for each address.
//!
//! A map counts the clients of each address. An address without clients is taken out again, or the
//! map would grow with everyone who ever came. (Over IPv6 one household owns 2^64 addresses: there,
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

/// A client that has been counted in, and is counted out however its handler ends.
struct Guest<'a>(&'a PerAddress, IpAddr);

impl PerAddress {
    fn new(limit: usize) -> PerAddress {
        PerAddress { limit, clients: Mutex::default() }
    }

    fn let_in(&self, ip: IpAddr) -> Option<Guest<'_>> {
        let mut clients = self.lock();
        let here = clients.get(&ip).copied().unwrap_or(0);
        if here >= self.limit {
            return None;
        }
        clients.insert(ip, here + 1);
        Some(Guest(self, ip))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let mut clients = self.0.lock();
        match clients.get_mut(&self.1) {
            Some(here) if *here > 1 => *here -= 1,
            _ => _ = clients.remove(&self.1),
        }
    }
}

fn serve(mut stream: Stream, limits: &PerAddress) -> io::Result<()> {
    let Some(address) = stream.remote_address() else { return Ok(()) }; // it has left already
    let Some(_guest) = limits.let_in(address.ip()) else { return Ok(()) };
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {
        stream.write_all(b"Hello from server")?;
    }
    Ok(())
}

#[test]
fn each_address_has_a_limit_of_its_own() {
    let limits = PerAddress::new(2);
    let [here, there] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
    let first = limits.let_in(here);
    let second = limits.let_in(here);
    assert!(first.is_some() && second.is_some() && limits.let_in(here).is_none());
    assert!(limits.let_in(there).is_some());
    drop(first);
    assert!(limits.let_in(here).is_some());
    drop(second);
    assert!(limits.lock().is_empty());
}

#[test]
fn one_too_many_from_one_address_is_closed() {
    let limits = PerAddress::new(1);
    let pair = || {
        let (client, socket) = super::connection();
        (client, Stream::from(socket))
    };
    let ((mut first, served), (mut second, turned_away)) = (pair(), pair());
    std::thread::scope(|scope| {
        scope.spawn(|| serve(served, &limits));
        first.write_all(b"Hello from client").unwrap();
        first.read_exact(&mut [0; 17]).unwrap();
        serve(turned_away, &limits).unwrap();
        assert_eq!(second.read(&mut [0; 17]).unwrap(), 0);
        drop(first);
    });
}
