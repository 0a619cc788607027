//! Chapter 04, exercise 3: escape what a client sends.
//!
//! `escape_debug` writes `\n` and `\u{1b}` as Rust does in a string. It would change more than the control
//! characters (a quotation mark, for one), so it is asked about those alone. In the bare server, `answer` then
//! says `say(&received(&buffer[..n]))`.

fn received(data: &[u8]) -> String {
    let mut line = String::from("Received data from client: ");
    for c in String::from_utf8_lossy(data).chars() {
        if c.is_control() {
            line.extend(c.escape_debug());
        } else {
            line.push(c);
        }
    }
    line
}

#[test]
fn text_is_shown_as_it_is() {
    assert_eq!(received("안녕, \"é\"".as_bytes()), "Received data from client: 안녕, \"é\"");
}

#[test]
fn control_characters_are_escaped() {
    let forged = "Hello\r\nClient disconnected\u{1b}[2J\u{9b}\0";
    let shown = r"Received data from client: Hello\r\nClient disconnected\u{1b}[2J\u{9b}\0";
    assert_eq!(received(forged.as_bytes()), shown);
}
