//! Commands to a Redis server, one after the other and all at once. Chapter 27.
//!
//! `cargo run --example redis-commands -- redis://127.0.0.1:6379`

use std::env;

use sockets_by_hand::redis::{Connection, Error, Reply};

fn main() {
    let url = env::args().nth(1).unwrap_or("redis://127.0.0.1:6379".to_string());
    if let Err(e) = run(&url) {
        eprintln!("{e}");
        std::process::exit(1);
    }
}

fn run(url: &str) -> Result<(), Error> {
    let mut redis = Connection::open(url)?;
    redis.command(["SET", "user", "Ann"])?;
    if let Reply::Bulk(user) = redis.command(["GET", "user"])? {
        println!("The user is {}", String::from_utf8_lossy(&user));
    }
    println!("Nobody: {:?}", redis.command(["GET", "nobody"])?);

    redis.command(["DEL", "visits"])?;
    for _ in 0..1000 {
        redis.sender.send(["INCR", "visits"])?;
    }
    for visit in 1..=1000 {
        assert_eq!(redis.receiver.reply()?, Reply::Integer(visit));
    }
    println!("1000 visits are counted");

    let error = redis.command(["INCR", "user"]).unwrap_err();
    println!("{error}");
    Ok(())
}
