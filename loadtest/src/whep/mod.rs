//! Viewers over WebRTC.
//!
//! Each is a whole session: an offer over HTTP, ICE as the side that chooses the path, DTLS, SRTP, the
//! continuity of each RTP stream, receiver reports, arrival times (TWCC) and requests for what was lost
//! (NACK). Nothing is decoded, so that one core plays thousands of them.
//!
//! Each viewer has a UDP socket of its own: to a server an address is what tells one from another.

mod live;
mod player;
mod report;
mod stream;
mod viewer;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use tally_rtc::transport::Certificate;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};

pub use report::Summary;

use crate::arguments::duration;
use crate::target::Target;
use live::Live;
use report::Outcome;
use viewer::Crowd;

/// Viewers of one run: each takes a port of one address, of which the kernel hands out 28,000.
const VIEWERS_MAX: i64 = 20_000;

/// Descriptors for everything but viewers' sockets, requests to join and to leave included.
const DESCRIPTORS_SPARE: u64 = 1_024;

/// What `tally-load whep` is told.
#[derive(Debug, Args)]
pub struct Options {
    /// The WHEP endpoint.
    #[arg(long)]
    url: String,
    /// How many viewers.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=VIEWERS_MAX))]
    viewers: u32,
    /// Time over which they come, evenly.
    #[arg(long, value_parser = duration, default_value = "10s")]
    ramp: Duration,
    /// Time they stay once all have come; then all leave at once.
    #[arg(long, value_parser = duration, default_value = "30s")]
    duration: Duration,
    /// Threads that play them.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256), default_value = "1")]
    threads: u16,
    /// Write the figures there too, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A host that is yours to load, as the URL names it; can be repeated.
    #[arg(long, value_name = "HOST")]
    i_own_this_target: Vec<String>,
}

impl Options {
    /// Threads to run on.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.into()
    }

    /// Prints the figures, and writes them where they are wanted.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn publish(&self, summary: &Summary) -> anyhow::Result<()> {
        writeln!(std::io::stdout(), "{summary}")?;
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(summary)? + "\n";
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

/// Lets the viewers come, stay and leave. Ctrl-C lets them leave at once.
///
/// # Errors
/// When nothing can be measured: the target is refused, or this host has too few descriptors.
pub async fn run(options: &Options) -> anyhow::Result<Summary> {
    let target = Target::resolve(&options.url, &options.i_own_this_target).await?;
    raise_descriptors(options.viewers.into())?;
    let certificate = Certificate::generate()?;
    let crowd = Arc::new(Crowd { target, certificate, live: Live::default() });
    let (leave, left) = watch::channel(false);
    let start = Instant::now();
    let mut viewers = JoinSet::new();
    for number in 0..options.viewers {
        let arrives = start + options.ramp * number / options.viewers;
        let (crowd, mut left) = (Arc::clone(&crowd), left.clone());
        viewers.spawn(async move {
            let comes = tokio::select! {
                () = sleep_until(arrives) => true,
                _ = left.wait_for(|left| *left) => false,
            };
            if comes { Some(viewer::watch(crowd, left).await) } else { None }
        });
    }
    let end = start + options.ramp + options.duration;
    show_until(end, &crowd.live, start).await;
    // Those who ended before have nothing to be told.
    leave.send_replace(true);
    let mut outcomes: Vec<Outcome> = Vec::new();
    while let Some(outcome) = viewers.join_next().await {
        outcomes.extend(outcome.context("a viewer panicked: a bug")?);
    }
    Ok(Summary::of(&outcomes, start.elapsed()))
}

/// Shows a line a second until the end, or Ctrl-C.
async fn show_until(end: Instant, live: &Live, start: Instant) {
    let is_terminal = std::io::stderr().is_terminal();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.tick().await;
    let mut before = (0, 0);
    let mut has_shown = false;
    loop {
        tokio::select! {
            () = sleep_until(end) => break,
            _ = tokio::signal::ctrl_c() => break,
            _ = seconds.tick() => {
                let line = live.line(start.elapsed(), &mut before);
                let is_log_line = start.elapsed().as_secs().is_multiple_of(10);
                // Progress nobody can see is not worth an error.
                if is_terminal {
                    let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
                    has_shown = true;
                } else if is_log_line {
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
            }
        }
    }
    if has_shown {
        let _ = writeln!(std::io::stderr());
    }
}

/// Makes room for a socket of each viewer.
fn raise_descriptors(viewers: u64) -> anyhow::Result<()> {
    let (_, hard) = rlimit::Resource::NOFILE.get()?;
    rlimit::Resource::NOFILE.set(hard, hard)?;
    let needed = viewers + DESCRIPTORS_SPARE;
    ensure!(hard >= needed, "{needed} open files are needed and {hard} allowed: see `ulimit -Hn`");
    Ok(())
}
