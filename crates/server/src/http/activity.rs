//! What one connection is doing, and when it has been doing it for too long.
//!
//! The reader, the writer, the requests and the bodies of a connection note what they do here;
//! the connection's own task asks for a [`Verdict`] now and then. One place knows all deadlines:
//! hyper's own would count an idle HTTP/1.1 connection as a slow head, does not cover the time in
//! which the protocol version is still unknown, and knows no write deadline at all.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::config;

/// Bytes that must leave to count as progress of the bodies being sent. An HTTP/2 viewer that
/// grants no window still answers our pings, which are 17 bytes each.
const PROGRESS_BYTES_MIN: u64 = 1024;

/// The deadlines of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For a whole request head from its first byte, and from the start to the first request.
    pub head: Duration,
    /// Without any request.
    pub idle: Duration,
    /// Without taking any byte of what was asked for.
    pub write_stall: Duration,
}

impl Deadlines {
    /// As configured.
    pub fn from_config(http: &config::Http) -> Self {
        Self { head: http.header_deadline, idle: http.idle, write_stall: http.write_stall }
    }

    /// How often to ask for a verdict: deadlines are kept to a quarter of the shortest of them.
    pub(super) fn check_every(&self) -> Duration {
        let shortest = self.head.min(self.idle).min(self.write_stall);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(5))
    }
}

/// What is wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A request's head does not come.
    SlowHead,
    /// No request for too long.
    Idle,
    /// The viewer takes none of its bytes.
    Stalled,
}

/// A moment in milliseconds since the connection began, or none.
#[derive(Debug, Default)]
struct Since(AtomicU64);

impl Since {
    fn start(&self, now_ms: u64) {
        // Plus one, because zero stands for "none". The first start counts.
        let _ = self.0.compare_exchange(0, now_ms + 1, Relaxed, Relaxed);
    }

    fn restart(&self, now_ms: u64) {
        self.0.store(now_ms + 1, Relaxed);
    }

    fn stop(&self) {
        self.0.store(0, Relaxed);
    }

    fn lasts(&self, now_ms: u64, at_least: Duration) -> bool {
        let since = self.0.load(Relaxed);
        since != 0 && u128::from((now_ms + 1).saturating_sub(since)) >= at_least.as_millis()
    }
}

/// Notes of one connection, shared by everything that works on it. The notes are independent of
/// each other, so that relaxed atomics do.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    in_flight: AtomicU32,
    multiplexed: AtomicBool,
    head: Since,
    idle: Since,
    write_blocked: Since,
    /// Bodies that handed out a frame and have not been asked for the next one.
    bodies_owed: AtomicU32,
    progress: Since,
    written_bytes: AtomicU64,
}

impl Activity {
    /// A connection that begins now and owes its first request.
    pub(super) fn new() -> Self {
        let activity = Self {
            began: Instant::now(),
            in_flight: AtomicU32::new(0),
            multiplexed: AtomicBool::new(false),
            head: Since::default(),
            idle: Since::default(),
            write_blocked: Since::default(),
            bodies_owed: AtomicU32::new(0),
            progress: Since::default(),
            written_bytes: AtomicU64::new(0),
        };
        activity.head.start(0);
        activity
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// Bytes came in. Outside of a request they start a head; on HTTP/2 they may be anything.
    pub(super) fn read(&self) {
        if self.in_flight.load(Relaxed) == 0 && !self.multiplexed.load(Relaxed) {
            self.head.start(self.now_ms());
        }
    }

    /// The peer takes no bytes at the moment.
    pub(super) fn write_blocked(&self) {
        self.write_blocked.start(self.now_ms());
    }

    /// The peer took bytes, or everything there was.
    pub(super) fn written(&self, bytes: usize) {
        self.write_blocked.stop();
        let before = self.written_bytes.fetch_add(bytes as u64, Relaxed);
        if before % PROGRESS_BYTES_MIN + bytes as u64 >= PROGRESS_BYTES_MIN {
            self.progress.restart(self.now_ms());
        }
    }

    /// A request's head is complete.
    pub(super) fn request_started(&self, version: http::Version) {
        self.multiplexed.store(version == http::Version::HTTP_2, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        self.head.stop();
        self.idle.stop();
    }

    /// A request is answered to the end of its body, or given up.
    pub(super) fn request_finished(&self) {
        if self.in_flight.fetch_sub(1, Relaxed) == 1 {
            self.idle.restart(self.now_ms());
        }
    }

    /// A body handed out a frame: its viewer owes the next step.
    pub(super) fn body_owed(&self) {
        self.bodies_owed.fetch_add(1, Relaxed);
        self.progress.restart(self.now_ms());
    }

    /// The next frame is asked for, or the body is dropped.
    pub(super) fn body_taken(&self) {
        self.bodies_owed.fetch_sub(1, Relaxed);
        self.progress.restart(self.now_ms());
    }

    /// What is wrong now, if anything.
    pub(super) fn verdict(&self, deadlines: &Deadlines) -> Option<Verdict> {
        let now_ms = self.now_ms();
        let body_stalls = self.bodies_owed.load(Relaxed) > 0
            && self.progress.lasts(now_ms, deadlines.write_stall);
        if body_stalls || self.write_blocked.lasts(now_ms, deadlines.write_stall) {
            return Some(Verdict::Stalled);
        }
        if self.in_flight.load(Relaxed) > 0 {
            return None;
        }
        if self.head.lasts(now_ms, deadlines.head) {
            return Some(Verdict::SlowHead);
        }
        self.idle.lasts(now_ms, deadlines.idle).then_some(Verdict::Idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINES: Deadlines = Deadlines {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        write_stall: Duration::from_secs(20),
    };

    async fn after(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_has_the_head_deadline() {
        let activity = Activity::new();
        after(9).await;
        activity.read();
        assert_eq!(activity.verdict(&DEADLINES), None);
        after(1).await;
        assert_eq!(activity.verdict(&DEADLINES), Some(Verdict::SlowHead));
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_is_idle_until_the_next_head_begins() {
        let activity = Activity::new();
        activity.request_started(http::Version::HTTP_11);
        after(300).await;
        assert_eq!(activity.verdict(&DEADLINES), None, "an answer may take its time");
        activity.request_finished();
        after(50).await;
        assert_eq!(activity.verdict(&DEADLINES), None);
        activity.read();
        after(9).await;
        activity.read();
        after(1).await;
        assert_eq!(activity.verdict(&DEADLINES), Some(Verdict::SlowHead));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_on_http2_do_not_count_as_a_head() {
        let activity = Activity::new();
        activity.request_started(http::Version::HTTP_2);
        activity.request_finished();
        activity.read();
        after(59).await;
        assert_eq!(activity.verdict(&DEADLINES), None);
        after(1).await;
        assert_eq!(activity.verdict(&DEADLINES), Some(Verdict::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_that_takes_nothing_stalls_and_a_slow_one_does_not() {
        let activity = Activity::new();
        activity.request_started(http::Version::HTTP_11);
        activity.write_blocked();
        after(19).await;
        activity.written(1);
        activity.write_blocked();
        after(19).await;
        assert_eq!(activity.verdict(&DEADLINES), None);
        after(1).await;
        assert_eq!(activity.verdict(&DEADLINES), Some(Verdict::Stalled));
    }

    #[tokio::test(start_paused = true)]
    async fn pings_are_no_progress_of_a_body_without_window() {
        let activity = Activity::new();
        activity.request_started(http::Version::HTTP_2);
        activity.body_owed();
        after(19).await;
        activity.written(17);
        after(1).await;
        assert_eq!(activity.verdict(&DEADLINES), Some(Verdict::Stalled));
        activity.written(1024);
        assert_eq!(activity.verdict(&DEADLINES), None);
        activity.body_taken();
        after(300).await;
        assert_eq!(activity.verdict(&DEADLINES), None, "the source may take its time");
    }
}
