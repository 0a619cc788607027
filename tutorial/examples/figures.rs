//! Chapter 29: prints and draws the figures of the benchmark.
//!
//! `tutorial/figures.jsonl` has a line for each run of the benchmark: its command, and its table.
//! `cargo run --example figures` prints them; with `draw` it makes the pictures of the chapter from
//! them, and with `check` it reports whether the pictures, and the tables of the chapter and of README.md,
//! are still those of the figures.

use std::{env, fs, io, process::exit};

use sockets_by_hand::socketio::Value;

/// A run: its command, the connections, the size of a message, and a row for each server.
struct Run {
    command: String,
    conns: u32,
    size: u32,
    rows: Vec<(String, Value)>,
}

/// A picture: its file, its title, and its panels: what they show, of which run, and which column.
type Picture = (&'static str, &'static str, [Panel; 3]);
type Panel = (&'static str, &'static str, u32, &'static str);

const PICTURES: [Picture; 3] = [
    (
        "cost.svg",
        "What a message costs: the server's CPU time in microseconds, at 64 connections",
        [
            ("net", "bench.py net", 64, "cpu_us"),
            ("ws", "bench.py ws", 64, "cpu_us"),
            ("Socket.IO", "bench.py sio", 64, "cpu_us"),
        ],
    ),
    (
        "memory.svg",
        "What an idle connection costs: memory in KiB, at 5,000 of them",
        [
            ("net", "bench.py idle --kind net", 5000, "per_conn_kib"),
            ("ws", "bench.py idle --kind ws", 5000, "per_conn_kib"),
            ("Socket.IO", "bench.py idle --kind sio", 5000, "per_conn_kib"),
        ],
    ),
    (
        "speed.svg",
        "How many in a second: answers at 64 connections, and deliveries of broadcasts to 1,000",
        [
            ("ws", "bench.py ws", 64, "per_s"),
            ("Socket.IO", "bench.py sio", 64, "per_s"),
            ("Socket.IO, broadcast to 1,000", "bench.py fan", 1000, "per_s"),
        ],
    ),
];

/// A row of the table in README.md: its title, and the layer and the name of the server in the runs.
const ROWS: [(&str, &str, &str); 8] = [
    ("`net`, ours", "net", "ours"),
    ("Node's `net`", "net", "node:net"),
    ("`ws`, ours", "ws", "ours"),
    ("npm `ws`", "ws", "npm ws"),
    ("tungstenite", "ws", "tungstenite"),
    ("Socket.IO, ours", "sio", "ours"),
    ("npm `socket.io`", "sio", "npm socket.io"),
    ("socketioxide", "sio", "socketioxide"),
];

/// A row of the chapter's table: its title, the runs, their connections, the column and its unit.
const MEASURES: [(&str, &str, u32, &str, &str); 4] = [
    ("messages a second, 64 clients", "bench.py ", 64, "per_s", ""),
    ("CPU for each of them", "bench.py ", 64, "cpu_us", " µs"),
    ("round trip, one client", "bench.py ", 1, "p50_us", " µs"),
    ("memory of an idle client", "bench.py idle --kind ", 5000, "per_conn_kib", " KiB"),
];

/// A column of it: the layer in the runs, the original, and what it consists of in `src`.
const LAYERS: [(&str, &str, &[&str]); 3] = [
    ("net", "node:net", &["net"]),
    ("ws", "npm ws", &["ws", "http"]),
    ("sio", "npm socket.io", &["socketio", "engineio", "json.rs", "value.rs"]),
];

fn main() -> io::Result<()> {
    let mut runs = Vec::new();
    for line in fs::read_to_string("tutorial/figures.jsonl")?.lines() {
        runs.extend(read(line).ok_or(io::Error::other("a line is not a run"))?);
    }
    let task = env::args().nth(1).unwrap_or_default();
    if task.is_empty() {
        runs.iter().for_each(print);
        return Ok(());
    }
    for (file, title, panels) in PICTURES {
        let path = format!("tutorial/img/{file}");
        let picture = draw(title, &panels, &runs);
        if task == "draw" {
            fs::write(&path, picture)?;
        } else if fs::read_to_string(&path)?.replace("\r\n", "\n") != picture {
            eprintln!("{path} does not show the figures: cargo run --example figures -- draw");
            exit(1);
        }
        println!("{path}");
    }
    check_rows("README.md", &ROWS.map(|(title, layer, name)| row(title, layer, name, &runs)))?;
    check_rows("tutorial/29-which-one.md", &table(&runs)?)
}

/// Ends the program if a page does not have these rows.
fn check_rows(page: &str, rows: &[String]) -> io::Result<()> {
    let text = fs::read_to_string(page)?;
    for row in rows {
        if !text.lines().any(|line| line == row) {
            eprintln!("{page} does not have this row, which the figures have:\n{row}");
            exit(1);
        }
    }
    println!("{page}");
    Ok(())
}

/// The runs of one line: there is one for each number of connections and each size.
fn read(line: &str) -> Option<Vec<Run>> {
    let line = Value::parse(line).ok()?;
    let command = line["command"].as_str()?.split(" --conns").next()?;
    let tables = line["table"].as_object()?.iter().map(|(name, table)| {
        // `ws conns=64 size=17`
        let number = |key| name.split(key).nth(1)?.split(' ').next()?.parse().ok();
        let (conns, size) = (number("conns=")?, number("size=")?);
        let rows = table.as_object()?.to_vec();
        Some(Run { command: command.to_string(), conns, size, rows })
    });
    tables.collect()
}

fn print(run: &Run) {
    let idle = run.command.contains("idle");
    let columns = if idle { ["per_conn_kib", "setup_s", "stalls"] } else { COLUMNS };
    let titles = if idle { ["KiB each", "seconds", "stalls"] } else { TITLES };
    let title = format!("{}, {} connections, {} bytes", run.command, run.conns, run.size);
    println!("{title:48}{:>12}{:>12}{:>12}", titles[0], titles[1], titles[2]);
    for (name, row) in &run.rows {
        let cells = columns.map(|column| number(row[column].as_f64().unwrap_or_default()));
        println!("  {name:46}{:>12}{:>12}{:>12}", cells[0], cells[1], cells[2]);
    }
}

const COLUMNS: [&str; 3] = ["per_s", "p50_us", "cpu_us"];
const TITLES: [&str; 3] = ["a second", "median µs", "CPU µs"];

fn draw(title: &str, panels: &[Panel], runs: &[Run]) -> String {
    let rows = |(_, command, conns, _): &Panel| rows(command, *conns, runs);
    // One scale for all panels: their bars are to be compared.
    let most = panels
        .iter()
        .flat_map(|panel| rows(panel).iter().map(|(_, row)| row[panel.3].as_f64()))
        .fold(1.0, |most, value| f64::max(most, value.unwrap_or_default()));
    let (mut body, mut y) = (String::new(), 62);
    for panel in panels {
        let (title, column, rows) = (panel.0, panel.3, rows(panel));
        let value = |row: &Value| row[column].as_f64().unwrap_or_default();
        body += &format!("  <text x=\"20\" y=\"{y}\" font-weight=\"600\">{title}</text>\n");
        for (name, row) in rows {
            y += 22;
            let width = (value(row) / most * 360.0).max(1.0);
            let color = match &**name {
                "ours" => "#3b6ea5",
                name if name.starts_with("floor") => "#c9ced4",
                _ => "#d9a441",
            };
            body += &format!(
                "  <text x=\"150\" y=\"{y}\" text-anchor=\"end\">{name}</text>\n  \
                 <rect x=\"160\" y=\"{}\" width=\"{width:.0}\" height=\"15\" rx=\"3\" \
                 fill=\"{color}\"/>\n  <text x=\"{:.0}\" y=\"{y}\">{}</text>\n",
                y - 12,
                168.0 + width,
                number(value(row)),
            );
        }
        y += 34;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 {y}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"14\" fill=\"#20262e\" role=\"img\">\n  \
         <title>{title}</title>\n  <rect x=\"1\" y=\"1\" width=\"638\" height=\"{}\" rx=\"12\" \
         fill=\"#fcfcf9\" stroke=\"#9aa3ad\"/>\n  \
         <text x=\"20\" y=\"32\" font-size=\"13\">{title}</text>\n{body}</svg>\n",
        y - 2,
    )
}

/// The row of each server in one run.
fn rows<'a>(command: &str, conns: u32, runs: &'a [Run]) -> &'a [(String, Value)] {
    let wanted = |run: &&Run| run.command == command && run.conns == conns && run.size == 17;
    runs.iter().find(wanted).map_or(&[], |run| &run.rows)
}

fn figure(command: String, conns: u32, name: &str, column: &str, runs: &[Run]) -> String {
    let row = rows(&command, conns, runs).iter().find(|row| row.0 == name);
    number(row.and_then(|row| row.1[column].as_f64()).unwrap_or_default())
}

fn row(title: &str, layer: &str, name: &str, runs: &[Run]) -> String {
    let per_s = figure(format!("bench.py {layer}"), 64, name, "per_s", runs);
    let cpu = figure(format!("bench.py {layer}"), 64, name, "cpu_us", runs);
    let kib = figure(format!("bench.py idle --kind {layer}"), 5000, name, "per_conn_kib", runs);
    format!("| {title} | {per_s} | {cpu} µs | {kib} KiB |")
}

/// The rows of the chapter's table that are figures: ours, and in brackets the original's.
fn table(runs: &[Run]) -> io::Result<Vec<String>> {
    let mut rows = Vec::new();
    for (title, command, conns, column, unit) in MEASURES {
        let cells = LAYERS.map(|(layer, original, _)| {
            let of = |name| figure(format!("{command}{layer}"), conns, name, column, runs);
            format!("{}{unit} ({})", of("ours"), of(original))
        });
        rows.push(format!("| {title} | {} |", cells.join(" | ")));
    }
    let mut cells = Vec::new();
    for (_, _, folders) in LAYERS {
        let mut cell = Vec::new();
        for folder in folders {
            // To the next hundred: one line more does not make it wrong.
            let lines = lines(&format!("src/{folder}"))?.next_multiple_of(100);
            cell.push(format!("{} in `{folder}`", number(lines as f64)));
        }
        cells.push(cell.join(", "));
    }
    rows.push(format!("| lines of code, at most | {} |", cells.join(" | ")));
    Ok(rows)
}

/// How many lines of Rust are in a file or a folder, without comments and blank lines.
fn lines(path: &str) -> io::Result<usize> {
    if !fs::metadata(path)?.is_dir() {
        let code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        return Ok(fs::read_to_string(path)?.lines().filter(code).count());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        sum += lines(&entry?.path().to_string_lossy())?;
    }
    Ok(sum)
}

/// A number with three digits at least.
fn number(value: f64) -> String {
    match value {
        1000.0.. => format!("{},{:03}", value as u64 / 1000, value as u64 % 1000),
        100.0.. => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}
