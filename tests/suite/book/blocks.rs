//! Reads a page, and checks what can be checked without a terminal.

use std::{env, fs, path::Path, process, process::Command};

use super::captions::is_caption;

/// A fenced block: its info string, and its lines.
pub struct Block {
    pub line: usize,
    pub language: String,
    pub marks: Vec<(String, String)>,
    pub lines: Vec<String>,
    pub closed: bool,
}

impl Block {
    /// The value of a mark: of `file=src/lib.rs`, `mark("file")` is `src/lib.rs`.
    pub fn mark(&self, name: &str) -> Option<&str> {
        self.marks.iter().find(|(mark, _)| mark == name).map(|(_, value)| &**value)
    }
}

/// Splits a page into its prose (with an empty line for each line of a block) and its blocks.
pub fn split(page: &str) -> (Vec<&str>, Vec<Block>) {
    let (mut prose, mut blocks) = (Vec::new(), Vec::<Block>::new());
    for (i, line) in page.lines().enumerate() {
        let open = blocks.last_mut().filter(|block| !block.closed);
        let fence = line.trim_start().strip_prefix("```");
        match (open, fence) {
            (Some(block), Some(_)) => block.closed = true,
            (Some(block), None) => block.lines.push(line.to_string()),
            (None, Some(info)) => {
                let mut words = info.split_whitespace().map(str::to_string);
                let language = words.next().unwrap_or_default();
                let mark = |word: String| {
                    let (name, value) = word.split_once('=').unwrap_or((&word, ""));
                    (name.to_string(), value.to_string())
                };
                let marks = words.map(mark).collect();
                blocks.push(Block { line: i + 1, language, marks, lines: vec![], closed: false });
            }
            (None, None) => {
                prose.push(line);
                continue;
            }
        }
        prose.push("");
    }
    (prose, blocks)
}

/// The number of words of a page's prose.
pub fn words(page: &str) -> usize {
    let prose = split(page).0;
    let lines = prose.iter().filter(|line| !is_caption(line));
    lines.map(|line| line.split_whitespace().count()).sum()
}

/// The targets of a page's links and pictures, without those on the web.
pub fn links(page: &str) -> impl Iterator<Item = String> {
    let prose = split(page).0.join("\n");
    // Text between back quotes is code, and has no links.
    let text: String = prose.split('`').step_by(2).collect();
    let after: Vec<String> = text.split("](").skip(1).map(str::to_string).collect();
    after
        .into_iter()
        .filter_map(|rest| rest.split(')').next().map(str::to_string))
        .filter(|link| !link.contains("://"))
        .map(|link| link.split('#').next().unwrap_or_default().to_string())
        .filter(|link| !link.is_empty())
}

/// The links to a chapter in whose text another number stands: `[21](19-events.md)`.
fn misnumbered(page: &str) -> Vec<String> {
    let is_number = |text: &&str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    let links = page.split('[').filter_map(|rest| rest.split_once("]("));
    let wrong = links.filter_map(|(text, rest)| {
        let file = rest.split(')').next()?.trim_start_matches("tutorial/");
        let chapter = file.split_once('-').map(|(number, _)| number).filter(is_number)?;
        let number = text.split_whitespace().find(is_number)?;
        (number != chapter).then(|| format!("[{text}]({file})"))
    });
    wrong.collect()
}

/// The texts of the numbered items under `## Exercises`.
pub fn exercises(page: &str) -> Vec<String> {
    let prose = split(page).0.join("\n");
    let Some((_, section)) =
        prose.split_once("\n## Exercises\n").or(prose.split_once("## Exercises\n"))
    else {
        return vec![];
    };
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut exercises = Vec::<String>::new();
    for line in section.lines() {
        let number = line.split_once(". ").map(|(number, _)| number);
        if number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
            exercises.push(String::new());
        }
        if let Some(exercise) = exercises.last_mut() {
            *exercise += line;
            *exercise += "\n";
        }
    }
    exercises
}

/// The problems of a page, one line each. Its links are relative to `path`.
pub fn problems(page: &str, path: &str) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut problems = Vec::new();
    let blocks = split(page).1;
    for (i, block) in blocks.iter().enumerate() {
        let is_error = |block: &&Block| block.mark("compiler").is_some();
        let checked = match block.mark("compile_fail") {
            Some(code) => fails_to_compile(&block.lines, code, blocks.get(i + 1).filter(is_error)),
            None if is_error(&block) => Ok(()), // checked with the block above
            None => check(block),
        };
        if let Err(problem) = checked {
            problems.push(format!("{path}:{}: {problem}", block.line));
        }
    }
    for link in links(page) {
        if !folder.join(&link).exists() {
            problems.push(format!("{path}: dead link: {link}"));
        }
    }
    for link in misnumbered(page) {
        problems.push(format!("{path}: the text is not the number of the chapter: {link}"));
    }
    for exercise in exercises(page) {
        let title = exercise.lines().next().unwrap_or_default();
        let Some(solution) = links(&exercise).find(|link| link.starts_with("solutions/")) else {
            problems.push(format!("{path}: an exercise has no solution: {title}"));
            continue;
        };
        let solution = fs::read_to_string(folder.join(&solution));
        if solution.is_ok_and(|solution| !solution.contains("#[test]")) {
            problems.push(format!("{path}: the solution has no test: {title}"));
        }
    }
    problems
}

fn check(block: &Block) -> Result<(), String> {
    if !block.closed {
        return Err("this block never ends".to_string());
    }
    if let Some(file) = block.mark("file") {
        return is_in_file(file, &block.lines);
    }
    match block.language.as_str() {
        "console" => match block.mark("run") {
            None => Ok(()), // typed by terminal.rs
            Some("ci") if block.lines.iter().all(|line| line.starts_with("$ ")) => Ok(()),
            _ => Err("a block that .ci/run runs says run=ci, and has commands only".to_string()),
        },
        language => Err(format!("a block of {language:?} without a file: nothing checks it")),
    }
}

/// Checks that `file` has these lines, one after the other, whatever their common indentation.
fn is_in_file(file: &str, lines: &[String]) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|e| format!("{file} cannot be read: {e}"))?;
    let text: Vec<&str> = text.lines().collect();
    let wanted = dedent(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    match position(&text, lines) {
        Some(_) => Ok(()),
        None => Err(format!("{file} has no such lines:\n{}", wanted.join("\n"))),
    }
}

/// Where `lines` stand in `text`, one after the other, whatever their common indentation.
pub fn position(text: &[&str], lines: &[String]) -> Option<usize> {
    let wanted = dedent(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    text.windows(wanted.len().max(1)).position(|window| dedent(window) == wanted)
}

fn dedent(lines: &[&str]) -> Vec<String> {
    let indents = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = indents.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines.iter().map(|line| line.get(indent..).unwrap_or("").trim_end().to_string()).collect()
}

/// Checks that these lines do not compile, for the reason `code`, and that the compiler prints the lines of
/// `error`, up to a `…` in each.
fn fails_to_compile(lines: &[String], code: &str, error: Option<&Block>) -> Result<(), String> {
    let error = error.ok_or("a block with the compiler's error must follow: ```text compiler")?;
    // A file for each block: tests run in parallel.
    let id = lines.as_ptr() as usize;
    let source = env::temp_dir().join(format!("block-{}-{id}.rs", process::id()));
    fs::write(&source, lines.join("\n")).map_err(|e| e.to_string())?;
    let rustc = env::var("RUSTC").unwrap_or("rustc".to_string());
    let output = Command::new(rustc)
        .args(["--edition=2024", "--crate-type=lib", "--crate-name=block", "--emit=metadata"])
        .arg("-o")
        .arg(source.with_extension("rmeta"))
        .arg(&source)
        .output()
        .map_err(|e| format!("rustc does not start: {e}"))?;
    _ = fs::remove_file(&source);
    _ = fs::remove_file(source.with_extension("rmeta"));
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Err("this block must not compile, but it compiles".to_string());
    }
    let prefix = format!("error[{code}]");
    let shown = error.lines.iter().map(|line| line.split('…').next().unwrap_or_default());
    match [&*prefix].into_iter().chain(shown).find(|line| !errors.contains(*line)) {
        None => Ok(()),
        Some(line) => Err(format!("the compiler does not print {line:?}, but:\n{errors}")),
    }
}
