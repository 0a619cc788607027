//! Ours against the originals, in all pairings. They need Node.js and what `package.json` asks npm
//! for, so `cargo test` leaves these tests out; `.ci/run` runs them all.

mod browser;
mod node;
mod npm_client;
mod npm_socketio;
mod npm_ws;

use node::Peer;

/// The document's conversation, word for word on both sides.
#[track_caller]
fn converse(server: &Peer, client: Peer) {
    let heard = [
        "Connected to server",
        "Received from server: Hello from server",
        "Disconnected from server",
    ];
    assert_eq!(client.finish(), heard);
    let heard =
        ["Client connected", "Received data from client: Hello from client", "Client disconnected"];
    assert_eq!(heard.map(|_| server.line()), heard);
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
    let place = |name| {
        let file = format!("{}-{name}.sock", std::process::id());
        std::env::temp_dir().join(file).to_str().unwrap().to_string()
    };
    let (ours, nodes) = (place("ours"), place("nodes"));
    let servers = [
        (&ours, Peer::ours("ipc-server", &[&ours])),
        (&nodes, Peer::node("net-server.js", &[&nodes])),
    ];
    for (path, server) in servers {
        assert_eq!(server.line(), format!("Server listening on {path}"));
        converse(&server, Peer::ours("ipc-client", &[path]));
        converse(&server, Peer::node("net-client.js", &[path]));
        drop(server);
        std::fs::remove_file(path).unwrap(); // a program that is killed leaves it
    }
}
