//! SHA-1, base64 and random bytes: what the handshake and the masking keys need.

use sockets_by_hand::ws::{base64, handshake::accept_key, random::random_bytes, sha1::sha1};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn sha1_gives_the_digests_of_fips_180() {
    let two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    let four_blocks = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn\
                       hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    for (message, digest) in [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (two_blocks, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
        (four_blocks, "a49b2446a02c645bf419f995b67091253a04a259"),
    ] {
        assert_eq!(hex(&sha1(message.as_bytes())), digest, "{message:?}");
    }
    let million = vec![b'a'; 1_000_000];
    assert_eq!(hex(&sha1(&million)), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

#[test]
fn sha1_pads_every_length_around_a_block() {
    // From another implementation: the digest of the digests of 55 to 65 times `x`.
    let digests: Vec<u8> = (55..=65).flat_map(|len| sha1(&vec![b'x'; len])).collect();
    assert_eq!(hex(&sha1(&digests)), "5978224dd18c9dea4e8733a21dde1d1846f0c951");
}

#[test]
fn the_accept_key_is_the_one_of_section_1_3() {
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), super::peer::ACCEPT);
}

#[test]
fn base64_gives_the_examples_of_rfc_4648_section_10() {
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64::encode(bytes.as_bytes()), text);
        assert_eq!(base64::decode(text).as_deref(), Some(bytes.as_bytes()));
    }
}

#[test]
fn base64_has_a_character_for_every_six_bits() {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = base64::decode(alphabet).unwrap();
    assert_eq!(base64::encode(&bytes), alphabet);
    assert_eq!(&bytes[..3], [0x00, 0x10, 0x83]);
    assert_eq!(base64::decode("////").unwrap(), [0xff; 3]);
    assert_eq!(base64::decode("+/+/").unwrap(), [0xfb, 0xff, 0xbf]);
}

#[test]
fn base64_that_no_encoder_writes_is_not_decoded() {
    for text in [
        "Z",
        "Zg",
        "Zg=",
        "Zm8",
        "Zm9vY",
        "=",
        "==",
        "===",
        "====",
        "Z===", // cut short
        "Zg==Zg==",
        "Zm8=Zm9v",
        "Zg==\0",
        "Zm9v=",
        "Zm9v====", // more after the end
        "Z=g=",
        "=Zg=",
        "Zm=v", // padding in the middle
        "Zh==",
        "Zn==",
        "Z/==",
        "Zm9=",
        "Zm+=", // bits left over (§3.5)
        "Zm9-",
        "Zm9_",
        "Zm9.",
        "Zm9*",
        "Zm9\u{e9}",
        "Zm\u{e9}v", // not ASCII
        " Zm9v",
        "Zm9v ",
        "Zm9v\n",
        "Zm\r\n9v",
        "Zm 9v", // white space
    ] {
        assert_eq!(base64::decode(text), None, "{text:?}");
    }
}

#[test]
fn a_byte_outside_the_alphabet_is_not_decoded_wherever_it_stands() {
    for byte in 0..128u8 {
        let in_alphabet = byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        for at in 0..4 {
            let mut text = *b"AAAA";
            text[at] = byte;
            let decoded = base64::decode(std::str::from_utf8(&text).unwrap()).is_some();
            assert_eq!(decoded, in_alphabet || (at, byte) == (3, b'='), "{byte} at {at}");
        }
    }
}

#[test]
fn random_bytes_do_not_repeat_and_none_stays_zero() {
    let random: std::collections::HashSet<[u8; 16]> = (0..1000).map(|_| random_bytes()).collect();
    assert_eq!(random.len(), 1000);
    for i in 0..16 {
        assert!(random.iter().any(|bytes| bytes[i] != 0), "byte {i}");
    }
    _ = random_bytes::<0>();
    assert!((0..100).any(|_| random_bytes::<5>()[4] != 0), "fewer than eight bytes");
}
