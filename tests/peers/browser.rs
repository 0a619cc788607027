//! The page in a real browser: headless Chromium, driven by `page.js` with npm's playwright-core.

use super::node::Peer;
use super::npm_socketio::Host;

/// Drives the page of a server, which `start` starts twice on one address.
fn drive(start: impl Fn(&str) -> Peer) {
    // SCREENSHOTS may name a folder for pictures of the page.
    let folder = std::env::var("SCREENSHOTS").unwrap_or_default();
    let server = start("127.0.0.1:0");
    let line = server.line();
    let port = line.strip_prefix("Server listening on port ").expect(&line);
    let address = format!("127.0.0.1:{port}");

    let page = Peer::node("page.js", &[&format!("http://{address}/"), &folder]);
    assert_eq!(page.line(), "status: connected");
    assert_eq!(page.line(), "echo: Hello from the browser");

    drop(server);
    assert_eq!(page.line(), "status: no server");
    assert_eq!(page.line(), "the button is disabled: true");

    let _server = start(&address);
    assert_eq!(page.line(), "status: connected");
    assert_eq!(page.line(), "echo: 안녕하세요, again");
    assert_eq!(
        page.finish(),
        [
            "echo: a line that is longer than any phone is wide",
            "of 360 pixels it takes 360",
            "status, last line and button are in view: true,true,true",
        ]
    );
}

#[test]
#[ignore = "needs Chromium; .ci/run runs it"]
fn the_page_echoes_and_shows_that_our_server_ended_and_restarted() {
    drive(|address| Peer::ours("ws-server", &[address]));
}

#[test]
#[ignore = "needs Chromium; .ci/run runs it"]
fn the_page_does_the_same_with_npms_server() {
    drive(|address| Peer::node("ws-page.js", &[address]));
}

/// Drives the page of our chat in two tabs, and restarts its server.
#[test]
#[ignore = "needs Chromium; .ci/run runs it"]
fn the_chats_page_receives_its_room_and_rejoins_it_after_reconnecting() {
    let folder = std::env::var("SCREENSHOTS").unwrap_or_default();
    let server = Peer::ours("socketio-server", &["127.0.0.1:0"]);
    let line = server.line();
    let port = line.strip_prefix("Server listening on port ").expect(&line);
    let address = format!("127.0.0.1:{port}");

    let tabs = Peer::node("chat.js", &[&format!("http://{address}/"), &folder]);
    let sees = |lines: &[&str]| lines.iter().for_each(|line| assert_eq!(tabs.line(), *line));
    sees(&["Ann: connected", "Bob: connected"]);
    sees(&["Ann: in the room tea", "Bob: in the room news", "Bob: in no room"]);
    sees(&["Ann received: The water boils, Hello, all rooms"]);
    sees(&["Bob received: It rains, Hello, all rooms"]);
    sees(&["Bob: in the room news"]);

    drop(server);
    sees(&["Ann: no server", "Bob: no server", "the buttons are disabled: true, true"]);

    let _server = Peer::ours("socketio-server", &[&address]);
    sees(&["Ann: in the room coffee", "Bob: in the room news"]);
    sees(&["Ann received: 안녕하세요, coffee", "Bob received: It has stopped"]);
    assert_eq!(
        tabs.finish(),
        ["of 360 pixels it takes 360", "all parts are in view: true,true,true,true,true"]
    );
}

/// Drives a page with the official client, against servers that `start` starts.
fn drive_socketio(start: impl Fn(&str, &str) -> Host) {
    let any = "127.0.0.1:0";
    let same_origin = start(any, r#"{"perMessageDeflate": true}"#);
    let url = same_origin.url().to_string();
    let cors = format!(r#"{{"cors": {{"origin": ["{url}"], "credentials": true}}}}"#);
    let (allowing, refusing) = (start(any, &cors), start(any, "{}"));
    let page = Peer::node("sio-page.js", &[&url, allowing.url(), refusing.url()]);
    for line in [
        "connected by polling",
        "upgraded to websocket",
        "echo [1,\"안녕\"], answered [1,\"안녕\"]",
        "bytes: ArrayBuffer 1,2,3 and ArrayBuffer 255",
        "extension: permessage-deflate",
        "long text: true true, compressed: true",
        "another origin, polling: connected",
        "another origin, websocket: connected",
        "another origin, by upgrade: websocket",
        "an origin that is not allowed, polling: xhr poll error",
        "an origin that is not allowed, websocket: connected",
        "disconnected: transport close",
    ] {
        assert_eq!(page.line(), line);
    }
    same_origin.ended();
    assert_eq!(page.line(), "no server");
    let _same_origin = start(url.strip_prefix("http://").unwrap(), "{}");
    assert_eq!(page.line(), "connected again");
    assert_eq!(page.finish(), ["echoes of what was emitted while disconnected: 1,2,3"]);
}

#[test]
#[ignore = "needs Chromium; .ci/run runs it"]
fn the_official_client_in_a_browser_uses_our_server_and_reconnects() {
    drive_socketio(Host::ours);
}

#[test]
#[ignore = "needs Chromium; .ci/run runs it"]
fn the_official_client_in_a_browser_does_the_same_with_npms_server() {
    drive_socketio(Host::npms);
}
