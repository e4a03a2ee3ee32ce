//! Developer commands, run as `cargo xtask <command>`.
//!
//! Owns everything between a fresh clone and a verdict: what tests need, in which order they run,
//! and the house rules. Must never be needed by the product: no other crate depends on this one.
#![allow(clippy::print_stdout, reason = "a developer command talks to its terminal")]

mod fuzz;
mod setup;
mod shell;
mod test;
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
    /// Install what the tests need: encoders, players, browsers, npm packages, cargo tools.
    Setup,
    /// Run every test: unit, property, fuzz smoke, documentation, pages, end to end.
    Test {
        /// Leave out the end-to-end tests and the release-like build they need.
        #[arg(long)]
        fast: bool,
    },
    /// Hold the tree against the house rules: walls between crates, lengths, docs, layout.
    Tidy,
    /// Check that all dependencies have licences and sources the project accepts.
    Deny,
    /// Run what the build server runs.
    Ci,
    /// Build the server and run a show of test pictures that a browser can watch.
    Demo {
        /// Handed on to `tally demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the benchmarks.
    Bench {
        /// Only benchmarks whose name holds this.
        filter: Option<String>,
    },
    /// Fuzz for longer than the smoke run in the tests, guided by coverage.
    Fuzz {
        /// One target by its test name; all of them when left out.
        target: Option<String>,
        /// How long each target runs.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
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
        Command::Setup => setup::run(&root),
        Command::Test { fast } => test::run(&root, *fast),
        Command::Tidy => tidy::run(&root),
        Command::Deny => deny(&root),
        Command::Ci => shell::run(&mut shell::program(&root, "bash", &[".ci/run"])),
        Command::Demo { arguments } => demo(&root, arguments),
        Command::Bench { filter } => {
            let mut bench = shell::cargo(&root, &["bench", "--workspace", "--benches", "--"]);
            shell::run(bench.args(filter))
        }
        Command::Fuzz { target, seconds } => fuzz::run(&root, target.as_deref(), *seconds),
    }
}

/// The advisory check is left out: it needs a git database that a build server may not reach.
fn deny(root: &Path) -> anyhow::Result<()> {
    let tool = setup::cargo_tool_path("deny").context("cargo-deny: run `cargo xtask setup`")?;
    let arguments =
        ["--workspace", "--config", ".config/deny.toml", "check", "--hide-inclusion-graph"];
    let mut command = shell::program(root, "env", &[tool]);
    shell::run(command.args(arguments).args(["bans", "licenses", "sources"]))
}

fn demo(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let binary = test::build_binary(root)?;
    let mut command = shell::program(root, "env", &[binary]);
    shell::run(command.arg("demo").args(arguments))
}

/// The folder that holds the workspace manifest: the parent of this package.
fn workspace_root() -> anyhow::Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    package.parent().map(Path::to_path_buf).context("xtask lies inside the workspace")
}
