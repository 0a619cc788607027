//! Chapter 21, exercise 1: sessions over WebSockets alone.
//!
//! `transports` names one. A session then begins on its WebSocket: one connection for its whole life,
//! no upgrade, and no later request that may reach another server. It excludes the clients
//! whose network lets no WebSocket through. They get code 0.

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
    fn a_websocket_opens_a_session_and_polling_is_refused_with_code_0() {
        let server = Server::bind("127.0.0.1:0", websocket_only()).unwrap();
        let (address, handle) = (server.address().unwrap().to_string(), server.handle());
        thread::spawn(|| server.serve(|_| Box::new(|_| {})));

        let mut reader = BufReader::new(Stream::connect(&*address).unwrap());
        let mut request = Request::new("GET", "/socket.io/?EIO=4&transport=polling");
        request.headers.push("Host", &address);
        reader.get_mut().write_all(&request.encode(b"")).unwrap();
        let response = Response::read(&mut reader, 1000).unwrap();
        assert_eq!(response.body, br#"{"code":0,"message":"Transport unknown"}"#);
        assert_eq!(handle.sessions(), 0);

        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut socket = connect(&url).unwrap();
        let Some(Message::Text(open)) = socket.read().unwrap() else { panic!("no text") };
        assert!(open.contains(r#""upgrades":[]"#), "{open}");
        assert_eq!(handle.sessions(), 1);
    }
}
