//! Reads the tables of `tutorial/socketio-api.md`: what npm's packages export, what there is here, and the
//! tests that show it.

use std::collections::BTreeSet;

/// The page, relative to the package's folder.
pub const PAGE: &str = "tutorial/socketio-api.md";

/// A row of a table.
pub struct Row<'a> {
    /// The heading that it stands under.
    pub section: &'a str,
    pub cells: Vec<&'a str>,
}

/// All rows of the page, without those of the heads.
pub fn rows(page: &str) -> Vec<Row<'_>> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in page.lines() {
        section = line.strip_prefix("## ").unwrap_or(section);
        if line.starts_with("| `") {
            let cells = line.trim_matches('|').split(" | ").map(str::trim).collect();
            rows.push(Row { section, cells });
        }
    }
    rows
}

/// The names of npm's that the page has, as `api.js` prints them.
#[allow(dead_code, reason = "for the test against npm's packages alone")]
pub fn names(page: &str) -> BTreeSet<String> {
    let rows = rows(page).into_iter();
    let names =
        |row: Row| in_code(row.cells[0]).map(|name| format!("{}\t{name}", row.section)).collect();
    rows.flat_map::<Vec<String>, _>(names).collect()
}

/// What is wrong with the page: `is_public` says whether an item of `src/`, such as `pub fn join`, is there, and
/// `is_test` whether there is a test of that name.
#[allow(dead_code, reason = "for the test of the book alone")]
pub fn problems(
    page: &str,
    is_public: impl Fn(&str) -> bool,
    is_test: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut problems = Vec::new();
    for Row { cells, .. } in rows(page) {
        let [npms, ours, tests] = cells[..] else {
            problems.push(format!("three cells are expected: {cells:?}"));
            continue;
        };
        let reason = ours.starts_with('—');
        let unknown = in_code(ours).filter(|_| !reason).flat_map(items);
        let unknown = unknown.filter(|item| !is_public(item));
        problems.extend(unknown.map(|item| format!("{npms}: there is no `{item}` in src")));
        let unknown = in_code(tests).filter(|test| !is_test(test));
        problems.extend(unknown.map(|test| format!("{npms}: there is no test {test}")));
        if ours.is_empty() || (tests.is_empty() && !reason) {
            problems.push(format!("{npms}: a test is expected, or why there is nothing"));
        }
    }
    problems
}

/// What is between backticks.
fn in_code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The items that a piece of code names: `pub fn join` for `socket.join(room)`, `pub cors:` for `engine.cors`.
fn items(code: &str) -> Vec<String> {
    let last_name = |code: &str| {
        let before = code.trim_end_matches(|c: char| c.is_ascii_lowercase() || "_#".contains(c));
        let is_type = before.ends_with(char::is_alphanumeric);
        (!is_type && before.len() < code.len()).then(|| code[before.len()..].to_string())
    };
    if code.chars().all(|c| c.is_ascii_lowercase() || "_.".contains(c)) {
        return last_name(code).into_iter().map(|name| format!("pub {name}:")).collect();
    }
    let calls = code.match_indices('(').map(|(open, _)| &code[..open]);
    calls.filter_map(last_name).map(|name| format!("pub fn {name}")).collect()
}
