//! Tests a reader's own solution of an exercise.   cargo run -q --example exercise -- 01.1
//!
//! The first time, it writes `tutorial/attempts/c01_1.rs`: the signatures that the tests call, each with
//! `todo!()` as its body. From then on it puts the exercise's tests behind that file, compiles both, and
//! runs them.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const USAGE: &str = "usage: exercise CHAPTER.NUMBER, such as 01.1";

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

/// How long the tests of an exercise may run.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).as_deref().and_then(module_name);
    let name = name.unwrap_or_else(|| {
        eprintln!("{USAGE}");
        exit(2);
    });
    let solution = Path::new("tutorial/solutions").join(format!("{name}.rs"));
    let solution = fs::read_to_string(&solution).map_err(|_| "there is no such exercise")?;
    let attempt = Path::new("tutorial/attempts").join(format!("{name}.rs"));
    if !attempt.exists() {
        fs::create_dir_all("tutorial/attempts")?;
        fs::write(&attempt, stubs(&solution))?;
        println!("Write your solution into {}, and type the same again.", attempt.display());
        return Ok(());
    }
    let source = compose(&name, &fs::read_to_string(&attempt)?, &solution)?;
    if !compile(&source)? {
        println!("The lines are those of your file, {}.", attempt.display());
        exit(1);
    }
    exit(if run(&source)? { 0 } else { 1 });
}

/// `01.1` is the exercise of the module `c01_1`.
fn module_name(exercise: &str) -> Option<String> {
    let (chapter, number) = exercise.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (chapter.len() == 2 && number.len() == 1 && digits(chapter) && digits(number))
        .then(|| format!("c{chapter}_{number}"))
}

/// The items of a file: its tests, and the others. An item begins in the first column, with its comments
/// and attributes. (A line with `"#` is the last of a raw string.)
fn items(source: &str) -> (Vec<String>, Vec<String>) {
    let (mut items, mut item) = (Vec::new(), String::new());
    for line in source.lines() {
        item += &format!("{line}\n");
        let ends = line == "}" || line.ends_with(';') && !line.starts_with(' ');
        if ends && !line.contains("\"#") {
            items.push(std::mem::take(&mut item));
        }
    }
    items.push(item);
    let is_test = |item: &String| item.contains("#[test]") || item.contains("#[cfg(test)]");
    items.into_iter().partition(is_test)
}

/// The solution without its tests, its comments at the top, and the bodies of its functions.
fn stubs(solution: &str) -> String {
    let mut stubs = String::new();
    let mut body: Option<String> = None; // the line that ends the body that is left out
    for line in items(solution).1.concat().lines().skip_while(|line| line.starts_with("//!")) {
        let indent = &line[..line.len() - line.trim_start().len()];
        match &body {
            Some(end) if end == line => body = None,
            Some(_) => continue,
            None => {}
        }
        stubs += &format!("{line}\n");
        let signature = line.trim_start().trim_start_matches("pub ");
        if signature.starts_with("fn ") || signature.starts_with(") ") {
            if !line.ends_with('{') {
                continue; // the signature goes on
            }
            let iterator = line.contains("-> impl Iterator");
            let todo = if iterator { "std::iter::from_fn(|| todo!())" } else { "todo!()" };
            stubs += &format!("{indent}    {todo}\n");
            body = Some(format!("{indent}}}"));
        }
    }
    stubs.trim_start().to_string()
}

/// Writes the attempt with the tests behind it, and what all solutions share, into a folder under `target`.
fn compose(name: &str, attempt: &str, solution: &str) -> Result<PathBuf, Box<dyn Error>> {
    let folder = target()?.join("attempts").join(name);
    fs::create_dir_all(&folder)?;
    let shared = fs::read_to_string("tutorial/solutions/main.rs")?;
    let other = |line: &&str| !line.starts_with("mod ") && !line.starts_with("#[cfg(unix)]");
    let shared: Vec<&str> = shared.lines().filter(other).collect();
    let main = folder.join("main.rs");
    fs::write(&main, format!("{}\n#[allow(unused)]\nmod {name};\n", shared.join("\n")))?;
    let tests = items(solution).0.concat();
    fs::write(folder.join(format!("{name}.rs")), format!("{attempt}\n{tests}"))?;
    Ok(main)
}

/// The folder in which cargo has built this program: `target/debug`.
fn target() -> Result<PathBuf, Box<dyn Error>> {
    let program = env::current_exe()?;
    Ok(program.ancestors().nth(2).ok_or("this program is run by cargo")?.to_path_buf())
}

fn compile(source: &Path) -> Result<bool, Box<dyn Error>> {
    let target = target()?;
    // The library as one file, which building this program alone does not make.
    let mut build = Command::new(env::var("CARGO").unwrap_or("cargo".to_string()));
    build.args(["build", "--quiet", "--lib", "--manifest-path", MANIFEST]);
    if target.ends_with("release") {
        build.arg("--release");
    }
    build.status()?;
    let library = format!("sockets_by_hand={}", target.join("libsockets_by_hand.rlib").display());
    let mut rustc = Command::new(env::var("RUSTC").unwrap_or("rustc".to_string()));
    rustc.args([
        "--edition=2024",
        "--test",
        "--crate-name=attempt",
        "-Adead_code",
        "--extern",
        &library,
    ]);
    rustc.arg("-L").arg(target.join("deps")).arg(source).arg("-o").arg(binary(source));
    Ok(rustc.status()?.success())
}

/// Runs the tests. One thread may wait for another that has panicked (as `todo!()` does), so there is a limit.
fn run(source: &Path) -> Result<bool, Box<dyn Error>> {
    let mut tests = Command::new(binary(source)).arg("--quiet").spawn()?;
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if let Some(status) = tests.try_wait()? {
            return Ok(status.success());
        }
        thread::sleep(Duration::from_millis(50));
    }
    tests.kill()?;
    println!("The tests have not ended within {LIMIT:?}: one of them waits for something.");
    Ok(false)
}

fn binary(source: &Path) -> PathBuf {
    source.with_extension(env::consts::EXE_EXTENSION)
}
