//! The document's client without a network: the same conversation over a Unix socket. Chapter 07.

mod terminal;

const USAGE: &str =
    "usage: ipc-client [PATH] (sockets-by-hand.sock in the temporary folder if left out)";

fn main() {
    let default = std::env::temp_dir().join("sockets-by-hand.sock");
    let [path] = terminal::arguments(USAGE, [&default.to_string_lossy()]);
    #[cfg(unix)]
    talk(&path).unwrap_or_else(|e| terminal::fail(1, &format!("lost the server: {e}")));
    #[cfg(not(unix))]
    terminal::fail(1, &format!("cannot connect to {path}: this program needs Unix sockets"));
}

#[cfg(unix)]
fn talk(path: &str) -> std::io::Result<()> {
    use sockets_by_hand::net::Stream;
    use std::io::{ErrorKind, Read, Write};
    use terminal::{fail, say};

    let mut stream = Stream::connect_path(path).unwrap_or_else(|e| match e.kind() {
        ErrorKind::InvalidInput => fail(2, &format!("{path}: {e}; {USAGE}")),
        _ => fail(1, &format!("cannot connect to {path}: {e}")),
    });
    say("Connected to server");
    stream.write_all(b"Hello from client")?;
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            say("Disconnected from server");
            return Ok(());
        }
        say(&format!("Received from server: {}", String::from_utf8_lossy(&buffer[..n])));
        _ = stream.end(); // a second time it fails, and changes nothing
    }
}
