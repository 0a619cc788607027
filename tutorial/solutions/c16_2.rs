//! Chapter 16, exercise 2: pages of two origins.
//!
//! A page from elsewhere gets the same answer, without `Access-Control-Allow-Origin`. It is the
//! *browser* that then keeps the answer from the page. The server has made a session all the same, of
//! which nobody will ever know the ticket. So CORS protects the users of browsers. It is no lock: a
//! program that is no browser reads what it likes. `allow_request` can refuse before a session is made.

use sockets_by_hand::engineio::{Cors, Options};

fn for_the_shop() -> Options {
    let origins = vec!["https://shop.example".to_string()];
    Options { cors: Some(Cors { origins, credentials: false }), ..Options::default() }
}

/// The same, and whoever says that they come from elsewhere gets no session.
fn for_the_shop_alone() -> Options {
    let mut options = for_the_shop();
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

    fn ask(address: &str, method: &str, origin: &str) -> Response {
        let mut line = BufReader::new(Stream::connect(address).unwrap());
        let mut request = Request::new(method, "/socket.io/?EIO=4&transport=polling");
        request.headers.push("Host", address);
        request.headers.push("Origin", origin);
        line.get_mut().write_all(&request.encode(b"")).unwrap();
        Response::read(&mut line, 1000).unwrap()
    }

    #[test]
    fn the_shop_may_read_the_answer_and_a_page_from_elsewhere_may_not() {
        let (address, handle) = serve(for_the_shop());
        let shop = ask(&address, "GET", "https://shop.example");
        let allowed = shop.headers.get("access-control-allow-origin");
        assert_eq!((shop.status, allowed), (200, Some("https://shop.example")));

        let other = ask(&address, "GET", "https://shop.example.evil.example");
        let allowed = other.headers.get("access-control-allow-origin");
        assert_eq!((other.status, allowed), (200, None));
        assert_eq!(handle.sessions(), 2); // both have one, whoever may read about it
    }

    #[test]
    fn a_browser_that_asks_beforehand_makes_no_session() {
        let (address, handle) = serve(for_the_shop());
        assert_eq!(ask(&address, "OPTIONS", "https://shop.example").status, 204);
        assert_eq!(handle.sessions(), 0);
    }

    #[test]
    fn whoever_is_refused_has_no_session() {
        let (address, handle) = serve(for_the_shop_alone());
        let other = ask(&address, "GET", "https://elsewhere.example");
        assert_eq!(other.status, 403);
        assert_eq!(other.body, br#"{"code":4,"message":"Forbidden"}"#);
        assert_eq!(handle.sessions(), 0);
        assert_eq!(ask(&address, "GET", "https://shop.example").status, 200);
    }
}
