//! Chapter 29, exercise 1: how far from the best?
//!
//! The figures are JSON, which chapter 19 parses. A row that begins with `floor` is a lower bound and no
//! server for use, so it is left out.

use sockets_by_hand::socketio::Value;

/// For each table of a line of `figures.jsonl`: its name, and how many times as many messages a second
/// ours answers as the best of the others.
fn compare_with_best(line: &str) -> Vec<(String, f64)> {
    let line = Value::parse(line).unwrap_or(Value::Null);
    let tables = line["table"].as_object().unwrap_or_default();
    let compare = |(name, table): &(String, Value)| {
        let ours = table["ours"]["per_s"].as_f64()?;
        let peers = table.as_object()?.iter();
        let best = peers
            .filter(|(peer, _)| peer != "ours" && !peer.starts_with("floor"))
            .filter_map(|(_, row)| row["per_s"].as_f64())
            .fold(0.0, f64::max);
        (best > 0.0).then(|| (name.clone(), ours / best))
    };
    tables.iter().filter_map(compare).collect()
}

#[test]
fn ours_is_compared_with_the_best_server() {
    let line = r#"{"table":{"ws conns=1 size=17":{"ours":{"per_s":30},"slow":{"per_s":10},
        "quick":{"per_s":20},"floor":{"per_s":90}}}}"#;
    assert_eq!(compare_with_best(line), [("ws conns=1 size=17".to_string(), 1.5)]);
    assert!(compare_with_best("no JSON").is_empty());
}

#[test]
fn every_run_but_those_of_idle_connections_can_be_compared() {
    for line in std::fs::read_to_string("tutorial/figures.jsonl").unwrap().lines() {
        assert_eq!(compare_with_best(line).is_empty(), line.contains("idle"), "{line}");
    }
}
