//! Many at once: nothing is lost and nothing changes places for those who stay, and of those who
//! have gone nothing is left.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{House, enter, enter_polling, house};
use crate::common::{Polling, WebSocket, until};

const EMITTERS: usize = 10;
const EVENTS: usize = 60;
const ALL: usize = EMITTERS * EVENTS;

/// Asks to be put into the room, over a WebSocket.
fn join(guest: &mut WebSocket) {
    guest.send(r#"420["join","crowd"]"#);
    while guest.text() != "430[]" {} // it may be spoken to before it is told so
}

fn join_polling(guest: &mut Polling) {
    guest.say(r#"420["join","crowd"]"#);
    assert_eq!(guest.poll(), "430[]");
}

fn hear(guest: &mut WebSocket, heard: &mut Vec<String>) {
    while heard.len() < ALL {
        heard.push(guest.text());
    }
}

/// Asks until `count` events have been heard.
fn poll(guest: &mut Polling, heard: &mut Vec<String>, count: usize) {
    while heard.len() < count {
        heard.extend(guest.poll().split('\x1e').map(str::to_string));
    }
}

/// Those who stay: what each has heard in the end.
fn stayers(house: &House) -> Vec<JoinHandle<Vec<String>>> {
    let mut stayers = Vec::new();
    for _ in 0..4 {
        let mut guest = enter(house.address);
        join(&mut guest);
        stayers.push(thread::spawn(move || {
            let mut heard = Vec::new();
            hear(&mut guest, &mut heard);
            heard
        }));
    }
    for moves_at in [ALL, ALL, 1, ALL / 4, ALL / 2] {
        let mut guest = enter_polling(house.address);
        join_polling(&mut guest);
        stayers.push(thread::spawn(move || {
            let mut heard = Vec::new();
            poll(&mut guest, &mut heard, moves_at);
            if heard.len() < ALL {
                guest.ask();
                let mut socket = guest.probe();
                let last = guest.heard();
                heard.extend(last.split('\x1e').filter(|said| *said != "6").map(str::to_string));
                socket.send("5");
                hear(&mut socket, &mut heard);
            }
            heard
        }));
    }
    stayers
}

/// Comes, joins, and goes in some way or other, again and again until all has been said.
fn restless(house: &House, over: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
    let ways: [fn(std::net::SocketAddr); 5] = [
        |address| join(&mut enter(address)), // is gone without a word
        |address| {
            let mut guest = enter(address);
            join(&mut guest);
            guest.send(r#"421["leave","crowd"]"#);
            while guest.text() != "431[]" {}
            guest.close();
        },
        |address| {
            let mut guest = enter(address);
            join(&mut guest);
            guest.send("4nonsense");
        },
        |address| {
            let mut guest = enter_polling(address);
            guest.say(r#"42["join","crowd"]"#);
            guest.ask();
            // Its GET may be held as it goes, or have been answered.
        },
        |address| {
            let mut guest = enter_polling(address);
            guest.say(r#"42["join","crowd"]"#);
            guest.upgrade().send("1");
        },
    ];
    let (address, over) = (house.address, over.clone());
    let go = ways.map(|way| {
        let over = over.clone();
        thread::spawn(move || {
            while !over.load(Relaxed) {
                way(address);
            }
        })
    });
    go.into()
}

#[test]
fn those_who_stay_in_a_room_hear_everything_in_one_order_whoever_comes_and_goes() {
    let house = house(|_| {});
    let stayers = stayers(&house);
    let over = Arc::new(AtomicBool::new(false));
    let restless = restless(&house, &over);
    let start = Arc::new(Barrier::new(EMITTERS));
    let emitters = (0..EMITTERS).map(|emitter| {
        let (room, start) = (house.io.to("crowd"), start.clone());
        thread::spawn(move || {
            start.wait();
            for n in 0..EVENTS {
                room.emit("n", [emitter.into(), n.into()]);
                thread::yield_now();
            }
        })
    });
    emitters.collect::<Vec<_>>().into_iter().for_each(|emitter| emitter.join().unwrap());
    let heard: Vec<_> = stayers.into_iter().map(|stayer| stayer.join().unwrap()).collect();
    over.store(true, Relaxed);
    restless.into_iter().for_each(|guest| guest.join().unwrap());

    for emitter in 0..EMITTERS {
        let of_one = format!(r#"42["n",{emitter},"#);
        let of_one: Vec<_> = heard[0].iter().filter(|said| said.starts_with(&of_one)).collect();
        let expected: Vec<_> = (0..EVENTS).map(|n| format!(r#"42["n",{emitter},{n}]"#)).collect();
        assert_eq!(of_one, expected.iter().collect::<Vec<_>>());
    }
    for (n, other) in heard.iter().enumerate() {
        assert!(heard[0] == *other, "guest {n} heard another order than guest 0");
    }
    house.io.disconnect_sockets(true);
    until(|| house.io.fetch_sockets().is_empty());
}

#[test]
fn nothing_is_left_of_those_who_have_gone() {
    let witness = Arc::new(());
    let weak = Arc::downgrade(&witness);
    let house = house(move |socket| {
        // Listeners that hold the socket that holds them, and something else.
        for name in ["hello", "disconnecting", "disconnect"] {
            let held = (socket.clone(), witness.clone());
            socket.on(name, move |_| _ = &held);
        }
        let held = (socket.clone(), witness.clone());
        socket.on_any(move |_| _ = &held);
        let held = (socket.clone(), witness.clone());
        socket.emit_with_ack("answer me", [], Duration::from_secs(3600), move |_| _ = &held);
    });
    let held_by_the_server = weak.strong_count();
    let mut guests: Vec<_> = (0..6)
        .map(|n| {
            let mut guest = enter(house.address);
            assert_eq!(guest.text(), r#"420["answer me"]"#);
            guest.send(["41", "1", "4nonsense", "40", r#"42["hello"]"#, r#"42["hello"]"#][n]);
            guest
        })
        .collect();
    let mut polling = Polling::open(house.address);
    polling.say("40");
    polling.ask();
    assert!(polling.heard().contains(r#"420["answer me"]"#));
    assert!(weak.strong_count() > held_by_the_server);
    guests[4].close();
    drop((guests, polling.upgrade(), polling));
    until(|| house.handle.sessions() == 0);
    until(|| house.io.fetch_sockets().is_empty());
    while house.sockets.try_recv().is_ok() {}
    until(|| weak.strong_count() == held_by_the_server);
    house.handle.close();
    house.serving.join().unwrap();
    drop(house.io);
    until(|| weak.upgrade().is_none());
}

#[cfg(target_os = "linux")]
mod alone {
    use std::{env, fs, process::Command};

    use sockets_by_hand::socketio::{Options, Server};

    use super::*;

    /// Runs the test `name` again in a process of its own, where no other test starts threads or opens
    /// connections; answers whether this is that process.
    fn is_alone(name: &str) -> bool {
        if env::var_os("ALONE").is_some() {
            return true;
        }
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", name, "--test-threads=1"])
            .env("ALONE", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        false
    }

    #[test]
    fn sockets_that_are_kept_hold_no_descriptor() {
        if !is_alone("crowd::alone::sockets_that_are_kept_hold_no_descriptor") {
            return;
        }
        let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
        let house = house(|_| {});
        let before = descriptors();
        let mut clients: Vec<_> = (0..10).map(|_| enter(house.address)).collect();
        let mut polling: Vec<_> = (0..10).map(|_| enter_polling(house.address)).collect();
        let upgraded: Vec<_> = polling[..5].iter_mut().map(Polling::upgrade).collect();
        let kept: Vec<_> = (0..20).map(|_| house.sockets.recv().unwrap()).collect();
        assert!(descriptors() >= before + 2 * 20);
        clients.truncate(5);
        kept[1].disconnect(true);
        drop((clients, polling, upgraded));
        house.io.disconnect_sockets(true);
        until(|| descriptors() <= before);
        assert!(kept.iter().all(|socket| !socket.is_connected()));
    }

    #[test]
    fn no_thread_is_left_when_the_server_has_closed() {
        if !is_alone("crowd::alone::no_thread_is_left_when_the_server_has_closed") {
            return;
        }
        let threads = || fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads() + 1; // the one that writes on stderr stays
        let mut options = Options::default();
        // So long the last words for someone who has not asked for them wait.
        options.engine.ping_timeout = Duration::from_millis(20);
        let server = Server::bind("127.0.0.1:0", options).unwrap();
        let (address, handle, io) = (server.address().unwrap(), server.handle(), server.io());
        let serving = thread::spawn(|| server.serve());
        let mut guests: Vec<_> = (0..5).map(|_| enter(address)).collect();
        let mut polling = enter_polling(address);
        polling.ask();
        let silent = Polling::open(address);
        let mut refused = WebSocket::session(address);
        refused.send("40/nowhere");
        assert_eq!(refused.text(), r#"44/nowhere,{"message":"Invalid namespace"}"#);
        assert!(threads() > before + 8);
        guests[0].send("41");
        guests[1].send("4nonsense");
        io.emit("bye", []);
        assert_eq!(polling.heard(), r#"42["bye"]"#);
        drop((guests, polling, silent, refused));
        handle.close();
        serving.join().unwrap();
        until(|| threads() == before);
    }
}
