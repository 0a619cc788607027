//! Chapter 11, exercise 2: a page, and a 404.
//!
//! The page is part of the program. A server that opened whichever file the path names would soon
//! be asked for `/../../etc/passwd`.

use sockets_by_hand::http::{Request, Response};

const PAGE: &str = "<!doctype html><title>Hello</title><h1>Hello from server</h1>\n";

fn answer(request: &Request) -> Response {
    if request.method != "GET" && request.method != "HEAD" {
        let mut response = Response::text(405, "This can only be read\n");
        response.headers.push("Allow", "GET, HEAD");
        return response;
    }
    if request.path() != "/" {
        return Response::text(404, "Nothing here\n");
    }
    let mut response = Response::new(200);
    response.headers.push("Content-Type", "text/html; charset=utf-8");
    response.body = PAGE.into();
    response
}

#[test]
fn only_the_root_path_has_a_page() {
    for (method, target, status) in [
        ("GET", "/", 200),
        ("GET", "/?from=mail", 200),
        ("HEAD", "/", 200),
        ("GET", "/favicon.ico", 404),
        ("GET", "/../../etc/passwd", 404),
        ("POST", "/", 405),
    ] {
        let response = answer(&Request::new(method, target));
        assert_eq!(response.status, status, "{method} {target}");
        assert_eq!(response.body == PAGE.as_bytes(), status == 200);
        assert_eq!(response.headers.get("Allow").is_some(), status == 405);
    }
}
