//! Chapter 23: draws what was measured.
//!
//! `cargo run --example figures` reads `tutorial/figures.jsonl`, in which each line is a table of one
//! run of the benchmark, and writes the pictures of the chapter to `tutorial/img/`. With `--check`
//! it writes nothing, and says whether the pictures are those of the figures.

use std::{env, fs, io, process::exit};

use sockets_by_hand::socketio::Value;

/// A picture: its file, its title, and its panels (a title, a table's name, a column, a unit).
type Picture = (&'static str, &'static str, [(&'static str, &'static str, &'static str); 3]);

const PICTURES: [Picture; 3] = [
    (
        "cost.svg",
        "What a message costs: the server's CPU time, in microseconds, at 64 connections",
        [
            ("net", "net conns=64 size=17", "cpu_us"),
            ("ws", "ws conns=64 size=17", "cpu_us"),
            ("Socket.IO", "sio conns=64 size=17", "cpu_us"),
        ],
    ),
    (
        "memory.svg",
        "What a connection costs that says nothing: memory, in KiB, at 5,000 connections",
        [
            ("net", "idle net conns=5000 size=17", "per_conn_kib"),
            ("ws", "idle ws conns=5000 size=17", "per_conn_kib"),
            ("Socket.IO", "idle sio conns=5000 size=17", "per_conn_kib"),
        ],
    ),
    (
        "speed.svg",
        "How many: messages a second at 64 connections; and one says, 1,000 hear",
        [
            ("ws", "ws conns=64 size=17", "per_s"),
            ("Socket.IO", "sio conns=64 size=17", "per_s"),
            ("Socket.IO, heard by 1,000", "fan conns=1000 size=17", "per_s"),
        ],
    ),
];

fn main() -> io::Result<()> {
    let check = env::args().nth(1).is_some_and(|arg| arg == "--check");
    let mut tables = Vec::new();
    for line in fs::read_to_string("tutorial/figures.jsonl")?.lines() {
        let line = Value::parse(line).map_err(io::Error::other)?;
        tables.extend(line.as_object().unwrap_or_default().to_vec());
    }
    for (file, title, panels) in PICTURES {
        let path = format!("tutorial/img/{file}");
        let picture = draw(title, &panels, &tables);
        if !check {
            fs::write(&path, picture)?;
            println!("{path}");
        } else if fs::read_to_string(&path)?.replace("\r\n", "\n") != picture {
            eprintln!("{path} does not show what was measured: cargo run --example figures");
            exit(1);
        }
    }
    Ok(())
}

fn draw(title: &str, panels: &[(&str, &str, &str)], tables: &[(String, Value)]) -> String {
    let (mut body, mut y) = (String::new(), 62);
    for (panel, table, column) in panels {
        let table = tables.iter().find(|(name, _)| name == table);
        let rows = table.and_then(|(_, table)| table.as_object()).unwrap_or_default();
        let value = |row: &Value| row[*column].as_f64().unwrap_or_default();
        let most = rows.iter().map(|(_, row)| value(row)).fold(1.0, f64::max);
        body += &format!("  <text x=\"20\" y=\"{y}\" font-weight=\"600\">{panel}</text>\n");
        for (name, row) in rows {
            y += 22;
            let value = value(row);
            let width = (value / most * 360.0).max(1.0);
            let color = match &**name {
                "ours" => "#3b6ea5",
                name if name.starts_with("floor") => "#c9ced4",
                _ => "#d9a441",
            };
            let number = number(value);
            body += &format!(
                "  <text x=\"150\" y=\"{y}\" text-anchor=\"end\">{name}</text>\n  \
                 <rect x=\"160\" y=\"{}\" width=\"{width:.0}\" height=\"15\" rx=\"3\" fill=\"{color}\"/>\n  \
                 <text x=\"{:.0}\" y=\"{y}\">{number}</text>\n",
                y - 12,
                168.0 + width,
            );
        }
        y += 34;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 {y}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"14\" fill=\"#20262e\" role=\"img\">\n  \
         <title>{title}</title>\n  \
         <rect x=\"1\" y=\"1\" width=\"638\" height=\"{}\" rx=\"12\" fill=\"#fcfcf9\" stroke=\"#9aa3ad\"/>\n  \
         <text x=\"20\" y=\"32\" font-size=\"13\">{title}</text>\n{body}</svg>\n",
        y - 2,
    )
}

/// Three digits are enough for a picture.
fn number(value: f64) -> String {
    match value {
        1000.0.. => format!("{},{:03}", value as u64 / 1000, value as u64 % 1000),
        100.0.. => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}
