//! Runs Node and npm: are they there, are the packages of the lock file installed, build the pages.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What became of the attempt.
pub(crate) enum Outcome {
    /// The pages are in this folder.
    Built(PathBuf),
    /// This machine cannot build them. Not an error: a server without Node is a server.
    Unavailable(Missing),
}

/// What keeps the pages from being built.
pub(crate) struct Missing {
    /// What is missing, in words that finish "the reason: ...".
    pub(crate) reason: String,
    /// What to do about it, as a sentence.
    pub(crate) remedy: String,
}

impl Missing {
    pub(crate) fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}

/// Versions of Node that the bundler (Vite 8) runs on; `package.json` says the same in `engines`.
const NODE_WANTED: &str = "20.19 or newer (not 21), or 22.12 or newer";

/// Builds the pages of `ui` into `site`.
///
/// # Errors
///
/// When the pages themselves do not build (a mistake in our sources), with what the tools printed.
pub(crate) fn build(ui: &Path, site: &Path) -> Result<Outcome, Box<dyn Error>> {
    if let Some(missing) = node_problem()? {
        return Ok(Outcome::Unavailable(missing));
    }
    // Two builds of this checkout with different target folders share `node_modules`, and `npm ci`
    // begins by deleting it: one at a time. Reading is enough to hold a lock, so no file is made.
    let lock_file = File::open(ui.join("package-lock.json"))?;
    lock_file.lock()?;

    if let Some(missing) = install(ui)? {
        return Ok(Outcome::Unavailable(missing));
    }
    let built = npm(ui)
        .args(["run", "build", "--", "--logLevel", "warn", "--emptyOutDir", "--outDir"])
        .arg(site)
        .output()?;
    if built.status.success() {
        return Ok(Outcome::Built(site.to_owned()));
    }
    Err(format!("`npm run build` failed in {}:\n{}", ui.display(), printed(&built)).into())
}

/// Why Node or npm cannot be used; `None` when they can.
fn node_problem() -> Result<Option<Missing>, Box<dyn Error>> {
    let remedy = "Install Node.js 22 (it brings npm) on the machine that builds the server.";
    let version = match Command::new("node").arg("--version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let reason = format!("Node.js was not found (wanted: {NODE_WANTED})");
            return Ok(Some(Missing::new(reason, remedy)));
        }
        Err(error) => return Err(error.into()),
    };
    if !node_is_wanted(&version) {
        let reason = format!("Node.js {version} does not do (wanted: {NODE_WANTED})");
        return Ok(Some(Missing::new(reason, remedy)));
    }
    let npm_runs = Command::new(npm_name()).arg("--version").stdout(Stdio::null()).status();
    if !npm_runs.is_ok_and(|status| status.success()) {
        let reason = format!("Node.js {version} is there, but npm was not found");
        return Ok(Some(Missing::new(reason, remedy)));
    }
    Ok(None)
}

fn node_is_wanted(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    matches!((major, minor), (20, 19..) | (22, 12..) | (23.., _))
}

/// Installs the packages of the lock file unless exactly those are there. Gives a reason when they
/// cannot be had: usually a machine without a network.
fn install(ui: &Path) -> Result<Option<Missing>, Box<dyn Error>> {
    let wanted = fs::read(ui.join("package-lock.json"))?;
    let stamp = ui.join("node_modules").join(".installed-from");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(None);
    }
    let installed = npm(ui).args(["ci", "--no-audit", "--no-fund"]).output()?;
    if !installed.status.success() {
        let printed = printed(&installed);
        println!("cargo:warning={}", printed.replace('\n', " | "));
        let reason = "npm could not install the packages that the pages are built with";
        let remedy = "Give the machine that builds the server access to its npm registry (or run \
                      npm ci in crates/web/ui where there is access) and read what npm says.";
        return Ok(Some(Missing::new(reason, remedy)));
    }
    fs::write(stamp, wanted)?;
    Ok(None)
}

fn npm(ui: &Path) -> Command {
    let mut command = Command::new(npm_name());
    command.current_dir(ui).stdin(Stdio::null());
    command
}

fn npm_name() -> &'static str {
    if cfg!(windows) { "npm.cmd" } else { "npm" }
}

fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}
