//! npm's `socket.io-client` as a client of ours. Each conversation is held with npm's own server too,
//! and both must be heard to say the same.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use sockets_by_hand::engineio::Cors;
use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::json;
use sockets_by_hand::socketio::{ConnectError, Event, Namespace, Options, Server, Socket, Value};

use super::node::{LIMIT, Peer};

const NEW: &str = "socket.io-client";
const OLD: &str = "socket.io-client-4.0";

const UPGRADE: &str = "polling,websocket";
const TRANSPORTS: [&str; 3] = ["polling", "websocket", UPGRADE];

/// A server of ours, or npm's, that does what `sio-host.js` says.
pub enum Host {
    Ours(String, Receiver<String>, Receiver<()>),
    Npms(String, Peer),
}

impl Host {
    /// Both, with the same options, which are npm's.
    fn both(options: &str) -> [Host; 2] {
        [Host::ours, Host::npms].map(|start| start("127.0.0.1:0", options))
    }

    pub fn npms(address: &str, options: &str) -> Host {
        let peer = Peer::node("sio-host.js", &[address, options]);
        Host::Npms(url(&peer), peer)
    }

    /// It runs until a client closes it, or the tests have ended.
    pub fn ours(address: &str, options: &str) -> Host {
        let (say, lines) = mpsc::channel();
        let say = move |line: String| _ = say.send(line);
        let server = Server::bind(address, translate(options)).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let (io, handle) = (server.io(), server.handle());
        for name in ["/", "/news", "/이름 with spaces?x=1", "/locked"] {
            let (say, handle) = (say.clone(), handle.clone());
            io.of(name).on_connection(move |socket| {
                attend(&socket, say.clone());
                let handle = handle.clone();
                socket.on("close the house", move |_| handle.close());
            });
        }
        lock(&io.of("/locked"));
        let (done, end) = mpsc::channel();
        thread::spawn(move || {
            server.serve();
            _ = done.send(());
        });
        Host::Ours(url, lines, end)
    }

    pub fn url(&self) -> &str {
        match self {
            Host::Ours(url, ..) | Host::Npms(url, _) => url,
        }
    }

    /// Waits until it has ended, after a client has closed it.
    pub fn ended(self) {
        match self {
            Host::Ours(_, _, end) => end.recv_timeout(LIMIT).unwrap(),
            Host::Npms(_, peer) => _ = peer.finish(),
        }
    }

    /// The next line that the server said.
    #[track_caller]
    fn line(&self) -> String {
        match self {
            Host::Ours(_, lines, _) => lines.recv_timeout(LIMIT).unwrap(),
            Host::Npms(_, peer) => peer.line(),
        }
    }

    /// What a client saw that did this, over these transports.
    #[track_caller]
    fn tell(&self, module: &str, transports: &str, what: &[&str]) -> Vec<String> {
        let mut heard = client(self.url(), module, transports, what).finish();
        assert_eq!(heard.pop().as_deref(), Some("done"), "{heard:?}");
        assert!(!heard.iter().any(|line| line.starts_with("error:")), "{heard:?}");
        heard
    }
}

fn client(url: &str, module: &str, transports: &str, what: &[&str]) -> Peer {
    Peer::node("sio-client.js", &[&[url, module, transports], what].concat())
}

fn url(server: &Peer) -> String {
    let line = server.line();
    let port = line.strip_prefix("Server listening on port ").expect(&line);
    format!("http://127.0.0.1:{port}")
}

/// npm's options, as ours.
fn translate(npms: &str) -> Options {
    let npms = Value::parse(npms).unwrap();
    let mut options = Options::default();
    let engine = &mut options.engine;
    engine.page = Box::new(page);
    let time = |name: &str| npms[name].as_f64().map(|ms| Duration::from_millis(ms as u64));
    engine.ping_interval = time("pingInterval").unwrap_or(engine.ping_interval);
    engine.ping_timeout = time("pingTimeout").unwrap_or(engine.ping_timeout);
    options.connect_timeout = time("connectTimeout").unwrap_or(options.connect_timeout);
    if let Some(size) = npms["maxHttpBufferSize"].as_f64() {
        engine.max_payload = size as usize;
    }
    if let Some(cors) = npms.get("cors") {
        let origins = cors["origin"].as_array().unwrap();
        let origins = origins.iter().map(|origin| origin.as_str().unwrap().to_string()).collect();
        let credentials = cors["credentials"].as_bool().unwrap_or_default();
        engine.cors = Some(Cors { origins, credentials });
    }
    options
}

/// A page with the official client in it.
fn page(request: &Request) -> Response {
    const BUNDLE: &str = "tests/peers/node_modules/socket.io-client/dist/socket.io.min.js";
    match request.path() {
        "/" => Response::html(r#"<!doctype html><script src="/client.js"></script>"#),
        "/client.js" => Response::text(200, &std::fs::read_to_string(BUNDLE).unwrap()),
        _ => Response::text(404, ""),
    }
}

fn texts(values: &[Value]) -> Vec<&str> {
    values.iter().filter_map(Value::as_str).collect()
}

fn attend(socket: &Socket, say: impl Fn(String) + Clone + Send + Sync + 'static) {
    socket.on("echo", |event| {
        event.socket.emit("heard", &event.args);
        event.ack(&event.args);
        event.ack(["a second answer, which nobody should get".into()]);
    });
    socket.on("1", |event| event.ack(&event.args));
    let also = say.clone();
    socket.on("ask", move |event| {
        let (socket, say) = (event.socket.clone(), also.clone());
        let limit = Duration::from_millis(event.args[0].as_f64().unwrap() as u64);
        event.socket.emit_with_ack(
            "question",
            &event.args[1..],
            limit,
            move |answer| match answer {
                Ok(values) => socket.emit("answered", values),
                Err(why) => say(format!("no answer: {why}")),
            },
        );
    });
    socket.on("join", |event| {
        let id = event.socket.id();
        texts(&event.args).iter().for_each(|room| event.socket.join(room));
        let mut rooms = event.socket.rooms();
        let own = rooms.iter().any(|room| room == id);
        rooms.retain(|room| room != id);
        rooms.sort();
        event.ack([rooms.into(), own.into()]);
    });
    socket.on("leave", |event| {
        texts(&event.args).iter().for_each(|room| event.socket.leave(room));
        event.ack([]);
    });
    socket.on("tell", |event| {
        let [whom, rooms, text] = &event.args[..] else { return };
        let mut whom = match whom.as_str() {
            Some("io") => event.socket.namespace().everyone(),
            _ => event.socket.broadcast(),
        };
        for room in texts(rooms["to"].as_array().unwrap_or_default()) {
            whom = whom.to(room);
        }
        for room in texts(rooms["except"].as_array().unwrap_or_default()) {
            whom = whom.except(room);
        }
        whom.emit("said", [text.clone()]);
    });
    socket.on("say", |event| event.socket.namespace().emit("said", &event.args));
    socket.on("tick", |event| event.socket.emit_volatile("tick", [1.into()]));
    socket.on("who am I?", who);
    socket.on("count", |event| {
        let (socket, numbers) = (event.socket.clone(), event.args[0].as_f64().unwrap() as u32);
        thread::spawn(move || {
            for i in 0..numbers {
                socket.emit("number", [i.into()]);
                if i % 10 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
    });
    socket.on("throw me out", |event| event.socket.disconnect(event.args[0] == true.into()));
    socket.on("throw me out, with words", |event| {
        for word in [1.into(), Value::Binary(b"2".to_vec()), 3.into()] {
            event.socket.emit("word", [word]);
        }
        event.socket.disconnect(true);
    });
    socket.on("throw everybody out", |event| {
        let room = event.args[0].as_str().unwrap();
        event.socket.namespace().to(room).disconnect_sockets(true);
    });
    let also = say.clone();
    socket.on("disconnecting", move |event| {
        let socket = &event.socket;
        also(format!("{} still in {} rooms", socket.namespace().name(), socket.rooms().len()));
    });
    socket.on("disconnect", move |event| {
        let reason = event.args[0].as_str().unwrap();
        say(format!("{} {reason}", event.socket.namespace().name()));
    });
}

fn who(event: &Event) {
    let handshake = event.socket.handshake();
    let query = |name| handshake.request.query(name).map(|value| (name.to_string(), value.into()));
    let query = ["EIO", "transport", "room"].into_iter().filter_map(query).collect();
    let flavour = handshake.request.headers.get("x-flavour").map(Value::from);
    let (auth, data) = (handshake.auth.clone(), event.socket.data());
    event.ack([Value::Object(query), flavour.into(), auth, data]);
}

fn lock(namespace: &Namespace) {
    namespace.use_middleware(|socket| {
        let password = socket.handshake().auth["password"].clone();
        let Some(word) = password.as_str() else { return Err("Who are you?".into()) };
        socket.set_data(json!({"password": word}));
        if word == "Sesame" {
            return Ok(());
        }
        let data = Some(json!({"given": word, "hints": ["seeds", null]}));
        Err(ConnectError { message: "Wrong password".to_string(), data })
    });
}

/// What a client sees that does this is the same with both servers, over all transports.
#[track_caller]
fn alike(module: &str, options: &str, what: &[&str]) {
    let [ours, npms] = Host::both(options);
    for transports in TRANSPORTS {
        let expected = npms.tell(module, transports, what);
        assert_eq!(ours.tell(module, transports, what), expected, "{what:?} over {transports}");
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn a_burst_on_connection_arrives_over_each_transport_and_through_an_upgrade() {
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    server.io().on_connection(|socket| {
        (0..5_000).for_each(|i| socket.emit("stroke", [json!(i), json!("x".repeat(300))]));
        (0..5).for_each(|_| socket.emit("image", [Value::Binary(vec![7; 400_000])]));
    });
    thread::spawn(|| server.serve());
    for module in [NEW, OLD] {
        for transports in TRANSPORTS {
            let heard = client(&url, module, transports, &["burst"]).finish();
            let all = "5000 in order: true images: [ 400000, 400000, 400000, 400000, 400000 ]";
            assert_eq!(heard, [all, "done"], "{module} {transports}");
        }
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn values_come_back_as_from_npms_server() {
    alike(NEW, "{}", &["values"]);
    alike(OLD, "{}", &["values"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn bytes_come_back_from_wherever_they_were_among_the_values() {
    alike(NEW, "{}", &["binary"]);
    alike(OLD, "{}", &["binary"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn both_ends_get_answers_or_know_that_none_came_in_time() {
    let [ours, npms] = Host::both("{}");
    for transports in TRANSPORTS {
        let expected = npms.tell(NEW, transports, &["acks"]);
        assert_eq!(ours.tell(NEW, transports, &["acks"]), expected, "{transports}");
        assert_eq!(ours.line(), "no answer: operation has timed out");
        assert_eq!(ours.line(), "/ still in 1 rooms");
        assert_eq!(ours.line(), "/ client namespace disconnect");
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn several_namespaces_share_a_connection_and_a_doorkeeper_says_why_not() {
    alike(NEW, "{}", &["namespaces"]);
    alike(OLD, "{}", &["namespaces"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn who_is_in_a_room_hears_what_is_said_there_and_nobody_else() {
    alike(NEW, "{}", &["rooms"]);
    alike(OLD, "{}", &["rooms"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn a_hundred_npm_clients_hear_what_is_said_in_their_room() {
    let host = Host::ours("127.0.0.1:0", "{}");
    for transports in TRANSPORTS {
        let heard = host.tell(NEW, transports, &["crowd", "100"]);
        assert_eq!(heard, ["ids: 100", "100 heard the news", "99 heard more"]);
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn listeners_for_any_event_and_volatile_events_do_as_with_npms_server() {
    for module in [NEW, OLD] {
        alike(module, "{}", &["any"]);
        alike(module, "{}", &["volatile"]);
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn an_event_may_be_as_long_as_max_payload_and_not_a_byte_longer() {
    let small = r#"{"maxHttpBufferSize": 2001}"#;
    for module in [NEW, OLD] {
        alike(module, small, &["large", "2001"]);
        alike(module, small, &["large bytes", "2001"]);
    }
    alike(NEW, "{}", &["large", "1000000"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn events_both_ways_all_through_an_upgrade_arrive_once_and_in_order() {
    let [ours, npms] = Host::both("{}");
    for module in [NEW, OLD] {
        let heard = ours.tell(module, UPGRADE, &["flood"]);
        assert_eq!(heard[0], "from polling to websocket");
        assert_eq!(heard, npms.tell(module, UPGRADE, &["flood"]));
        assert_eq!(heard[1], "the server counted to 1000 in order: true");
        assert_eq!(heard[2], "all came back: true in order: true");
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn query_headers_and_auth_reach_the_server() {
    alike(NEW, "{}", &["handshake"]);
    alike(OLD, "{}", &["handshake"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn requests_that_make_no_sense_are_refused_in_the_same_words() {
    alike(NEW, "{}", &["wrong path"]);
    alike(NEW, "{}", &["wrong version"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn browsers_are_told_the_same_of_other_origins() {
    // (By itself npm's would name methods that nobody needs here.)
    let some = r#"{"cors": {"origin": ["http://good.example"], "credentials": true, "methods": ["GET", "POST"]}}"#;
    let all = r#"{"cors": {"origin": ["*"]}}"#;
    alike(NEW, some, &["cors"]);
    let star = Host::ours("127.0.0.1:0", all).tell(NEW, UPGRADE, &["cors"]);
    assert_eq!(star[1], "  access-control-allow-origin *");
}

/// What client and server see of an end is what they see with npm's server.
#[track_caller]
fn end_alike(options: &str, module: &str, transports: &str, what: &[&str]) {
    let hosts = Host::both(options);
    let [ours, npms] = hosts.map(|host| {
        let mut heard = host.tell(module, transports, what);
        heard.extend([host.line(), host.line()]);
        heard
    });
    assert_eq!(ours, npms, "{what:?} over {transports}");
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn both_ends_know_who_has_ended_it_and_how() {
    for transports in TRANSPORTS {
        for what in
            ["leaves", "the engine leaves", "is thrown out", "hears the last words", "door slams"]
        {
            end_alike("{}", NEW, transports, &[what]);
        }
        end_alike("{}", NEW, transports, &["is thrown out", "closed"]);
        end_alike("{}", OLD, transports, &["is thrown out"]);
    }
    for transports in ["websocket", UPGRADE] {
        end_alike("{}", NEW, transports, &["sees the house close"]);
    }
    // (npm's server forgets those who poll: they get an error, and it a timeout.)
    let ours = Host::ours("127.0.0.1:0", "{}");
    let heard = ours.tell(NEW, "polling", &["sees the house close"]);
    assert_eq!(heard, ["transport close true"]);
    assert_eq!([ours.line(), ours.line()], ["/ still in 1 rooms", "/ server shutting down"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn both_ends_notice_when_the_line_goes_quiet() {
    let pings = r#"{"pingInterval": 300, "pingTimeout": 5000}"#;
    for transports in TRANSPORTS {
        end_alike(pings, NEW, transports, &["line goes quiet", "2000"]);
    }
}

/// A client whose server is stopped and started again, on the same port.
#[track_caller]
fn come_back(module: &str, transports: &str, start: impl Fn(&str) -> Peer) {
    let server = start("127.0.0.1:0");
    let url = url(&server);
    let client = client(&url, module, transports, &["comeback"]);
    assert_eq!(client.line(), "connected");
    drop(server);
    let gone = client.line();
    assert!(["transport close true", "transport error true"].contains(&&*gone), "{gone}");
    assert_eq!(client.line(), "gone");
    let _server = start(url.strip_prefix("http://").unwrap());
    assert_eq!(client.line(), "back [ 'an answer after all' ]");
    assert_eq!(client.finish(), ["100 once and in order: true", "done"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn what_was_emitted_while_the_server_was_away_arrives_once_and_in_order() {
    for transports in TRANSPORTS {
        come_back(NEW, transports, |address| Peer::ours("socketio-server", &[address]));
        come_back(NEW, transports, |address| Peer::node("sio-host.js", &[address]));
    }
    come_back(OLD, UPGRADE, |address| Peer::ours("socketio-server", &[address]));
}
