//! Every file says what it is; every crate says what it owns and what it must never do.

use super::{SourceFile, Violation};

/// A `.rs` file opens with a module doc; a crate's `lib.rs` names the crate's limits too.
pub(crate) fn check(file: &SourceFile) -> Option<Violation> {
    let doc: Vec<_> = file.text.lines().take_while(|line| line.starts_with("//!")).collect();
    if doc.is_empty() {
        let remedy = "open the file with `//!` and a sentence on what it holds";
        return Some(file.violation(1, "module-doc", "no module doc on the first line", remedy));
    }
    let is_crate_root = file.path.starts_with("crates/") && file.path.ends_with("/src/lib.rs");
    let names_a_limit = doc.iter().any(|line| line.to_lowercase().contains("never"));
    (is_crate_root && !names_a_limit).then(|| {
        let problem = "the crate doc does not say what the crate must never do";
        let remedy = "write what the crate owns, and `# Must never` with what it leaves to others";
        file.violation(1, "crate-doc", problem, remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, text: &str) -> Option<&'static str> {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
        check(&file).map(|violation| violation.rule)
    }

    #[test]
    fn every_file_opens_with_a_module_doc() {
        assert_eq!(rule("crates/hub/src/ring.rs", "//! A ring.\n"), None);
        assert_eq!(rule("crates/hub/src/ring.rs", "/// A ring.\n"), Some("module-doc"));
        assert_eq!(rule("crates/hub/src/ring.rs", "use a;\n//! A ring.\n"), Some("module-doc"));
        assert_eq!(rule("crates/hub/src/ring.rs", ""), Some("module-doc"));
    }

    #[test]
    fn a_crate_says_what_it_must_never_do() {
        let whole = "//! Fan-out.\n//!\n//! # Must never\n//! Know a protocol.\n";
        assert_eq!(rule("crates/hub/src/lib.rs", whole), None);
        assert_eq!(rule("crates/hub/src/lib.rs", "//! Fan-out.\n"), Some("crate-doc"));
    }
}
