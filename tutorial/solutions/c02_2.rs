//! Chapter 02, exercise 2: send from the terminal.
//!
//! Two things must be waited for: the keyboard and the server. So there are two threads, each with a
//! handle of its own on the same socket (`try_clone`). The main thread reads from the server: when
//! the server ends, `main` returns, and the other thread ends with it, whatever it waits for.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// Called as `talk(socket, io::stdin(), io::stdout())`.
fn talk(
    mut socket: TcpStream,
    mut input: impl Read + Send + 'static,
    mut output: impl Write,
) -> io::Result<()> {
    let mut sending = socket.try_clone()?;
    std::thread::spawn(move || {
        io::copy(&mut input, &mut sending)?;
        sending.shutdown(Shutdown::Write) // dropping it would not do: `socket` is still open
    });
    let mut buffer = [0; 4096];
    loop {
        let n = socket.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        output.write_all(&buffer[..n])?;
        output.flush()?; // stdout holds back a line that has no end yet
    }
}

#[test]
fn input_is_sent_and_answers_are_shown() {
    let (socket, mut server) = super::connection();
    server.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let echo = std::thread::spawn(move || {
        let mut typed = Vec::new();
        server.read_to_end(&mut typed)?;
        server.write_all(&typed)
    });
    let mut shown = Vec::new();
    talk(socket, &b"one\ntwo\n"[..], &mut shown).unwrap();
    assert_eq!(shown, b"one\ntwo\n");
    echo.join().unwrap().unwrap();
}

#[test]
fn talk_returns_at_the_end_of_the_server_while_the_input_waits() {
    let (keyboard, _no_input) = super::connection();
    let (socket, mut server) = super::connection();
    server.write_all(b"We are closed").unwrap();
    drop(server);
    let mut shown = Vec::new();
    talk(socket, keyboard, &mut shown).unwrap();
    assert_eq!(shown, b"We are closed");
}
