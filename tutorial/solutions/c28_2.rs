//! Chapter 28, exercise 2: a proxy with sticky sessions.
//!
//! For each server, its name and the client's address are hashed together; the highest hash wins
//! (*rendezvous hashing*). It is the same for each connection of a client. When a server goes, only its own
//! clients get another: with `hash % servers.len()`, nearly all would. (Two proxies must hash alike.
//! `std` promises that only within one version. All clients behind one proxy have one address: then hash a
//! cookie.)

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::{io, thread};

use sockets_by_hand::net::{Options, Server, Stream};

fn choose(client: IpAddr, servers: &[String]) -> Option<&String> {
    servers.iter().max_by_key(|server| {
        let mut hasher = DefaultHasher::new();
        (client, server).hash(&mut hasher);
        hasher.finish()
    })
}

/// A proxy: copies the bytes of each client to one of several servers, and back.
fn serve(proxy: Server, choose: impl Fn(IpAddr) -> Option<String> + Send + Sync + 'static) {
    proxy.serve(move |client| {
        let address = client.remote_address().ok_or(io::ErrorKind::NotConnected)?;
        let server = Stream::connect(choose(address.ip()).ok_or(io::ErrorKind::NotFound)?)?;
        let (from, to) = (client.clone(), server.clone());
        let upstream = thread::spawn(move || copy(from, to));
        copy(server, client);
        _ = upstream.join();
        Ok(())
    });
}

fn copy(mut from: Stream, mut to: Stream) {
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
    use crate::serve_socketio;

    #[test]
    fn only_clients_whose_server_has_gone_get_another() {
        let servers: Vec<String> = (1..=4).map(|n| format!("10.0.0.{n}:3000")).collect();
        let clients = (0..=255).map(|n| IpAddr::from([192, 0, 2, n]));
        let (mut stayed, mut moved) = (0, 0);
        for client in clients {
            let before = choose(client, &servers).unwrap();
            let after = choose(client, &servers[1..]).unwrap();
            match before == &servers[0] {
                true => moved += 1,
                false => stayed += i32::from(before == after),
            }
        }
        assert_eq!(stayed + moved, 256);
        assert!((32..=96).contains(&moved), "{moved} of 256 clients were at the first of four");
        assert_eq!(choose([127, 0, 0, 1].into(), &[]), None);
    }

    /// Sends one request on a connection of its own, and returns the body of the response.
    fn request(address: &str, method: &str, sid: &str, body: &str) -> String {
        let mut stream = Stream::connect(address).unwrap();
        let query = format!("EIO=4&transport=polling{sid}");
        let length = body.len();
        write!(
            stream,
            "{method} /socket.io/?{query} HTTP/1.1\r\nHost: {address}\r\n\
             Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response.split_once("\r\n\r\n").unwrap().1.to_string()
    }

    /// Opens a session through a proxy, and posts to it.
    fn open_and_post(choose: impl Fn(IpAddr) -> Option<String> + Send + Sync + 'static) -> String {
        let proxy = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let address = proxy.address().unwrap().to_string();
        thread::spawn(|| serve(proxy, choose));
        let open = request(&address, "GET", "", "");
        let sid = open.split('"').nth(3).unwrap();
        request(&address, "POST", &format!("&sid={sid}"), "40")
    }

    #[test]
    fn requests_reach_the_server_of_their_session_only_if_sessions_are_sticky() {
        let servers = [serve_socketio().1, serve_socketio().1];
        let (two, turn) = (servers.clone(), AtomicUsize::new(0));
        let in_turn = move |_| Some(two[turn.fetch_add(1, Relaxed) % 2].clone());
        assert_eq!(open_and_post(in_turn), r#"{"code":1,"message":"Session ID unknown"}"#);
        assert_eq!(open_and_post(move |ip| choose(ip, &servers).cloned()), "ok");
    }
}
