//! What the programs that stand on the library share: one argument, and one line at a time.

use std::io::{self, Write};
use std::{env, process::exit};

use sockets_by_hand::net::report::escaped;

/// The program's arguments, each with its default. `--help` prints `usage`; anything more exits
/// with 2.
pub fn arguments<const N: usize>(usage: &str, defaults: [&str; N]) -> [String; N] {
    without_options(all_arguments(), usage, defaults)
}

/// The same of these arguments: those that a program has left when it has taken its options.
pub fn without_options<const N: usize>(
    mut args: impl Iterator<Item = String>,
    usage: &str,
    defaults: [&str; N],
) -> [String; N] {
    let arguments = defaults.map(|default| match args.next() {
        Some(argument) if argument == "--help" => {
            say(usage);
            exit(0);
        }
        Some(argument) if argument.is_empty() || argument.starts_with("--") => fail(2, usage),
        Some(argument) => argument,
        None => default.to_string(),
    });
    if args.next().is_some() {
        fail(2, usage);
    }
    arguments
}

/// All of the program's arguments. One that is not UTF-8 is empty.
pub fn all_arguments() -> impl Iterator<Item = String> {
    env::args_os().skip(1).map(|arg| arg.into_string().unwrap_or_default())
}

/// `println!`, except that control characters are [escaped], and that it ends the program quietly
/// once nobody can read it (`ws-client | head -1`). It waits for a slow reader. A server does not:
/// see [`Lines`](sockets_by_hand::net::report::Lines).
pub fn say(line: &str) {
    if writeln!(io::stdout(), "{}", escaped(line)).is_err() {
        exit(0);
    }
}

/// Says in one line what went wrong, and ends the program.
pub fn fail(status: i32, line: &str) -> ! {
    eprintln!("{}: {}", env!("CARGO_BIN_NAME"), escaped(line));
    exit(status)
}
