//! Solutions of the book's exercises, a module each. `cargo test --test solutions` runs their tests.
//!
//! Have you tried it yourself first?

mod c01_1;
mod c01_2;
mod c01_3;
mod c02_1;
mod c02_2;
mod c02_3;
mod c03_1;
mod c03_2;
mod c03_3;
mod c04_1;
mod c04_2;
mod c04_3;
mod c05_1;
mod c05_2;
#[cfg(unix)]
mod c05_3;
mod c06_1;
mod c06_2;
mod c06_3;
mod c07_1;
mod c07_2;
mod c07_3;
mod c08_1;
mod c08_2;
mod c08_3;
mod c09_1;
mod c09_2;
mod c09_3;
mod c10_1;
mod c10_2;
mod c10_3;
mod c11_1;
mod c11_2;
mod c11_3;
mod c12_1;
mod c12_2;
mod c12_3;
mod c13_1;
mod c13_2;
mod c13_3;
mod c14_1;
mod c14_2;
mod c14_3;
mod c15_1;
mod c15_2;
mod c15_3;
mod c20_1;
mod c20_2;
mod c20_3;
mod c21_1;
mod c21_2;
mod c21_3;

use std::net::{TcpListener, TcpStream};

/// Both ends of a new connection on this machine.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}
