//! A small web server: one page, `/hello`, and many requests on one connection. Chapter 11.

use std::io::{self, BufReader, Write};
use std::time::Instant;

use sockets_by_hand::http::{DeadlineReader, Error, HEAD_TIME, Request, Response};
use sockets_by_hand::net::{Options, Server, Stream};

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let server = Server::bind(&addr, Options::default())?;
    println!("Server listening on {addr}");
    server.serve(serve);
    Ok(())
}

fn answer(request: &Request) -> Response {
    match request.path() {
        "/hello" => {
            let name = request.query("name").unwrap_or("world".into());
            Response::text(200, &format!("Hello, {name}\n"))
        }
        _ => Response::text(404, "Nothing here\n"),
    }
}

/// One client, from its first request to its last.
fn serve(stream: Stream) -> io::Result<()> {
    let mut writer = stream.clone();
    let mut reader = DeadlineReader::buffered(stream);
    loop {
        let request = match next(&mut reader) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(e) => return refuse(writer, e),
        };
        let response = answer(&request);
        let head_only = request.method == "HEAD";
        writer.write_all(&if head_only { response.encode_head() } else { response.encode() })?;
        if !request.keep_alive() {
            return Ok(());
        }
    }
}

/// The next request. Its body is not used, but it must be read: the next head is behind it.
fn next(reader: &mut BufReader<DeadlineReader>) -> Result<Option<Request>, Error> {
    reader.get_mut().deadline = Some(Instant::now() + HEAD_TIME);
    let Some(request) = Request::read(reader)? else { return Ok(None) };
    request.body(reader, 1000)?;
    Ok(Some(request))
}

/// Sends the response to a request that was refused. The connection ends after it.
fn refuse(mut writer: Stream, e: Error) -> io::Result<()> {
    let Some(status) = e.status() else { return Err(e.into()) };
    let mut response = Response::text(status, &format!("{e}\n"));
    response.headers.push("Connection", "close");
    writer.write_all(&response.encode())
}
