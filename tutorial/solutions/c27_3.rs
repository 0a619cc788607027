//! Chapter 27, exercise 3: channels of our own, with `SUBSCRIBE` and `PUBLISH`.
//!
//! It is the broadcast of chapter 08, with a set of clients for each channel. Replies go through the outbox
//! too: otherwise a message of another thread could be written into the middle of one. Whoever reads
//! too slowly is dropped, and a channel that nobody has subscribed to takes no memory.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufReader};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sockets_by_hand::net::{Outbox, Server, Stream};
use sockets_by_hand::redis::Reply;

/// How much memory a command may take.
const MAX: usize = 1024 * 1024;

/// How many channels one client may subscribe to.
const MAX_CHANNELS: usize = 1000;

/// The outboxes of the clients that have subscribed to each channel, by the ids of the clients.
type Channels = HashMap<Vec<u8>, HashMap<u64, Outbox>>;

/// Answers the commands of all clients, until the server is closed.
fn serve(server: Server) {
    let (channels, next_id) = (Mutex::new(Channels::new()), AtomicU64::new(0));
    server.serve(move |stream| {
        let outbox = Outbox::new(stream.clone())?;
        let id = next_id.fetch_add(1, Relaxed);
        let mut client = Client { id, outbox, channels: &channels, subscribed: BTreeSet::new() };
        client.serve(stream)
    });
}

fn lock(channels: &Mutex<Channels>) -> MutexGuard<'_, Channels> {
    channels.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Client<'a> {
    id: u64,
    outbox: Outbox,
    channels: &'a Mutex<Channels>,
    subscribed: BTreeSet<Vec<u8>>,
}

impl Client<'_> {
    fn serve(&mut self, stream: Stream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Ok(Reply::Array(parts)) = Reply::read(&mut reader, MAX) {
            let reply = match &parts[..] {
                [Reply::Bulk(name), Reply::Bulk(channel)] if name == b"SUBSCRIBE" => {
                    self.subscribe(channel)
                }
                [Reply::Bulk(name), Reply::Bulk(channel), Reply::Bulk(message)]
                    if name == b"PUBLISH" =>
                {
                    self.publish(channel, message)
                }
                _ => Reply::Error("ERR unknown command".to_string()),
            };
            self.outbox.send(encode(&reply))?;
        }
        Ok(())
    }

    fn subscribe(&mut self, channel: &[u8]) -> Reply {
        if self.subscribed.len() >= MAX_CHANNELS {
            return Reply::Error("ERR too many channels".to_string());
        }
        self.subscribed.insert(channel.to_vec());
        let mut channels = lock(self.channels);
        channels.entry(channel.to_vec()).or_default().insert(self.id, self.outbox.clone());
        array([b"subscribe", channel], Reply::Integer(self.subscribed.len() as i64))
    }

    /// Sends a message to all who have subscribed to the channel; the reply says how many.
    fn publish(&self, channel: &[u8], message: &[u8]) -> Reply {
        let message = encode(&array([b"message", channel], Reply::Bulk(message.to_vec())));
        let message: Arc<[u8]> = message.into();
        let channels = lock(self.channels);
        let subscribers = channels.get(channel).into_iter().flat_map(HashMap::values);
        let sent = subscribers.filter(|outbox| outbox.send(message.clone()).is_ok());
        Reply::Integer(sent.count() as i64)
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        let mut channels = lock(self.channels);
        for channel in &self.subscribed {
            if let Some(subscribers) = channels.get_mut(channel) {
                subscribers.remove(&self.id);
                if subscribers.is_empty() {
                    channels.remove(channel);
                }
            }
        }
    }
}

fn array(texts: [&[u8]; 2], last: Reply) -> Reply {
    let texts = texts.map(|text| Reply::Bulk(text.to_vec()));
    Reply::Array(texts.into_iter().chain([last]).collect())
}

fn encode(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    reply.write(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use sockets_by_hand::net::Options;
    use sockets_by_hand::redis::{Connection, Message};

    fn open() -> String {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let url = format!("redis://{}", server.address().unwrap());
        thread::spawn(|| serve(server));
        url
    }

    /// A connection that has subscribed to some channels.
    fn subscribe(url: &str, channels: &[&str]) -> Connection {
        let mut redis = Connection::open(url).unwrap();
        for (n, channel) in (1..).zip(channels) {
            let bulk = |text: &str| Reply::Bulk(text.into());
            let confirmed = vec![bulk("subscribe"), bulk(channel), Reply::Integer(n)];
            assert_eq!(redis.command(["SUBSCRIBE", channel]).unwrap(), Reply::Array(confirmed));
        }
        redis
    }

    fn message(channel: &str, payload: &str) -> Message {
        Message { channel: channel.into(), payload: payload.into() }
    }

    #[test]
    fn a_message_reaches_all_who_have_subscribed_and_nobody_else() {
        let url = open();
        let mut ann = subscribe(&url, &["tea"]);
        let mut bob = subscribe(&url, &["tea", "news"]);
        let mut eve = Connection::open(&url).unwrap();
        assert_eq!(eve.command(["PUBLISH", "nobody", "?"]).unwrap(), Reply::Integer(0));
        assert_eq!(eve.command(["PUBLISH", "news", "rain"]).unwrap(), Reply::Integer(1));
        assert_eq!(eve.command(["PUBLISH", "tea", "The water boils"]).unwrap(), Reply::Integer(2));
        assert_eq!(bob.receiver.message().unwrap(), message("news", "rain"));
        for hears in [&mut ann, &mut bob] {
            assert_eq!(hears.receiver.message().unwrap(), message("tea", "The water boils"));
        }
    }

    #[test]
    fn messages_arrive_in_the_order_of_their_publisher() {
        let url = open();
        let mut ann = subscribe(&url, &["tea"]);
        let bob = Connection::open(&url).unwrap();
        (0..100).for_each(|n| bob.sender.send(["PUBLISH", "tea", &n.to_string()]).unwrap());
        for n in 0..100 {
            assert_eq!(ann.receiver.message().unwrap(), message("tea", &n.to_string()));
        }
    }

    #[test]
    fn whoever_has_gone_is_no_subscriber() {
        let url = open();
        drop(subscribe(&url, &["tea"]));
        let mut bob = Connection::open(&url).unwrap();
        let start = Instant::now();
        while bob.command(["PUBLISH", "tea", "Hello"]).unwrap() != Reply::Integer(0) {
            assert!(start.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(10));
        }
    }
}
