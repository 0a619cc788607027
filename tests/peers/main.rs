//! Our programs against Node's and npm's, in all pairings. These tests need Node.js, the packages of
//! `package.json`, and some of them Chromium or nginx, so `cargo test` ignores them; `.ci/run` runs them all.

#[path = "../common/mod.rs"]
mod common;

mod acks;
mod api;
mod browser;
mod deflate;
mod handshake;
mod listeners;
mod nginx;
mod node;
mod npm_client;
mod npm_engineio;
mod npm_namespaces;
mod npm_socketio;
mod npm_ws;
mod recovery;
mod redis;
mod redis_trouble;
mod wiretap;
mod wiretap_npm;

use node::Peer;

/// The document's conversation, word for word on both sides.
#[track_caller]
fn converse(server: &Peer, client: Peer) {
    let printed = [
        "Connected to server",
        "Received from server: Hello from server",
        "Disconnected from server",
    ];
    assert_eq!(client.finish(), printed);
    let printed =
        ["Client connected", "Received data from client: Hello from client", "Client disconnected"];
    assert_eq!(printed.map(|_| server.line()), printed);
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn ours_and_nodes_hold_the_documents_conversation_over_tcp() {
    let any = "127.0.0.1:0";
    for server in [Peer::ours("server", &[any]), Peer::node("net-server.js", &[any])] {
        let line = server.line();
        let port = line.strip_prefix("Server listening on port ").expect(&line);
        let address = format!("127.0.0.1:{port}");
        converse(&server, Peer::ours("client", &[&address]));
        converse(&server, Peer::node("net-client.js", &[&address]));
    }
}

#[cfg(unix)]
#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn ours_and_nodes_hold_the_documents_conversation_over_a_unix_socket() {
    let socket_path = |name| {
        let file = format!("{}-{name}.sock", std::process::id());
        std::env::temp_dir().join(file).to_str().unwrap().to_string()
    };
    let (ours, nodes) = (socket_path("ours"), socket_path("nodes"));
    let servers = [
        (&ours, Peer::ours("ipc-server", &[&ours])),
        (&nodes, Peer::node("net-server.js", &[&nodes])),
    ];
    for (path, server) in servers {
        assert_eq!(server.line(), format!("Server listening on {path}"));
        converse(&server, Peer::ours("ipc-client", &[path]));
        converse(&server, Peer::node("net-client.js", &[path]));
        drop(server);
        std::fs::remove_file(path).unwrap(); // a program that was killed leaves it
    }
}
