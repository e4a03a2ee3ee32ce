//! What a run of viewers came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::stream::Counts;
use crate::report::Percentiles;

/// Kinds of failure told apart; the rest are counted together.
const FAILURES_MAX: usize = 32;

/// What one viewer received.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reception {
    pub(super) bytes: u64,
    pub(super) refused: u64,
    pub(super) counts: Counts,
}

/// What became of one viewer. Times are since it asked to join.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) answered: Option<Duration>,
    pub(super) connected: Option<Duration>,
    pub(super) first_packet: Option<Duration>,
    pub(super) first_keyframe: Option<Duration>,
    pub(super) received: Reception,
    pub(super) failure: Option<String>,
    /// The server did not take the request to end the session.
    pub(super) stayed_on_the_books: bool,
}

impl Outcome {
    /// A viewer that never got an answer it could use.
    pub(super) fn refused(why: String) -> Self {
        Self { failure: Some(why), ..Self::default() }
    }
}

/// What all viewers of a run saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Viewers that asked to join.
    pub viewers: u64,
    /// Viewers that were connected: ICE and DTLS were through.
    pub joined: u64,
    /// Viewers that did not get what they came for, until the end.
    pub failed: u64,
    /// Why, and how many.
    pub failures: BTreeMap<String, u64>,
    /// From the request to join until its answer, in milliseconds.
    pub answered_ms: Percentiles,
    /// From the request to join until ICE and DTLS were through, in milliseconds.
    pub joined_ms: Percentiles,
    /// From the request to join until the first RTP packet, in milliseconds.
    pub first_packet_ms: Percentiles,
    /// From the request to join until all packets of a keyframe were there, in milliseconds.
    pub first_keyframe_ms: Percentiles,
    /// RTP packets that came in their turn.
    pub packets: u64,
    /// Bytes of RTP, opened, retransmissions included.
    pub bytes: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// RTP packets that came behind a later one.
    pub late: u64,
    /// RTP packets that came when they were asked for again.
    pub repaired: u64,
    /// Datagrams that were damaged, forged, repeated or of no use.
    pub refused: u64,
    /// Sessions whose end the server was asked for in vain: it finds out by itself.
    pub goodbyes_refused: u64,
    /// Length of the run in milliseconds.
    pub run_ms: u64,
}

impl Summary {
    pub(super) fn of(outcomes: &[Outcome], run: Duration) -> Self {
        let mut summary = Self {
            viewers: outcomes.len() as u64,
            run_ms: u64::try_from(run.as_millis()).unwrap_or(u64::MAX),
            answered_ms: percentiles(outcomes, |it| it.answered),
            joined_ms: percentiles(outcomes, |it| it.connected),
            first_packet_ms: percentiles(outcomes, |it| it.first_packet),
            first_keyframe_ms: percentiles(outcomes, |it| it.first_keyframe),
            ..Self::default()
        };
        for outcome in outcomes {
            let Reception { bytes, refused, counts } = outcome.received;
            summary.joined += u64::from(outcome.connected.is_some());
            summary.packets += counts.packets;
            summary.lost += counts.lost;
            summary.late += counts.late;
            summary.repaired += counts.repaired;
            summary.bytes += bytes;
            summary.refused += refused;
            summary.goodbyes_refused += u64::from(outcome.stayed_on_the_books);
            if let Some(why) = &outcome.failure {
                summary.failed += 1;
                let is_known = summary.failures.contains_key(why);
                let has_room = is_known || summary.failures.len() < FAILURES_MAX;
                let why = if has_room { why.clone() } else { "other".to_owned() };
                *summary.failures.entry(why).or_default() += 1;
            }
        }
        summary
    }
}

fn percentiles(outcomes: &[Outcome], of: fn(&Outcome) -> Option<Duration>) -> Percentiles {
    Percentiles::of(outcomes.iter().filter_map(of))
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { viewers, joined, failed, packets, lost, late, repaired, refused, .. } = self;
        writeln!(out, "viewers           {viewers} asked, {joined} joined, {failed} failed")?;
        for (why, count) in &self.failures {
            writeln!(out, "                  {count} x {why}")?;
        }
        writeln!(out, "                       p50     p99     max  ms")?;
        for (name, times) in [
            ("answered", self.answered_ms),
            ("joined", self.joined_ms),
            ("first packet", self.first_packet_ms),
            ("first keyframe", self.first_keyframe_ms),
        ] {
            let Percentiles { p50, p99, max, .. } = times;
            writeln!(out, "{name:<17} {p50:>8}{p99:>8}{max:>8}")?;
        }
        writeln!(out, "packets           {packets}")?;
        writeln!(out, "                  {lost} lost, {late} late, {repaired} repaired")?;
        writeln!(out, "bytes             {}", self.bytes)?;
        writeln!(out, "refused           {refused} datagrams")?;
        writeln!(out, "goodbyes refused  {}", self.goodbyes_refused)?;
        write!(out, "run               {:.1} s", Duration::from_millis(self.run_ms).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_their_reason_and_bounded() {
        let fine = Outcome {
            connected: Some(Duration::from_millis(40)),
            received: Reception {
                bytes: 1_000,
                refused: 1,
                counts: Counts { packets: 10, late: 1, repaired: 2, lost: 3 },
            },
            ..Outcome::default()
        };
        let mut outcomes = vec![fine.clone(), fine];
        outcomes.extend((0..40).map(|it| Outcome::refused(format!("reason {it:02}"))));
        outcomes.push(Outcome::refused("reason 00".to_owned()));
        let summary = Summary::of(&outcomes, Duration::from_secs(2));
        assert_eq!((summary.viewers, summary.joined, summary.failed), (43, 2, 41));
        assert_eq!((summary.failures["reason 00"], summary.failures["other"]), (2, 8));
        assert_eq!((summary.packets, summary.lost, summary.repaired), (20, 6, 4));
        assert_eq!((summary.joined_ms.count, summary.joined_ms.p99), (2, 40));
        let text = summary.to_string();
        assert!(text.contains("43 asked, 2 joined, 41 failed"), "{text}");
        assert!(text.contains("2 x reason 00"), "{text}");
    }
}
