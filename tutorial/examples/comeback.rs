//! A client that reconnects when its server has gone, and in the end gives up. Chapter 09.
//!
//! It plays the server too, unless it gets the address of another one: `comeback HOST:PORT`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::{env, thread, time::Duration};

use sockets_by_hand::net::{Backoff, Options, Server, Stream};

/// How many times in a row the client tries again before it gives up.
const ATTEMPTS: u32 = 4;

fn main() -> io::Result<()> {
    let backoff = Backoff {
        min: Duration::from_millis(50),
        max: Duration::from_millis(200),
        jitter: 0.0, // so that every run prints the same
        ..Backoff::default()
    };
    if let Some(address) = env::args().nth(1) {
        let address = address.parse().map_err(io::Error::other)?;
        return stay_connected(address, backoff, |pause| {
            thread::sleep(pause);
            Ok(())
        });
    }
    let address = start_server(([127, 0, 0, 1], 0).into())?;
    let mut pauses = 0;
    stay_connected(address, backoff, |pause| {
        pauses += 1;
        if pauses == 3 {
            start_server(address)?;
            println!("(The server has started again)");
        }
        thread::sleep(pause);
        Ok(())
    })
}

/// Connects again whenever a connection has ended. Gives up after `ATTEMPTS` pauses without an answer.
fn stay_connected(
    address: SocketAddr,
    mut backoff: Backoff,
    mut wait: impl FnMut(Duration) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        match talk(address, &mut backoff) {
            Ok(()) => println!("Disconnected from server"),
            Err(e) if is_permanent(&e) => return Err(e),
            Err(e) => println!("No server: {}", e.kind()),
        }
        if backoff.attempts == ATTEMPTS {
            println!("Giving up");
            return Ok(());
        }
        let pause = backoff.next_pause();
        println!("Trying again in {pause:?}");
        wait(pause)?;
    }
}

/// One connection, from `connect` to its end.
fn talk(address: SocketAddr, backoff: &mut Backoff) -> io::Result<()> {
    let mut stream = Stream::connect(address)?;
    println!("Connected to server");
    stream.write_all(b"Hello from client")?;
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        backoff.reset(); // the server answers: the next failure begins with the first pause
        println!("Received from server: {}", String::from_utf8_lossy(&buffer[..n]));
    }
}

/// Whether the next attempt would fail in the same way.
fn is_permanent(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::PermissionDenied)
}

/// The other side: a server that answers one client, and then closes.
fn start_server(address: SocketAddr) -> io::Result<SocketAddr> {
    let server = Server::bind(address, Options::default())?;
    let address = server.address().unwrap_or(address);
    let handle = server.handle();
    let serve = move |mut stream: Stream| {
        if stream.read(&mut [0; 4096])? > 0 {
            stream.write_all(b"Hello from server")?;
            handle.close(); // before the connection ends, so that the next attempt is refused
        }
        Ok(())
    };
    thread::spawn(|| server.serve(serve));
    Ok(address)
}
