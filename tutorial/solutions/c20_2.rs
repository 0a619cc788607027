//! Chapter 20, exercise 2: pages of two origins.
//!
//! A page of another origin gets the same response, without `Access-Control-Allow-Origin`. It is the
//! *browser* that then keeps the response from the page. The server has opened a session all the same,
//! whose id nobody will ever know. So CORS protects the users of browsers, and nothing else: a
//! program that is no browser reads any response. `allow_request` refuses before a session is opened.

use sockets_by_hand::engineio::{Cors, Options};

fn shop_may_read() -> Options {
    let origins = vec!["https://shop.example".to_string()];
    Options { cors: Some(Cors { origins, credentials: false }), ..Options::default() }
}

/// The same, and a page of another origin gets no session.
fn shop_may_connect() -> Options {
    let mut options = shop_may_read();
    options.allow_request = Box::new(|request| match request.headers.get("origin") {
        Some(origin) => origin == "https://shop.example",
        None => true, // not a page of another origin
    });
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::engineio::{Handle, Server};
    use sockets_by_hand::http::{Request, Response};
    use sockets_by_hand::net::Stream;
    use std::io::{BufReader, Write};
    use std::thread;

    fn serve(options: Options) -> (String, Handle) {
        let server = Server::bind("127.0.0.1:0", options).unwrap();
        let (address, handle) = (server.address().unwrap().to_string(), server.handle());
        thread::spawn(|| server.serve(|_| Box::new(|_| {})));
        (address, handle)
    }

    fn request(address: &str, method: &str, origin: &str) -> Response {
        let mut reader = BufReader::new(Stream::connect(address).unwrap());
        let mut request = Request::new(method, "/socket.io/?EIO=4&transport=polling");
        request.headers.push("Host", address);
        request.headers.push("Origin", origin);
        reader.get_mut().write_all(&request.encode(b"")).unwrap();
        Response::read(&mut reader, 1000).unwrap()
    }

    #[test]
    fn only_the_shop_may_read_the_response() {
        let (address, handle) = serve(shop_may_read());
        let shop = request(&address, "GET", "https://shop.example");
        let allowed = shop.headers.get("access-control-allow-origin");
        assert_eq!((shop.status, allowed), (200, Some("https://shop.example")));

        let other = request(&address, "GET", "https://shop.example.evil.example");
        let allowed = other.headers.get("access-control-allow-origin");
        assert_eq!((other.status, allowed), (200, None));
        assert_eq!(handle.sessions(), 2); // both have one, whichever page may read its id
    }

    #[test]
    fn a_preflight_request_opens_no_session() {
        let (address, handle) = serve(shop_may_read());
        assert_eq!(request(&address, "OPTIONS", "https://shop.example").status, 204);
        assert_eq!(handle.sessions(), 0);
    }

    #[test]
    fn a_refused_request_opens_no_session() {
        let (address, handle) = serve(shop_may_connect());
        let other = request(&address, "GET", "https://other.example");
        assert_eq!(other.status, 403);
        assert_eq!(other.body, br#"{"code":4,"message":"Forbidden"}"#);
        assert_eq!(handle.sessions(), 0);
        assert_eq!(request(&address, "GET", "https://shop.example").status, 200);
    }
}
