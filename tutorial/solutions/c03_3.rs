//! Chapter 03, exercise 3: cut it off.
//!
//! The thread of the client's direction waits in `read` when the limit is reached. `shutdown(Both)` on
//! the same socket wakes it, and it ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

fn cut_after(limit: usize, client: TcpStream, server: TcpStream) -> io::Result<()> {
    thread::scope(|scope| {
        scope.spawn(|| {
            _ = io::copy(&mut &client, &mut &server);
            _ = server.shutdown(Shutdown::Write);
        });
        let mut answer = (&server).take(limit as u64);
        let passed = io::copy(&mut answer, &mut &client);
        for socket in [&client, &server] {
            _ = socket.shutdown(Shutdown::Both);
        }
        passed.map(drop)
    })
}

#[test]
fn the_client_gets_that_many_bytes_and_then_the_end() {
    let (mut client, ours) = super::connection();
    let (theirs, mut server) = super::connection();
    let cutting = thread::spawn(move || cut_after(10, ours, theirs));
    client.write_all(b"question").unwrap();
    let mut question = [0; 8];
    server.read_exact(&mut question).unwrap();
    server.write_all(b"a rather long answer").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "a rather l");
    cutting.join().unwrap().unwrap();
}
