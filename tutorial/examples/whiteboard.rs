//! A whiteboard: all who are on the same board draw, and see what the others draw. (In Node:
//! `tests/peers/whiteboard-server.js`.)
//!
//!     cargo run --example whiteboard [PORT]

use std::{collections::BTreeMap, env, io, sync::Mutex, time::Duration};

use sockets_by_hand::http::Response;
use sockets_by_hand::socketio::{Event, Options, Server, Socket, Value};

const MAX_STROKES: usize = 1000;

/// The strokes of each board.
static BOARDS: Mutex<BTreeMap<String, Vec<Value>>> = Mutex::new(BTreeMap::new());

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("3000".to_string());
    let mut server = Server::bind(format!("127.0.0.1:{port}"), Options::default())?;
    server.page(|_, _| {
        let boards = BOARDS.lock().unwrap();
        let lines = boards.iter().map(|(board, strokes)| format!("{board}: {}\n", strokes.len()));
        Response::text(200, &lines.collect::<String>())
    });
    server.io().use_middleware(|socket| {
        let auth = socket.handshake().auth;
        auth["name"].as_str().and(auth["board"].as_str()).ok_or("a name and a board are needed")?;
        socket.set_data(auth);
        Ok(())
    });
    server.io().on_connection(connected);
    println!("Whiteboard on port {}", server.address().unwrap().port());
    server.serve();
    Ok(())
}

fn connected(socket: Socket) {
    let board = socket.data()["board"].as_str().unwrap_or_default().to_string();
    let strokes = BOARDS.lock().unwrap().entry(board.clone()).or_default().clone();
    socket.join(&board);
    socket.emit("strokes", Value::Array(strokes));
    socket.to(&board).emit("joined", &socket.data()["name"]);
    socket.use_middleware(|event| match &*event.name {
        "draw" if event.args[0]["points"].as_array().is_none() => Err("a stroke has points".into()),
        _ => Ok(()),
    });
    socket.on("error", |event| _ = event.socket.emit("refused", &event.args[0]));

    let on = |name, listener: fn(&str, &Event<Socket>)| {
        let board = board.clone();
        socket.on(name, move |event| listener(&board, event));
    };
    on("draw", |board, event| {
        let mut stroke = event.args[0].clone();
        stroke["name"] = event.socket.data()["name"].clone();
        let mut boards = BOARDS.lock().unwrap();
        let Some(strokes) = boards.get_mut(board) else { return };
        strokes.push(stroke.clone());
        strokes.drain(..strokes.len().saturating_sub(MAX_STROKES));
        event.socket.to(board).emit("draw", stroke);
        event.ack(strokes.len() as f64);
    });
    on("cursor", |board, event| {
        let (name, x, y) = (&event.socket.data()["name"], &event.args[0], &event.args[1]);
        event.socket.to(board).volatile().emit("cursor", (name, x, y));
    });
    on("undo", |board, event| {
        let (mut boards, name) = (BOARDS.lock().unwrap(), &event.socket.data()["name"]);
        let Some(strokes) = boards.get_mut(board) else { return };
        if let Some(last) = strokes.iter().rposition(|stroke| stroke["name"] == *name) {
            strokes.remove(last);
        }
        event.socket.namespace().to(board).emit("strokes", Value::Array(strokes.clone()));
    });
    on("who", |board, event| {
        let sockets = event.socket.namespace().to(board).fetch_sockets();
        event.ack(sockets.iter().map(|socket| socket.data()["name"].clone()).collect::<Value>());
    });
    on("clear", |board, event| {
        let others = event.socket.to(board).timeout(Duration::from_secs(10));
        match others.emit_with_ack("clear?", &event.socket.data()["name"]) {
            Ok(answers) if answers.iter().all(|answer| answer[0] == true) => {
                BOARDS.lock().unwrap().insert(board.into(), Vec::new());
                event.socket.namespace().to(board).emit("strokes", Value::Array(Vec::new()));
                event.ack("cleared");
            }
            Ok(_) => event.ack("somebody refuses"),
            Err(_) => event.ack("somebody does not answer"),
        }
    });
    socket.on("disconnect", move |event| {
        event.socket.to(&board).emit("left", &event.socket.data()["name"]);
        if !event.socket.namespace().all_rooms().contains_key(&board) {
            BOARDS.lock().unwrap().remove(&board);
        }
    });
}
