//! Chapter 16, exercise 1: with a context, and without.
//!
//! A `Deflater` that goes on remembers the messages before; one that is reset begins anew each time. The
//! last four bytes of a flush are not sent.

use sockets_by_hand::ws::deflate::deflate::Deflater;

/// Returns how many bytes the messages take with context takeover, and without.
fn sizes(messages: &[String]) -> (usize, usize) {
    let (mut with, mut without) = (Deflater::new(15, 6), Deflater::new(15, 6));
    let mut sizes = (0, 0);
    for message in messages {
        sizes.0 += with.message(message.as_bytes()).len() - 4;
        sizes.1 += without.message(message.as_bytes()).len() - 4;
        without.reset();
    }
    sizes
}

#[test]
fn one_message_takes_the_same() {
    assert_eq!(sizes(&["Hello".to_string()]), (7, 7));
    assert_eq!(sizes(&[]), (0, 0));
}

#[test]
fn same_message_again_takes_a_few_bytes_with_a_context() {
    assert_eq!(sizes(&["Hello".to_string(), "Hello".to_string()]).1, 14);
    assert!(sizes(&["Hello".to_string(), "Hello".to_string()]).0 <= 12);
}

#[test]
fn short_messages_that_are_alike_take_a_third_with_a_context() {
    let message =
        |i: u32| format!(r#"{{"id":{i},"from":"Ann","room":"tea","text":"Milk? {}"}}"#, i * i);
    let messages: Vec<String> = (0..100).map(message).collect();
    let plain: usize = messages.iter().map(String::len).sum();
    let (with, without) = sizes(&messages);
    assert!(3 * with < without && without > plain * 9 / 10, "{with}, {without}, {plain}");
}
