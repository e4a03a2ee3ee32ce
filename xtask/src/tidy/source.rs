//! What no Rust source may do: unfinished code, switched-off tests, unsafe outside its module,
//! the machine inside a pure crate, sleeping instead of waiting for the event.

use super::tokens::{self, Token};
use super::{SourceFile, Violation};

/// Modules that may hold unsafe code. None: every system call has a safe wrapper so far.
const UNSAFE_ALLOWED: [&str; 0] = [];

/// Files that may sleep in tests, each with its reason.
const SLEEP_ALLOWED: [&str; 2] = [
    // The one polling loop: for states of another process that send no event (its memory, its files).
    "crates/e2e/src/wait.rs",
    // A polling loop over counters, and deadlines of real sockets held not to strike early.
    "crates/server/tests/http.rs",
];

/// Crates that are given bytes and times and give back outputs.
const PURE: [&str; 11] = [
    "audio",
    "cmaf",
    "hls",
    "hub",
    "media",
    "program",
    "relay",
    "rtc",
    "rtmp",
    "testsource",
    "watch",
];

/// Parts of the standard library that reach the machine.
const MACHINE: [&str; 5] = ["env", "fs", "net", "process", "thread"];

/// Crates that count watch time and money: exact or nothing.
const EXACT: [&str; 2] = ["program", "watch"];

/// Checks one file's tokens against every source rule.
pub(crate) fn check(file: &SourceFile, tokens: &[Token]) -> Vec<Violation> {
    let mut violations = unfinished(file, tokens);
    violations.extend(switched_off(file, tokens));
    violations.extend(unsafe_code(file, tokens));
    violations.extend(sleeping_tests(file, tokens));
    violations.extend(machine_in_pure(file, tokens));
    violations.extend(floats(file, tokens));
    violations
}

fn unfinished(file: &SourceFile, tokens: &[Token]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for name in ["todo", "unimplemented"] {
        for index in tokens::find(tokens, &[name, "!"]) {
            let problem = format!("`{name}!` in the tree");
            let remedy = "build it or leave it out";
            violations.push(file.violation(tokens[index].line, "unfinished", problem, remedy));
        }
    }
    violations
}

fn switched_off(file: &SourceFile, tokens: &[Token]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for index in tokens::find(tokens, &["#", "["]) {
        let Some(close) = tokens::closing(tokens, index + 1) else { continue };
        let attribute = &tokens[index + 2..close];
        let first = attribute.first().map(|token| token.text.as_str());
        let switches_off = match first {
            Some("ignore") => true,
            Some("cfg_attr") => attribute.iter().any(|token| token.text == "ignore"),
            _ => false,
        };
        if switches_off {
            let remedy = "make the test pass or delete it";
            let line = tokens[index].line;
            violations.push(file.violation(line, "skipped-test", "an ignored test", remedy));
        }
    }
    violations
}

fn unsafe_code(file: &SourceFile, tokens: &[Token]) -> Vec<Violation> {
    if UNSAFE_ALLOWED.contains(&file.path.as_str()) {
        return Vec::new();
    }
    let remedy = "use a safe wrapper, or argue for a module in tidy's list of allowed ones";
    let unsafe_lines = tokens.iter().filter(|token| token.text == "unsafe").map(|token| token.line);
    unsafe_lines.map(|line| file.violation(line, "unsafe", "unsafe code", remedy)).collect()
}

fn sleeping_tests(file: &SourceFile, tokens: &[Token]) -> Vec<Violation> {
    if SLEEP_ALLOWED.contains(&file.path.as_str()) {
        return Vec::new();
    }
    // In virtual time a sleep is a step of the clock, not a wait.
    if tokens.iter().any(|token| token.text == "start_paused") {
        return Vec::new();
    }
    let remedy = "wait for the event itself, with a deadline, or use a paused clock";
    let calls = tokens::find(tokens, &["sleep", "("]).filter(|&at| is_test(file, tokens, at));
    let lines = calls.map(|index| tokens[index].line);
    lines.map(|line| file.violation(line, "sleep", "a test that sleeps", remedy)).collect()
}

fn machine_in_pure(file: &SourceFile, tokens: &[Token]) -> Vec<Violation> {
    if !is_in_crate(file, &PURE) {
        return Vec::new();
    }
    let remedy = "let the server crate do it and pass the outcome in";
    let mut violations = Vec::new();
    for part in MACHINE {
        for index in tokens::find(tokens, &["std", ":", ":", part]) {
            if !is_test(file, tokens, index) {
                let problem = format!("std::{part} in a pure crate");
                violations.push(file.violation(tokens[index].line, "pure", problem, remedy));
            }
        }
    }
    violations
}

fn floats(file: &SourceFile, tokens: &[Token]) -> Vec<Violation> {
    if !is_in_crate(file, &EXACT) {
        return Vec::new();
    }
    let remedy = "count in integers: milliseconds, minor units, basis points";
    let floats = tokens.iter().filter(|token| matches!(token.text.as_str(), "f32" | "f64"));
    floats.map(|token| file.violation(token.line, "floats", "a float", remedy)).collect()
}

fn is_in_crate(file: &SourceFile, names: &[&str]) -> bool {
    let mut parts = file.path.split('/');
    parts.next() == Some("crates")
        && parts.next().is_some_and(|name| names.contains(&name))
        && parts.next() == Some("src")
}

/// Whether the token at `index` is test code: a test folder, the end-to-end crate, or inside
/// `mod tests`.
fn is_test(file: &SourceFile, tokens: &[Token], index: usize) -> bool {
    let by_path = file.path.starts_with("crates/e2e/")
        || file.path.contains("/tests/")
        || file.path.contains("/benches/")
        || file.path.ends_with("/tests.rs");
    by_path
        || tokens::find(tokens, &["mod", "tests", "{"]).any(|module| {
            let close = tokens::closing(tokens, module + 2);
            close.is_some_and(|close| (module..close).contains(&index))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<(&'static str, usize)> {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
        let found = check(&file, &tokens::read(text).unwrap());
        found.into_iter().map(|violation| (violation.rule, violation.line)).collect()
    }

    const HUB: &str = "crates/hub/src/ring.rs";
    const SERVER: &str = "crates/server/src/pump.rs";

    #[test]
    fn unfinished_code_is_found_and_its_names_elsewhere_are_not() {
        assert_eq!(rules(HUB, "fn a() {\n todo!()\n}"), [("unfinished", 2)]);
        assert_eq!(rules(HUB, "fn a() { unimplemented!(\"x\") }"), [("unfinished", 1)]);
        assert_eq!(rules(HUB, "// todo!()\nfn todo() { let a = \"todo!\"; }"), []);
    }

    #[test]
    fn ignored_tests_are_found() {
        assert_eq!(rules(HUB, "#[test]\n#[ignore = \"slow\"]\nfn a() {}"), [("skipped-test", 2)]);
        assert_eq!(rules(HUB, "#[cfg_attr(miri, ignore)]\nfn a() {}"), [("skipped-test", 1)]);
        assert_eq!(rules(HUB, "#[test]\nfn ignore() { let ignore = 1; }"), []);
    }

    #[test]
    fn unsafe_code_is_found_and_forbidding_it_is_not() {
        assert_eq!(rules(SERVER, "fn a() { unsafe { b() } }"), [("unsafe", 1)]);
        assert_eq!(rules(SERVER, "#![forbid(unsafe_code)]"), []);
    }

    #[test]
    fn a_sleep_is_found_in_tests_only_and_not_on_a_paused_clock() {
        let test = "#[cfg(test)]\nmod tests {\n fn a() { std::thread::sleep(b); }\n}";
        assert_eq!(rules(SERVER, test), [("sleep", 3)]);
        assert_eq!(rules("crates/server/tests/a.rs", "fn a() { sleep(b) }"), [("sleep", 1)]);
        assert_eq!(rules(SERVER, "async fn a() { tokio::time::sleep(b).await }"), []);
        let paused = "#[tokio::test(start_paused = true)]\nasync fn a() { sleep(b).await }";
        assert_eq!(rules("crates/server/tests/a.rs", paused), []);
    }

    #[test]
    fn the_machine_is_found_in_pure_crates_outside_tests() {
        assert_eq!(rules(HUB, "use std::net::IpAddr;"), [("pure", 1)]);
        assert_eq!(rules(SERVER, "use std::net::IpAddr;"), []);
        assert_eq!(rules(HUB, "mod tests { use std::fs; }"), []);
        assert_eq!(rules("crates/hub/tests/a.rs", "use std::thread;"), []);
    }

    #[test]
    fn floats_are_found_where_time_and_money_are_counted() {
        assert_eq!(rules("crates/watch/src/a.rs", "fn a(b: f64) {}"), [("floats", 1)]);
        assert_eq!(rules(HUB, "fn a(b: f64) {}"), []);
    }
}
