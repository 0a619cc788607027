//! The listeners to all events, incoming and outgoing: ours and npm's are called with the same, in the
//! same order.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use sockets_by_hand::json;
use sockets_by_hand::socketio::{
    AckError, Args, Client, ClientOptions, Event, Listeners, Options, Server, Socket, Value,
};

use super::node::{LIMIT, Peer};

fn print<S>(lines: &Sender<String>, what: &'static str) -> impl Fn(&Event<S>) + use<S> {
    let lines = lines.clone();
    move |event| {
        let args = Value::Array(event.args.to_vec());
        _ = lines.send(format!("{what} {} {args}", event.name));
    }
}

fn add_listeners<S: 'static>(socket: &Listeners<S>, lines: &Sender<String>) {
    socket.on_any(print(lines, "any 1"));
    socket.prepend_any(print(lines, "any 0"));
    socket.on_any_outgoing(print(lines, "outgoing 1"));
    socket.prepend_any_outgoing(print(lines, "outgoing 0"));
    let gone = socket.on_any(print(lines, "removed"));
    socket.off_any(gone);
    let gone = socket.on_any_outgoing(print(lines, "removed"));
    socket.off_any_outgoing(gone);
}

fn count<S>(socket: &Listeners<S>, lines: &Sender<String>) {
    let any = [socket.listeners_any(), socket.listeners_any_outgoing()].map(|ids| ids.len());
    let named = socket.listeners("say").len();
    lines.send(format!("listeners {named} {} {}", any[0], any[1])).unwrap();
}

/// The server of `listeners.js`; returns its URL and the lines that it prints.
fn serve() -> (String, Receiver<String>) {
    let (lines, printed) = mpsc::channel();
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    server.io().on_connection(move |socket| {
        add_listeners(&socket, &lines);
        let also = lines.clone();
        socket.use_middleware(move |event| {
            _ = also.send(format!("middleware {}", event.name));
            if event.name == "forbidden" { Err("not allowed".into()) } else { Ok(()) }
        });
        let also = lines.clone();
        socket.on("forbidden", move |_| _ = also.send("never".to_string()));
        socket.on("error", |event| _ = event.socket.emit("refused", &event.args[0]));
        let first = print(&lines, "first");
        socket.on("say", move |event| {
            first(event);
            event.ack("said");
        });
        socket.on("say", print(&lines, "second"));
        socket.on("ask", |event| {
            let socket = &event.socket;
            socket.emit("reply", (&event.args[0], "text"));
            socket.namespace().emit("to all", &event.args[0]);
            event.ack("ok");
        });
        let also = lines.clone();
        socket.on("remove", move |event: &Event<Socket>| {
            let socket = &event.socket;
            count(socket, &also);
            socket.remove_all_listeners("say");
            socket.off_any(None);
            socket.off_any_outgoing(None);
            count(socket, &also);
            socket.emit("quiet", ());
            event.ack(());
        });
        let lines = lines.clone();
        socket.on("disconnect", move |event| {
            _ = lines.send(format!("disconnect {}", event.args[0].as_str().unwrap()));
        });
    });
    let url = format!("http://{}", server.address().unwrap());
    thread::spawn(|| server.serve());
    (url, printed)
}

/// The client of `listeners.js`; returns the lines that it prints.
fn run_client(url: &str) -> Vec<String> {
    let (lines, printed) = mpsc::channel();
    let mut options = ClientOptions::default();
    options.engine.transports = vec!["websocket"];
    let client = Client::new(url, options).unwrap();
    add_listeners(&client, &lines);
    client.on("say", print(&lines, "first"));
    client.on("reply", print(&lines, "first"));
    client.on("reply", print(&lines, "second"));
    let also = lines.clone();
    client.on("connect", move |_| _ = also.send("connect".to_string()));
    client.emit_volatile("lost", ());
    let acknowledged = |answer: Result<Args, AckError>| {
        lines.send(format!("acknowledged {}", answer.unwrap()[0].as_str().unwrap())).unwrap();
    };
    let (acks, ack) = mpsc::channel();
    client.emit_with_callback("say", "buffered", move |answer| acks.send(answer).unwrap());
    client.open();
    acknowledged(ack.recv_timeout(LIMIT).unwrap());
    let (sender, refused) = mpsc::channel();
    client.on("refused", move |_| _ = sender.send(()));
    client.emit("forbidden", ());
    refused.recv_timeout(LIMIT).unwrap();
    let timeout = client.timeout(LIMIT);
    acknowledged(timeout.emit_with_ack("ask", json!({"number": 1})));
    count(&client, &lines);
    client.remove_all_listeners("say");
    client.off_any(None);
    client.off_any_outgoing(None);
    count(&client, &lines);
    timeout.emit_with_ack("remove", ()).unwrap();
    drop(client);
    printed.try_iter().collect()
}

fn npms_server() -> (String, Peer) {
    let server = Peer::node("listeners.js", &["server"]);
    let line = server.line();
    let port = line.strip_prefix("Server listening on port ").expect(&line);
    (format!("http://127.0.0.1:{port}"), server)
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn listeners_of_the_server_get_the_same_events_in_npms_order() {
    let (ours, printed) = serve();
    let (npms, server) = npms_server();
    let client = |url: &str| Peer::node("listeners.js", &["client", url]).finish();
    assert_eq!(client(&ours), client(&npms));
    let mut seen = Vec::new();
    while seen.last().is_none_or(|line: &String| !line.starts_with("disconnect")) {
        seen.push(printed.recv_timeout(LIMIT).unwrap());
    }
    let expected: Vec<String> = seen.iter().map(|_| server.line()).collect();
    assert_eq!(seen, expected);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn listeners_of_the_client_get_the_same_events_in_npms_order() {
    let (url, _server) = npms_server();
    let expected = Peer::node("listeners.js", &["client", &url]).finish();
    assert_eq!(run_client(&url), expected);
    let (url, _printed) = serve();
    assert_eq!(run_client(&url), expected);
}
