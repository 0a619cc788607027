//! Chapter 19, exercise 1: what `JSON.stringify(value, null, 2)` writes.
//!
//! The function calls itself for each value within, with a larger indent. `Display` writes a value that
//! contains no others.

use sockets_by_hand::json;
use sockets_by_hand::json::Value;

fn pretty(value: &Value, indent: usize) -> String {
    let within = indent + 2;
    let (open, lines, close): (_, Vec<String>, _) = match value {
        Value::Array(items) if !items.is_empty() => {
            ("[", items.iter().map(|item| pretty(item, within)).collect(), "]")
        }
        Value::Object(members) if !members.is_empty() => {
            let line = |(name, value): &(String, Value)| {
                format!("{}: {}", Value::from(name), pretty(value, within))
            };
            ("{", members.iter().map(line).collect(), "}")
        }
        single => return single.to_string(),
    };
    let lines = lines.join(&format!(",\n{:within$}", ""));
    format!("{open}\n{:within$}{lines}\n{:indent$}{close}", "", "")
}

#[test]
fn a_value_is_written_over_several_lines() {
    let value = json!({"room": "tea", "list": [1, [], {"a\n": null}], "none": {}});
    let text = [
        "{",
        r#"  "room": "tea","#,
        r#"  "list": ["#,
        "    1,",
        "    [],",
        "    {",
        r#"      "a\n": null"#,
        "    }",
        "  ],",
        r#"  "none": {}"#,
        "}",
    ];
    let text = text.join("\n");
    assert_eq!(pretty(&value, 0), text);
    assert_eq!(Value::parse(&text), Ok(value));
    assert_eq!(pretty(&json!("alone"), 0), "\"alone\"");
}
