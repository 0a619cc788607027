//! Solutions of the book's exercises, a module each. `cargo test --test solutions` runs their tests.
//!
//! Have you tried it yourself first?

mod c01_1;
mod c01_2;
mod c01_3;
mod c07_1;
mod c07_2;
mod c07_3;
mod c08_1;
mod c08_2;
mod c08_3;

use std::net::{TcpListener, TcpStream};

/// Both ends of a new connection on this machine.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}
