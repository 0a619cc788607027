//! Chapter 07, exercise 1: one `connect` for both.
//!
//! An address with a `/` is a path, any other is `HOST:PORT`. Code that uses the `Stream` need not
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
use sockets_by_hand::net::{Options, Server};

#[cfg(test)]
fn answer_at(address: &str, server: Server) -> String {
    use std::io::{Read, Write};

    let handle = server.handle();
    let serving = std::thread::spawn(|| {
        server.serve(|mut stream| stream.write_all(b"Hello from server"));
    });
    let mut answer = String::new();
    connect(address).unwrap().read_to_string(&mut answer).unwrap();
    handle.close();
    serving.join().unwrap();
    answer
}

#[test]
fn a_host_and_a_port_connect_over_tcp() {
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let address = server.address().unwrap().to_string();
    assert_eq!(answer_at(&address, server), "Hello from server");
}

#[cfg(unix)]
#[test]
fn a_path_connects_to_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("c07-1-{}.sock", std::process::id()));
    let server = Server::bind_path(&path, Options::default()).unwrap();
    assert_eq!(answer_at(path.to_str().unwrap(), server), "Hello from server");
    assert!(!path.exists(), "the server has removed its file");
}
