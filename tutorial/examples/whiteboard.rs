//! A whiteboard: all who are on the same board draw, and see what the others draw. (In Node:
//! `tests/peers/whiteboard-server.js`.)
//!
//!     cargo run --example whiteboard [PORT]

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{collections::BTreeMap, env, io};

use sockets_by_hand::http::Response;
use sockets_by_hand::socketio::{Event, Options, Server, Socket, Value};

const MAX_STROKES: usize = 1000;

type Strokes = Arc<Mutex<Vec<Value>>>;
type Boards = Arc<Mutex<BTreeMap<String, Strokes>>>;

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("3000".to_string());
    let mut server = Server::bind(format!("127.0.0.1:{port}"), Options::default())?;
    let boards = Boards::default();
    let listed = boards.clone();
    server.page(move |_, _| {
        let boards = listed.lock().unwrap();
        let line = |(board, strokes): (&_, &Strokes)| {
            format!("{board}: {}\n", strokes.lock().unwrap().len())
        };
        Response::text(200, &boards.iter().map(line).collect::<String>())
    });
    server.io().use_middleware(|socket| match socket.handshake().auth {
        auth if auth["name"].as_str().and(auth["board"].as_str()).is_some() => {
            socket.set_data(auth);
            Ok(())
        }
        _ => Err("a name and a board are needed".into()),
    });
    server.io().on_connection(move |socket| connected(&socket, &boards));
    println!("Whiteboard on port {}", server.address().unwrap().port());
    server.serve();
    Ok(())
}

fn connected(socket: &Socket, boards: &Boards) {
    let board = socket.data()["board"].as_str().unwrap_or_default().to_string();
    let strokes = boards.lock().unwrap().entry(board.clone()).or_default().clone();
    socket.join(&board);
    socket.emit("strokes", Value::Array(strokes.lock().unwrap().clone()));
    socket.to(&board).emit("joined", &socket.data()["name"]);
    socket.use_middleware(|event| match &*event.name {
        "draw" if event.args[0]["points"].as_array().is_none() => Err("a stroke has points".into()),
        _ => Ok(()),
    });
    socket.on("error", |event| _ = event.socket.emit("refused", &event.args[0]));

    let on = |name, listener: fn(&Strokes, &str, &Event<Socket>)| {
        let (strokes, board) = (strokes.clone(), board.clone());
        socket.on(name, move |event| listener(&strokes, &board, event));
    };
    on("draw", |strokes, board, event| {
        let mut stroke = event.args[0].clone();
        stroke["name"] = event.socket.data()["name"].clone();
        let mut strokes = strokes.lock().unwrap();
        strokes.push(stroke.clone());
        let oldest = strokes.len().saturating_sub(MAX_STROKES);
        strokes.drain(..oldest);
        event.socket.to(board).emit("draw", stroke);
        event.ack(strokes.len() as f64);
    });
    on("cursor", |_, board, event| {
        let (name, x, y) = (&event.socket.data()["name"], &event.args[0], &event.args[1]);
        event.socket.to(board).volatile().emit("cursor", (name, x, y));
    });
    on("undo", |strokes, board, event| {
        let (mut strokes, name) = (strokes.lock().unwrap(), &event.socket.data()["name"]);
        if let Some(last) = strokes.iter().rposition(|stroke| stroke["name"] == *name) {
            strokes.remove(last);
        }
        event.socket.namespace().to(board).emit("strokes", Value::Array(strokes.clone()));
    });
    on("who", |_, board, event| {
        let sockets = event.socket.namespace().to(board).fetch_sockets();
        event.ack(sockets.iter().map(|socket| socket.data()["name"].clone()).collect::<Value>());
    });
    on("clear", |strokes, board, event| {
        let others = event.socket.to(board).timeout(Duration::from_secs(10));
        match others.emit_with_ack("clear?", &event.socket.data()["name"]) {
            Ok(answers) if answers.iter().all(|answer| answer[0] == true) => {
                strokes.lock().unwrap().clear();
                event.socket.namespace().to(board).emit("strokes", Value::Array(Vec::new()));
                event.ack("cleared");
            }
            Ok(_) => event.ack("somebody refuses"),
            Err(_) => event.ack("somebody does not answer"),
        }
    });
    let boards = boards.clone();
    socket.on("disconnect", move |event| {
        event.socket.to(&board).emit("left", &event.socket.data()["name"]);
        if !event.socket.namespace().all_rooms().contains_key(&board) {
            boards.lock().unwrap().remove(&board);
        }
    });
}
