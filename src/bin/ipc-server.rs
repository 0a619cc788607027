//! The document's server without a network: the same conversation over a Unix socket. Chapter 07.

mod terminal;

const USAGE: &str =
    "usage: ipc-server [PATH] (sockets-by-hand.sock in the temporary folder if left out)";

fn main() {
    let default = std::env::temp_dir().join("sockets-by-hand.sock");
    let [path] = terminal::arguments(USAGE, [&default.to_string_lossy()]);
    #[cfg(unix)]
    serve(&path);
    #[cfg(not(unix))]
    terminal::fail(1, &format!("cannot listen on {path}: this program needs Unix sockets"));
}

#[cfg(unix)]
fn serve(path: &str) {
    use sockets_by_hand::net::{Options, Server, report::Lines};
    use std::io::{self, ErrorKind, Read, Write};

    let server = Server::bind_path(path, Options::default()).unwrap_or_else(|e| match e.kind() {
        ErrorKind::InvalidInput => terminal::fail(2, &format!("{path}: {e}; {USAGE}")),
        _ => terminal::fail(1, &format!("cannot listen on {path}: {e}")),
    });
    let handle = server.handle();
    // Once nobody can read this, the server ends in good order, and its socket file with it.
    let write = |line: &str| writeln!(io::stdout(), "{line}");
    let lines = Lines::new(move |line| write(line).unwrap_or_else(|_| handle.close()));
    lines.write(&format!("Server listening on {path}"));

    server.serve(move |mut stream| {
        lines.write("Client connected");
        let mut buffer = [0; 4096];
        loop {
            let n = stream.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            let data = String::from_utf8_lossy(&buffer[..n]);
            lines.write(&format!("Received data from client: {data}"));
            stream.write_all(b"Hello from server")?;
        }
        lines.write("Client disconnected");
        Ok(())
    });
}
