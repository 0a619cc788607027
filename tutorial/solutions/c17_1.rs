//! Chapter 17, exercise 1: accept only our own page.
//!
//! A browser always sends the `Origin` of the page, and the page cannot change it. Programs that are
//! no browsers may send none, or any: this protects the users of browsers, and nothing else.
//!
//! To compare with `Host` is not enough for a server on the user's own machine: a bad site can make
//! its name resolve to that machine (*DNS rebinding*), and then both headers have that name.

use sockets_by_hand::http::{Request, Response};

fn only_from(ours: &str, request: &Request) -> Result<(), Response> {
    match request.headers.get("origin") {
        Some(origin) if origin == ours => Ok(()),
        None => Ok(()), // not a browser: authenticate it in another way
        Some(_) => Err(Response::text(403, "This origin is not allowed")),
    }
}

#[test]
fn a_page_of_another_origin_gets_a_403() {
    use sockets_by_hand::ws::{Client, Error, Options, Server, connect};
    use std::thread;

    let verify_client = Box::new(|request: &_| only_from("http://localhost:8080", request));
    let options = Options { verify_client, ..Options::default() };
    let server = Server::bind("127.0.0.1:0", options).unwrap();
    let url = format!("ws://{}/", server.address().unwrap());
    thread::spawn(|| server.serve(|mut socket| socket.read().map(drop)));

    let from = |origin| {
        let mut client = Client::default();
        client.headers.push("Origin", origin);
        client.connect(&url).map(drop)
    };
    assert!(from("http://localhost:8080").is_ok());
    let longer = from("http://localhost:8080.example");
    assert!(matches!(longer, Err(Error::Refused { status: 403, .. })), "{longer:?}");
    assert!(from("null").is_err()); // a page from a file
    assert!(connect(&url).is_ok());
}
