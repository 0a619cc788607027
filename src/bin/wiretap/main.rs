//! Stands between clients and a server, passes on each byte, and explains what it means. Chapter 03.

mod bytes;
mod entry;
mod explain;
mod frames;
mod http;
mod page;
#[allow(dead_code)] // its `arguments` are for programs without options
#[path = "../terminal/mod.rs"]
mod program;
mod socketio;
mod tap;
mod terminal;

use std::io::{self, ErrorKind, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::{thread, time::Duration};

use explain::Show;
use program::{fail, say};
use tap::tap;
use terminal::Terminal;

const USAGE: &str = "usage: wiretap [LISTEN [TARGET]] [--raw] [--page ADDRESS] \
                     (127.0.0.1:3001 and 127.0.0.1:3000 if left out)";

fn main() {
    let ([listen, target], raw, page) = arguments();
    entry::now(); // from here on time is counted
    let listener = TcpListener::bind(&listen).unwrap_or_else(|e| match e.kind() {
        ErrorKind::InvalidInput => fail(2, USAGE),
        _ => fail(1, &format!("cannot listen on {listen}: {e}")),
    });
    let listen = listener.local_addr().map_or(listen, |address| address.to_string());
    let page = page.map(|address| {
        page::serve(&*address)
            .unwrap_or_else(|e| fail(1, &format!("cannot serve the page on {address}: {e}")))
    });
    say(&format!("Listening on {listen} for {target}. It shows everything, passwords too."));
    if let Some(page) = &page {
        say(&format!("The page: http://{}/", page.address));
    }
    let terminal = Terminal::new(raw);
    let show: Arc<Show> = Arc::new(move |entry| {
        if let Some(page) = &page {
            page.show(entry);
        }
        terminal.show(entry);
    });
    for (connection, client) in (1..).zip(listener.incoming()) {
        let tapped =
            client.and_then(|client| tap(client, target.clone(), connection, show.clone()));
        if let Err(e) = tapped {
            // No descriptor or no thread for this client: wait until others have ended.
            _ = writeln!(io::stderr(), "Client not served: {e}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The two addresses, whether the bytes are shown too, and where the page is served, if it is.
fn arguments() -> ([String; 2], bool, Option<String>) {
    let (mut addresses, mut raw, mut page) = (Vec::new(), false, None);
    let mut arguments = program::all_arguments();
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--raw" => raw = true,
            "--page" => page = Some(arguments.next().unwrap_or_else(|| fail(2, USAGE))),
            _ => addresses.push(argument),
        }
    }
    let defaults = ["127.0.0.1:3001", "127.0.0.1:3000"];
    (program::without_options(addresses.into_iter(), USAGE, defaults), raw, page)
}
