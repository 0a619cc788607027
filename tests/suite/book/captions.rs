//! Checks that a reader sees where each block is from: the line above it names the file or the terminal,
//! unless the block before is from the same file. A block of a terminal always has its caption.

use std::fs;

use super::blocks::{Block, position, split};

/// The caption that a block needs, without the emphasis; `None` for a block without a file or a terminal.
fn caption(block: &Block, terminals: &mut Vec<String>, prefix: &str) -> Option<String> {
    if let Some(file) = block.mark("file") {
        let owner = owner(file, &block.lines).map_or(String::new(), |owner| format!(" · {owner}"));
        return Some(format!("[{file}]({prefix}{file}){owner}"));
    }
    let name = block.mark("terminal")?;
    let number = terminals.iter().position(|other| other == name).unwrap_or_else(|| {
        terminals.push(name.to_string());
        terminals.len() - 1
    });
    Some(format!("Terminal {} · {name}", number + 1))
}

/// All blocks of a page whose caption is missing or wrong, one line each.
pub fn problems(page: &str, path: &str) -> Vec<String> {
    let prefix = if path.contains('/') { "../" } else { "" };
    let lines: Vec<&str> = page.lines().collect();
    let (mut terminals, mut last, mut problems) = (Vec::new(), None, Vec::new());
    for block in split(page).1 {
        let Some(caption) = caption(&block, &mut terminals, prefix) else { continue };
        let above = lines[..block.line - 1].last().copied().unwrap_or_default();
        let expected = format!("*{caption}*");
        let continues = block.mark("terminal").is_none() && last.as_ref() == Some(&caption);
        if !continues && above != expected {
            problems.push(format!("{path}:{}: the line above must be {expected}", block.line));
        }
        last = Some(caption);
    }
    problems
}

/// Whether a line of a page is a caption: it belongs to its block, not to the prose.
pub fn is_caption(line: &str) -> bool {
    line.ends_with('*') && (line.starts_with("*[") || line.starts_with("*Terminal "))
}

/// The function in whose body the lines of a Rust file begin, with its type: `Outbox::send`.
fn owner(file: &str, lines: &[String]) -> Option<String> {
    if !file.ends_with(".rs") {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let text: Vec<&str> = text.lines().collect();
    let start = position(&text, lines)?;
    let above = &text[..start];
    let (at, name) = enclosing(above, indent(text[start]), function)?;
    let of = enclosing(&above[..at], indent(above[at]), implementation);
    Some(of.map_or(name.clone(), |(_, of)| format!("{of}::{name}")))
}

/// The last line above that opens what encloses a line with this indentation, and its name.
fn enclosing(
    above: &[&str],
    mut indentation: usize,
    name: fn(&str) -> Option<String>,
) -> Option<(usize, String)> {
    for (i, line) in above.iter().enumerate().rev() {
        // A signature of several lines ends with a line that begins with `)`.
        if line.trim().is_empty() || line.trim().starts_with(')') || indent(line) >= indentation {
            continue;
        }
        if let Some(name) = name(line.trim()) {
            return Some((i, name));
        }
        indentation = indent(line);
    }
    None
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn function(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let is_function = before.is_empty() || before.starts_with("pub");
    let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
    (is_function && end > 0).then(|| after[..end].to_string())
}

fn implementation(line: &str) -> Option<String> {
    let line = line.strip_prefix("impl")?.strip_suffix(" {")?;
    let of = line.rsplit_once(" for ").map_or(line, |(_, of)| of);
    let of = of.rsplit_once("> ").map_or(of, |(_, of)| of).trim();
    Some(of.split('<').next().unwrap_or(of).to_string())
}
