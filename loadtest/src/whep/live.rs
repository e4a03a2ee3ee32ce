//! Counters that move while a run goes on, and the line that shows them.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::report::Outcome;

/// What has happened so far; shared by all viewers.
#[derive(Debug, Default)]
pub(super) struct Live {
    started: AtomicU64,
    connected: AtomicU64,
    playing: AtomicU64,
    failed: AtomicU64,
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Live {
    pub(super) fn started(&self) {
        self.started.fetch_add(1, Relaxed);
    }

    pub(super) fn connected(&self) {
        self.connected.fetch_add(1, Relaxed);
    }

    pub(super) fn playing(&self) {
        self.playing.fetch_add(1, Relaxed);
    }

    pub(super) fn received(&self, packets: u64, bytes: u64) {
        self.packets.fetch_add(packets, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn left(&self, outcome: &Outcome) {
        self.failed.fetch_add(u64::from(outcome.failure.is_some()), Relaxed);
    }

    /// The line for a moment `elapsed` into the run; `before` are packets and bytes a second earlier.
    pub(super) fn line(&self, elapsed: Duration, before: &mut (u64, u64)) -> String {
        let now = (self.packets.load(Relaxed), self.bytes.load(Relaxed));
        let (packets, bytes) = (now.0 - before.0, now.1 - before.1);
        *before = now;
        let mut line = String::new();
        // A String takes everything.
        let _ = write!(
            line,
            "{:>4} s  {} asked, {} connected, {} with media, {} failed, {packets} packets/s, {} Mbit/s",
            elapsed.as_secs(),
            self.started.load(Relaxed),
            self.connected.load(Relaxed),
            self.playing.load(Relaxed),
            self.failed.load(Relaxed),
            bytes / 125_000,
        );
        line
    }
}
