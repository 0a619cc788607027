//! Chapter 19, exercise 3: a server that receives JSON, one value a line.
//!
//! JSON can always be written without a line break, so it can be framed by lines (chapter 06). After a
//! line that is not JSON the connection stays open: it is known where the next line begins. After a
//! line that is too long it ends.

use sockets_by_hand::json;
use sockets_by_hand::json::Value;
use sockets_by_hand::net::framing::{read_line, write_line};
use std::io::{self, BufReader};
use std::net::TcpStream;

fn serve(socket: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(&socket);
    while let Some(line) = read_line(&mut reader, 64 << 10)? {
        let response = match Value::parse(&line) {
            Ok(value) => add(&value),
            Err(e) => json!({"error": e.to_string()}),
        };
        write_line(&mut &socket, &response.to_string())?;
    }
    Ok(())
}

/// `{"add":[1,2]}` makes `{"sum":3}`.
fn add(value: &Value) -> Value {
    let numbers = value["add"].as_array().unwrap_or_default().iter().map(Value::as_f64);
    match numbers.sum::<Option<f64>>() {
        Some(sum) if value["add"] != Value::Null => json!({"sum": sum}),
        _ => json!({"error": "nothing to add"}),
    }
}

#[test]
fn every_line_gets_a_response() {
    let (client, socket) = super::connection();
    let server = std::thread::spawn(|| serve(socket));
    let mut responses = BufReader::new(&client);
    for (request, response) in [
        (r#"{"add": [0.1, 0.2]}"#, r#"{"sum":0.30000000000000004}"#),
        (r#"{"add": [1, ]}"#, r#"{"error":"expected a value at byte 12"}"#),
        (r#"{"add": [1, "2"]}"#, r#"{"error":"nothing to add"}"#),
        ("[]", r#"{"error":"nothing to add"}"#),
        (r#"{"add": []}"#, r#"{"sum":0}"#),
    ] {
        write_line(&mut &client, request).unwrap();
        assert_eq!(
            read_line(&mut responses, 1_000).unwrap().as_deref(),
            Some(response),
            "{request}"
        );
    }
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_line(&mut responses, 1_000).unwrap(), None);
    server.join().unwrap().unwrap();
}
