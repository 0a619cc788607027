//! JSON, by the sections of RFC 8259, and as JavaScript does it.

use sockets_by_hand::json;
use sockets_by_hand::json::{Error, MAX_DEPTH, Value};
use std::thread;

#[track_caller]
fn parse(text: &str) -> Value {
    Value::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

/// Asserts that each text, read and written again, is the second.
#[track_caller]
fn assert_writes_again<const N: usize>(texts: [(&str, &str); N]) {
    for (text, written) in texts {
        assert_eq!(parse(text).to_string(), written, "what {text:?} is written as");
    }
}

/// Asserts that each text is refused at that byte, with what was expected there.
#[track_caller]
fn assert_refused<const N: usize>(texts: [(&str, usize, &str); N]) {
    for (text, at, expected) in texts {
        let e = Value::parse(text).expect_err(text);
        assert_eq!((e.at, e.expected), (at, expected), "why {text:?} is refused");
    }
}

#[test]
fn a_list_takes_no_more_memory_than_its_items_need() {
    for n in 1..100 {
        let array = parse(&format!("[{}]", vec!["0"; n].join(",")));
        let members: Vec<String> = (0..n).map(|i| format!("\"{i}\":0")).collect();
        let object = parse(&format!("{{{}}}", members.join(",")));
        let (Value::Array(items), Value::Object(members)) = (array, object) else { panic!() };
        let limit = if n == 1 { 1 } else { 3.max(2 * (n - 1)) };
        assert!(items.capacity() <= limit, "{n} items: {}", items.capacity());
        if n <= 16 {
            assert!(members.capacity() <= limit, "{n} members: {}", members.capacity());
        }
    }
}

mod section_2_grammar {
    use super::*;

    #[test]
    fn white_space_may_stand_around_every_token() {
        assert_writes_again([
            (" \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n", "[1,2]"),
            (" { \"a\" : { } , \"b\" : [ ] } ", r#"{"a":{},"b":[]}"#),
            ("\n7\n", "7"),
            (" \"a b\" ", r#""a b""#),
        ]);
    }

    #[test]
    fn no_other_white_space_is_allowed() {
        for space in ['\u{a0}', '\u{feff}', '\u{2028}', '\u{b}', '\u{c}', '\0'] {
            assert_refused([(&format!("{space}1"), 0, "a value")]);
            assert_refused([(&format!("1{space}"), 1, "the end")]);
        }
    }

    #[test]
    fn a_text_is_one_value_and_nothing_else() {
        assert_refused([
            ("", 0, "a value"),
            ("  ", 2, "a value"),
            ("1 2", 2, "the end"),
            ("[] []", 3, "the end"),
            ("{}}", 2, "the end"),
            ("[1]x", 3, "the end"),
            ("\"a\"\"b\"", 3, "the end"),
            ("1 // one", 2, "the end"),
            ("/* one */ 1", 0, "a value"),
        ]);
    }
}

mod section_3_values {
    use super::*;

    #[test]
    fn any_value_is_a_text() {
        assert_eq!(parse("null"), Value::Null);
        assert_eq!(parse("true"), Value::Bool(true));
        assert_eq!(parse("false"), Value::Bool(false));
        assert_eq!(parse("-1.5"), Value::Number(-1.5));
        assert_eq!(parse("\"\""), Value::String(String::new()));
        assert_eq!(parse("[]"), Value::Array(vec![]));
        assert_eq!(parse("{}"), Value::Object(vec![]));
    }

    #[test]
    fn literal_names_are_lower_case_and_whole() {
        assert_refused([
            ("True", 0, "a value"),
            ("NULL", 0, "a value"),
            ("nul", 0, "a value"),
            ("nulll", 4, "the end"),
            ("truefalse", 4, "the end"),
            ("undefined", 0, "a value"),
            ("NaN", 0, "a value"),
            ("Infinity", 0, "a value"),
            ("-Infinity", 1, "a digit"),
            ("'a'", 0, "a value"),
            ("é", 0, "a value"),
        ]);
    }
}

mod section_4_objects {
    use super::*;

    #[test]
    fn members_keep_their_order() {
        assert_writes_again([
            (r#"{"b":1,"a":2,"":3}"#, r#"{"b":1,"a":2,"":3}"#),
            (r#"{"a":{"b":{"c":[{}]}}}"#, r#"{"a":{"b":{"c":[{}]}}}"#),
            (r#"{"__proto__":1,"\u0061":2}"#, r#"{"__proto__":1,"a":2}"#),
        ]);
    }

    #[test]
    fn of_two_members_with_one_name_the_last_value_is_kept_in_the_place_of_the_first() {
        assert_writes_again([
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#),
            (r#"{"a":{"a":1},"a":null,"a":[]}"#, r#"{"a":[]}"#),
        ]);
    }

    #[test]
    fn many_members_take_no_longer_each_than_a_few() {
        let members: Vec<String> = (0..100_000).map(|i| format!("\"{i:x}\":{i}")).collect();
        let twice = format!("{{{0},{0}}}", members.join(","));
        assert_eq!(parse(&twice).to_string(), format!("{{{}}}", members.join(",")));
    }

    #[test]
    fn a_member_is_a_name_in_quotes_and_a_colon_and_a_value() {
        assert_refused([
            ("{a:1}", 1, "a name in quotes"),
            ("{'a':1}", 1, "a name in quotes"),
            ("{1:1}", 1, "a name in quotes"),
            ("{,}", 1, "a name in quotes"),
            (r#"{"a":1,}"#, 7, "a name in quotes"),
            (r#"{"a":1,,"b":2}"#, 7, "a name in quotes"),
            ("{", 1, "a name in quotes"),
            (r#"{"a"}"#, 4, "a colon"),
            (r#"{"a",1}"#, 4, "a colon"),
            (r#"{"a":}"#, 5, "a value"),
            (r#"{"a"::1}"#, 5, "a value"),
            (r#"{"a":1"#, 6, "a comma or the closing bracket"),
            (r#"{"a":1]"#, 6, "a comma or the closing bracket"),
            (r#"{"a":1 "b":2}"#, 7, "a comma or the closing bracket"),
        ]);
    }
}

mod section_5_arrays {
    use super::*;

    #[test]
    fn items_may_be_of_different_kinds() {
        let mixed = r#"[null,true,1,"a",[[]],{"a":[]}]"#;
        assert_writes_again([(mixed, mixed)]);
    }

    #[test]
    fn commas_stand_between_items_and_nowhere_else() {
        assert_refused([
            ("[", 1, "a value"),
            ("[1", 2, "a comma or the closing bracket"),
            ("[1,", 3, "a value"),
            ("[1,]", 3, "a value"),
            ("[,1]", 1, "a value"),
            ("[1,,2]", 3, "a value"),
            ("[1 2]", 3, "a comma or the closing bracket"),
            ("[1:2]", 2, "a comma or the closing bracket"),
            ("[1}", 2, "a comma or the closing bracket"),
            ("]", 0, "a value"),
        ]);
    }
}

mod section_6_numbers {
    use super::*;

    /// The bits of a number, and what `JSON.stringify` of Node 20 writes.
    const WRITTEN: [(u64, &str); 71] = [
        (0x0000000000000000, "0"),
        (0x0000000000000001, "5e-324"),
        (0x0000000000000003, "1.5e-323"),
        (0x000fffffffffffff, "2.225073858507201e-308"),
        (0x0010000000000000, "2.2250738585072014e-308"),
        (0x001fffffffffffff, "4.4501477170144023e-308"),
        (0x3d30000000000000, "5.684341886080802e-14"),
        (0x3e60000000000000, "2.9802322387695312e-8"),
        (0x3e7ad7f29abcaf48, "1e-7"),
        (0x3e8421f5f40d8376, "1.5e-7"),
        (0x3ea0c6f7a0b5ed8d, "5e-7"),
        (0x3eb0000000000000, "9.5367431640625e-7"),
        (0x3eb0c6f7a0b5ed8d, "0.000001"),
        (0x3eb4a2cf4d5aa6c0, "0.00000123"),
        (0x3eb4b3fd5942cd96, "0.000001234"),
        (0x3ee4f8b588e368f1, "0.00001"),
        (0x3ee711947cfa26a2, "0.000011"),
        (0x3f02599ed7c6fbd2, "0.000035"),
        (0x3fb999999999999a, "0.1"),
        (0x3fb99999a0000000, "0.10000000149011612"),
        (0x3fc999999999999a, "0.2"),
        (0x3fd3333333333334, "0.30000000000000004"),
        (0x3fd5555555555555, "0.3333333333333333"),
        (0x3fe5555555555555, "0.6666666666666666"),
        (0x3fe9999999999999, "0.7999999999999999"),
        (0x3ff0000000000000, "1"),
        (0x3ff0001800000000, "1.0000228881835938"),
        (0x4005bf0a8b145769, "2.718281828459045"),
        (0x400921fb54442d18, "3.141592653589793"),
        (0x4011666666666666, "4.35"),
        (0x4059000000000000, "100"),
        (0x40fe240c9fbe76c9, "123456.789"),
        (0x4279000c79c00000, "1718000000000"),
        (0x42a04b5b93dcf520, "8957922504314.562"),
        (0x4303731e8c7de272, "684324950096974.2"),
        (0x430c6bf52633fff8, "999999999999999"),
        (0x430c6bf526340000, "1000000000000000"),
        (0x430c6bf526340004, "1000000000000000.5"),
        (0x433fffffffffffff, "9007199254740991"),
        (0x4340000000000000, "9007199254740992"),
        (0x4340000000000001, "9007199254740994"),
        (0x4341c37937e08000, "10000000000000000"),
        (0x43dfffffffffffff, "9223372036854775000"),
        (0x43e0000000000000, "9223372036854776000"),
        (0x43e56a95319d63e1, "12345678901234567000"),
        (0x43f0000000000000, "18446744073709552000"),
        (0x4415af1d78b58c40, "100000000000000000000"),
        (0x441ac53a7e04bcda, "123456789012345680000"),
        (0x444b1ae4d6e2ef4f, "999999999999999900000"),
        (0x444b1ae4d6e2ef50, "1e+21"),
        (0x4450bb448ec2f608, "1.2345678901234568e+21"),
        (0x447c7e83209e90b2, "8.41e+21"),
        (0x4480f0cf064dd592, "1e+22"),
        (0x44b52d02c7e14af6, "1e+23"),
        (0x54b249ad2594c37d, "1e+100"),
        (0x7e37e43c8800759c, "1e+300"),
        (0x7e41eb2d66005835, "1.5e+300"),
        (0x7fe0000000000000, "8.98846567431158e+307"),
        (0x7fefffffffffffff, "1.7976931348623157e+308"),
        (0x7ff0000000000000, "null"),
        (0x7ff8000000000000, "null"),
        (0x8000000000000000, "0"),
        (0xbe7ad7f29abcaf48, "-1e-7"),
        (0xbeb0c6f7a0b5ed8d, "-0.000001"),
        (0xbfe0000000000000, "-0.5"),
        (0xbff0000000000000, "-1"),
        (0xbff0000800000000, "-1.0000076293945312"),
        (0xc340000000000000, "-9007199254740992"),
        (0xc454542ba12a337c, "-1.5e+21"),
        (0xfe37e43c8800759c, "-1e+300"),
        (0xfff0000000000000, "null"),
    ];

    #[test]
    fn are_written_as_javascript_writes_them() {
        for (bits, text) in WRITTEN {
            assert_eq!(Value::Number(f64::from_bits(bits)).to_string(), text, "{bits:#x}");
        }
    }

    #[test]
    fn of_javascript_are_read_and_written_the_same() {
        for (bits, text) in WRITTEN.into_iter().filter(|(_, text)| *text != "null") {
            let n = parse(text).as_f64().unwrap();
            assert_eq!(n, f64::from_bits(bits), "{text}");
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn may_be_spelled_in_other_ways() {
        assert_writes_again([
            ("1.0", "1"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e999999999999", "0"),
            ("1E3", "1000"),
            ("1e+3", "1000"),
            ("1e-03", "0.001"),
            ("1.50e1", "15"),
            ("9007199254740993", "9007199254740992"),
            ("0.1000000000000000055511151231257827", "0.1"),
            ("1e-400", "0"),
        ]);
    }

    #[test]
    fn keep_the_sign_of_zero_when_read_as_in_javascript() {
        assert!(parse("-0").as_f64().unwrap().is_sign_negative());
        assert!(parse("0").as_f64().unwrap().is_sign_positive());
    }

    #[test]
    fn that_are_too_large_are_infinite_as_in_javascript() {
        assert_eq!(parse("1e400"), Value::Number(f64::INFINITY));
        assert_eq!(parse(&"9".repeat(100_000)), Value::Number(f64::INFINITY));
        assert_writes_again([("-1e400", "null")]);
    }

    #[test]
    fn have_one_spelling_for_each_part() {
        assert_refused([
            ("01", 1, "the end"),
            ("-01", 2, "the end"),
            ("[00]", 2, "a comma or the closing bracket"),
            ("+1", 0, "a value"),
            (".5", 0, "a value"),
            ("-", 1, "a digit"),
            ("-.5", 1, "a digit"),
            ("--1", 1, "a digit"),
            ("1.", 2, "a digit"),
            ("1.e1", 2, "a digit"),
            ("1e", 2, "a digit"),
            ("1e+", 3, "a digit"),
            ("1e+-1", 3, "a digit"),
            ("1e1.5", 3, "the end"),
            ("1.2.3", 3, "the end"),
            ("0x10", 1, "the end"),
            ("1_000", 1, "the end"),
            ("1n", 1, "the end"),
            ("１", 0, "a value"),
        ]);
    }
}

mod section_7_strings {
    use super::*;

    const CHARACTER: &str = "a character or the closing '\"'";
    const ESCAPE: &str = "one of \"\\/bfnrtu";
    const DIGITS: &str = "four hexadecimal digits";

    #[test]
    fn every_escape_is_read() {
        assert_eq!(
            parse(r#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\uD83D\uDE00\u0000""#).as_str(),
            Some("\"\\/\u{8}\u{c}\n\r\tAé€😀\0")
        );
    }

    #[test]
    fn only_what_must_be_escaped_is_as_in_javascript() {
        let text = "\"\\/\u{8}\t\n\u{b}\u{c}\r\0\u{1f}\u{7f}\u{2028}é😀'<";
        let written = "\"\\\"\\\\/\\b\\t\\n\\u000b\\f\\r\\u0000\\u001f\u{7f}\u{2028}é😀'<\"";
        assert_eq!(Value::from(text).to_string(), written);
        assert_eq!(json!({ [text]: 1 }).to_string(), format!("{{{written}:1}}"));
        assert_eq!(parse(written).as_str(), Some(text));
    }

    #[test]
    fn an_escape_is_found_at_every_place_of_a_long_string() {
        for place in 0..100 {
            for (special, escape) in [("\"", "\\\""), ("\\", "\\\\"), ("\u{1f}", "\\u001f")] {
                let [before, after] =
                    ["é".repeat(place / 2) + &"a".repeat(place % 2), "ab".repeat(50)];
                let value = Value::String(format!("{before}{special}{after}"));
                assert_eq!(value.to_string(), format!("\"{before}{escape}{after}\""));
                assert_eq!(parse(&value.to_string()), value);
            }
        }
    }

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character() {
        for (text, read) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00""#, "\u{fffd}"),
            (r#""\ud83dA""#, "\u{fffd}A"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(parse(text).as_str(), Some(read), "{text}");
        }
    }

    #[test]
    fn a_control_character_must_be_escaped() {
        for control in (0..0x20).map(char::from) {
            assert_refused([(&format!("\"a{control}\""), 2, CHARACTER)]);
        }
        assert_eq!(parse("\"\u{7f}\u{2029}\"").as_str(), Some("\u{7f}\u{2029}"));
    }

    #[test]
    fn a_string_ends_with_a_quote() {
        assert_refused([
            ("\"", 1, CHARACTER),
            ("\"abc", 4, CHARACTER),
            ("\"é", 3, CHARACTER),
            (r#""a\""#, 4, CHARACTER),
            (r#"["a]"#, 4, CHARACTER),
        ]);
    }

    #[test]
    fn an_escape_is_one_of_nine() {
        assert_refused([
            (r#""\"#, 2, ESCAPE),
            (r#""\x41""#, 2, ESCAPE),
            (r#""\'""#, 2, ESCAPE),
            (r#""\U0041""#, 2, ESCAPE),
            (r#""\é""#, 2, ESCAPE),
            (r#""\u""#, 3, DIGITS),
            (r#""\u004""#, 3, DIGITS),
            (r#""\u+041""#, 3, DIGITS),
            (r#""\u-041""#, 3, DIGITS),
            (r#""\u 041""#, 3, DIGITS),
            (r#""\u004g""#, 3, DIGITS),
            (r#""\u004é""#, 3, DIGITS),
            (r#""\u00"#, 3, DIGITS),
            (r#""\ud83d\u""#, 9, DIGITS),
            (r#""\ud83d\x""#, 8, ESCAPE),
        ]);
    }
}

mod section_9_limits {
    use super::*;

    /// Runs on 192 of the 256 KiB that a client's thread has. (Much less is needed in a release build.)
    fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
        thread::Builder::new().stack_size(192 << 10).spawn(work).unwrap().join().unwrap();
    }

    fn nested(open: &str, close: &str, depth: usize) -> String {
        format!("{}1{}", open.repeat(depth), close.repeat(depth))
    }

    #[test]
    fn the_deepest_value_is_read_and_written_on_a_small_stack() {
        on_a_small_stack(|| {
            for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[[{\"a\":{\"b\":", "}}]]")] {
                let depth = MAX_DEPTH / open.matches(['[', '{']).count();
                let text = nested(open, close, depth);
                let value = parse(&text);
                assert_eq!(value.to_string(), text);
                assert!(value == value.clone());
                assert!(format!("{value:?}").contains("Number(1.0)"));
            }
        });
    }

    #[test]
    fn one_level_more_is_an_error() {
        on_a_small_stack(|| {
            let expected = format!("at most {MAX_DEPTH} levels of nesting");
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let e = Value::parse(&nested(open, close, MAX_DEPTH + 1)).unwrap_err();
                assert_eq!((e.at, e.expected), (MAX_DEPTH * open.len(), expected.as_str()));
                let e = Value::parse(&open.repeat(100_000)).unwrap_err();
                assert_eq!(e.at, MAX_DEPTH * open.len());
            }
        });
    }

    #[test]
    fn depth_counts_the_open_brackets_only() {
        let text = format!("[{}1]", "[[]],".repeat(1_000));
        assert_eq!(parse(&text).to_string(), text);
    }

    #[test]
    fn an_error_says_where_and_what_was_expected() {
        let e = Value::parse(r#"["é", tru]"#).unwrap_err();
        assert_eq!(e, Error { at: 7, expected: "a value" });
        assert_eq!(e.to_string(), "expected a value at byte 7");
    }
}

mod values_in_rust {
    use super::*;

    #[test]
    fn a_literal_holds_expressions() {
        let (who, seen, none) = ("Ann".to_string(), vec![1, 2], None::<&str>);
        let value = json!({
            "who": who.as_str(),
            "seen": seen,
            "list": [1, -2.5, [null, true], {}, [], who.len() * 2, if who.is_empty() { 1 } else { 2 },],
            "none": none,
            "some": Some("x"),
            "deep": {"er": {"est": null}},
        });
        let text = r#"{"who":"Ann","seen":[1,2],"list":[1,-2.5,[null,true],{},[],6,2],"none":null,"some":"x","deep":{"er":{"est":null}}}"#;
        assert_eq!(value.to_string(), text);
        assert_eq!(parse(text), value);
        assert_eq!(json!(null), Value::Null);
        assert_eq!(json!(u64::MAX).to_string(), "18446744073709552000");
        assert_eq!(json!(&who), json!("Ann"));
    }

    #[test]
    fn an_event_is_read_and_acknowledged() {
        let event = parse(r#"["say", {"room": "tea", "text": "Hello"}]"#);
        let [Value::String(name), said] = event.as_array().unwrap() else { panic!("no event") };
        assert_eq!(name, "say");
        let text = said["text"].as_str().unwrap_or("(nothing)");
        let answer = json!(["said", {"who": "Ann", "text": text, "length": text.len()}]);
        assert_eq!(answer.to_string(), r#"["said",{"who":"Ann","text":"Hello","length":5}]"#);
    }

    #[test]
    fn what_is_missing_reads_as_null() {
        let value = parse(r#"{"a": [1, {"b": 2}]}"#);
        assert_eq!(value["a"][1]["b"].as_f64(), Some(2.0));
        for missing in [&value["b"], &value["a"][9], &value["a"]["b"], &value[0], &value["b"]["c"]]
        {
            assert_eq!(*missing, Value::Null);
        }
        assert_eq!(value.get("b"), None);
    }

    #[test]
    fn a_value_of_another_kind_is_none() {
        assert_eq!(json!(1).as_str(), None);
        assert_eq!(json!("1").as_f64(), None);
        assert_eq!(json!(1).as_bool(), None);
        assert_eq!(json!(true).as_bool(), Some(true));
        assert_eq!(json!({}).as_array(), None);
        assert_eq!(json!([]).as_object(), None);
        assert_eq!(json!({"a": 1}).as_object(), Some(&[("a".to_string(), json!(1))][..]));
    }

    #[test]
    fn binary_values_are_null_in_the_text() {
        let value = json!(["upload", vec![1_u8, 2, 3]]);
        assert_eq!(value[1].as_binary(), Some(&[1, 2, 3][..]));
        assert_eq!(value[1], Value::from(&[1_u8, 2, 3][..]));
        assert_eq!(value.to_string(), r#"["upload",null]"#);
    }
}

mod fuzz {
    use super::*;
    use crate::common::random::Random;

    fn text(random: &mut Random) -> String {
        let alphabet = ['a', '"', '\\', '/', '\n', '\u{1}', '\u{7f}', 'é', '\u{2028}', '😀'];
        (0..random.below(12)).map(|_| alphabet[random.below(10)]).collect()
    }

    fn number(random: &mut Random) -> f64 {
        match random.below(3) {
            0 => random.below(2_000) as f64 - 1_000.0,
            1 => random.below(1 << 53) as f64 / 1e6,
            _ => Some(f64::from_bits(random.next())).filter(|n| n.is_finite()).unwrap_or(0.0),
        }
    }

    fn value(random: &mut Random, depth: u64) -> Value {
        match random.below(if depth == 0 { 5 } else { 7 }) {
            0 => Value::Null,
            1 => Value::Bool(random.below(2) == 0),
            2 | 3 => Value::Number(number(random)),
            4 => Value::String(text(random)),
            5 => Value::Array((0..random.below(6)).map(|_| value(random, depth - 1)).collect()),
            _ => {
                let n = random.below(30);
                let names: Vec<String> = (0..n).map(|i| format!("{i}{}", text(random))).collect();
                let member = |name| (name, value(random, depth - 1));
                Value::Object(names.into_iter().map(member).collect())
            }
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same_value() {
        let mut random = Random::new();
        for _ in 0..500 {
            let value = value(&mut random, 4);
            assert_eq!(Value::parse(&value.to_string()), Ok(value));
        }
    }

    #[test]
    fn nothing_panics_and_an_error_points_into_the_text() {
        let mut random = Random::new();
        let tokens = "{ } [ ] , : \" \\ \\u d83d \\ude00 00 - 1 e . + true null é 😀 a";
        let tokens: Vec<&str> = tokens.split(' ').collect();
        for _ in 0..20_000 {
            let n = random.below(10);
            let token = |_| tokens[random.below(tokens.len())];
            let text: String = (0..n).map(token).collect();
            match Value::parse(&text) {
                Ok(value) => assert_eq!(parse(&value.to_string()).to_string(), value.to_string()),
                Err(e) => assert!(text.is_char_boundary(e.at), "{text:?}: {e}"),
            }
        }
    }

    #[test]
    fn a_value_cut_short_is_no_value() {
        let mut random = Random::new();
        for _ in 0..10 {
            let text = Value::Array(vec![value(&mut random, 2)]).to_string();
            for (end, _) in text.char_indices() {
                Value::parse(&text[..end]).expect_err(&text[..end]);
            }
        }
    }
}
