//! Chapter 05, exercise 1: one address for both.
//!
//! What has a `/` is a path, everything else is `HOST:PORT`. Whoever holds the `Stream` need not
//! know which it was.

use sockets_by_hand::net::Stream;
use std::io;

fn connect(address: &str) -> io::Result<Stream> {
    if !address.contains('/') {
        return Stream::connect(address);
    }
    #[cfg(unix)]
    return Stream::connect_path(address);
    #[cfg(not(unix))]
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
fn answer_at(address: &str, server: sockets_by_hand::net::Server) -> String {
    use std::io::{Read, Write};

    let handle = server.handle();
    let door = std::thread::spawn(|| {
        server.serve(|mut stream| stream.write_all(b"Hello from server"));
    });
    let mut answer = String::new();
    connect(address).unwrap().read_to_string(&mut answer).unwrap();
    handle.close();
    door.join().unwrap();
    answer
}

#[test]
fn a_host_and_a_port_lead_to_tcp() {
    let server =
        sockets_by_hand::net::Server::bind("127.0.0.1:0", sockets_by_hand::net::Options::default())
            .unwrap();
    let address = server.address().unwrap().to_string();
    assert_eq!(answer_at(&address, server), "Hello from server");
}

#[cfg(unix)]
#[test]
fn a_path_leads_to_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("c05-1-{}.sock", std::process::id()));
    let server =
        sockets_by_hand::net::Server::bind_path(&path, sockets_by_hand::net::Options::default())
            .unwrap();
    assert_eq!(answer_at(path.to_str().unwrap(), server), "Hello from server");
    assert!(!path.exists(), "the file goes away with the server");
}
