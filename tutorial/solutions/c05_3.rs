//! Chapter 05, exercise 3: a pool of threads.
//!
//! The threads share the receiver of one channel: whichever is free takes the next client. Note the closure
//! `next`: `while let Ok(client) = waiting.lock().unwrap().recv()` would hold the lock while the handler
//! runs, and the other threads would wait for it.

use std::sync::{Mutex, mpsc};
use std::thread;

/// Runs `handler` for each client, on `threads` threads, and returns when all have been served.
fn serve_pool<C: Send>(
    clients: impl Iterator<Item = C>,
    threads: usize,
    handler: impl Fn(C) + Sync,
) {
    let (accepted, waiting) = mpsc::channel();
    let waiting = Mutex::new(waiting);
    let next = || waiting.lock().unwrap().recv();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Ok(client) = next() {
                    handler(client);
                }
            });
        }
        clients.for_each(|client| accepted.send(client).unwrap());
        drop(accepted); // now `recv` fails once the channel is empty, and the threads end
    });
}

#[test]
fn two_threads_serve_three_clients_two_at_a_time() {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let handler = |mut socket: TcpStream| {
        most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
        socket.write_all(b"Hello").unwrap();
        socket.read_to_end(&mut Vec::new()).unwrap();
        now.fetch_sub(1, SeqCst);
    };
    let receive = |socket: &mut TcpStream| {
        let mut text = [0; 5];
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        socket.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"Hello");
    };

    let [mut first, mut second, mut third] = [0; 3].map(|_| super::connection());
    let clients = [first.1, second.1, third.1];
    thread::scope(|scope| {
        scope.spawn(|| serve_pool(clients.into_iter(), 2, handler));
        // Both are served at once: neither has ended.
        receive(&mut first.0);
        receive(&mut second.0);
        drop(first.0);
        receive(&mut third.0);
        drop((second.0, third.0));
    });
    assert_eq!((now.into_inner(), most.into_inner()), (0, 2));
}
