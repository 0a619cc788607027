//! Chapter 22, exercise 2: a door that always leads the same people to the same server.
//!
//! For each server, a number is made of its name and the visitor's address; the highest wins. It is
//! the same whenever the visitor comes. When a server goes, only its own visitors get another: with
//! `hash % servers.len()`, nearly all would. (Two doors must hash alike. `std` promises that only
//! within one version; and all behind one proxy have one address: then hash a cookie.)

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::{io, thread};

use sockets_by_hand::net::{Options, Server, Stream};

fn choose(visitor: IpAddr, servers: &[String]) -> Option<&String> {
    servers.iter().max_by_key(|server| {
        let mut hasher = DefaultHasher::new();
        (visitor, server).hash(&mut hasher);
        hasher.finish()
    })
}

/// A door before several servers: carries bytes to one of them and back, whatever they mean.
fn serve(door: Server, choose: impl Fn(IpAddr) -> Option<String> + Send + Sync + 'static) {
    door.serve(move |visitor| {
        let address = visitor.remote_address().ok_or(io::ErrorKind::NotConnected)?;
        let server = Stream::connect(choose(address.ip()).ok_or(io::ErrorKind::NotFound)?)?;
        let (from, to) = (visitor.clone(), server.clone());
        let there = thread::spawn(move || carry(from, to));
        carry(server, visitor);
        _ = there.join();
        Ok(())
    });
}

fn carry(mut from: Stream, mut to: Stream) {
    if io::copy(&mut from, &mut to).is_err() {
        from.destroy();
    }
    _ = to.end();
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::street;

    #[test]
    fn only_those_whose_server_has_gone_get_another() {
        let servers: Vec<String> = (1..=4).map(|n| format!("10.0.0.{n}:3000")).collect();
        let visitors = (0..=255).map(|n| IpAddr::from([192, 0, 2, n]));
        let (mut stayed, mut moved) = (0, 0);
        for visitor in visitors {
            let before = choose(visitor, &servers).unwrap();
            let after = choose(visitor, &servers[1..]).unwrap();
            match before == &servers[0] {
                true => moved += 1,
                false => stayed += i32::from(before == after),
            }
        }
        assert_eq!(stayed + moved, 256);
        assert!((32..=96).contains(&moved), "{moved} of 256 visitors were at the first of four");
        assert_eq!(choose([127, 0, 0, 1].into(), &[]), None);
    }

    /// One request on a connection of its own; returns what comes after the head.
    fn request(door: &str, method: &str, sid: &str, body: &str) -> String {
        let mut stream = Stream::connect(door).unwrap();
        let query = format!("EIO=4&transport=polling{sid}");
        let length = body.len();
        write!(
            stream,
            "{method} /socket.io/?{query} HTTP/1.1\r\nHost: {door}\r\n\
             Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_string()
    }

    /// Opens a session through a door, and posts to it.
    fn visit(choose: impl Fn(IpAddr) -> Option<String> + Send + Sync + 'static) -> String {
        let door = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let address = door.address().unwrap().to_string();
        thread::spawn(|| serve(door, choose));
        let hello = request(&address, "GET", "", "");
        let sid = hello.split('"').nth(3).unwrap();
        request(&address, "POST", &format!("&sid={sid}"), "40")
    }

    #[test]
    fn a_session_finds_its_server_again_only_if_the_door_is_sticky() {
        let servers = [street().1, street().1];
        let (two, turn) = (servers.clone(), AtomicUsize::new(0));
        let in_turn = move |_| Some(two[turn.fetch_add(1, Relaxed) % 2].clone());
        assert_eq!(visit(in_turn), r#"{"code":1,"message":"Session ID unknown"}"#);
        assert_eq!(visit(move |ip| choose(ip, &servers).cloned()), "ok");
    }
}
