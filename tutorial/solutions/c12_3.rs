//! Chapter 12, exercise 3: accept only pages of our own.
//!
//! A page of ours was fetched from the host to which it opens a WebSocket: `Origin` and `Host` name
//! the same host. A client without `Origin` is not a browser: it has no cookies of a user, and is
//! accepted. Compare the whole host: `contains` would accept `http://chat.example.evil.example`.

use sockets_by_hand::http::{Request, Response};

fn only_our_pages(request: &Request) -> Result<(), Response> {
    let Some(origin) = request.headers.get("origin") else { return Ok(()) };
    let host = origin.split_once("://").map(|(_, host)| host);
    match (host, request.headers.get("host")) {
        (Some(origin), Some(ours)) if origin.eq_ignore_ascii_case(ours) => Ok(()),
        _ => Err(Response::text(403, "This page may not open a WebSocket here")),
    }
}

#[test]
fn page_with_another_origin_is_refused() {
    use sockets_by_hand::ws::{Client, Error, Options, Server};
    let options = Options { verify_client: Box::new(only_our_pages), ..Options::default() };
    let server = Server::bind("127.0.0.1:0", options).unwrap();
    let here = server.address().unwrap().to_string();
    let handle = server.handle();
    let serving = std::thread::spawn(|| server.serve(|socket| socket.send("welcome")));

    let connect = |origin: Option<&str>| {
        let mut client = Client::default();
        origin.iter().for_each(|origin| client.headers.push("Origin", origin));
        client.connect(&format!("ws://{here}/"))
    };
    for origin in [None, Some(format!("http://{here}"))] {
        let mut socket = connect(origin.as_deref()).unwrap();
        assert_eq!(socket.read().unwrap(), Some("welcome".into()), "{origin:?}");
    }
    for origin in [
        "http://evil.example",
        &format!("http://{here}.evil.example"),
        &format!("http://evil.example/{here}"),
        "null", // a page without an origin, such as a file
        "",
    ] {
        let refused = connect(Some(origin)).err();
        assert!(matches!(refused, Some(Error::Refused { status: 403, .. })), "{origin}");
    }
    handle.close();
    serving.join().unwrap();
}
