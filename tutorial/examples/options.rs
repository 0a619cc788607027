//! A server that asks for a token and chooses a subprotocol, and clients with and without the token.
//! Chapter 17.
//!
//! With `-- THROUGH LISTEN` the server listens at `LISTEN`, and the clients connect to `THROUGH`: to a
//! program between the two.

use std::{env, thread};

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::ws::{Client, Error, Options, Server};

fn main() -> Result<(), Error> {
    let options = Options {
        verify_client: Box::new(verify),
        handle_protocols: Box::new(|offered, _| {
            offered.iter().find(|name| **name == "chat.v1").map(|name| name.to_string())
        }),
        ..Options::default()
    };
    let mut addresses = env::args().skip(1);
    let (through, listen) = (addresses.next(), addresses.next());
    let server = Server::bind(listen.as_deref().unwrap_or("127.0.0.1:0"), options)?;
    let own = server.address().ok_or(Error::Invalid("a server without an address"))?;
    let url = format!("ws://{}/", through.unwrap_or(own.to_string()));
    thread::spawn(|| server.serve(|mut socket| socket.read().map(drop)));
    for token in ["tea", "coffee"] {
        match connect(&url, token) {
            Ok(protocol) => println!("{token}: connected, with {protocol}"),
            Err(e) => println!("{token}: {e}"),
        }
    }
    Ok(())
}

fn verify(request: &Request) -> Result<(), Response> {
    match request.headers.get("authorization") {
        Some("Bearer tea") => Ok(()),
        _ => Err(Response::text(401, "Who are you?")),
    }
}

fn connect(url: &str, token: &str) -> Result<String, Error> {
    let mut client = Client::default();
    client.headers.push("Authorization", &format!("Bearer {token}"));
    client.protocols = vec!["chat.v2".to_string(), "chat.v1".to_string()];
    let socket = client.connect(url)?;
    Ok(socket.protocol.clone().unwrap_or_default())
}
