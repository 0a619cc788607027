//! Types the console blocks of a page into real shells, and compares what they print.
//!
//! `terminal=NAME` names the terminal of a block: a program that still runs at the end of a block goes on,
//! and a later block of the same terminal shows what it has printed since. In a block, `$ …` is typed into
//! the shell, and `» …` into the running program; `^C` is pressed, `…` matches any number of lines,
//! in a line any part of it, and all other lines are expected output.
//! Lines of the wiretap about different connections may change places: it promises no order for them.
//! A page leaves nothing running: a program that does not end by itself must be ended by `^C`.
//!
//! What differs from machine to machine is replaced: `cargo run` starts the program that is already built;
//! the ports 3000, 3001, 6379 and 8080 become free ones; the temporary folder is one for this page alone.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use std::{fs, process, thread};

use super::blocks::{self, Block};

/// How long an expected line may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Marks the beginning and the end of a command; no program prints them.
const READ: &str = "\u{1}read";
const DONE: &str = "\u{1}done";

/// What each shell runs first: it defines `cargo` and `node` with the built programs and their addresses.
const PRELUDE: &str = r#"
exec 2>&1
trap : INT
cargo() {
    trap : INT # a subshell, `(…)`, has no traps: at ^C it would end before the program has
    shift; dir=$BINS; program=server
    while [ $# -gt 0 ]; do
        case $1 in
            --bin) dir=$BINS; program=$2; shift 2 ;;
            --example) dir=$BINS/examples; program=$2; shift 2 ;;
            --) shift; break ;;
            *) echo "the checker does not know cargo's $1"; return 2 ;;
        esac
    done
    case $program-$# in
        server-0 | client-0 | socketio-server-0) set -- "127.0.0.1:$PORT_3000" ;;
        ws-server-0) set -- "127.0.0.1:$PORT_8080" ;;
        wiretap-0) set -- "127.0.0.1:$PORT_3001" "127.0.0.1:$PORT_3000" ;;
        ws-client-0) set -- "ws://127.0.0.1:$PORT_8080/" ;;
        socketio-client-0) set -- "http://127.0.0.1:$PORT_3000" ;;
    esac
    "$dir/$program" "$@"
}
node() {
    [ $# -gt 1 ] || set -- "$1" "127.0.0.1:$PORT_3000"
    command node "$@"
}
"#;

/// Where a page differs from its terminals, one line each, in the blocks with `needs`.
pub fn problems(page: &str, path: &str, needs: Option<&str>) -> Vec<String> {
    let blocks: Vec<Block> = blocks::split(page).1;
    let typed = |b: &&Block| b.language == "console" && b.mark("run").is_none();
    let blocks = blocks.iter().filter(typed).filter(|b| b.mark("needs") == needs);
    if let Some(problem) = no_interrupt() {
        return vec![format!("{path}: {problem}")];
    }
    let environment = Environment::new(path);
    let mut terminals = HashMap::<&str, Terminal>::new();
    let mut problems = Vec::new();
    'blocks: for block in blocks {
        let name = block.mark("terminal").unwrap_or_default();
        let terminal = terminals.entry(name).or_insert_with(|| Terminal::open(&environment));
        for (i, line) in block.lines.iter().enumerate() {
            if let Err(problem) = terminal.play(line, &environment) {
                problems.push(format!("{path}:{}: {problem}", block.line + 1 + i));
                break 'blocks; // the rest depends on this line
            }
        }
    }
    if problems.is_empty() {
        for terminal in terminals.values_mut() {
            if let Err(problem) = terminal.end_of_command(&environment) {
                problems.push(format!("{path}: at its end, {problem}"));
            }
        }
    }
    problems
}

/// The ports that pages name.
const PORTS: [&str; 4] = ["3000", "3001", "6379", "8080"];

/// A port for the programs of one page. No system gives it to outgoing connections (theirs are above 32767),
/// and no other page gets it, of this run or of another: while a page has a TCP port, it holds the UDP port of
/// the same number, which the system frees however the run ends.
fn free_port() -> (String, UdpSocket) {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let ports = std::iter::repeat_with(|| {
        let tried = process::id() % 50_000 * 97 + TRIED.fetch_add(1, Relaxed);
        26_001 + (tried % 5_999) as u16
    });
    // Not a number that a program might print for another reason, such as 30000 ms, and none that contains
    // a port of the pages, as 28080 does.
    let holds_one = |port: &u16| PORTS.iter().any(|page| port.to_string().contains(page));
    let plain = |port: &u16| port % 1000 != 0 && !holds_one(port);
    // (TCP is tested without `bind`: a shell that another page starts at this moment would hold the port longer.)
    let free = |port: &u16| TcpStream::connect(("127.0.0.1", *port)).is_err();
    let claim = |port: u16| {
        let claim = UdpSocket::bind(("127.0.0.1", port)).ok().filter(|_| free(&port))?;
        Some((port.to_string(), claim))
    };
    ports.take(5_999).filter(plain).find_map(claim).expect("there is no free port")
}

/// What the terminals of a page share.
struct Environment {
    ports: [(&'static str, String); 4],
    _claims: Vec<UdpSocket>,
    folder: PathBuf,
}

impl Environment {
    fn new(page: &str) -> Environment {
        let name = format!("book-{}-{}", process::id(), page.replace(['/', '.'], "-"));
        let thread =
            format!("{:?}", thread::current().id()).replace(|c: char| !c.is_alphanumeric(), "");
        // Short: the path of a Unix socket has at most some hundred characters.
        let folder = Path::new("/tmp").join(name + &thread);
        fs::create_dir_all(&folder).unwrap();
        let mut claims = Vec::new();
        let ports = PORTS.map(|port| {
            let (free, claim) = free_port();
            claims.push(claim);
            (port, free)
        });
        Environment { ports, _claims: claims, folder }
    }

    /// What is typed for a line of the page: with the free ports.
    fn typed(&self, line: &str) -> String {
        self.ports.iter().fold(line.to_string(), |line, (port, free)| line.replace(port, free))
    }

    /// What the page must show for a line that was printed: with the page's ports and folder.
    fn shown(&self, line: &str) -> String {
        let line = line.replace(&*self.folder.to_string_lossy(), "/tmp");
        self.ports.iter().fold(line, |line, (port, free)| line.replace(free, port))
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// One shell, with its input and output.
struct Terminal {
    shell: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    running: bool,
    /// After a `…`: lines may be skipped up to the next expected one.
    skipping: bool,
    /// The connection that the last line of the wiretap is about: of those printed, and of those expected.
    printed: Option<String>,
    expected: Option<String>,
    /// Lines about other connections than that of the line which was expected then.
    held: VecDeque<Held>,
}

/// A line that was printed too early.
struct Held {
    connection: Option<String>,
    line: String,
    /// It was printed where the page has a `…`.
    optional: bool,
}

impl Terminal {
    fn open(environment: &Environment) -> Terminal {
        let server = Path::new(env!("CARGO_BIN_EXE_server"));
        let mut shell = interruptible_shell()
            .env("BINS", server.parent().unwrap())
            .env("TMPDIR", &environment.folder)
            .envs(environment.ports.iter().map(|(port, free)| (format!("PORT_{port}"), free)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut stdin = shell.stdin.take().unwrap();
        stdin.write_all(PRELUDE.as_bytes()).unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let (running, skipping) = (false, false);
        let (printed, expected, held) = Default::default();
        Terminal { shell, stdin, lines, running, skipping, printed, expected, held }
    }

    /// Types one line of a block, or compares it with the output.
    fn play(&mut self, line: &str, environment: &Environment) -> Result<(), String> {
        if let Some(command) = line.strip_prefix("$ ") {
            self.end_of_command(environment)?;
            let command = environment.typed(command);
            let typed =
                format!("printf '{READ}\\n'; (exit $s); {command}; s=$?; printf '{DONE}\\n'\n");
            self.running = true;
            self.stdin.write_all(typed.as_bytes()).map_err(|e| e.to_string())?;
            // From now on the input belongs to the program: some shells read ahead.
            match self.lines.recv_timeout(LIMIT).as_deref() {
                Ok(READ) => Ok(()),
                other => Err(format!("the shell printed {other:?} before the command began")),
            }
        } else if let Some(line) = line.strip_prefix("» ") {
            match self.running {
                true => writeln!(self.stdin, "{line}").map_err(|e| e.to_string()),
                false => Err(format!("no program runs that could read {line:?}")),
            }
        } else if line == "^C" {
            self.signal("INT");
            self.end_of_command(environment)
        } else if line == "…" {
            self.skipping = true;
            Ok(())
        } else {
            self.compare(Some(line), environment)
        }
    }

    /// Waits until the command has ended, and fails if it prints more.
    fn end_of_command(&mut self, environment: &Environment) -> Result<(), String> {
        if self.running { self.compare(None, environment) } else { Ok(()) }
    }

    /// Compares the next line with `expected`; `None` expects the end of the command.
    fn compare(&mut self, expected: Option<&str>, environment: &Environment) -> Result<(), String> {
        let says = expected.map_or("nothing".to_string(), |line| format!("{line:?}"));
        self.expected = expected.and_then(|line| connection(line, &self.expected));
        loop {
            if !self.running {
                return Err(format!("the terminal printed nothing, where the page says {says}"));
            }
            let next = self.next_line(expected.is_none()).map_err(|_| {
                format!("the terminal printed no more for {LIMIT:?}, where the page says {says}")
            })?;
            let shown = (next.line != DONE).then(|| environment.shown(&next.line));
            self.running &= shown.is_some();
            if is_expected(shown.as_deref(), expected) {
                self.skipping = false;
                return Ok(());
            }
            let is_known = next.connection.is_some() && self.expected.is_some();
            if is_known && next.connection != self.expected {
                self.held.push_back(Held { optional: self.skipping, ..next });
                continue;
            }
            let skipping = self.skipping || next.optional;
            if !skipping || shown.is_none() {
                let printed = shown.map_or("nothing".to_string(), |line| format!("{line:?}"));
                return Err(format!("the terminal printed {printed}, where the page says {says}"));
            }
        }
    }

    /// The next line: of those that were held, if there is one of the expected connection (or `any`).
    fn next_line(&mut self, any: bool) -> Result<Held, RecvTimeoutError> {
        let fits = |held: &Held| any || held.connection == self.expected;
        if let Some(held) = self.held.iter().position(fits).and_then(|i| self.held.remove(i)) {
            return Ok(held);
        }
        let line = self.lines.recv_timeout(LIMIT)?;
        self.printed = connection(&line, &self.printed);
        Ok(Held { connection: self.printed.clone(), line, optional: false })
    }

    /// Signals all programs of this terminal. (`std` has no `kill`; the shell has.)
    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} -{}", self.shell.id());
        _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
    }
}

/// A shell whose programs `^C` ends. A background job of a script inherits an ignored SIGINT, and no shell
/// can trap a signal that was ignored when it started (POSIX, `trap`): `env` of GNU undoes that.
fn interruptible_shell() -> Command {
    let mut env = Command::new("env");
    if sigint_is_ignored() {
        env.arg("--default-signal=INT");
    }
    env.arg("sh");
    env
}

/// The reason why `^C` has no effect, if there is one.
fn no_interrupt() -> Option<String> {
    let works = interruptible_shell().args(["-c", ":"]).stderr(Stdio::null()).status();
    (!works.is_ok_and(|status| status.success())).then(|| {
        "SIGINT is ignored here, and ^C would end nothing: run the tests in the foreground".into()
    })
}

/// Whether this process, and so each shell that it starts, ignores SIGINT.
fn sigint_is_ignored() -> bool {
    let status = Command::new("sh").args(["-c", "kill -INT $$; exit 0"]).status();
    status.is_ok_and(|status| status.success())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.signal("KILL");
        _ = self.shell.wait();
    }
}

/// Whether a line, or the end of the command (`None`), is what the page shows.
fn is_expected(shown: Option<&str>, expected: Option<&str>) -> bool {
    let [shown, expected] = [shown, expected].map(|line| line.map(comparable));
    shown == expected || shown.zip(expected).is_some_and(|(line, pattern)| fits(&line, &pattern))
}

/// Whether a line has the parts of a pattern, with anything in the place of each `…`.
fn fits(line: &str, pattern: &str) -> bool {
    let Some((first, others)) = pattern.split_once('…') else { return false };
    let (middle, last) = others.rsplit_once('…').unwrap_or(("", others));
    let rest =
        line.strip_prefix(first.trim_end()).and_then(|rest| rest.strip_suffix(last.trim_start()));
    let Some(mut rest) = rest else { return false };
    middle.split('…').map(str::trim).all(|part| {
        let at = rest.find(part);
        rest = at.map_or("", |at| &rest[at + part.len()..]);
        at.is_some()
    })
}

/// A line without what differs from run to run: an error number, and the time in front of what the
/// wiretap shows (`0.503 #1 →`).
fn comparable(line: &str) -> String {
    match without_time(line) {
        Some(rest) => format!("#{}", without_error_number(rest)),
        None => without_error_number(line),
    }
}

/// A line of the wiretap from the number of its connection on.
fn without_time(line: &str) -> Option<&str> {
    let (time, rest) = line.trim_start().split_once(" #")?;
    time.parse::<f64>().is_ok().then_some(rest)
}

/// The number of the connection that a line of the wiretap is about, if it has one (a page may have `#…`).
/// `last` is that of the line before.
fn connection(line: &str, last: &Option<String>) -> Option<String> {
    match without_time(line) {
        Some(rest) => rest.split(' ').next().filter(|number| *number != "…").map(str::to_string),
        None if line.starts_with(' ') => last.clone(), // a detail of the line before
        None => None,
    }
}

/// A line without its error number, which differs between systems.
fn without_error_number(line: &str) -> String {
    match line.split_once("(os error ") {
        Some((before, after)) => {
            format!("{before}(os error){}", after.split_once(')').map_or("", |(_, rest)| rest))
        }
        None => line.to_string(),
    }
}
