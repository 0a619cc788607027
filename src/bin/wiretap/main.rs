//! Stands between clients and a server, passes on each byte, and explains what it means. Chapter 03.

mod bytes;
mod entry;
mod explain;
mod frames;
mod http;
mod page;
#[allow(dead_code)] // its `arguments` knows no options
#[path = "../terminal/mod.rs"]
mod program;
mod socketio;
mod tap;
mod terminal;

use std::io::{self, ErrorKind, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::{env, process::exit, thread, time::Duration};

use explain::Show;
use program::{fail, say};
use tap::tap;
use terminal::Terminal;

const USAGE: &str = "usage: wiretap [LISTEN [TARGET]] [--raw] [--page ADDRESS] \
                     (127.0.0.1:3001 and 127.0.0.1:3000 if left out)";

/// What the arguments say.
struct Arguments {
    listen: String,
    target: String,
    raw: bool,
    /// Where the page is served, if there is one.
    page: Option<String>,
}

fn main() {
    let Arguments { listen, target, raw, page } = arguments();
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

/// The program's arguments. `--help` prints how it is used; what is not known exits with 2.
fn arguments() -> Arguments {
    let (mut addresses, mut raw, mut page) = (Vec::new(), false, None);
    let mut arguments = env::args_os().skip(1).map(|it| it.into_string().unwrap_or_default());
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--help" => {
                say(USAGE);
                exit(0);
            }
            "--raw" => raw = true,
            "--page" => page = Some(arguments.next().unwrap_or_else(|| fail(2, USAGE))),
            address if address.is_empty() || address.starts_with('-') => fail(2, USAGE),
            address => addresses.push(address.to_string()),
        }
    }
    let mut addresses = addresses.into_iter();
    let mut next = |default: &str| addresses.next().unwrap_or(default.to_string());
    let (listen, target) = (next("127.0.0.1:3001"), next("127.0.0.1:3000"));
    if addresses.next().is_some() {
        fail(2, USAGE);
    }
    Arguments { listen, target, raw, page }
}
