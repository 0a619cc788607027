//! Chapter 27, exercise 1: a reply as `redis-cli` shows it.
//!
//! A reply within another is shown first, and all of its lines but the first are indented then: so
//! each level needs to know nothing of those around it.

use sockets_by_hand::redis::Reply;

fn show(reply: &Reply) -> String {
    match reply {
        Reply::Simple(text) => text.clone(),
        Reply::Error(message) => format!("(error) {message}"),
        Reply::Integer(n) => format!("(integer) {n}"),
        Reply::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Reply::Null => "(nil)".to_string(),
        Reply::Array(items) if items.is_empty() => "(empty array)".to_string(),
        Reply::Array(items) => {
            let width = items.len().to_string().len();
            let indented = format!("\n{}", " ".repeat(width + 2));
            let item =
                |(i, item)| format!("{:width$}) {}", i + 1, show(item).replace('\n', &indented));
            items.iter().enumerate().map(item).collect::<Vec<_>>().join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a reply from bytes, and shows it.
    fn shown(bytes: &[u8]) -> String {
        show(&Reply::read(&mut &bytes[..], 100_000).unwrap())
    }

    #[test]
    fn each_type_is_shown() {
        assert_eq!(shown(b"+OK\r\n"), "OK");
        assert_eq!(shown(b"-ERR unknown command\r\n"), "(error) ERR unknown command");
        assert_eq!(shown(b":-3\r\n"), "(integer) -3");
        assert_eq!(shown(b"$3\r\nAnn\r\n"), r#""Ann""#);
        assert_eq!(shown(b"$-1\r\n"), "(nil)");
        assert_eq!(shown(b"*0\r\n"), "(empty array)");
    }

    #[test]
    fn bytes_that_a_terminal_cannot_show_are_escaped() {
        assert_eq!(shown(b"$5\r\na\r\n\x00\"\r\n"), r#""a\r\n\x00\"""#);
    }

    #[test]
    fn an_array_within_another_is_indented() {
        let nested = b"*3\r\n:1\r\n*2\r\n$1\r\na\r\n*2\r\n$-1\r\n+b\r\n:2\r\n";
        let lines =
            ["1) (integer) 1", "2) 1) \"a\"", "   2) 1) (nil)", "      2) b", "3) (integer) 2"];
        assert_eq!(shown(nested), lines.join("\n"));
    }

    #[test]
    fn numbers_of_two_digits_are_aligned() {
        let ten = [&b"*10\r\n"[..], &b":7\r\n".repeat(9), b"*2\r\n:7\r\n:8\r\n"].concat();
        let shown = shown(&ten);
        assert!(shown.starts_with(" 1) (integer) 7\n 2) "), "{shown}");
        assert!(shown.ends_with("\n10) 1) (integer) 7\n    2) (integer) 8"), "{shown}");
    }
}
