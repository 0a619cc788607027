//! Chapter 19, exercise 2: JSON Pointer (RFC 6901).
//!
//! Each step is a name in an object, or an index in an array. A `/` in a name is written `~1`, so `~`
//! itself is escaped too: `~0`. Unescaped in the wrong order, `~01` would become `/`.

use sockets_by_hand::json;
use sockets_by_hand::json::Value;

fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(value, |value, step| match value {
        Value::Array(items) if step == "0" || !step.starts_with(['0', '+']) => {
            items.get(step.parse::<usize>().ok()?)
        }
        Value::Object(_) => value.get(&step.replace("~1", "/").replace("~0", "~")),
        _ => None,
    })
}

#[test]
fn a_pointer_finds_a_part_of_the_value() {
    let value = json!({"members": [{"name": "Ann"}, {"name": "Bob"}], "a/b": {"~1": 7}, "": 8});
    assert_eq!(at(&value, "/members/1/name"), Some(&json!("Bob")));
    assert_eq!(at(&value, "/a~1b/~01"), Some(&json!(7)));
    assert_eq!(at(&value, "/"), Some(&json!(8)));
    assert_eq!(at(&value, ""), Some(&value));
}

#[test]
fn a_pointer_to_nothing_is_none() {
    let value = json!({"members": [{"name": "Ann"}]});
    for pointer in
        ["/nobody", "/members/1", "/members/00", "/members/+0", "/members/x", "/members/0/name/0"]
    {
        assert_eq!(at(&value, pointer), None, "{pointer}");
    }
}
