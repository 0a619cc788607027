//! Who hears what: rooms, broadcasts, and what is done to many at once.

use sockets_by_hand::socketio::{Socket, Value};

use super::{House, assert_hears_nothing_else, come_in, enter, house};
use crate::common::{WebSocket, next, until};

/// Guests with letters for names, each in its rooms (a letter a room), and their sockets.
fn guests<const N: usize>(house: &House, rooms: [&str; N]) -> [(WebSocket, Socket); N] {
    rooms.map(|rooms| {
        let guest = enter(house.address);
        let socket = next(&house.sockets);
        rooms.chars().for_each(|room| socket.join(&room.to_string()));
        (guest, socket)
    })
}

/// Who heard the word that was emitted last, and nothing else.
#[track_caller]
fn assert_heard(guests: &mut [(WebSocket, Socket)], expected: &[usize]) {
    for (n, (guest, _)) in guests.iter_mut().enumerate() {
        if expected.contains(&n) {
            assert_eq!(guest.text(), r#"42["word",1]"#, "guest {n}");
        }
        assert_hears_nothing_else(guest);
    }
}

fn word() -> [Value; 1] {
    [1.into()]
}

#[test]
fn the_server_reaches_whom_it_names_each_once() {
    let house = house(|_| {});
    let io = &house.io;
    let mut guests = guests(&house, ["x", "xy", "y", "z", ""]);
    for (chosen, expected) in [
        (io.everyone(), &[0, 1, 2, 3, 4][..]),
        (io.to("x"), &[0, 1]),
        (io.r#in("x"), &[0, 1]),
        (io.to("x").to("y"), &[0, 1, 2]),
        (io.to("x").r#in("z"), &[0, 1, 3]),
        (io.to("x").except("y"), &[0]),
        (io.except("x"), &[2, 3, 4]),
        (io.except("x").except("z"), &[2, 4]),
        (io.except("x").to("y"), &[2]),
        (io.to("nowhere"), &[]),
        (io.except("nowhere"), &[0, 1, 2, 3, 4]),
        (io.to(guests[3].1.id()), &[3]),
        (io.everyone().except(guests[4].1.id()), &[0, 1, 2, 3]),
    ] {
        chosen.emit("word", word());
        assert_heard(&mut guests, expected);
        assert_eq!(chosen.fetch_sockets().len(), expected.len());
    }
    io.emit("word", word());
    assert_heard(&mut guests, &[0, 1, 2, 3, 4]);
}

#[test]
fn a_guest_reaches_the_others_and_not_itself() {
    let house = house(|_| {});
    let mut guests = guests(&house, ["x", "xy", "y", "z", ""]);
    let socket = guests[0].1.clone();
    for (chosen, expected) in [
        (socket.broadcast(), &[1, 2, 3, 4][..]),
        (socket.to("x"), &[1]),
        (socket.to("x").to("y"), &[1, 2]),
        (socket.to("x").except("y"), &[]),
        (socket.except("y"), &[3, 4]),
        (socket.to(guests[4].1.id()), &[4]),
        (socket.to(socket.id()), &[]),
    ] {
        chosen.emit("word", word());
        assert_heard(&mut guests, expected);
    }
}

#[test]
fn bytes_reach_everybody_too() {
    use crate::common::Frame;
    let house = house(|_| {});
    let mut guests = guests(&house, ["x", "x"]);
    house.io.to("x").emit("bytes", [Value::Binary(vec![7])]);
    for (guest, _) in &mut guests {
        assert_eq!(guest.text(), r#"451-["bytes",{"_placeholder":true,"num":0}]"#);
        assert_eq!(guest.read(), Frame::Binary(vec![7]));
    }
}

#[test]
fn who_has_left_a_room_hears_it_no_more_and_a_room_without_guests_is_none() {
    let house = house(|_| {});
    let mut guests = guests(&house, ["x", "x", "x"]);
    guests[0].1.leave("x");
    guests[0].1.leave("x");
    guests[0].1.leave("nowhere");
    house.io.to("x").emit("word", word());
    assert_heard(&mut guests, &[1, 2]);
    assert_eq!(guests[0].1.rooms(), [guests[0].1.id()]);
    guests[1].1.disconnect(false);
    assert_eq!(guests[1].0.text(), "41");
    until(|| guests[1].1.rooms().is_empty());
    guests[2].0.close();
    until(|| house.io.to("x").fetch_sockets().is_empty());
    until(|| house.io.fetch_sockets().len() == 1);
}

#[test]
fn a_room_of_one_namespace_is_none_of_another() {
    let house = house(|_| {});
    let mut guest = enter(house.address);
    come_in(&mut guest, "/admin,");
    let (main, admin) = (next(&house.sockets), next(&house.sockets));
    main.join("x");
    house.io.of("/admin").to("x").emit("word", word());
    assert_hears_nothing_else(&mut guest);
    admin.join("x");
    house.io.of("/admin").to("x").emit("word", word());
    house.io.to("x").emit("word", word());
    assert_eq!(guest.text(), r#"42/admin,["word",1]"#);
    assert_eq!(guest.text(), r#"42["word",1]"#);
    assert_hears_nothing_else(&mut guest);
}

#[test]
fn many_can_be_put_into_a_room_and_taken_out_at_once() {
    let house = house(|_| {});
    let mut guests = guests(&house, ["x", "x", ""]);
    house.io.to("x").sockets_join("y");
    house.io.to("y").emit("word", word());
    assert_heard(&mut guests, &[0, 1]);
    guests[0].1.to("x").sockets_leave("y");
    house.io.to("y").emit("word", word());
    assert_heard(&mut guests, &[0]);
    house.io.sockets_join("all");
    house.io.except("x").sockets_leave("all");
    house.io.to("all").emit("word", word());
    assert_heard(&mut guests, &[0, 1]);
    house.io.sockets_leave("all");
    house.io.to("all").emit("word", word());
    assert_heard(&mut guests, &[]);
}

#[test]
fn many_can_be_sent_out_at_once() {
    use crate::common::Frame;
    let house = house(|_| {});
    let mut guests = guests(&house, ["x", "xy", ""]);
    house.io.to("x").except("y").disconnect_sockets(false);
    assert!(house.io.to("x").except("y").fetch_sockets().is_empty(), "at once, as in Node");
    assert_eq!(guests[0].0.text(), "41");
    come_in(&mut guests[0].0, ""); // its connection is still there
    next(&house.sockets);
    assert_eq!(next(&house.ends).1, "server namespace disconnect");
    house.io.disconnect_sockets(true);
    for (guest, _) in &mut guests {
        assert_eq!(guest.text(), "41");
        assert_eq!(guest.read(), Frame::Close(1000));
    }
    until(|| house.io.fetch_sockets().is_empty());
}

#[test]
fn a_handler_may_emit_to_whomever_it_wants() {
    let house = house(|socket| {
        socket.on("all", |event| event.socket.namespace().emit("word", &event.args));
        socket.on("others", |event| event.socket.broadcast().emit("word", &event.args));
        socket.on("room", |event| event.socket.to("x").emit("word", &event.args));
        socket.on("you", |event| {
            for socket in event.socket.namespace().to("x").fetch_sockets() {
                socket.emit("word", &event.args);
            }
        });
    });
    let mut guests = guests(&house, ["", "x", "y"]);
    for (event, expected) in
        [("all", &[0, 1, 2][..]), ("others", &[1, 2]), ("room", &[1]), ("you", &[1])]
    {
        guests[0].0.send(&format!(r#"42["{event}",1]"#));
        assert_heard(&mut guests, expected);
    }
}
