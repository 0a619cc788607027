//! The program at the other end of a connection, ours or a script of Node: it is started, read a line at a
//! time, and killed at the end of the test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How long a line may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A program that runs until it ends, or the test does.
pub struct Peer {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Peer {
    /// Starts a script of `tests/peers`, which can use the packages there.
    pub fn node(script: &str, arguments: &[&str]) -> Peer {
        let path = format!("{}/tests/peers/{script}", env!("CARGO_MANIFEST_DIR"));
        Peer::start(Command::new("node").arg(path).args(arguments))
    }

    /// Starts one of our programs.
    pub fn ours(name: &str, arguments: &[&str]) -> Peer {
        let path = assert_cmd::Command::cargo_bin(name).unwrap().get_program().to_owned();
        Peer::start(Command::new(path).args(arguments))
    }

    /// Starts one of the book's examples, which are built with the tests.
    pub fn example(name: &str, arguments: &[&str]) -> Peer {
        let tests = std::env::current_exe().unwrap();
        let path = tests.ancestors().nth(2).unwrap().join("examples").join(name);
        Peer::start(Command::new(path).args(arguments))
    }

    fn start(command: &mut Command) -> Peer {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                _ = sender.send(line);
            }
        });
        Peer { name, child, stdin, lines }
    }

    /// The next line that it prints.
    #[track_caller]
    pub fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).unwrap_or_else(|e| panic!("no line from {}: {e}", self.name))
    }

    /// Writes a line to its standard input.
    #[track_caller]
    pub fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until it has ended with success, and returns the lines that it still printed.
    #[track_caller]
    pub fn finish(mut self) -> Vec<String> {
        self.stdin = None; // the end of its input
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(e) => panic!("{} does not end: {e}, after {rest:?}", self.name),
            }
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{} ended with {status}, after {rest:?}", self.name);
        rest
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
