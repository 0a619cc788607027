//! Chapter 29, exercise 2: round trips.
//!
//! An average hides what matters: one answer in a hundred that takes a second makes it look as if all
//! were a little slow. So the times are sorted. The middle one is the usual time; one of a hundred answers
//! takes longer than the 99th percentile.

use std::time::{Duration, Instant};

use sockets_by_hand::ws::{self, Error, Message};

/// The median and the 99th percentile of `n` messages that the server at `url` echoes.
fn round_trips(url: &str, n: usize) -> Result<(Duration, Duration), Error> {
    let mut socket = ws::connect(url)?;
    let mut times = Vec::new();
    for i in 0..n {
        let message = Message::from(format!("{i}"));
        let start = Instant::now();
        socket.send(message.clone())?;
        let answer = socket.read()?;
        times.push(start.elapsed());
        assert_eq!(answer, Some(message), "the server does not echo");
    }
    times.sort();
    Ok((times[n / 2], times[n * 99 / 100]))
}

#[test]
fn the_median_is_no_longer_than_the_99th_percentile() {
    let server = ws::Server::bind("127.0.0.1:0", ws::Options::default()).unwrap();
    let (url, handle) = (format!("ws://{}/", server.address().unwrap()), server.handle());
    let serving = std::thread::spawn(|| {
        server.serve(|mut socket| {
            while let Some(message) = socket.read()? {
                socket.send(message)?;
            }
            Ok(())
        })
    });
    let (median, late) = round_trips(&url, 200).unwrap();
    assert!(Duration::ZERO < median && median <= late, "{median:?}, {late:?}");
    handle.close();
    serving.join().unwrap();
}
