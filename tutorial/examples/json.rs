//! Reads lines of JSON and writes each again, or says where it stops being JSON.

use sockets_by_hand::socketio::json::Value;
use std::io;

fn main() -> io::Result<()> {
    for line in io::stdin().lines() {
        let line = line?;
        match Value::parse(&line) {
            Ok(value) => println!("{value}"),
            Err(e) => {
                let indent = line[..e.at].chars().count();
                println!("{line}\n{:indent$}^ {e}", "");
            }
        }
    }
    Ok(())
}
