//! Chapter 17, exercise 1: WebSockets, and nothing else.
//!
//! `transports` names one. A session then begins on its WebSocket: one connection for its whole life,
//! nothing to change over to, and no ticket that another server may not know. Lost are the clients
//! whose network lets no WebSocket through. They get code 0, and can be told why.

use sockets_by_hand::engineio::Options;

fn websocket_only() -> Options {
    Options { transports: vec!["websocket"], ..Options::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::engineio::Server;
    use sockets_by_hand::http::{Request, Response};
    use sockets_by_hand::net::Stream;
    use sockets_by_hand::ws::{Message, connect};
    use std::io::{BufReader, Write};
    use std::thread;

    #[test]
    fn a_websocket_gets_a_session_and_a_request_gets_code_0() {
        let server = Server::bind("127.0.0.1:0", websocket_only()).unwrap();
        let (address, handle) = (server.address().unwrap().to_string(), server.handle());
        thread::spawn(|| server.serve(|_| Box::new(|_| {})));

        let mut line = BufReader::new(Stream::connect(&*address).unwrap());
        let mut request = Request::new("GET", "/socket.io/?EIO=4&transport=polling");
        request.headers.push("Host", &address);
        line.get_mut().write_all(&request.encode(b"")).unwrap();
        let response = Response::read(&mut line, 1000).unwrap();
        assert_eq!(response.body, br#"{"code":0,"message":"Transport unknown"}"#);
        assert_eq!(handle.sessions(), 0);

        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut socket = connect(&url).unwrap();
        let Some(Message::Text(hello)) = socket.read().unwrap() else { panic!("no text") };
        assert!(hello.contains(r#""upgrades":[]"#), "{hello}");
        assert_eq!(handle.sessions(), 1);
    }
}
