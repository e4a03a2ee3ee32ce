//! `cargo xtask fuzz`: the fuzz targets of the tests, for longer.
//!
//! The targets are the tests named `fuzz_*`. With `cargo-bolero` installed they run guided by
//! coverage; without it they run as in the tests, from random input, for the time given.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::{setup, shell};

/// One fuzz test and the package it lies in.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    package: String,
    test: String,
}

/// Runs the target of that test name, or all of them, `seconds` each.
pub(crate) fn run(root: &Path, only: Option<&str>, seconds: u32) -> anyhow::Result<()> {
    let targets = targets(root)?;
    let wanted: Vec<_> = targets
        .iter()
        .filter(|target| only.is_none_or(|name| target.test.ends_with(name)))
        .collect();
    ensure!(!wanted.is_empty(), "no fuzz target; there are: {}", names(&targets));
    for target in wanted {
        shell::run(&mut command(root, target, seconds))?;
    }
    Ok(())
}

fn command(root: &Path, target: &Target, seconds: u32) -> Command {
    let Target { package, test } = target;
    if setup::cargo_tool_path("bolero").is_some() {
        let duration = format!("{seconds}s");
        let arguments = ["bolero", "test", "-p", package, test, "-s", "NONE", "-T", &duration];
        return shell::cargo(root, &arguments);
    }
    println!("fuzz: without coverage; `cargo install cargo-bolero` adds it");
    let mut command = shell::cargo(root, &["test", "-p", package, "--", "--exact", test]);
    // Bolero's own engine for plain tests reads its limits from the environment.
    command.env("BOLERO_RANDOM_TEST_TIME_MS", (u64::from(seconds) * 1_000).to_string());
    command.env("BOLERO_RANDOM_ITERATIONS", u32::MAX.to_string());
    command
}

/// Asks nextest for every test whose name begins with `fuzz_`.
fn targets(root: &Path) -> anyhow::Result<Vec<Target>> {
    let arguments =
        ["nextest", "list", "--workspace", "--message-format", "json", "-E", "test(/fuzz_/)"];
    let output = shell::cargo(root, &arguments).output().context("cargo nextest list")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read_targets(&serde_json::from_slice(&output.stdout)?)
}

fn read_targets(list: &serde_json::Value) -> anyhow::Result<Vec<Target>> {
    let suites = list["rust-suites"].as_object().context("nextest lists its suites")?;
    let mut targets = Vec::new();
    for suite in suites.values() {
        let package = suite["package-name"].as_str().context("a suite has a package")?;
        for (test, case) in suite["testcases"].as_object().into_iter().flatten() {
            if case["filter-match"]["status"] == "matches" {
                targets.push(Target { package: package.to_owned(), test: test.clone() });
            }
        }
    }
    Ok(targets)
}

fn names(targets: &[Target]) -> String {
    targets.iter().map(|target| target.test.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn targets_are_the_tests_that_match() {
        let list = json!({ "rust-suites": { "tally-rtmp": {
            "package-name": "tally-rtmp",
            "testcases": {
                "amf::fuzz_reader": { "filter-match": { "status": "matches" } },
                "amf::reads_numbers": { "filter-match": { "status": "mismatch" } },
            },
        }}});
        let expected =
            Target { package: "tally-rtmp".to_owned(), test: "amf::fuzz_reader".to_owned() };
        assert_eq!(read_targets(&list).unwrap(), [expected]);
    }
}
