//! Chapter 06, exercise 3: a chat log that answers line by line.
//!
//! The handler sees whole lines only: however the bytes were cut on their way, `read_line` joins
//! them. All clients share one log, so a lock protects it.

use sockets_by_hand::net::framing::{Error, read_line, write_line};
use sockets_by_hand::net::{Options, Server, Stream};
use std::io::{self, BufReader, Write};
use std::sync::{Mutex, PoisonError};

const MAX: usize = 200;

fn serve(server: Server) {
    let log = Mutex::new(Vec::new());
    server.serve(move |stream| answer(stream, &log));
}

fn answer(mut stream: Stream, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.clone());
    loop {
        let line = match read_line(&mut reader, MAX) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(Error::Io(e)) => return Err(e),
            // Where the next line begins is not known: send the reason, and close.
            Err(e) => return write_line(&mut stream, &format!("error: {e}")),
        };
        let answer = {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("say", text) => {
                    log.push(text.to_string());
                    format!("ok {}", log.len())
                }
                ("log", "") => log.iter().map(|text| format!("{text}\n")).collect::<String>() + ".",
                _ => "what?".to_string(),
            }
        };
        write_line(&mut stream, &answer)?; // the log is not locked while this waits for a client
    }
}

#[test]
fn every_line_gets_its_answer_however_it_is_cut() {
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let serving = std::thread::spawn(|| serve(server));

    let mut ada = Stream::connect(address).unwrap();
    let mut answers = BufReader::new(ada.clone());
    let mut next = || read_line(&mut answers, MAX).unwrap().unwrap();
    ada.set_no_delay(true).unwrap();
    ada.write_all(b"say one\nsay two\r\nsay th").unwrap(); // two lines and a half
    assert_eq!([next(), next()], ["ok 1", "ok 2"]);
    for byte in b"ree\nlog\nsing\n" {
        ada.write_all(&[*byte]).unwrap();
    }
    assert_eq!([next(), next(), next(), next()], ["ok 3", "one", "two", "three"]);
    assert_eq!([next(), next()], [".", "what?"]);

    // A line that never ends. Not a byte more than the server reads, so that nothing is left over.
    let mut bob = Stream::connect(address).unwrap();
    bob.write_all(&[b'x'; MAX + 2]).unwrap();
    let last = read_line(&mut BufReader::new(bob), MAX).unwrap().unwrap();
    assert_eq!(last, "error: a message of more than 200 bytes arrived");

    ada.write_all(b"say still here\n").unwrap();
    assert_eq!(next(), "ok 4");
    ada.destroy();
    handle.close();
    serving.join().unwrap();
}
