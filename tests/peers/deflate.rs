//! DEFLATE against Node's zlib, and permessage-deflate against npm's `ws`.

use std::thread;

use sockets_by_hand::socketio;
use sockets_by_hand::ws::base64;
use sockets_by_hand::ws::deflate::deflate::Deflater;
use sockets_by_hand::ws::deflate::inflate::Inflater;
use sockets_by_hand::ws::permessage::Direction;
use sockets_by_hand::ws::{Client, Error, Message, Options, PerMessageDeflate, Server, Socket};

use super::node::Peer;
use crate::common::random::Random;

/// Text, pictures' bytes, noise, repetitions of every distance, and the sizes at which something changes.
fn corpora() -> Vec<Vec<u8>> {
    let mut random = Random(1);
    let source = include_bytes!("../../src/ws/deflate/inflate.rs");
    let mut corpora = vec![vec![], vec![7], source.to_vec(), vec![b'x'; 70_000]];
    corpora.push((0..=255).cycle().take(5000).collect());
    for (len, alphabet) in [(300, 2), (3000, 26), (40_000, 4), (70_000, 256)] {
        corpora.push(random.repetitive(len, alphabet));
    }
    corpora.push((0..20_000).map(|_| random.below(256) as u8).collect());
    corpora.push((0..20_000).map(|_| (random.below(16) * random.below(16)) as u8).collect());
    corpora
}

/// A job for `zlib.js`, and its answer.
fn zlib(peer: &mut Peer, job: &str) -> Vec<u8> {
    peer.say(job);
    let line = peer.line();
    base64::decode(&line).unwrap_or_else(|| panic!("{line}"))
}

/// A JSON array of pieces in base64.
fn list<T: AsRef<[u8]>>(pieces: &[T]) -> String {
    let pieces = pieces.iter().map(|piece| base64::encode(piece.as_ref()));
    format!("{:?}", pieces.collect::<Vec<_>>())
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn node_inflates_what_ours_deflates() {
    let mut node = Peer::node("zlib.js", &[]);
    for window in 9..=15 {
        for level in 0..=9 {
            let mut deflater = Deflater::new(window, level);
            let corpora = corpora();
            let deflated: Vec<_> = corpora.iter().map(|data| deflater.message(data)).collect();
            let pieces = list(&deflated);
            let job = format!(r#"{{"what":"inflate","windowBits":{window},"pieces":{pieces}}}"#);
            let inflated = zlib(&mut node, &job);
            assert!(inflated == corpora.concat(), "level {level}, window 2^{window}");
        }
    }
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn ours_inflates_what_node_deflates_at_every_level_with_every_strategy_and_window() {
    let mut node = Peer::node("zlib.js", &[]);
    for data in corpora() {
        let pieces = list(&[&data]);
        for setting in 0..10 * 5 * 7 {
            let (level, strategy, window) = (setting % 10, setting / 10 % 5, 9 + setting / 50);
            let job = format!(
                r#"{{"what":"deflate","level":{level},"strategy":{strategy},"windowBits":{window},
                    "flushes":[2],"pieces":{pieces}}}"#
            );
            let deflated = zlib(&mut node, &job.replace('\n', ""));
            let inflated = Inflater::new(1 << window).message(&deflated, data.len());
            assert!(inflated.unwrap() == data, "{job:.90}");
        }
    }
}

/// Z_PARTIAL_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH and Z_BLOCK, and a dictionary, which is to us an earlier message.
#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn ours_inflates_every_flush_mode_and_what_refers_to_a_dictionary() {
    const SYNC_FLUSH: usize = 2;
    let mut node = Peer::node("zlib.js", &[]);
    let mut random = Random(2);
    for _ in 0..300 {
        let data = random.repetitive(6000, 26);
        let (dictionary, data) = data.split_at(1 + random.below(3000));
        let pieces: Vec<&[u8]> = data.chunks(1 + random.below(2000)).collect();
        let mut flushes: Vec<usize> =
            pieces.iter().map(|_| [1, 2, 3, 5][random.below(4)]).collect();
        *flushes.last_mut().unwrap() = SYNC_FLUSH;
        let job = format!(
            r#"{{"what":"deflate","flushes":{flushes:?},"dictionary":"{}","pieces":{}}}"#,
            base64::encode(dictionary),
            list(&pieces)
        );
        let deflated = zlib(&mut node, &job);
        let mut inflater = Inflater::new(1 << 15);
        inflater.message(&Deflater::new(15, 0).message(dictionary), 1 << 20).unwrap();
        assert!(inflater.message(&deflated, data.len()).unwrap() == data, "{flushes:?}");
    }
}

// ---- npm's ws ----

/// In every combination: what the server and the client may do.
fn combinations() -> impl Iterator<Item = PerMessageDeflate> {
    (0..16).map(|i| {
        let direction = |takeover: usize, window: usize, bits| Direction {
            context_takeover: i & takeover == 0,
            max_window_bits: if i & window == 0 { 15 } else { bits },
        };
        let (server, client) = (direction(1, 4, 9), direction(2, 8, 10));
        PerMessageDeflate { threshold: 0, server, client, ..PerMessageDeflate::default() }
    })
}

/// Serves on a thread until the tests end, and returns the URL.
fn serve(options: Options) -> String {
    let server = Server::bind("127.0.0.1:0", options).unwrap();
    let url = format!("ws://{}/", server.address().unwrap());
    thread::spawn(|| server.serve(echo));
    url
}

/// Every other message in fragments.
fn echo(mut socket: Socket) -> Result<(), Error> {
    for size in [100, usize::MAX].into_iter().cycle() {
        let Some(message) = socket.read()? else { break };
        socket.send_fragmented(message, size)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn npms_client_and_our_server_agree_on_each_combination_of_parameters() {
    for ours in combinations() {
        let PerMessageDeflate { server, client, .. } = ours;
        let url = serve(Options { per_message_deflate: Some(ours), ..Options::default() });
        let peer = Peer::node("ws-deflate.js", &["client", &url]);
        for theirs in combinations() {
            let line = peer.line();
            let has = |parameter: &str, agreed: bool| {
                assert_eq!(line.contains(parameter), agreed, "{line}: {parameter}");
            };
            assert!(line.starts_with("compressed"), "{line}");
            let takeover = |a: Direction, b: Direction| a.context_takeover && b.context_takeover;
            has("server_no_context_takeover true", !takeover(server, theirs.server));
            has("client_no_context_takeover true", !takeover(client, theirs.client));
            let bits = |a: Direction, b: Direction| a.max_window_bits.min(b.max_window_bits);
            has("server_max_window_bits 9", bits(server, theirs.server) == 9);
            has("client_max_window_bits 10", bits(client, theirs.client) == 10);
        }
        assert_eq!(peer.finish(), ["plain"]); // the one that offered nothing
    }
}

/// In every combination, and `ws-server` as it is.
#[test]
#[ignore = "needs Chromium; .ci/run runs it"]
fn chromium_and_our_server_agree_on_each_combination_of_parameters() {
    let program = Peer::ours("ws-server", &["127.0.0.1:0"]);
    let line = program.line();
    let port = line.strip_prefix("Server listening on port ").expect(&line);
    let mut urls = vec![format!("ws://127.0.0.1:{port}/")];
    let mut agreed = vec![
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_string(),
    ];
    for ours in combinations() {
        let Direction { context_takeover, max_window_bits } = ours.server;
        let parameters = [
            (!context_takeover).then_some("server_no_context_takeover"),
            (!ours.client.context_takeover).then_some("client_no_context_takeover"),
            (max_window_bits == 9).then_some("server_max_window_bits=9"),
            (ours.client.max_window_bits == 10).then_some("client_max_window_bits=10"),
        ];
        let parameters = parameters.into_iter().flatten().map(|it| format!("; {it}"));
        agreed.push(format!("permessage-deflate{}", parameters.collect::<String>()));
        urls.push(serve(Options { per_message_deflate: Some(ours), ..Options::default() }));
    }
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let page = Peer::node("page-deflate.js", &urls);
    for agreed in agreed {
        assert_eq!(page.line(), format!("{agreed}: 0 changed"));
    }
    page.finish();
}

fn npm_server(options: &str) -> (Peer, String) {
    let peer = Peer::node("ws-deflate.js", &["server", options]);
    let url = format!("ws://127.0.0.1:{}/", peer.line());
    (peer, url)
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn our_client_and_npms_server_agree_on_each_combination_of_parameters() {
    let mut random = Random(3);
    for theirs in combinations() {
        let PerMessageDeflate { server, client, .. } = theirs;
        // (It refuses an offer of less than its options name.)
        let mut options = r#"{"threshold":1"#.to_string();
        for (name, side) in [("server", server), ("client", client)] {
            if !side.context_takeover {
                options += &format!(r#","{name}NoContextTakeover":true"#);
            }
            if side.max_window_bits < 15 {
                options += &format!(r#","{name}MaxWindowBits":{}"#, side.max_window_bits);
            }
        }
        options += "}";
        let (peer, url) = npm_server(&options);
        for ours in combinations() {
            let client = Client { per_message_deflate: Some(ours), ..Client::default() };
            let mut socket = client.connect(&url).unwrap_or_else(|e| panic!("{options}: {e}"));
            let offer = peer.line();
            assert!(offer.starts_with("permessage-deflate"), "{offer}");
            for len in [0, 1, 1500, 1500, 40_000] {
                let bytes = random.repetitive(len, 26);
                let text: String = bytes.iter().map(|byte| char::from(b'a' + byte)).collect();
                for message in [Message::Binary(bytes), Message::Text(text)] {
                    socket.send_fragmented(message.clone(), 1 + len / 2).unwrap();
                    assert!(
                        socket.read().unwrap() == Some(message),
                        "{len} bytes, {options}, {offer}"
                    );
                }
            }
            drop(socket);
            assert!(peer.line().starts_with("closed"));
        }
    }
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn what_cannot_be_inflated_gets_the_same_close_codes_from_ours_and_from_npms() {
    const ENDS: [&str; 6] = [
        "block of type 3: 1007",
        "lengths that differ: 1007",
        "distance too far: 1007",
        "text that is not UTF-8: 1007",
        "bomb: 1009",
        "bomb of text: 1009",
    ];
    let per_message_deflate = Some(PerMessageDeflate::default());
    let ours = serve(Options { per_message_deflate, max_payload: 100_000, ..Options::default() });
    let (_npms, npms) = npm_server("{}");
    for url in [ours, npms] {
        assert_eq!(Peer::node("ws-deflate.js", &["malformed", &url]).finish(), ENDS);
    }
}

// ---- Socket.IO ----

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn npms_socket_io_client_receives_compressed_packets_over_each_transport() {
    let mut options = socketio::Options::default();
    options.engine.per_message_deflate = Some(PerMessageDeflate::default());
    let server = socketio::Server::bind("127.0.0.1:0", options).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    let io = server.io();
    io.on_connection(|socket| {
        socket.on("echo", |event| event.ack(event.args.clone()));
    });
    thread::spawn(|| server.serve());
    let printed = Peer::node("sio-deflate.js", &[&url]).finish();
    assert_eq!(printed[0], "extensions: permessage-deflate");
    let expected = ["came back", "came back", "came back", "few bytes: true true"];
    assert_eq!(printed[1..5], expected);
    assert_eq!(printed[5..], ["null came back", "gzip came back"]);
}
