//! The page of the wiretap in a real browser: headless Chromium, driven by `wiretap.js`.

use sockets_by_hand::socketio::{Client, ClientOptions};

use super::node::Peer;

/// A wiretap, with the addresses at which it listens and serves its page.
struct Wiretap {
    address: String,
    page: String,
    _program: Peer,
}

impl Wiretap {
    fn start(address: &str, target: &str, page: &str) -> Wiretap {
        let program = Peer::ours("wiretap", &[address, target, "--page", page]);
        let address = program.line().split(' ').nth(2).unwrap().to_string();
        let page = program.line().replace("The page: http://", "").replace('/', "");
        Wiretap { address, page, _program: program }
    }

    /// Connects to our chat through it, over a WebSocket, and gets a text back.
    fn echo(&self, text: &str) {
        let mut options = ClientOptions::default();
        options.engine.transports = vec!["websocket"];
        let url = format!("http://{}/", self.address);
        let client = Client::connect_with(&url, options).unwrap();
        assert_eq!(client.emit_with_ack("echo", text).unwrap()[0], text);
        client.close();
    }
}

#[test]
#[ignore = "needs Chromium; .ci/run runs it"]
fn the_wiretaps_page_shows_a_conversation_as_a_sequence_diagram() {
    let folder = std::env::var("SCREENSHOTS").unwrap_or_default();
    let server = Peer::ours("socketio-server", &["127.0.0.1:0"]);
    let line = server.line();
    let port = line.strip_prefix("Server listening on port ").expect(&line);
    let target = format!("127.0.0.1:{port}");
    let wiretap = Wiretap::start("127.0.0.1:0", &target, "127.0.0.1:0");

    let page = Peer::node("wiretap.js", &[&format!("http://{}/", wiretap.page), &folder]);
    let sees = |lines: &[&str]| lines.iter().for_each(|line| assert_eq!(page.line(), *line));
    sees(&["listening", "Nothing yet. Connect a client to the wiretap."]);

    wiretap.echo("<img src=x onerror=alert(1)>");
    sees(&["a text of the wire is text, and no image", "lanes: connection 1"]);
    sees(&["one arrow: WebSocket,Engine.IO,Socket.IO"]);
    sees(&["the head of a frame in bits: 1,000,0001,0,0100011"]);
    sees(&["a click opens it, with its bytes", "Escape closes it, and the focus is on it"]);
    sees(&["ArrowUp moves up, and Enter opens", "while one is open, ArrowDown opens the next"]);
    sees(&["the filter hides what does not match: Nothing matches the filter."]);
    sees(&["only the server: 0 arrows from the client"]);

    sees(&["paused"]);
    wiretap.echo("while it is paused");
    sees(&["another page shows it, this one does not", "not paused: it shows it"]);
    sees(&["lanes: connection 1,connection 2", "chosen: connection 2", "lanes: all connections"]);
    sees(&["of 360 pixels it takes 360", "cleared"]);

    let Wiretap { address, page: page_address, _program } = wiretap;
    drop(_program);
    sees(&["no wiretap"]);
    let wiretap = Wiretap::start(&address, &target, &page_address);
    sees(&["listening"]);
    wiretap.echo("after a restart");
    sees(&["it shows what the new wiretap hears"]);
    assert!(page.finish().is_empty());
}
