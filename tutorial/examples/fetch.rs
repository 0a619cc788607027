//! Sends one request to `pages`, and prints the status code and the body of the response. Chapter 11.

use std::time::{Duration, Instant};

use sockets_by_hand::http::{ClientConnection, Error, Request, Url};

fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let url = Url::parse(&format!("http://{address}"))?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut connection = ClientConnection::open(&url, deadline)?;
    let mut request = Request::new("GET", "/hello?name=Ada");
    request.headers.push("Host", &url.authority);
    let response = connection.request(&request, b"", 1024)?; // a body of at most 1024 bytes
    print!("{} {}", response.status, String::from_utf8_lossy(&response.body));
    Ok(())
}
