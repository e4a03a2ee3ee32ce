//! hls.js and native HLS in Chromium, hls.js in Firefox.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use super::Report;
use crate::process::Process;
use crate::tools::{self, Missing};

/// Time for starting and ending a browser on a busy machine, beside the playing itself.
const OVERHEAD: Duration = Duration::from_secs(60);

/// How long the first picture may take.
const START_WITHIN_S: u64 = 20;

/// Which browser, and what plays in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browser {
    /// hls.js over Media Source Extensions in Chromium.
    ChromiumHlsJs,
    /// Chromium's own HLS player.
    ChromiumNative,
    /// hls.js in Firefox, the second browser engine.
    FirefoxHlsJs,
}

/// A browser that plays, or is about to.
#[derive(Debug)]
pub struct Playing {
    process: Process,
    seconds: u64,
}

impl Browser {
    /// Opens a show and plays it for `seconds` after the first picture.
    ///
    /// # Errors
    /// When the browser or its driver is not installed.
    ///
    /// # Panics
    /// When Node.js cannot be started.
    pub fn play(self, url: &str, seconds: u64) -> Result<Playing, Missing> {
        let (browser, engine) = match self {
            Self::ChromiumHlsJs => ("chromium", "hls.js"),
            Self::ChromiumNative => ("chromium", "native"),
            Self::FirefoxHlsJs => ("firefox", "hls.js"),
        };
        let executable: PathBuf = tools::program(browser)?;
        let mut command = Command::new(tools::program("node")?);
        command.arg(tools::script("play.mjs")?);
        command.args(["--browser", browser, "--engine", engine, "--url", url]);
        command.args(["--seconds", &seconds.to_string()]);
        command.args(["--startWithin", &START_WITHIN_S.to_string()]);
        command.arg("--executable").arg(executable);
        let process = Process::start(browser, &command).expect("node starts");
        Ok(Playing { process, seconds })
    }
}

impl Playing {
    /// Waits for the end of the playing and gives what was seen.
    ///
    /// # Errors
    /// When the browser does not end in time or gives no report.
    pub fn report(mut self) -> anyhow::Result<Report> {
        let within = Duration::from_secs(self.seconds + START_WITHIN_S) + OVERHEAD;
        self.process.ended(within)?;
        let printed = self.process.printed();
        let line = printed.lines().rfind(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("no report:\n{printed}"))?;
        serde_json::from_str(line).with_context(|| format!("report `{line}`"))
    }
}
