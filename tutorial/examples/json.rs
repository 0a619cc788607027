//! Reads lines of JSON and writes each again, or the position of its first error. Chapter 19.

use sockets_by_hand::json::Value;
use std::io::{self, Write};

fn main() -> io::Result<()> {
    for line in io::stdin().lines() {
        let line = line?;
        match Value::parse(&line) {
            Ok(value) => writeln!(io::stdout(), "{value}")?,
            Err(e) => {
                let indent = line[..e.at].chars().count();
                writeln!(io::stdout(), "{line}\n{:indent$}^ {e}", "")?;
            }
        }
    }
    Ok(())
}
