//! Keeps the book and the code the same: every block of every chapter is compared, compiled or run.
//!
//! | in a chapter | what is checked |
//! | --- | --- |
//! | ```` ```rust file=PATH ````, or any other language with `file=` | is in that file, letter for letter, up to indentation |
//! | ```` ```rust compile_fail=E0382 ```` | does not compile, for that reason |
//! | ```` ```text compiler ```` | follows such a block: what the compiler prints, up to a `…` in each line |
//! | ```` ```console terminal=NAME ```` | is typed into a shell, which answers as shown (`needs=node`, `needs=redis`: by an ignored test) |
//! | ```` ```console run=ci ```` | is what `.ci/run` runs, in README.md alone: a test cannot run the tests |
//! | any other block | is an error: nothing in the book goes unchecked |
//! | the line above a block | names its file or its terminal, unless that is the same as for the block before |
//! | a link or a picture | leads to a file that exists |
//! | an exercise | links a solution that is compiled and tested |
//! | a row of `socketio-api.md` | names functions and tests that exist |

mod api;
mod blocks;
mod captions;
#[cfg(unix)]
mod terminal;

use std::{collections::BTreeSet, env, fs, path::Path, process, process::Command, thread};

/// The pages that a reader sees, relative to the package's folder: the chapters and the README.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = fs::read_dir("tutorial")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("tutorial/{name}"))
        .collect();
    pages.push("README.md".to_string());
    pages.sort();
    pages
}

/// The chapters: the pages with a number.
fn chapters() -> Vec<String> {
    pages().into_iter().filter(|page| page[9..].starts_with(|c: char| c.is_ascii_digit())).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}")).replace("\r\n", "\n")
}

#[track_caller]
fn assert_none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_block_link_and_exercise_of_every_page_holds() {
    let check = |page: &String| blocks::problems(&read(page), page);
    assert_none(pages().iter().flat_map(check).collect());
}

#[test]
fn every_block_has_a_caption_with_its_file_or_terminal() {
    let check = |page: &String| captions::problems(&read(page), page);
    assert_none(pages().iter().flat_map(check).collect());
}

#[test]
fn every_chapter_has_700_to_1500_words() {
    for chapter in chapters() {
        let words = blocks::words(&read(&chapter));
        assert!((700..=1500).contains(&words), "{chapter} has {words} words of prose");
    }
}

#[test]
fn every_chapter_but_the_first_has_two_or_three_exercises() {
    for chapter in chapters().into_iter().filter(|chapter| !chapter.contains("/00-")) {
        let exercises = blocks::exercises(&read(&chapter)).len();
        assert!((2..=3).contains(&exercises), "{chapter} has {exercises} exercises");
    }
}

#[test]
fn every_chapter_shows_how_a_thing_is_used_before_it_looks_inside() {
    let is_use =
        |file: &str| file.starts_with("tutorial/examples/") || file.starts_with("src/bin/");
    for chapter in chapters() {
        let blocks = blocks::split(&read(&chapter)).1;
        let files = blocks.iter().filter_map(|block| block.mark("file"));
        let mut rust = files.filter(|file| file.ends_with(".rs"));
        assert!(rust.next().is_none_or(is_use), "{chapter} begins with the inside of the library");
    }
}

#[test]
fn every_exercise_has_a_hint() {
    for chapter in chapters() {
        for exercise in blocks::exercises(&read(&chapter)) {
            let title = exercise.lines().next().unwrap_or_default();
            assert!(exercise.contains("<summary>Hint</summary>"), "{chapter}: no hint: {title}");
        }
    }
}

#[test]
fn the_summary_names_every_page_under_tutorial_but_itself() {
    const SUMMARY: &str = "tutorial/SUMMARY.md";
    let named: BTreeSet<String> =
        blocks::links(&read(SUMMARY)).map(|link| format!("tutorial/{link}")).collect();
    let is_named = |page: &String| page.starts_with("tutorial/") && page != SUMMARY;
    let there: BTreeSet<String> = pages().into_iter().filter(is_named).collect();
    assert_eq!(named, there);
}

#[test]
fn every_solution_is_compiled() {
    let main = read("tutorial/solutions/main.rs");
    for entry in fs::read_dir("tutorial/solutions").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || main.contains(&format!("mod {module};")),
            "tutorial/solutions/{name} is not a module of main.rs: it would never be compiled"
        );
    }
}

/// The files in a folder and in those below it, one after the other.
fn read_all(folder: &str) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let text = |entry: fs::DirEntry| match entry.file_name().to_str().unwrap() {
        "node_modules" => String::new(),
        name if entry.file_type().unwrap().is_dir() => read_all(&format!("{folder}/{name}")),
        name if name.ends_with(".rs") => read(&format!("{folder}/{name}")),
        _ => String::new(),
    };
    entries.map(text).collect()
}

#[test]
fn every_row_of_the_api_names_functions_and_tests_that_exist() {
    let (src, tests) = (read_all("src"), read_all("tests"));
    let is_public = |item: &str| {
        let ends = |rest: &str| item.ends_with(':') || rest.starts_with(['(', '<']);
        src.match_indices(item).any(|(at, _)| ends(&src[at + item.len()..]))
    };
    let is_test = |name: &str| tests.contains(&format!("fn {name}("));
    assert_none(api::problems(&read(api::PAGE), is_public, is_test));
}

/// Runs `exercise` twice in an empty folder, for the stub and for the book's solution, and returns whether the
/// stub has failed its tests and the solution has passed them. Either must compile.
fn exercise(module: &str) -> Result<(), String> {
    let folder = env::temp_dir().join(format!("exercise-{}-{module}", process::id()));
    let [solutions, attempts] =
        ["solutions", "attempts"].map(|of| folder.join("tutorial").join(of));
    fs::create_dir_all(&solutions).unwrap();
    let file = format!("{module}.rs");
    for name in ["main.rs", &file] {
        fs::copy(Path::new("tutorial/solutions").join(name), solutions.join(name)).unwrap();
    }
    fs::copy("tutorial/figures.jsonl", folder.join("tutorial/figures.jsonl")).unwrap();
    let run = || {
        let number = module[1..].replace('_', ".");
        let program = env::current_exe().unwrap();
        let program = program.ancestors().nth(2).unwrap().join("examples/exercise");
        let output = Command::new(program).arg(number).current_dir(&folder).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (written, _) = run();
    let (stub_passes, stub) = run();
    let solution = read(&format!("tutorial/solutions/{file}"));
    let tests = ["#[test]", "#[cfg(test)]"].map(|mark| solution.find(&format!("\n{mark}")));
    let end = tests.into_iter().flatten().min().unwrap_or(solution.len());
    fs::write(attempts.join(&file), &solution[..end]).unwrap();
    let (solution_passes, solution) = run();
    fs::remove_dir_all(&folder).unwrap();
    match (written, stub_passes, solution_passes) {
        (true, false, true) if !stub.contains("error: aborting") => Ok(()),
        _ => Err(format!("{module}: the stub:\n{stub}\nthe solution:\n{solution}")),
    }
}

#[test]
fn exercise_fails_a_stub_and_passes_a_solution() {
    exercise("c01_1").unwrap();
}

#[test]
#[ignore = "compiles every exercise twice; .ci/run runs it"]
fn exercise_fails_every_stub_and_passes_every_solution() {
    let main = read("tutorial/solutions/main.rs");
    let modules = main.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let modules: Vec<&str> = modules.collect();
    let check = |modules: &[&str]| modules.iter().filter_map(|m| exercise(m).err()).collect();
    let problems: Vec<Vec<String>> = thread::scope(|scope| {
        let (one, two) = modules.split_at(modules.len() / 2);
        let checks = [one, two].map(|half| scope.spawn(move || check(half)));
        checks.into_iter().map(|check| check.join().unwrap()).collect()
    });
    assert_none(problems.concat());
}

/// Types the blocks of all pages at once, each page in shells of its own.
#[cfg(unix)]
fn type_all(needs: Option<&str>) -> Vec<String> {
    std::thread::scope(|scope| {
        let typed: Vec<_> = pages()
            .into_iter()
            .map(|page| scope.spawn(move || terminal::problems(&read(&page), &page, needs)))
            .collect();
        typed.into_iter().flat_map(|page| page.join().unwrap()).collect()
    })
}

#[cfg(unix)]
#[test]
fn every_terminal_answers_as_shown() {
    assert_none(type_all(None));
}

/// Runs itself again with SIGINT ignored, as in a background job of a script.
#[cfg(unix)]
#[test]
fn control_c_ends_a_program_where_sigint_is_ignored() {
    let test = thread::current();
    if std::env::var_os("SIGINT_IS_IGNORED").is_none() {
        let output = std::process::Command::new("sh")
            .args(["-c", r#"trap "" INT; exec "$0" --exact "$1""#])
            .arg(std::env::current_exe().unwrap())
            .arg(test.name().unwrap())
            .env("SIGINT_IS_IGNORED", "1")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
        return;
    }
    let page = "```console terminal=a\n$ cargo run --bin server\nServer listening on port 3000\n^C\n\
                $ echo $?\n130\n```\n";
    let problems = terminal::problems(page, "page.md", None);
    // Where `env` cannot undo it, that is reported at once.
    let reported = problems.iter().any(|problem| problem.contains("SIGINT is ignored here"));
    assert!(problems.is_empty() || reported, "{problems:?}");
}

#[cfg(unix)]
#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn every_terminal_with_node_answers_as_shown() {
    assert_none(type_all(Some("node")));
}

#[cfg(unix)]
#[test]
#[ignore = "needs redis-server and Node.js; .ci/run runs it"]
fn every_terminal_with_redis_answers_as_shown() {
    assert_none(type_all(Some("redis")));
}

/// `.ci/run --readme` prints the commands of the README that it would run.
#[cfg(unix)]
#[test]
fn the_commands_of_readme_are_run_by_ci() {
    let ci = std::process::Command::new(".ci/run").arg("--readme").output().unwrap();
    let marked = |page: &str| -> String {
        let blocks = blocks::split(&read(page)).1;
        let lines = blocks.into_iter().filter(|b| b.mark("run").is_some()).flat_map(|b| b.lines);
        lines.map(|line| line.replacen("$ ", "", 1) + "\n").collect()
    };
    assert_eq!(String::from_utf8_lossy(&ci.stdout), marked("README.md"));
    assert_eq!(pages().iter().map(|page| marked(page)).collect::<String>(), marked("README.md"));
}

/// The checker itself: pages with one problem each, and the message that they must get.
mod a_page_is_refused {
    use super::*;

    #[track_caller]
    fn because(expected: &str, page: &str) {
        let problems = blocks::problems(page, "tutorial/page.md");
        assert_eq!(problems.len(), 1, "expected one problem, found {problems:#?}");
        assert!(problems[0].contains(expected), "{:?} does not say {expected:?}", problems[0]);
    }

    #[test]
    fn when_a_line_of_code_differs_from_its_file() {
        let right = "```rust file=src/bin/server.rs\nlet n = socket.read(&mut buffer)?;\nif n == 0 {\n    return Ok(());\n}\n```\n";
        assert_none(blocks::problems(right, "tutorial/page.md"));
        because("src/bin/server.rs has no such lines", &right.replace("n == 0", "n == 1"));
    }

    #[test]
    fn when_its_code_has_no_file() {
        because("nothing checks it", "```rust\nfn main() {}\n```\n");
        because("nothing checks it", "```\nwhatever\n```\n");
        because("cannot be read", "```rust file=src/no-such.rs\nfn main() {}\n```\n");
    }

    #[test]
    fn when_a_run_block_is_not_marked_ci() {
        assert_none(blocks::problems("```console run=ci\n$ true\n```\n", "tutorial/page.md"));
        because("says run=ci", "```console run=yes\n$ true\n```\n");
        because("says run=ci", "```console run=ci\n$ echo one\none\n```\n");
    }

    #[test]
    fn when_code_that_must_not_compile_does() {
        let wrong = "fn f(s: String) -> String {\n    drop(s);\n    s\n}";
        let page = format!("```rust compile_fail=E0382\n{wrong}\n```\n");
        because("must follow", &page);
        let error = "error[E0382]: use of moved value: …";
        let page = format!("{page}\n```text compiler\n{error}\n```\n");
        assert_none(blocks::problems(&page, "tutorial/page.md"));
        because("compiles", &page.replace("drop(s)", "drop(&s)"));
        because("\"error[E0499]\"", &page.replace("fail=E0382", "fail=E0499"));
        because("borrowed value", &page.replace("moved value", "borrowed value"));
    }

    #[test]
    fn when_a_link_or_a_picture_is_dead() {
        assert_none(blocks::problems("[all](../src/lib.rs#top)", "tutorial/page.md"));
        because("no-such.md", "See [that](no-such.md).");
        because("img/no-such.svg", "![a picture](img/no-such.svg)");
    }

    #[test]
    fn when_a_link_names_another_chapter_than_it_leads_to() {
        assert_none(blocks::problems("In [chapter 01](01-the-server.md)", "tutorial/page.md"));
        because("number of the chapter", "See [02](01-the-server.md).");
        because("number of the chapter", "In [chapter 02](01-the-server.md)");
    }

    #[test]
    fn when_an_exercise_has_no_solution() {
        because("has no solution", "## Exercises\n\n1. Do it.\n");
        because("dead link", "## Exercises\n\n1. Do it. [Solution](solutions/no_such.rs)\n");
        because("no test", "## Exercises\n\n1. Do it. [Solution](solutions/main.rs)\n");
    }

    #[test]
    fn when_a_block_never_ends() {
        because("never ends", "```rust file=src/lib.rs\n");
    }

    #[cfg(unix)]
    #[track_caller]
    fn when_typed(expected: &str, block: &str) {
        let page = format!("```console\n{block}\n```\n");
        let problems = terminal::problems(&page, "tutorial/page.md", None);
        assert_eq!(problems.len(), 1, "expected one problem, found {problems:#?}");
        assert!(problems[0].contains(expected), "{:?} does not say {expected:?}", problems[0]);
    }

    #[cfg(unix)]
    #[test]
    fn when_a_terminal_prints_something_else() {
        let right = "```console\n$ echo one; echo two\none\ntwo\n```\n";
        assert_none(terminal::problems(right, "tutorial/page.md", None));
        when_typed("printed \"one\", where the page says \"won\"", "$ echo one\nwon");
        when_typed("printed \"two\", where the page says nothing", "$ echo one; echo two\none");
        when_typed("printed nothing, where the page says \"two\"", "$ echo one\none\ntwo");
        assert_none(terminal::problems(
            &right.replace("\none", "\n… n …"),
            "tutorial/page.md",
            None,
        ));
        when_typed("printed \"one\", where", "$ echo one\n… m …");
        when_typed("printed \"one two\", where", "$ echo one two\none … three");
        when_typed("printed \"0.1 #1 a\", where", "$ echo '0.1 #1 a'\n 0.2 #1 b");
        assert_none(terminal::problems(
            "```console\n$ echo '0.1 #1 a b c'\n 0.2 #1 … c\n```\n",
            "tutorial/page.md",
            None,
        ));
        when_typed("status 3", "$ (exit 3); echo status $?\nstatus 4");
    }

    #[cfg(unix)]
    #[test]
    fn when_lines_of_one_connection_change_places() {
        let printed = "$ echo '0.1 #2 b'; echo '0.1 #1 a'; echo '0.1 #1 c'";
        for order in ["#1 a\n0.1 #1 c\n0.1 #2 b", "#1 a\n0.1 #2 b\n0.1 #1 c", "#1 a\n…"] {
            let page = format!("```console\n{printed}\n0.1 {order}\n```\n");
            assert_none(terminal::problems(&page, "tutorial/page.md", None));
        }
        when_typed("printed \"0.1 #1 a\", where", &format!("{printed}\n0.1 #1 c"));
        when_typed("says nothing", &format!("{printed}\n0.1 #1 a\n0.1 #1 c"));
        // A line without a number belongs to the line above it.
        let printed = "$ echo '0.1 #2 b'; echo '    B'; echo '0.1 #1 a'; echo '    A'";
        for order in ["#1 a\n    A\n0.1 #2 b\n    B", "#1 a\n…\n    A\n…", "#2 b\n    B\n…\n    A"]
        {
            let page = format!("```console\n{printed}\n0.1 {order}\n```\n");
            assert_none(terminal::problems(&page, "tutorial/page.md", None));
        }
        when_typed("printed \"    A\", where", &format!("{printed}\n0.1 #1 a\n    B"));
        when_typed("says nothing", &format!("{printed}\n0.1 #1 a\n    A"));
    }

    #[cfg(unix)]
    #[test]
    fn when_a_program_reads_other_input() {
        let right =
            "```console\n$ read line; echo \"You said $line\"\n» Hello\nYou said Hello\n```\n";
        assert_none(terminal::problems(right, "tutorial/page.md", None));
        when_typed(
            "You said hello",
            "$ read line; echo \"You said $line\"\n» hello\nYou said Hello",
        );
        when_typed("no program runs", "» Hello");
    }

    #[cfg(unix)]
    #[test]
    fn when_a_program_prints_something_else() {
        let right = "```console terminal=server\n$ cargo run\nServer listening on port 3000\n```\n\
                     ```console\n$ cargo run --bin client | head -1\nConnected to server\n```\n\
                     ```console terminal=server\n…\nClient disconnected\n^C\n```\n";
        assert_none(terminal::problems(right, "tutorial/page.md", None));
        when_typed(
            "Server listening on port 3000",
            "$ cargo run\nServer listening on port 3001\n^C",
        );
    }
}

#[test]
fn a_page_has_only_the_links_that_its_text_shows() {
    let text = "A [link](a.md) and ![img](b.svg).\n```js file=x\n[not](one)\n```\n`[nor](this)`\n";
    assert_eq!(blocks::links(text).collect::<Vec<_>>(), ["a.md", "b.svg"]);
    assert!(Path::new("tutorial").is_dir(), "the tests run in the package's folder");
}
