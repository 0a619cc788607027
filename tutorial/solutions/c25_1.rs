//! Chapter 25, exercise 1: how many bytes are in a value, however deep.

use sockets_by_hand::socketio::Value;

/// The length of all binary values in `value`.
fn binary_size(value: &Value) -> usize {
    match value {
        Value::Binary(bytes) => bytes.len(),
        Value::Array(items) => items.iter().map(binary_size).sum(),
        Value::Object(members) => members.iter().map(|(_, value)| binary_size(value)).sum(),
        _ => 0, // a string is not binary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::json;
    use sockets_by_hand::socketio::{Client, Server};
    use std::time::Duration;

    #[test]
    fn a_handler_refuses_too_many_bytes() {
        let server = Server::bind("127.0.0.1:0", Default::default()).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        server.io().on_connection(|socket| {
            socket.on("picture", |event| {
                let binary_size: usize = event.args.iter().map(binary_size).sum();
                event.ack(json!(binary_size <= 1000));
            });
        });
        std::thread::spawn(|| server.serve());
        let client = Client::connect(&url).unwrap();
        let answers = [400, 500, 600].map(|size| {
            let bytes = vec![7u8; size];
            let picture = json!({"small": bytes.clone(), "sizes": [{"large": bytes}, "text"]});
            let time = Duration::from_secs(10);
            client.timeout(time).emit_with_ack("picture", picture).unwrap()[0].clone()
        });
        assert_eq!(answers, [json!(true), json!(true), json!(false)]);
    }
}
