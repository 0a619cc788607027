//! A teacher asks all pupils in a room, and prints the answers and who has not answered.
//! Chapter 26.

use std::error::Error;
use std::thread;
use std::time::Duration;

use sockets_by_hand::json;
use sockets_by_hand::socketio::{Broadcast, Client, ClientOptions, Options, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    let url = format!("http://{}", server.address().ok_or("no address")?);
    let io = server.io();
    io.on_connection(|socket| {
        socket.on("join", |event| {
            event.socket.join("class");
            event.ack(());
        });
        socket.on("start the survey", |event| {
            ask(&event.socket.namespace().to("class")); // in a listener of one of them
            event.ack(());
        });
    });
    thread::spawn(|| server.serve());

    let ann = pupil(&url, "Ann", Some(42))?;
    let _bob = pupil(&url, "Bob", Some(41))?;
    println!("Two pupils");
    ask(&io.to("class").timeout(Duration::from_secs(60)));
    println!("And one who says nothing");
    let _cid = pupil(&url, "Cid", None)?;
    ask(&io.to("class").timeout(Duration::from_secs(2)));
    println!("In a listener");
    ann.emit_with_ack("start the survey", ())?;
    Ok(())
}

/// Asks the pupils, and waits for their answers.
fn ask(class: &Broadcast) {
    match class.emit_with_ack("6 times 7?", ()) {
        Ok(mut answers) => {
            answers.sort_by_key(|answer| answer[0].to_string()); // they arrive in any order
            answers.iter().for_each(|answer| println!("    {}: {}", answer[0], answer[1]));
        }
        Err(error) => {
            println!("    {error}");
            for socket in &error.missing {
                println!("    no answer from {}", socket.handshake().auth["name"]);
            }
        }
    }
}

/// Connects a client, which acknowledges the question if it has an answer.
fn pupil(url: &str, name: &'static str, answer: Option<i32>) -> Result<Client, Box<dyn Error>> {
    let auth = json!({"name": name}).into();
    let client = Client::new(url, ClientOptions { auth, ..ClientOptions::default() })?;
    client.on("6 times 7?", move |event| {
        if let Some(answer) = answer {
            event.ack((name, answer));
        }
    });
    client.open();
    client.timeout(Duration::from_secs(10)).emit_with_ack("join", ())?;
    Ok(client)
}
