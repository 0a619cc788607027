//! MessagePack, by the formats of its specification, and as npm's `notepack.io` does it.

use std::thread;

use sockets_by_hand::json;
use sockets_by_hand::json::Value;
use sockets_by_hand::msgpack::{MAX_DEPTH, decode, encode};

/// The bytes of a text in hexadecimal.
fn hex(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// Asserts that each value is encoded as those bytes, and decoded from them.
#[track_caller]
fn assert_encoded<const N: usize>(values: [(Value, &str); N]) {
    for (value, bytes) in values {
        assert_eq!(encode(&value), hex(bytes), "what {value} is encoded as");
        assert_eq!(decode(&hex(bytes)), Ok(value));
    }
}

/// Asserts that the bytes are refused at that byte, with what was expected there.
#[track_caller]
fn assert_refused<const N: usize>(values: [(&str, usize, &str); N]) {
    for (bytes, at, expected) in values {
        let e = decode(&hex(bytes)).expect_err(bytes);
        assert_eq!((e.at, e.expected), (at, expected), "why {bytes} is refused");
    }
}

/// Asserts that a value of `len` parts begins with those bytes, has so many in all, and is decoded
/// again.
#[track_caller]
fn assert_begins<const N: usize>(
    value: impl Fn(usize) -> Value,
    lengths: [(usize, &str, usize); N],
) {
    for (len, begin, size) in lengths {
        let bytes = encode(&value(len));
        assert!(bytes.starts_with(&hex(begin)), "{len}: {:x?}", &bytes[..5]);
        assert_eq!(bytes.len(), hex(begin).len() + size, "{len}");
        assert_eq!(decode(&bytes), Ok(value(len)), "{len}");
    }
}

mod formats {
    use super::*;

    #[test]
    fn nil_and_bool_are_one_byte() {
        assert_encoded([(json!(null), "c0"), (json!(false), "c2"), (json!(true), "c3")]);
    }

    #[test]
    fn an_integer_has_the_shortest_format() {
        assert_encoded([
            (json!(0), "00"),
            (json!(127), "7f"),
            (json!(128), "cc80"),
            (json!(255), "ccff"),
            (json!(256), "cd0100"),
            (json!(65_535), "cdffff"),
            (json!(65_536), "ce00010000"),
            (json!(u32::MAX), "ceffffffff"),
            (json!(1_u64 << 32), "cf0000000100000000"),
            (json!(9_007_199_254_740_991_u64), "cf001fffffffffffff"),
            (json!(1_u64 << 63), "cf8000000000000000"),
            (json!(-1), "ff"),
            (json!(-32), "e0"),
            (json!(-33), "d0df"),
            (json!(-128), "d080"),
            (json!(-129), "d1ff7f"),
            (json!(-32_768), "d18000"),
            (json!(-32_769), "d2ffff7fff"),
            (json!(i32::MIN), "d280000000"),
            (json!(-2_147_483_649_i64), "d3ffffffff7fffffff"),
            (json!(i64::MIN), "d38000000000000000"),
        ]);
        assert_eq!(encode(&json!(-0.0)), [0]); // as JSON and `notepack.io`: no sign
    }

    #[test]
    fn any_other_number_is_a_float_64() {
        assert_encoded([
            (json!(0.5), "cb3fe0000000000000"),
            (json!(-1.1), "cbbff199999999999a"),
            (json!(1e300), "cb7e37e43c8800759c"),
            (json!(18_446_744_073_709_551_616.0), "cb43f0000000000000"),
            (json!(-9_223_372_036_854_777_856.0), "cbc3e0000000000001"),
            (json!(f64::INFINITY), "cb7ff0000000000000"),
            (json!(f64::NEG_INFINITY), "cbfff0000000000000"),
        ]);
        let nan = decode(&encode(&json!(f64::NAN))).unwrap();
        assert!(nan.as_f64().unwrap().is_nan());
    }

    #[test]
    fn a_longer_format_than_needed_is_read_too() {
        for (bytes, value) in [
            ("cc01", json!(1)),
            ("cd0001", json!(1)),
            ("ce00000001", json!(1)),
            ("cf0000000000000001", json!(1)),
            ("d001", json!(1)),
            ("d1fffe", json!(-2)),
            ("d2fffffffe", json!(-2)),
            ("d3fffffffffffffffe", json!(-2)),
            ("ca3f800000", json!(1)),
            ("ca3dcccccd", json!(0.1_f32)),
            ("cb3ff0000000000000", json!(1)),
            ("d90161", json!("a")),
            ("da000161", json!("a")),
            ("db0000000161", json!("a")),
            ("c500017f", Value::Binary(vec![127])),
            ("c6000000017f", Value::Binary(vec![127])),
            ("dc0001c0", json!([null])),
            ("dd00000001c0", json!([null])),
            ("de0001a161c0", json!({a: null})),
            ("df00000001a161c0", json!({a: null})),
        ] {
            assert_eq!(decode(&hex(bytes)), Ok(value), "{bytes}");
        }
    }

    #[test]
    fn an_integer_beyond_2_to_53_becomes_the_nearest_number() {
        assert_eq!(decode(&hex("cf0020000000000001")), Ok(json!(9_007_199_254_740_992_u64)));
        assert_eq!(decode(&hex("cfffffffffffffffff")), Ok(json!(u64::MAX)));
    }

    #[test]
    fn texts_bytes_arrays_and_maps_have_a_length_before_them() {
        assert_encoded([
            (json!(""), "a0"),
            (json!("é"), "a2 c3a9"),
            (Value::Binary(vec![]), "c400"),
            (json!([]), "90"),
            (json!({}), "80"),
            (json!({a: [1, {b: "c"}]}), "81 a161 92 01 81 a162 a163"),
        ]);
        assert_begins(
            |len| Value::String("x".repeat(len)),
            [
                (31, "bf", 31),
                (32, "d920", 32),
                (255, "d9ff", 255),
                (256, "da0100", 256),
                (65_535, "daffff", 65_535),
                (65_536, "db00010000", 65_536),
            ],
        );
        assert_begins(
            |len| Value::Binary(vec![7; len]),
            [
                (255, "c4ff", 255),
                (256, "c50100", 256),
                (65_535, "c5ffff", 65_535),
                (65_536, "c600010000", 65_536),
            ],
        );
        assert_begins(
            |len| Value::Array(vec![Value::Null; len]),
            [
                (15, "9f", 15),
                (16, "dc0010", 16),
                (65_535, "dcffff", 65_535),
                (65_536, "dd00010000", 65_536),
            ],
        );
        assert_begins(
            |len| (0..len).map(|i| (format!("{i:05}"), Value::Null)).collect(),
            [
                (15, "8f", 15 * 7),
                (16, "de0010", 16 * 7),
                (65_535, "deffff", 65_535 * 7),
                (65_536, "df00010000", 65_536 * 7),
            ],
        );
    }

    #[test]
    fn an_extension_is_what_notepack_makes_of_it() {
        let other = |kind: i8, bytes: &[u8]| json!([kind, bytes]);
        for (bytes, value) in [
            ("d40000", Value::Null),                                // undefined
            ("d40005", Value::Null),                                // whichever byte it has
            ("d7000000011f71fb04cb", json!(1_234_567_890_123_i64)), // a Date
            ("d700ffffffffffffffff", json!(-1)),
            ("c70300010203", Value::Binary(vec![1, 2, 3])), // an ArrayBuffer
            ("c700 00", Value::Binary(vec![])),
            ("c8000100ff", Value::Binary(vec![255])),
            ("c90000000100ff", Value::Binary(vec![255])),
            ("d401ff", other(1, &[255])),
            ("d5000102", other(0, &[1, 2])),
            ("d6ff00000001", other(-1, &[0, 0, 0, 1])), // a timestamp of the specification
            ("d7ff0000000000000001", other(-1, &[0, 0, 0, 0, 0, 0, 0, 1])),
            (
                "d80000112233445566778899aabbccddeeff",
                other(0, &hex("00112233445566778899aabbccddeeff")),
            ),
            ("c70105ff", other(5, &[255])),
        ] {
            assert_eq!(decode(&hex(bytes)), Ok(value), "{bytes}");
        }
    }
}

mod strictness {
    use super::*;

    const BYTES: &str = "as many bytes as announced";

    #[test]
    fn bytes_are_one_value_and_nothing_else() {
        assert_refused([
            ("", 0, "a value"),
            ("c0c0", 1, "the end"),
            ("a16100", 2, "the end"),
            ("9000", 1, "the end"),
            ("c1", 0, "a format that is in use"),
            ("91c1", 1, "a format that is in use"),
        ]);
    }

    #[test]
    fn a_length_is_not_believed_before_the_bytes_are_there() {
        assert_refused([
            ("a261", 1, BYTES),
            ("d9", 1, BYTES),
            ("daff", 1, BYTES),
            ("dbffffffff61", 5, BYTES),
            ("c6ffffffff", 5, BYTES),
            ("c9ffffffff00", 6, BYTES),
            ("c702", 2, BYTES),
            ("d8000000", 2, BYTES),
            ("cb000000", 1, BYTES),
            ("ddffffffff", 5, "a value"),
            ("dfffffffff", 5, "a value"),
            ("dfffffffffa161", 7, "a value"),
        ]);
        let nested = hex("ddffffffff").repeat(MAX_DEPTH);
        assert_eq!(decode(&nested).unwrap_err().at, nested.len());
    }

    #[test]
    fn a_text_is_utf_8() {
        assert_refused([
            ("a2c328", 1, "UTF-8"),
            ("a361ff62", 2, "UTF-8"),
            ("a3eda080", 1, "UTF-8"), // half of a surrogate pair
            ("81a1ffc0", 2, "UTF-8"),
        ]);
    }

    #[test]
    fn a_name_is_a_text_or_a_number_and_the_last_of_two_counts() {
        assert_refused([
            ("81c0c0", 1, "a name"),
            ("8190c0", 1, "a name"),
            ("818181", 1, "a name"),
            ("81c1c0", 1, "a name"),
            ("81c40161c0", 1, "a name"),
            ("81c3c0", 1, "a name"),
        ]);
        assert_eq!(decode(&hex("8201c0fffe")), Ok(json!({"1": null, "-1": (-2)})));
        let twice = hex("83 a16101 a16202 a16103");
        assert_eq!(decode(&twice).unwrap().to_string(), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn an_error_says_where_and_what_was_expected() {
        let e = decode(&hex("92c0a2")).unwrap_err();
        assert_eq!(e.to_string(), "expected as many bytes as announced at byte 3");
    }
}

mod limits {
    use super::*;

    /// Runs on 192 of the 256 KiB that a client's thread has.
    fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
        thread::Builder::new().stack_size(192 << 10).spawn(work).unwrap().join().unwrap();
    }

    #[test]
    fn the_deepest_value_is_read_and_written_on_a_small_stack() {
        on_a_small_stack(|| {
            for level in ["91", "81a161", "dc0001", "df00000001a161"] {
                let bytes = [hex(level).repeat(MAX_DEPTH), vec![0xc0]].concat();
                let value = decode(&bytes).unwrap();
                assert_eq!(decode(&encode(&value)), Ok(value));
            }
        });
    }

    #[test]
    fn one_level_more_is_an_error() {
        on_a_small_stack(|| {
            for level in ["91", "81a161"] {
                let bytes = hex(level).repeat(100_000);
                assert_eq!(decode(&bytes).unwrap_err().expected, "at most 128 levels of nesting");
                let bytes = [hex(level).repeat(MAX_DEPTH + 1), vec![0xc0]].concat();
                assert_eq!(decode(&bytes).unwrap_err().expected, "at most 128 levels of nesting");
            }
        });
    }

    #[test]
    fn depth_counts_what_is_open_only() {
        let bytes = [hex("dc03e8"), hex("9190").repeat(1_000)].concat();
        assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
    }

    #[test]
    fn a_list_takes_no_more_memory_than_its_items_need() {
        for n in 0..100 {
            let Ok(Value::Array(items)) = decode(&encode(&Value::Array(vec![Value::Null; n])))
            else {
                panic!("an array was expected");
            };
            assert_eq!(items.capacity(), n);
        }
        let Ok(Value::String(text)) = decode(&encode(&json!("abc"))) else { panic!("a text") };
        assert_eq!(text.capacity(), 3);
    }
}

mod fuzz {
    use super::*;
    use crate::common::random::Random;

    fn text(random: &mut Random) -> String {
        let n = if random.below(20) == 0 { random.below(70_000) } else { random.below(40) };
        let letters = ['a', '"', '\0', 'é', '\u{2028}', '😀'];
        (0..n).map(|_| letters[random.below(6)]).collect()
    }

    fn number(random: &mut Random) -> f64 {
        match random.below(4) {
            0 => random.below(600) as f64 - 300.0,
            1 => (random.next() >> random.below(64)) as f64,
            2 => (random.next() as i64 >> random.below(64)) as f64,
            _ => Some(f64::from_bits(random.next())).filter(|n| !n.is_nan()).unwrap_or(0.5),
        }
    }

    fn value(random: &mut Random, depth: u64) -> Value {
        match random.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => Value::Bool(random.below(2) == 0),
            2 | 3 => Value::Number(number(random)),
            4 => Value::String(text(random)),
            5 => Value::Binary(text(random).into_bytes()),
            6 => (0..random.below(20)).map(|_| value(random, depth - 1)).collect(),
            _ => (0..random.below(20)).map(|i| (i.to_string(), value(random, depth - 1))).collect(),
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_as_the_same_value() {
        let mut random = Random::new();
        for _ in 0..300 {
            let value = value(&mut random, 3);
            assert_eq!(decode(&encode(&value)), Ok(value));
        }
    }

    #[test]
    fn a_value_cut_short_is_no_value() {
        let mut random = Random::new();
        for _ in 0..20 {
            let value = Value::Array(vec![value(&mut random, 1)]);
            let bytes = encode(&value);
            for end in (0..bytes.len()).take(2_000) {
                let e = decode(&bytes[..end]).expect_err("a part of a value");
                assert!(e.at <= end);
            }
        }
    }

    /// Random bytes, and encoded values with some bytes changed. What can be decoded is the same
    /// after another round.
    #[test]
    fn nothing_panics_and_an_error_points_into_the_bytes() {
        let mut random = Random::new();
        for round in 0..20_000 {
            let mut bytes = match round % 2 {
                0 => (0..random.below(40)).map(|_| random.next() as u8).collect(),
                _ => encode(&value(&mut random, 1)),
            };
            bytes.truncate(400);
            for _ in 0..random.below(4).min(bytes.len()) {
                let place = random.below(bytes.len());
                bytes[place] = random.next() as u8;
            }
            match decode(&bytes) {
                // (In hexadecimal: NaN is not equal to itself.)
                Ok(value) => {
                    let again = encode(&value);
                    assert_eq!(encode(&decode(&again).unwrap()), again, "{bytes:x?}");
                }
                Err(e) => assert!(e.at <= bytes.len(), "{bytes:x?}: {e}"),
            }
        }
    }
}
