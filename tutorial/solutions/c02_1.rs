//! Chapter 02, exercise 1: send something else.
//!
//! To end our side right after the question tells the server that the question is complete. The other
//! direction stays open, and `read_to_string` reads from it until the server ends too. Without the
//! half-close, such a server would wait for the rest of the question, and we for its answer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};

fn ask(server: impl ToSocketAddrs, question: &str) -> io::Result<String> {
    let mut socket = TcpStream::connect(server)?;
    socket.write_all(question.as_bytes())?;
    socket.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_server_that_reads_to_the_end_can_answer_after_the_half_close() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || ask(address, "How are you?"));
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).unwrap();
    assert_eq!(question, "How are you?");
    server.write_all(b"Fine, ").unwrap();
    server.write_all(b"and you?").unwrap();
    drop(server);
    assert_eq!(client.join().unwrap().unwrap(), "Fine, and you?");
}
