//! `cargo xtask setup`: everything the tests need beyond the Rust toolchain.
//!
//! Each thing is looked for first and installed only when it is missing, so a second run costs
//! about a second. What cannot be installed is named; on a build server that is a failure.

mod debian;
mod node;
mod python;

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::shell;

/// The folder outside the project where downloaded test tools live, shared by all checkouts.
pub(crate) fn tools_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("TALLY_TOOLS") {
        return folder.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/tmp".into()));
    cache.unwrap_or_else(|| home().join(".cache")).join("tally-tools")
}

/// Installs what is missing. Something that stays missing is printed with what it is for, and is
/// an error where `CI` is set.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let mut missing = debian::install();
    missing.extend(python::install(&tools_folder()));
    missing.extend(node::install(root));
    missing.extend(cargo_tool(root, "nextest"));
    missing.extend(cargo_tool(root, "deny"));
    for Missing { what, needed_for, remedy } in &missing {
        println!("setup: missing {what}, needed for {needed_for}. Remedy: {remedy}");
    }
    if !missing.is_empty() && shell::is_ci() {
        bail!("{} tool(s) missing, and CI may not skip tests", missing.len());
    }
    println!("setup: {}", if missing.is_empty() { "all tools present" } else { "incomplete" });
    Ok(())
}

/// A cargo subcommand, from the tools folder when it was installed there.
pub(crate) fn cargo_tool_path(name: &str) -> Option<PathBuf> {
    let file = format!("cargo-{name}");
    let ours = tools_folder().join("python/bin").join(&file);
    if ours.is_file() {
        return Some(ours);
    }
    shell::is_on_path(&file).then(|| PathBuf::from(file))
}

/// A tool that could not be had.
struct Missing {
    what: String,
    needed_for: &'static str,
    remedy: String,
}

fn cargo_tool(root: &Path, name: &str) -> Option<Missing> {
    if cargo_tool_path(name).is_some() {
        return None;
    }
    let package = format!("cargo-{name}");
    let result = shell::run(&mut shell::cargo(root, &["install", "--locked", &package]));
    result.err().map(|error| Missing {
        what: package.clone(),
        needed_for: "the checks of .ci/run",
        remedy: format!("cargo install --locked {package} ({error:#})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cargo_tool_is_found_or_not() {
        assert_eq!(cargo_tool_path("no-such-tool"), None);
        assert!(cargo_tool_path("nextest").is_some(), "the tests run under nextest");
    }
}
