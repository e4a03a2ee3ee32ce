//! Taking a server apart: players get what they still need, then connections end, within one
//! deadline.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::metrics::HttpMetrics;
use crate::shows::Shows;
use crate::shutdown::Trigger;

/// How often to look whether viewers still ask for something.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Viewers that ask for nothing during this have what they need: a player that was given the end
/// of a playlist fetches the segments it lacks one right after the other.
const QUIET: Duration = Duration::from_millis(500);

/// How the end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything finished.
    InTime,
    /// This many HTTP connections were cut at the deadline.
    Cut(i64),
}

impl Ended {
    pub(super) fn log(self) {
        match self {
            Ended::InTime => tracing::info!("stopped"),
            Ended::Cut(connections) => {
                tracing::warn!(connections, "stopped at server.drain_s; connections were cut");
            }
        }
    }
}

/// Ends all shows, serves viewers until they are quiet or half of the time is over, then closes and
/// waits for the servers until all of it is over.
pub(super) async fn drain(
    trigger: &Trigger,
    within: Duration,
    shows: &Shows,
    metrics: &HttpMetrics,
    servers: &mut JoinSet<()>,
) -> Ended {
    let now = Instant::now();
    tracing::info!(within_s = within.as_secs(), "draining");
    shows.refuse_publishers();
    // Encoders that were asked to reconnect get a quarter of the time to leave by themselves.
    if timeout_at(now + within / 4, shows.all_ended()).await.is_err() {
        shows.end_all();
    }
    // Bounded like everything here: a packager that hangs must not keep the process.
    let _ = timeout_at(now + within / 2, shows.all_packaged()).await;
    wait_for_quiet(now + within / 2, metrics).await;
    trigger.close();
    let finished = async { while servers.join_next().await.is_some() {} };
    if timeout_at(now + within, finished).await.is_ok() {
        return Ended::InTime;
    }
    let open = metrics.connections.get();
    servers.shutdown().await;
    Ended::Cut(open)
}

/// No open connection is no sign of quiet: a player may use a new one for each request. Only where
/// nobody was ever answered is there nobody to wait for.
async fn wait_for_quiet(until: Instant, metrics: &HttpMetrics) {
    let answered = || metrics.responses.iter().map(|class| class.get()).sum::<u64>();
    let mut before = answered();
    if before == 0 && metrics.connections.get() == 0 {
        return;
    }
    let mut quiet_since = Instant::now();
    while Instant::now() < until {
        sleep_until(until.min(Instant::now() + LOOK_EVERY)).await;
        let now = answered();
        if now != before || metrics.requests_in_flight.get() > 0 {
            before = now;
            quiet_since = Instant::now();
        } else if quiet_since.elapsed() >= QUIET {
            return;
        }
    }
}
