//! Three servers that echo, as README.md shows them.   cargo run --example echo -- net|ws|socketio [ADDRESS]

use std::error::Error;
use std::net::SocketAddr;
use std::{env, io};

use sockets_by_hand::{net, socketio, ws};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let layer = arguments.next().unwrap_or_default();
    let address = arguments.next().unwrap_or("127.0.0.1:3000".to_string());
    match &*layer {
        "net" => net_server(&address)?,
        "ws" => ws_server(&address)?,
        "socketio" => socketio_server(&address)?,
        _ => return Err("usage: echo net|ws|socketio [ADDRESS]".into()),
    }
    Ok(())
}

fn print_port(address: Option<SocketAddr>) {
    println!("Server listening on port {}", address.map_or(0, |address| address.port()));
}

fn net_server(address: &str) -> io::Result<()> {
    let server = net::Server::bind(address, net::Options::default())?;
    print_port(server.address());
    server.serve(|mut stream| io::copy(&mut stream.clone(), &mut stream).map(drop));
    Ok(())
}

fn ws_server(address: &str) -> io::Result<()> {
    let server = ws::Server::bind(address, ws::Options::default())?;
    print_port(server.address());
    server.serve(|mut socket| {
        while let Some(message) = socket.read()? {
            socket.send(message)?;
        }
        Ok(())
    });
    Ok(())
}

fn socketio_server(address: &str) -> io::Result<()> {
    let server = socketio::Server::bind(address, socketio::Options::default())?;
    print_port(server.address());
    server.io().on_connection(|socket| {
        socket.on("echo", |event| event.ack(&event.args));
    });
    server.serve();
    Ok(())
}
