//! Chapter 25: bytes among the values of an event, in both forms, and what a decoder refuses.

use std::time::Duration;
use std::{error::Error, io, thread};

use sockets_by_hand::engineio::packet::SEPARATOR;
use sockets_by_hand::json;
use sockets_by_hand::socketio::client::{Client, Options};
use sockets_by_hand::socketio::codec::{Decoder, encode};
use sockets_by_hand::socketio::packet::Kind;
use sockets_by_hand::socketio::{self, Server, Value};
use sockets_by_hand::ws::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let bytes: &[u8] = &[0x89, 0x50, 0x4e, 0x47];
    let event = [json!("picture"), json!("cat.png"), json!({"small": bytes, "large": bytes})];
    let outgoing = encode(Kind::Event, "/", None, &event)?;
    println!("As frames:\n{}", hex(outgoing.frames()));
    println!("In a body:\n{}", outgoing.payload().replace(SEPARATOR, "␞"));

    let event = [json!("picture"), json!(vec![0u8; 3000])];
    let outgoing = encode(Kind::Event, "/", None, &event)?;
    println!("3000 bytes: {} as frames", outgoing.frames().len());
    println!("3000 bytes: {} in a body", outgoing.payload().len());

    refuse("an attachment of no packet", vec![Message::Binary(vec![1])]);
    refuse(
        "a packet instead of an attachment",
        vec![packet("1", "0"), Message::from("2[\"hello\"]")],
    );
    refuse("a placeholder without an attachment", vec![packet("1", "7"), Message::Binary(vec![1])]);
    refuse("eleven attachments", vec![packet("11", "0")]);

    let url = serve()?;
    for transport in ["websocket", "polling"] {
        echo(&url, transport)?;
    }
    Ok(())
}

/// The text of a packet with so many attachments, and a placeholder with this number.
fn packet(attachments: &str, number: &str) -> Message {
    let text = format!(r#"5{attachments}-["picture",{{"_placeholder":true,"num":{number}}}]"#);
    Message::Text(text)
}

fn refuse(what: &str, messages: Vec<Message>) {
    let mut decoder = Decoder::default();
    let refused = messages.into_iter().any(|message| decoder.add(message).is_err());
    println!("{what}: {}", if refused { "parse error" } else { "accepted" });
}

/// Sends bytes to a server that sends them back.
fn echo(url: &str, transport: &'static str) -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    options.engine.transports = vec![transport];
    let client = Client::new(url, options)?;
    client.open();
    let picture = json!(vec![0x89u8, 0x50, 0x4e, 0x47]);
    let answer = client.timeout(Duration::from_secs(10)).emit_with_ack("picture", &picture)?;
    let same = answer == [json!(4), picture];
    println!(
        "{transport}: {}",
        if same { "the same bytes returned" } else { "other bytes returned" }
    );
    Ok(())
}

fn serve() -> io::Result<String> {
    let server = Server::bind("127.0.0.1:0", socketio::Options::default())?;
    let address = server.address().ok_or(io::ErrorKind::AddrNotAvailable)?;
    server.io().on_connection(|socket| {
        socket.on("picture", |event| {
            let [Value::Binary(bytes)] = &event.args[..] else { return };
            event.ack((bytes.len(), bytes.clone()));
        });
    });
    thread::spawn(|| server.serve());
    Ok(format!("http://{address}"))
}

/// Bytes: printable ASCII as it is, others in hex.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text += &format!("<{byte:02x}>"),
        }
    }
    text
}
