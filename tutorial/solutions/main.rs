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
mod c05_3;
mod c06_1;
mod c06_2;
mod c06_3;
mod c07_1;
mod c07_2;
#[cfg(unix)]
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
mod c16_1;
mod c16_2;
mod c16_3;
mod c17_1;
mod c17_2;
mod c17_3;
mod c18_1;
mod c18_2;
mod c18_3;
mod c19_1;
mod c19_2;
mod c19_3;
mod c20_1;
mod c20_2;
mod c20_3;
mod c21_1;
mod c21_2;
mod c21_3;
mod c22_1;
mod c22_2;
mod c22_3;
mod c23_1;
mod c23_2;
mod c23_3;
mod c24_1;
mod c24_2;
mod c24_3;
mod c25_1;
mod c25_2;
mod c25_3;
mod c26_1;
mod c26_2;
mod c27_1;
mod c27_2;
mod c27_3;
mod c28_1;
mod c28_2;
mod c28_3;
mod c29_1;
mod c29_2;

use std::net::{TcpListener, TcpStream};

/// Both ends of a new connection on this machine.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// A Socket.IO server on this machine, and its address.
fn serve_socketio() -> (sockets_by_hand::socketio::Io, String) {
    use sockets_by_hand::socketio::{Options, Server};
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let (io, address) = (server.io(), server.address().unwrap().to_string());
    std::thread::spawn(|| server.serve());
    (io, address)
}

/// A client that sends and receives single packets of Socket.IO.
struct PacketClient(sockets_by_hand::ws::Socket);

impl PacketClient {
    /// Opens a session, which is in no namespace yet.
    fn open(address: &str) -> PacketClient {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut client = PacketClient(sockets_by_hand::ws::connect(&url).unwrap());
        assert!(client.receive().unwrap().starts_with('0'));
        client
    }

    /// Opens a session, and connects to the namespace `/`.
    fn connect(address: &str) -> PacketClient {
        let mut client = PacketClient::open(address);
        client.send("40");
        assert!(client.receive().unwrap().starts_with("40"));
        client
    }

    fn send(&self, packet: &str) {
        self.0.send(packet).unwrap();
    }

    /// The next packet, or `None` at the end.
    fn receive(&mut self) -> Option<String> {
        match self.0.read().unwrap()? {
            sockets_by_hand::ws::Message::Text(packet) => Some(packet),
            bytes => panic!("{bytes:?} instead of a packet"),
        }
    }
}
