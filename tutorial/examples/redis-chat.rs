//! A chat over a channel of Redis: each line of stdin is published. Chapter 27.
//!
//! `cargo run --example redis-chat -- Ann redis://127.0.0.1:6379`

use std::io::{self, BufRead};
use std::{env, process, thread};

use sockets_by_hand::net::report::escaped;
use sockets_by_hand::redis::{Connection, Error};

const CHANNEL: &str = "tea";

fn main() {
    let mut args = env::args().skip(1);
    let name = args.next().unwrap_or("Somebody".to_string());
    let url = args.next().unwrap_or("redis://127.0.0.1:6379".to_string());
    chat(&name, &url).unwrap_or_else(|e| fail(&e));
}

fn chat(name: &str, url: &str) -> Result<(), Error> {
    let mut subscription = Connection::open(url)?;
    subscription.command(["SUBSCRIBE", CHANNEL])?;
    println!("Subscribed to {CHANNEL}");
    thread::spawn(move || {
        loop {
            let message = subscription.receiver.message().unwrap_or_else(|e| fail(&e));
            println!("{}", escaped(&String::from_utf8_lossy(&message.payload)));
        }
    });

    let mut redis = Connection::open(url)?;
    for line in io::stdin().lock().lines() {
        redis.command(["PUBLISH", CHANNEL, &format!("{name}: {}", line?)])?;
    }
    Ok(())
}

fn fail(e: &Error) -> ! {
    eprintln!("{e}");
    process::exit(1)
}
