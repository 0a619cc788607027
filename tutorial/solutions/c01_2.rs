//! Chapter 01, exercise 2: how many are there?
//!
//! `fetch_add` adds and returns the old value in one step, so two threads never count the same
//! number. What must be undone however a function ends goes into a `Drop`: that runs after a panic, too.

use std::sync::atomic::{AtomicUsize, Ordering};

static CONNECTED: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Counted {
    fn new() -> Counted {
        let now = CONNECTED.fetch_add(1, Ordering::Relaxed) + 1;
        println!("Client connected ({now} now)");
        Counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let now = CONNECTED.fetch_sub(1, Ordering::Relaxed) - 1;
        println!("Client disconnected ({now} now)");
    }
}

fn serve(talk: impl FnOnce()) {
    let _counted = Counted::new();
    talk();
}

#[test]
fn a_client_is_counted_until_its_handler_returns_or_panics() {
    let connected = || CONNECTED.load(Ordering::Relaxed);
    serve(|| {
        serve(|| assert_eq!(connected(), 2));
        assert_eq!(connected(), 1);
    });
    let panicked = std::thread::spawn(|| serve(|| panic!("a bug in the handler"))).join();
    assert!(panicked.is_err());
    assert_eq!(connected(), 0);
}
