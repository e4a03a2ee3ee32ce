//! `cargo xtask test`: every test of the project, and one line at the end that counts them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::{setup, shell};

/// What a stage of the run came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

/// Runs setup, then all tests; `fast` leaves out the end-to-end tests and their release-like build.
pub(crate) fn run(root: &Path, fast: bool) -> anyhow::Result<()> {
    let started = shell::now();
    setup::run(root)?;
    let mut total = Tally::default();
    if shell::is_on_path("npm") {
        total.add(run_counted(&mut pages_tests(root), node_line)?);
    } else {
        println!("skipped: the pages' tests need npm");
    }
    total.add(run_counted(&mut shell::cargo(root, &["test", "--workspace", "--doc"]), doc_line)?);
    total.add(run_counted(&mut nextest(root, fast)?, nextest_line)?);
    println!("{}", total.summary(started.elapsed()));
    if total.failed > 0 {
        bail!("{} test(s) failed", total.failed);
    }
    Ok(())
}

fn pages_tests(root: &Path) -> Command {
    shell::program(&root.join("crates/web/ui"), "npm", &["test", "--silent"])
}

/// The Rust tests; with the binary under test built first unless the run is `fast`.
fn nextest(root: &Path, fast: bool) -> anyhow::Result<Command> {
    let profile = if fast { "default" } else { "ci" };
    // Nextest draws its progress bar only on a terminal; here its output is read as well as shown.
    let arguments = ["nextest", "run", "--workspace", "--profile", profile];
    let mut command = shell::cargo(root, &arguments);
    if !fast {
        command.env("TALLY_BIN", build_binary(root)?);
        command.env("TALLY_TOOLS", setup::tools_folder());
    }
    Ok(command)
}

/// Builds the binary that the end-to-end tests talk to, with the load tool beside it, and gives its
/// path.
pub(crate) fn build_binary(root: &Path) -> anyhow::Result<PathBuf> {
    let arguments = ["build", "--profile", "e2e", "--bin", "tally", "--bin", "tally-load"];
    shell::run(&mut shell::cargo(root, &arguments))?;
    Ok(target_folder(root)?.join("e2e/tally"))
}

/// Where cargo puts what it builds, with every setting taken into account.
fn target_folder(root: &Path) -> anyhow::Result<PathBuf> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let output = shell::cargo(root, &arguments).output().context("cargo metadata")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let folder = metadata["target_directory"].as_str().context("metadata names the target")?;
    Ok(folder.into())
}

/// Runs a test runner, shows its output and adds up the lines in which it counts. A runner that
/// fails without counting a failure (it did not build, say) counts as one failure.
fn run_counted(command: &mut Command, count: fn(&str) -> Option<Tally>) -> anyhow::Result<Tally> {
    println!("$ {command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    let errors = child.stderr.take().context("stderr is piped")?;
    let on_errors = std::thread::spawn(move || show_and_count(BufReader::new(errors), count));
    let output = child.stdout.take().context("stdout is piped")?;
    let mut tally = show_and_count(BufReader::new(output), count);
    tally.add(on_errors.join().ok().context("the reader of stderr panicked")?);
    if !child.wait()?.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

fn show_and_count(lines: impl BufRead, count: fn(&str) -> Option<Tally>) -> Tally {
    let mut tally = Tally::default();
    for line in lines.lines().map_while(Result::ok) {
        println!("{line}");
        tally.add(count(&line).unwrap_or_default());
    }
    tally
}

/// `Summary [ 1.2s] 26 tests run: 24 passed (1 slow), 2 failed, 1 timed out, 3 skipped`.
fn nextest_line(line: &str) -> Option<Tally> {
    let (_, counts) = line.trim_start().strip_prefix("Summary [")?.split_once(" run: ")?;
    let failures = ["failed", "timed out", "exec failed"];
    Some(Tally {
        passed: number_before(counts, "passed"),
        failed: failures.iter().map(|word| number_before(counts, word)).sum(),
        skipped: number_before(counts, "skipped"),
    })
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
fn doc_line(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    Some(Tally {
        passed: number_before(counts, "passed"),
        failed: number_before(counts, "failed"),
        skipped: number_before(counts, "ignored"),
    })
}

/// Node's `# pass 12`, or `ℹ pass 12` where it thinks it has a terminal.
fn node_line(line: &str) -> Option<Tally> {
    let (word, number) = line.strip_prefix("# ").or(line.strip_prefix("ℹ "))?.split_once(' ')?;
    let number = number.parse().ok()?;
    match word {
        "pass" => Some(Tally { passed: number, ..Tally::default() }),
        "fail" => Some(Tally { failed: number, ..Tally::default() }),
        "skipped" => Some(Tally { skipped: number, ..Tally::default() }),
        _ => None,
    }
}

/// The number in front of a phrase in a list like `2 failed, 1 timed out`.
fn number_before(counts: &str, phrase: &str) -> u32 {
    let items = counts.split([',', ';']).map(str::trim);
    let mut numbers = items.filter_map(|item| {
        let (number, rest) = item.split_once(' ')?;
        rest.starts_with(phrase).then(|| number.parse().ok())?
    });
    numbers.next().unwrap_or(0)
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    fn summary(self, elapsed: Duration) -> String {
        let Self { passed, failed, skipped } = self;
        let (run, seconds) = (passed + failed, elapsed.as_secs_f32());
        let failed = if failed > 0 { format!("{failed} failed, ") } else { String::new() };
        format!(
            "     Summary [{seconds:>8.3}s] {run} tests run: {passed} passed, {failed}{skipped} skipped"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn tally(passed: u32, failed: u32, skipped: u32) -> Tally {
        Tally { passed, failed, skipped }
    }

    #[test]
    fn closing_lines_of_all_runners_are_counted() {
        let line = "     Summary [   1.073s] 29/30 tests run: 26 passed (1 slow), 2 failed, 1 timed out, 3 skipped";
        assert_eq!(nextest_line(line), Some(tally(26, 3, 3)));
        let line = "test result: ok. 3 passed; 1 failed; 2 ignored; 0 measured; finished in 0.00s";
        assert_eq!(doc_line(line), Some(tally(3, 1, 2)));
        assert_eq!(node_line("# pass 12"), Some(tally(12, 0, 0)));
        assert_eq!(node_line("ℹ fail 2"), Some(tally(0, 2, 0)));
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in ["        PASS [ 0.005s] a", "# duration_ms 12.5", "running 3 tests", ""] {
            assert_eq!((nextest_line(line), doc_line(line), node_line(line)), (None, None, None));
        }
    }

    #[test]
    fn the_summary_reads_as_nextest_writes_it_and_is_read_back() {
        let summary = tally(26, 2, 3).summary(Duration::from_millis(1_500));
        assert_eq!(
            summary,
            "     Summary [   1.500s] 28 tests run: 26 passed, 2 failed, 3 skipped"
        );
        assert_eq!(nextest_line(&summary), Some(tally(26, 2, 3)));
        assert_eq!(nextest_line(&tally(1, 0, 0).summary(Duration::ZERO)), Some(tally(1, 0, 0)));
    }

    #[test]
    fn a_runner_that_dies_without_counting_is_a_failure() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            run_counted(&mut command, node_line).unwrap()
        };
        assert_eq!(shell("exit 3"), tally(0, 1, 0));
        assert_eq!(shell("echo '# pass 2'; echo '# fail 1' >&2; exit 1"), tally(2, 1, 0));
        assert_eq!(shell("echo '# pass 2'"), tally(2, 0, 0));
    }
}
