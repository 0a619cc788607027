//! The wiretap between npm's Socket.IO client and npm's server.

use super::node::Peer;

#[test]
#[ignore = "needs Node.js and npm's packages; .ci/run runs it"]
fn npms_client_talks_to_npms_server_through_the_wiretap() {
    let server = Peer::node("sio-server.js", &["0"]);
    let target = format!("127.0.0.1:{}", server.line());
    let wiretap = Peer::ours("wiretap", &["127.0.0.1:0", &target]);
    let address = wiretap.line().split(' ').nth(2).unwrap().to_string();
    let client = Peer::node("sio-picture.js", &[&address]);
    assert_eq!(client.finish(), ["cat.png <Buffer 89 50 4e 47>"]);
    // Of two connections, either may be explained first.
    let values = r#", namespace /, id 0: "cat.png", {"picture":"<4 bytes: 89 50 4e 47>"}"#;
    let mut missing = vec![r#"→       socket.io event "echo""#, "←       socket.io ack"];
    while !missing.is_empty() {
        let line = wiretap.line();
        missing.retain(|packet| !line.ends_with(&format!("{packet}{values}")));
    }
}
