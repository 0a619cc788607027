//! Chapter 03, exercise 1: a slow network.
//!
//! The end waits as well: otherwise it would overtake the last piece. (Two pieces that are sent one
//! right after the other wait one after the other. A real network would carry both at once.)

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

fn pass_on_late(mut source: TcpStream, mut sink: TcpStream, time: Duration) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let n = source.read(&mut buffer)?;
        thread::sleep(time);
        if n == 0 {
            return sink.shutdown(Shutdown::Write);
        }
        sink.write_all(&buffer[..n])?;
    }
}

#[test]
fn each_piece_and_the_end_come_later_and_complete() {
    let time = Duration::from_millis(50);
    let (mut client, source) = super::connection();
    let (sink, mut server) = super::connection();
    let passing = thread::spawn(move || pass_on_late(source, sink, time));
    let start = std::time::Instant::now();
    client.write_all(b"Hello").unwrap();
    let mut received = [0; 5];
    server.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"Hello");
    assert!(start.elapsed() >= time);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(server.read(&mut received).unwrap(), 0);
    assert!(start.elapsed() >= 2 * time);
    passing.join().unwrap().unwrap();
}
