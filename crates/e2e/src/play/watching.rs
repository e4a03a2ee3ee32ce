//! People who watch in Chromium, each in another way, and what should count of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::process::Process;
use crate::tools::{self, Missing};

/// The longest story has half a minute; the rest is for a browser with a dozen windows on a busy
/// machine.
const WITHIN: Duration = Duration::from_secs(120);

/// Stories that are under way.
#[derive(Debug)]
pub struct Watching(Process);

/// What became of one.
#[derive(Debug, Clone, Deserialize)]
pub struct Watched {
    /// The show that was watched.
    pub show: String,
    /// What should count of it, by what the browser says it has rendered.
    pub counted_ms: i64,
    /// What was rendered but should not count.
    pub worthless_ms: i64,
}

impl Watching {
    /// Begins stories of `js/watching.mjs` such as `plain@alice`, all at once, where the server or what
    /// is in front of it listens.
    ///
    /// # Errors
    /// When something it needs is not installed.
    ///
    /// # Panics
    /// When Node.js cannot be started.
    pub fn begin(http: SocketAddr, stories: &[&str]) -> Result<Self, Missing> {
        let mut command = Command::new(tools::program("node")?);
        command.arg(tools::script("watching.mjs")?);
        command.args(["--server", &format!("http://{http}")]);
        command.args(["--stories", &stories.join(",")]);
        command.arg("--executable").arg(tools::program("chromium")?);
        Ok(Self(Process::start("watching", &command).expect("node starts")))
    }

    /// Waits for the end of all stories.
    ///
    /// # Errors
    /// When they do not end in time or one has failed.
    pub fn told(mut self) -> anyhow::Result<BTreeMap<String, Watched>> {
        self.0.ended(WITHIN)?;
        let printed = self.0.printed();
        let line = printed.lines().rfind(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("no report:\n{printed}"))?;
        serde_json::from_str(line).with_context(|| format!("report `{line}`"))
    }
}
