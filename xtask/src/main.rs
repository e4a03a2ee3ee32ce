//! Developer commands, run as `cargo xtask <command>`.
//!
//! Owns everything between a fresh clone and a verdict: what tests need, in which order they run,
//! and the house rules. Must never be needed by the product: no other crate depends on this one.
#![allow(clippy::print_stdout, reason = "a developer command talks to its terminal")]

mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Developer commands of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Hold the tree against the house rules: walls between crates, lengths, docs, layout.
    Tidy,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    let root = workspace_root()?;
    match command {
        Command::Tidy => tidy::run(&root),
    }
}

/// The folder that holds the workspace manifest: the parent of this package.
fn workspace_root() -> anyhow::Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    package.parent().map(Path::to_path_buf).context("xtask lies inside the workspace")
}
