//! Running other programs: what is run is shown, what fails is named.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

/// Runs a program with the terminal's output; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = describe(command);
    println!("$ {line}");
    let status = command.stdin(Stdio::null()).status().with_context(|| line.clone())?;
    ensure!(status.success(), "`{line}` ended with {status}");
    Ok(())
}

/// A cargo call in the workspace, with the cargo that runs this program.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    command
}

/// Any other program with its arguments, in a folder.
pub(crate) fn program<S: AsRef<OsStr>>(folder: &Path, name: &str, arguments: &[S]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(folder);
    command
}

/// Whether a program of that name is on the search path.
pub(crate) fn is_on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Whether a missing tool is a failure: on a build server, where nobody reads a skip.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Measures what an operator waits for.
#[allow(clippy::disallowed_methods, reason = "a developer command measures its own duration")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_named_with_its_arguments() {
        let here = Path::new(".");
        assert!(run(&mut program(here, "true", &["x"])).is_ok());
        let error = run(&mut program(here, "false", &["a", "b"])).unwrap_err().to_string();
        assert!(error.contains("`false a b`"), "{error}");
        let error = run(&mut program(here, "no-such-program", &["a"])).unwrap_err().to_string();
        assert!(error.contains("no-such-program a"), "{error}");
    }

    #[test]
    fn the_search_path_is_searched() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program"));
    }
}
