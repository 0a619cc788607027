//! The page of Socket.IO's API against what npm's packages export; and a program that uses much of it,
//! twice: with the library, and with npm's.

use std::{collections::BTreeSet, fs};

use super::node::Peer;

#[path = "../suite/book/api.rs"]
mod page;

#[test]
#[ignore = "needs Node.js and npm's packages; .ci/run runs it"]
fn the_page_of_the_api_has_every_name_that_npms_packages_export() {
    let exported: BTreeSet<String> = Peer::node("api.js", &[]).finish().into_iter().collect();
    let named = page::names(&fs::read_to_string(page::PAGE).unwrap());
    let missing: Vec<_> = exported.difference(&named).collect();
    let unknown: Vec<_> = named.difference(&exported).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}\nunknown: {unknown:?}");
}

#[test]
#[ignore = "needs Node.js and npm's packages; .ci/run runs it"]
fn the_whiteboard_is_the_same_with_the_library_and_with_npms() {
    let observed = |server: Peer| {
        let line = server.line();
        let port = line.strip_prefix("Whiteboard on port ").expect(&line);
        let url = format!("http://127.0.0.1:{port}");
        Peer::node("whiteboard-client.js", &[&url]).finish()
    };
    let expected = observed(Peer::node("whiteboard-server.js", &["0"]));
    assert_eq!(expected.len(), 17, "{expected:?}");
    assert_eq!(observed(Peer::example("whiteboard", &["0"])), expected);
}
