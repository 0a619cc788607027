//! Values in the hands of a program: conversions, changes, comparisons, iteration, `json!`.

use std::collections::{BTreeMap, HashMap};

use sockets_by_hand::json;
use sockets_by_hand::json::Value;
use sockets_by_hand::socketio::IntoArgs;
use sockets_by_hand::value::Element;

/// The text of one argument.
fn argument(args: impl IntoArgs) -> String {
    let args = args.into_args();
    let [value] = args.as_ref() else { panic!("not one argument: {:?}", args.as_ref()) };
    value.to_string()
}

mod conversions {
    use super::*;

    #[test]
    fn every_number_is_a_value_and_an_argument() {
        assert_eq!(json!([1_u8, 2_u16, 3_u32, 4_u64, 5_usize]).to_string(), "[1,2,3,4,5]");
        assert_eq!(
            json!([-1_i8, -2_i16, -3_i32, -4_i64, -5_isize]).to_string(),
            "[-1,-2,-3,-4,-5]"
        );
        assert_eq!(json!([0.5_f32, 0.1_f64]).to_string(), "[0.5,0.1]");
        assert_eq!(argument(200_u8) + &argument(-1_i8) + &argument(1.5_f32), "200-11.5");
        assert_eq!(json!(u64::MAX).to_string(), "18446744073709552000");
    }

    #[test]
    fn a_character_is_a_text() {
        assert_eq!(json!('é'), "é");
        assert_eq!(argument('"'), r#""\"""#);
    }

    #[test]
    fn a_list_of_bytes_is_binary_and_any_other_an_array() {
        let bytes = Value::Binary(vec![1, 2]);
        assert_eq!(Value::from(vec![1_u8, 2]), bytes);
        assert_eq!(Value::from(&vec![1_u8, 2]), bytes);
        assert_eq!(Value::from([1_u8, 2]), bytes);
        assert_eq!(Value::from(b"\x01\x02"), bytes);
        assert_eq!(Value::from(&[1_u8, 2][..]), bytes);
        let array = json!([1, 2]);
        assert_eq!(Value::from(vec![1, 2]), array);
        assert_eq!(Value::from(&vec![1, 2]), array);
        assert_eq!(Value::from([1_i64, 2]), array);
        assert_eq!(Value::from(&[1.0, 2.0]), array);
        assert_eq!(Value::from(&[1_u16, 2][..]), array);
        assert_eq!([1_u8, 2].into_iter().collect::<Value>(), array);
    }

    #[test]
    fn lists_and_options_may_stand_in_each_other() {
        let rows = vec![vec![Some("a"), None], vec![]];
        assert_eq!(Value::from(rows).to_string(), r#"[["a",null],[]]"#);
        let [one, two] = [1, 2].map(|byte| Value::Binary(vec![byte]));
        assert_eq!(Value::from([[1_u8], [2]]), Value::Array(vec![one, two]));
        assert_eq!(Value::from(&["a".to_string()]).to_string(), r#"["a"]"#);
        assert_eq!(Value::from([json!(1), json!("b")]).to_string(), r#"[1,"b"]"#);
    }

    #[test]
    fn a_map_with_texts_as_keys_is_an_object() {
        let sorted = BTreeMap::from([("b", 2), ("a", 1)]);
        assert_eq!(Value::from(sorted.clone()).to_string(), r#"{"a":1,"b":2}"#);
        assert_eq!(argument(sorted), r#"{"a":1,"b":2}"#);
        let map = HashMap::from([("one".to_string(), vec![1_u8])]);
        assert_eq!(Value::from(map.clone())["one"].as_binary(), Some(&[1][..]));
        assert_eq!(argument(map), r#"{"one":null}"#);
    }

    #[test]
    fn of_two_members_with_one_name_the_last_counts() {
        let members = [("a", 1), ("b", 2), ("a", 3)];
        assert_eq!(members.into_iter().collect::<Value>().to_string(), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn a_list_of_a_type_of_the_programs_own_is_an_array() {
        #[derive(Clone)]
        struct Note(&'static str);

        impl From<Note> for Value {
            fn from(note: Note) -> Value {
                json!({text: note.0})
            }
        }

        impl Element for Note {}

        let notes = vec![Note("a"), Note("b")];
        let text = r#"[{"text":"a"},{"text":"b"}]"#;
        assert_eq!(notes.clone().into_iter().collect::<Value>().to_string(), text);
        assert_eq!(json!(notes).to_string(), text);
    }

    #[test]
    fn only_an_integer_in_range_is_an_integer() {
        for (n, signed, unsigned) in [
            (0.0, Some(0), Some(0)),
            (-0.0, Some(0), Some(0)),
            (-1.0, Some(-1), None),
            (1.5, None, None),
            (9_007_199_254_740_991.0, Some(9_007_199_254_740_991), Some(9_007_199_254_740_991)),
            (-9_223_372_036_854_775_808.0, Some(i64::MIN), None),
            (9_223_372_036_854_775_808.0, None, Some(1 << 63)),
            (18_446_744_073_709_551_616.0, None, None),
            (-9_223_372_036_854_777_856.0, None, None),
            (f64::NAN, None, None),
            (f64::INFINITY, None, None),
            (f64::NEG_INFINITY, None, None),
        ] {
            assert_eq!((json!(n).as_i64(), json!(n).as_u64()), (signed, unsigned), "{n}");
        }
        assert_eq!((json!("1").as_i64(), json!(null).as_u64()), (None, None));
    }
}

mod changes {
    use super::*;

    #[test]
    fn a_member_is_set_in_its_place_or_added_at_the_end() {
        let mut value = json!({a: 1, b: 2});
        value["a"] = "x".into();
        value["c"] = json!([]);
        assert_eq!(value.to_string(), r#"{"a":"x","b":2,"c":[]}"#);
        *value.get_mut("b").unwrap() = true.into();
        assert_eq!(value.get_mut("d"), None);
        value["c"].as_array_mut().unwrap().push(7.into());
        assert_eq!(value.to_string(), r#"{"a":"x","b":true,"c":[7]}"#);
        assert_eq!(value["a"].as_array_mut(), None);
        assert_eq!(value["a"].get_mut("b"), None);
    }

    #[test]
    fn what_is_not_an_object_is_replaced_by_one() {
        for mut value in [json!(null), json!(1), json!("a"), json!([1, 2]), Value::Binary(vec![1])]
        {
            value["a"]["b"] = 1.into();
            assert_eq!(value, json!({a: {b: 1}}));
        }
    }
}

mod comparisons {
    use super::*;

    #[test]
    fn a_value_is_compared_with_what_rust_has() {
        let (text, number, yes) = (json!("a"), json!(1), json!(true));
        assert_eq!(text, "a");
        assert_eq!("a", text);
        assert_eq!(text, "a".to_string());
        assert!(*"a" == text);
        assert_eq!(number, 1);
        assert_eq!(1, number);
        assert_eq!(number, 1.0);
        assert_eq!(number, 1_u8);
        assert_eq!(yes, true);
        assert_ne!(false, yes);
        assert_ne!(text, "b");
        assert_ne!(number, 2);
    }

    #[test]
    fn values_of_different_types_are_not_equal() {
        assert_ne!(json!("1"), 1);
        assert_ne!(json!(1), "1");
        assert_ne!(json!(1), true);
        assert_ne!(Value::Null, false);
        assert_ne!(Value::Null, "");
    }

    #[test]
    fn what_is_missing_is_null() {
        let value = json!({a: null, b: 0});
        assert!(value["a"].is_null() && value["no"].is_null() && value[0].is_null());
        assert!(!value["b"].is_null() && !value.is_null());
    }
}

mod iteration {
    use super::*;

    #[test]
    fn an_array_has_items_and_an_object_members() {
        let value = json!({list: [1, 2, 3], n: null});
        let mut sum = 0.0;
        for item in &value["list"] {
            sum += item.as_f64().unwrap();
        }
        assert_eq!(sum, 6.0);
        let members: Vec<_> = value.members().collect();
        assert_eq!(members, [("list", &json!([1, 2, 3])), ("n", &Value::Null)]);
    }

    #[test]
    fn any_other_value_has_none() {
        for value in [json!(null), json!("text"), json!(1), json!({a: 1})] {
            assert_eq!(value.into_iter().count(), 0);
        }
        assert_eq!(json!([1]).members().count(), 0);
    }
}

mod literals {
    use super::*;

    #[test]
    fn a_name_without_quotes_is_a_name_and_one_in_brackets_is_calculated() {
        let name = "who";
        let value =
            json!({name: name, type: 1, null: 2, "a b": 3, 7: 4, [name]: 5, [name.len()]: 6,});
        let text = r#"{"name":"who","type":1,"null":2,"a b":3,"7":4,"who":5,"3":6}"#;
        assert_eq!(value.to_string(), text);
    }
}
