//! `cargo xtask tidy`: the house rules as a test.
//!
//! Each rule is a function from what it reads (a manifest, a file's text, its tokens) to a list of
//! [`Violation`]s, so every rule has a test with something it must refuse.

mod docs;
mod layout;
mod length;
mod source;
mod text;
mod tokens;
mod walls;

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// One breach of one rule, with the way out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    file: String,
    line: usize,
    rule: &'static str,
    problem: String,
    remedy: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, rule, problem, remedy } = self;
        write!(out, "{file}:{line}: [{rule}] {problem}\n    remedy: {remedy}")
    }
}

/// A file of the project as the rules see it.
pub(crate) struct SourceFile {
    /// Path from the workspace root, with forward slashes.
    pub(crate) path: String,
    /// The whole text; empty for files that are not text.
    pub(crate) text: String,
}

impl SourceFile {
    fn has_extension(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension().and_then(|name| name.to_str());
        extension.is_some_and(|name| extensions.contains(&name))
    }

    fn violation(
        &self,
        line: usize,
        rule: &'static str,
        problem: impl Into<String>,
        remedy: &'static str,
    ) -> Violation {
        Violation { file: self.path.clone(), line, rule, problem: problem.into(), remedy }
    }
}

/// Checks every file the project tracks or is about to track; fails with all violations listed.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let files = project_files(root)?;
    let mut violations = walls::check(&cargo_metadata(root)?)?;
    violations.extend(layout::check(&files));
    for file in &files {
        violations.extend(check_file(file));
    }
    violations.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    for violation in &violations {
        println!("{violation}");
    }
    ensure!(violations.is_empty(), "tidy: {} violation(s)", violations.len());
    println!("tidy: {} files hold to the rules", files.len());
    Ok(())
}

fn check_file(file: &SourceFile) -> Vec<Violation> {
    let mut violations = text::check(file);
    violations.extend(length::check_file(file));
    if file.has_extension(&["rs"]) {
        violations.extend(docs::check(file));
        match tokens::read(&file.text) {
            Ok(tokens) => {
                violations.extend(length::check_functions(file, &tokens));
                violations.extend(source::check(file, &tokens));
            }
            Err(line) => violations.push(file.violation(
                line,
                "rust",
                "the file is not Rust",
                "make it compile",
            )),
        }
    }
    violations
}

/// Tracked files and new ones that are not ignored: what the next commit could hold.
fn project_files(root: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(arguments).current_dir(root).output();
    let listed = listed.context("tidy needs git to list the files")?;
    ensure!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).context("file names are UTF-8")?;
    let mut files = Vec::new();
    for path in listed.split_terminator('\0') {
        // A file deleted but not yet committed is listed and absent.
        if let Ok(bytes) = std::fs::read(root.join(path)) {
            let text = String::from_utf8(bytes).unwrap_or_default();
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

/// `cargo metadata` without dependencies: the manifests as cargo itself understands them.
fn cargo_metadata(root: &Path) -> anyhow::Result<serde_json::Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let output = Command::new(cargo).args(arguments).current_dir(root).output()?;
    ensure!(output.status.success(), "cargo: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("cargo metadata is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_the_place_the_rule_and_the_remedy() {
        let file = SourceFile { path: "crates/hub/src/lib.rs".to_owned(), text: String::new() };
        let shown = file.violation(7, "docs", "no crate doc", "write one").to_string();
        assert_eq!(shown, "crates/hub/src/lib.rs:7: [docs] no crate doc\n    remedy: write one");
    }

    #[test]
    fn a_file_that_is_not_rust_is_reported_with_its_line() {
        let text = "//! Doc.\nfn broken( {\n".to_owned();
        let found = check_file(&SourceFile { path: "crates/hub/src/a.rs".to_owned(), text });
        assert!(found.iter().any(|violation| violation.rule == "rust"), "{found:?}");
    }
}
