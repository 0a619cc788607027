//! Chapter 27, exercise 2: a Redis of our own, with `PING`, `SET`, `GET`, `DEL` and `INCR`.
//!
//! One lock around all keys, held for one command: so two clients that say `INCR` at the same moment
//! never count as one. (Redis has one thread for that.) A reply is encoded as a client would decode it.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::sync::{Mutex, PoisonError};

use sockets_by_hand::net::{Server, Stream};
use sockets_by_hand::redis::Reply;

/// How much memory a command may take.
const MAX: usize = 1024 * 1024;

type Keys = HashMap<Vec<u8>, Vec<u8>>;

/// Answers the commands of all clients, until the server is closed.
fn serve(server: Server) {
    let keys = Mutex::new(Keys::new());
    server.serve(move |stream| serve_client(stream, &keys));
}

fn serve_client(mut stream: Stream, keys: &Mutex<Keys>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.clone());
    while let Ok(command) = Reply::read(&mut reader, MAX) {
        let reply = match parts(&command) {
            Some(parts) => answer(&parts, &mut keys.lock().unwrap_or_else(PoisonError::into_inner)),
            None => return Ok(()), // what follows cannot be understood either
        };
        let mut bytes = Vec::new();
        reply.write(&mut bytes);
        stream.write_all(&bytes)?;
    }
    Ok(())
}

/// The name of a command and its arguments: an array of bulk strings.
fn parts(command: &Reply) -> Option<Vec<&[u8]>> {
    let Reply::Array(items) = command else { return None };
    items.iter().map(bulk).collect()
}

fn bulk(item: &Reply) -> Option<&[u8]> {
    match item {
        Reply::Bulk(bytes) => Some(bytes),
        _ => None,
    }
}

fn answer(command: &[&[u8]], keys: &mut Keys) -> Reply {
    let Some((name, arguments)) = command.split_first() else {
        return Reply::Error("ERR an empty command".to_string());
    };
    match (&*name.to_ascii_uppercase(), arguments) {
        (b"PING", []) => Reply::Simple("PONG".to_string()),
        (b"SET", [key, value]) => {
            keys.insert(key.to_vec(), value.to_vec());
            Reply::Simple("OK".to_string())
        }
        (b"GET", [key]) => keys.get(*key).cloned().map_or(Reply::Null, Reply::Bulk),
        (b"DEL", [key]) => Reply::Integer(i64::from(keys.remove(*key).is_some())),
        (b"INCR", [key]) => increment(key, keys),
        _ => Reply::Error("ERR unknown command, or a wrong number of arguments".to_string()),
    }
}

fn increment(key: &[u8], keys: &mut Keys) -> Reply {
    let value = keys.get(key).map_or(&b"0"[..], Vec::as_slice);
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
    let Some(number) = number.and_then(|number| number.checked_add(1)) else {
        return Reply::Error("ERR value is not an integer or out of range".to_string());
    };
    keys.insert(key.to_vec(), number.to_string().into_bytes());
    Reply::Integer(number)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use sockets_by_hand::net::Options;
    use sockets_by_hand::redis::{Connection, Error};

    fn open() -> String {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let url = format!("redis://{}", server.address().unwrap());
        thread::spawn(|| serve(server));
        url
    }

    #[test]
    fn a_value_is_kept_for_all_clients_until_it_is_deleted() {
        let url = open();
        let [mut ann, mut bob] = [(); 2].map(|()| Connection::open(&url).unwrap());
        assert_eq!(ann.command(["PING"]).unwrap(), Reply::Simple("PONG".to_string()));
        assert_eq!(bob.command(["GET", "user"]).unwrap(), Reply::Null);
        let value = [b"set", &b"user"[..], &[0, 13, 10, 255]];
        assert_eq!(ann.command(value).unwrap(), Reply::Simple("OK".to_string()));
        assert_eq!(bob.command(["GET", "user"]).unwrap(), Reply::Bulk(vec![0, 13, 10, 255]));
        assert_eq!(bob.command(["DEL", "user"]).unwrap(), Reply::Integer(1));
        assert_eq!(ann.command(["DEL", "user"]).unwrap(), Reply::Integer(0));
    }

    #[test]
    fn increments_of_several_clients_are_counted_once_each() {
        let url = open();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut redis = Connection::open(&url).unwrap();
                    (0..100).for_each(|_| redis.sender.send(["INCR", "visits"]).unwrap());
                    (0..100).for_each(|_| _ = redis.receiver.reply().unwrap());
                });
            }
        });
        let mut redis = Connection::open(&url).unwrap();
        assert_eq!(redis.command(["GET", "visits"]).unwrap(), Reply::Bulk(b"400".to_vec()));
    }

    #[test]
    fn a_command_that_fails_is_an_error_and_the_next_one_is_answered() {
        let mut redis = Connection::open(&open()).unwrap();
        redis.command(["SET", "user", "Ann"]).unwrap();
        for refused in [&["INCR", "user"][..], &["GET"], &["FLY", "home"]] {
            let error = redis.command(refused).unwrap_err();
            assert!(matches!(error, Error::Refused(_)), "{refused:?}: {error}");
        }
        assert_eq!(redis.command(["GET", "user"]).unwrap(), Reply::Bulk(b"Ann".to_vec()));
    }
}
