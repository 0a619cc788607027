//! Chapter 15, exercise 1: a block by eye.
//!
//! Each byte from its lowest bit on: `2b` is 11010100. The 1 says that this is the final block, and 10,
//! the number 1, that its codes are the fixed ones. Then 10100100 is `t`, and so on. Behind the space
//! comes 0000110, a length of 8, and 00100 0, a distance of 5: more bytes than there are behind the
//! distance, so the match copies the first three of its own.

/// The block, which is a whole stream.
const BLOCK: [u8; 9] = [0x2b, 0x49, 0x4d, 0xd4, 0x51, 0x80, 0x11, 0x8a, 0x00];

fn text() -> &'static str {
    "tea, tea, tea!"
}

#[test]
fn text_is_what_the_block_says() {
    use sockets_by_hand::ws::deflate::inflate::inflate;

    let (inflated, len) = inflate(&BLOCK, 100).unwrap();
    assert!(inflated == text().as_bytes(), "the block says something else");
    assert_eq!(len, BLOCK.len());
}
