//! The top of the tree: only what the house plan names and what tools demand.

use std::collections::BTreeSet;

use super::{SourceFile, Violation};

/// What may lie at the top. Everything else has a home in one of these folders.
const TOP: [&str; 16] = [
    ".cargo",
    ".ci",
    ".config",
    ".gitattributes",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "config",
    "crates",
    "docker",
    "loadtest",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

/// The developer commands; cargo wants a package folder for them.
const DEVELOPER: &str = "xtask";

/// Nothing lies at the top that has no business there.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let mut seen = BTreeSet::new();
    let mut violations = Vec::new();
    for file in files {
        let top = file.path.split('/').next().unwrap_or(&file.path);
        let known = TOP.contains(&top) || top == DEVELOPER;
        if !known && seen.insert(top.to_owned()) {
            let problem = format!("`{top}` does not belong at the top of the tree");
            let remedy = "move it into crates/, config/, docker/ or .config/";
            violations.push(file.violation(1, "layout", problem, remedy));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(paths: &[&str]) -> usize {
        let files =
            paths.iter().map(|path| SourceFile { path: (*path).to_owned(), text: String::new() });
        check(&files.collect::<Vec<_>>()).len()
    }

    #[test]
    fn the_planned_tree_is_accepted() {
        let planned = ["Cargo.toml", "crates/hub/src/lib.rs", ".ci/run", "xtask/Cargo.toml"];
        assert_eq!(problems(&planned), 0);
    }

    #[test]
    fn a_stray_file_or_folder_is_refused_once() {
        assert_eq!(problems(&["notes.md"]), 1);
        assert_eq!(problems(&["scripts/a.sh", "scripts/b.sh"]), 1);
    }
}
