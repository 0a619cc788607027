//! Chapter 14, exercise 1: a reason that fits.
//!
//! A control frame has at most 125 bytes, and the code takes two. The limit counts bytes, not
//! characters, and no character may be cut in two: `is_char_boundary` says where one begins.

fn fitting(reason: &str) -> &str {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[test]
fn a_reason_is_cut_between_two_characters() {
    use sockets_by_hand::ws::Close;

    assert_eq!(fitting("time for tea"), "time for tea");
    assert_eq!(fitting(&"x".repeat(200)), "x".repeat(123));
    assert_eq!(fitting(&"차".repeat(50)), "차".repeat(41)); // three bytes each
    assert_eq!(fitting(&"🍵".repeat(50)), "🍵".repeat(30)); // four: the 31st would end at 124

    let reason = "차 마실 시간 ".repeat(20);
    assert!(Close { code: Close::NORMAL, reason: reason.clone() }.encode().is_err());
    assert!(Close { code: Close::NORMAL, reason: fitting(&reason).to_string() }.encode().is_ok());
}
