//! How much a viewer's path carries, estimated on this side (draft-ietf-rmcat-gcc): a queue that
//! grows takes the rate below what arrives, steady queues let it grow, heavy loss caps it, and short
//! probes find out whether there is more than is being used.
//!
//! On a path that goes from 4 to 1 Mbit/s the estimate is below its capacity within 3 s; after it
//! came back, three quarters are reached within 10 s.

mod trendline;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::unwrap_near;
use crate::rtcp::{ReportBlock, TwccFeedback};
use trendline::{Trendline, Usage};

/// Packets whose arrival is still unknown: four seconds of 10 Mbit/s. Feedback comes many times a
/// second, so more is a path that is dead; the oldest are forgotten.
pub const UNREPORTED_MAX: usize = 4_096;

/// After a decrease the estimate stands at this share of what arrives, so that the queue drains.
const DECREASE: f64 = 0.85;
/// Growth in each second, without a known capacity and near the last one.
const GROWTH: (f64, f64) = (0.08, 0.03);
/// The estimate is at most this many times what arrives: growth beyond is not tested by anything.
const UNTESTED: f64 = 1.5;
/// Time over which arriving bits are counted.
const ARRIVAL_WINDOW_US: i64 = 500_000;
/// Time over which they must have arrived before the rate is cut to them.
const DECREASE_SPAN_US: i64 = 400_000;
/// Where a queue grows, the path carries what arrived in the fullest time of this length that ended
/// this recently: the mean over longer is what was sent, which one keyframe may have made too much.
const FULL_WINDOW_US: i64 = 150_000;
const FULL_RECENT_US: i64 = 200_000;
/// Loss below which a cap grows again, and above which the rate is cut.
const LOSS: (f64, f64) = (0.02, 0.10);
/// Packets and time over which loss is taken.
const LOSS_WINDOW: (u32, Duration) = (20, Duration::from_millis(500));
/// The viewer's own estimate is a bound for this long: it is repeated every second or so.
const REMB_VALID: Duration = Duration::from_secs(10);
/// Without transport-wide feedback for this long, receiver reports are all there is.
const TWCC_VALID: Duration = Duration::from_secs(2);
/// Sending on while transport-wide feedback has stopped for this long, the estimate is halved, again
/// every half of it: the path is down, and what comes back may be another one.
const SILENCE: Duration = Duration::from_secs(1);
/// Probes: time to the next after one that found more, the longest after those that did not, length
/// of each, times the estimate it tries.
const PROBE_INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));
const PROBE_LENGTH_MS: f64 = 30.0;
const PROBE_FACTOR: f64 = 2.0;
/// A probe smaller than this measures only the clock.
const PROBE_BYTES_MIN: f64 = 6_000.0;
/// No probe this soon after a decrease: the queue is still draining.
const PROBE_QUIET: Duration = Duration::from_secs(1);
/// What is sent this soon after a probe queues behind it: no sign of a path that is full.
const PROBE_WAKE_US: i64 = 100_000;

/// Bounds of an estimate, all in bits per second.
#[derive(Clone, Copy, Debug)]
pub struct EstimatorConfig {
    /// Before anything is known.
    pub start_bps: u64,
    /// Never below: audio and a little.
    pub min_bps: u64,
    /// Never above: more than all layers together is not worth probing for.
    pub max_bps: u64,
}

impl Default for EstimatorConfig {
    fn default() -> Self {
        Self { start_bps: 1_500_000, min_bps: 50_000, max_bps: 20_000_000 }
    }
}

/// Packets to send fast, beside or instead of media, to see whether they get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How fast, in bits per second.
    pub bps: u64,
    /// How much, with headers.
    pub bytes: u64,
}

/// The estimate of one viewer's path.
#[derive(Clone, Debug)]
pub struct Estimator {
    config: EstimatorConfig,
    start: Instant,
    /// From [`Self::first`] on without holes: time since start and bytes.
    unreported: VecDeque<(i64, u32)>,
    first: u64,
    reference: Option<(u32, i64)>,
    trendline: Trendline,
    /// Arrival times and bytes of the last [`ARRIVAL_WINDOW_US`].
    arrivals: VecDeque<(i64, u32)>,
    delay_bps: f64,
    loss_cap_bps: f64,
    /// Where the path was full last.
    capacity_bps: Option<f64>,
    updated_at: Option<Instant>,
    decreased_at: Option<Instant>,
    /// Packets reported on, those of them lost, and since when.
    loss: (u32, u32, Instant),
    /// Share lost in the window before.
    last_loss: f64,
    twcc_at: Option<Instant>,
    remb: Option<(f64, Instant)>,
    probing: Option<Probing>,
    /// When the last probe was sent, and until when it has its effect.
    wake_us: (i64, i64),
    probe_after: Instant,
    probe_interval: Duration,
    round_trip: Duration,
}

/// A probe on its way: packets sent from `first` on until `left` is used up.
#[derive(Clone, Copy, Debug)]
struct Probing {
    probe: Probe,
    first: u64,
    end: u64,
    left: u64,
    started: Instant,
    started_us: i64,
    /// First and last arrival, and bytes after the first packet.
    arrived: Option<(i64, i64, u64)>,
}

impl Estimator {
    /// An estimate of which nothing is known yet.
    #[must_use]
    pub fn new(config: EstimatorConfig, now: Instant) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
        let start_bps = config.start_bps as f64;
        Self {
            config,
            start: now,
            unreported: VecDeque::new(),
            first: 0,
            reference: None,
            trendline: Trendline::new(),
            arrivals: VecDeque::new(),
            delay_bps: start_bps,
            loss_cap_bps: f64::INFINITY,
            capacity_bps: None,
            updated_at: None,
            decreased_at: None,
            loss: (0, 0, now),
            last_loss: 0.0,
            twcc_at: None,
            remb: None,
            probing: None,
            wake_us: (0, 0),
            probe_after: now,
            probe_interval: PROBE_INTERVAL.0,
            round_trip: Duration::from_millis(100),
        }
    }

    /// Bits per second the path carries, headers included.
    #[must_use]
    pub fn estimate_bps(&self, now: Instant) -> u64 {
        let mut bps = self.delay_bps.min(self.loss_cap_bps);
        if let Some((remb_bps, at)) = self.remb
            && now.saturating_duration_since(at) < REMB_VALID
        {
            bps = bps.min(remb_bps);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
        let bps = bps as u64;
        bps.clamp(self.config.min_bps, self.config.max_bps)
    }

    /// Notes a packet as it goes out. Transport-wide sequence numbers come without holes.
    pub fn on_sent(&mut self, sequence: u64, bytes: usize, now: Instant) {
        if sequence != self.first + self.unreported.len() as u64 {
            self.unreported.clear();
            self.first = sequence;
        }
        if self.unreported.len() == UNREPORTED_MAX {
            self.unreported.pop_front();
            self.first += 1;
        }
        self.decay_in_silence(now);
        let sent_us = self.elapsed_us(now);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.unreported.push_back((sent_us, bytes));
        if let Some(probing) = self.probing.as_mut().filter(|it| it.left > 0) {
            probing.left = probing.left.saturating_sub(bytes.into());
            probing.end = sequence + 1;
            self.wake_us = (probing.started_us, sent_us + PROBE_WAKE_US);
        }
    }

    /// Takes transport-wide feedback.
    pub fn on_feedback(&mut self, feedback: &TwccFeedback, now: Instant) {
        self.twcc_at = Some(now);
        let reference_us = self.unwrap_reference(feedback.reference);
        let newest = self.first + self.unreported.len() as u64;
        let mut reported = self.first;
        for &(sequence, arrival) in &feedback.packets {
            let Some(sequence) = unwrap_near(newest, sequence) else { continue };
            if sequence < reported || sequence >= newest {
                continue;
            }
            // Skipped ones were reported earlier as missing, or not at all: they count as nothing.
            reported = sequence + 1;
            let index = usize::try_from(sequence - self.first).unwrap_or(usize::MAX);
            let Some(&(sent_us, bytes)) = self.unreported.get(index) else { continue };
            self.loss.0 += 1;
            match arrival {
                None => self.loss.1 += 1,
                Some(offset_us) => {
                    let arrival_us = reference_us + offset_us;
                    if !(self.wake_us.0..self.wake_us.1).contains(&sent_us) {
                        self.trendline.on_packet(sent_us, arrival_us);
                    }
                    self.arrived(sequence, arrival_us, bytes);
                    self.measure_round_trip(sent_us, now);
                }
            }
        }
        let done = usize::try_from(reported - self.first).unwrap_or(0);
        self.unreported.drain(..done.min(self.unreported.len()));
        self.first = reported;
        self.end_probe(reported, now);
        self.update_delay(now);
        self.update_loss(now);
    }

    /// Takes the viewer's own estimate: an upper bound, and the estimate itself where there is no
    /// transport-wide feedback.
    pub fn on_remb(&mut self, bps: u64, now: Instant) {
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
        let bps = bps as f64;
        self.remb = Some((bps, now));
        if !self.has_twcc(now) {
            self.delay_bps = bps;
        }
    }

    /// Takes loss from a receiver report, where there is no transport-wide feedback.
    pub fn on_receiver_report(&mut self, block: &ReportBlock, now: Instant) {
        if self.has_twcc(now) {
            return;
        }
        let loss = f64::from(block.fraction_lost) / 256.0;
        let elapsed_s = self.elapsed_s(now);
        if loss > LOSS.1 {
            self.delay_bps *= 1.0 - 0.5 * loss;
        } else if loss < LOSS.0 {
            self.delay_bps *= (1.0 + GROWTH.0).powf(elapsed_s.min(1.0));
        }
        self.bound();
    }

    /// The probe that is due, if one is: send it, and its packets through
    /// [`on_sent`](Self::on_sent) like any others.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        let draining =
            self.decreased_at.is_some_and(|at| now.saturating_duration_since(at) < PROBE_QUIET);
        let estimate = self.estimate_bps(now);
        let idle = self.probing.is_none() && !draining && now >= self.probe_after;
        if !idle || !self.has_twcc(now) || estimate >= self.config.max_bps {
            return None;
        }
        if self.trendline.usage() != Usage::Normal || self.last_loss > LOSS.1 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
        let bps = estimate as f64 * PROBE_FACTOR;
        let bytes = (bps / 8_000.0 * PROBE_LENGTH_MS).max(PROBE_BYTES_MIN);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
        let probe = Probe { bps: bps as u64, bytes: bytes as u64 };
        let first = self.first + self.unreported.len() as u64;
        self.probing = Some(Probing {
            probe,
            first,
            end: first,
            left: probe.bytes,
            started: now,
            started_us: self.elapsed_us(now),
            arrived: None,
        });
        Some(probe)
    }

    fn decay_in_silence(&mut self, now: Instant) {
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        let silent = since(self.twcc_at).is_some_and(|it| (SILENCE..TWCC_VALID).contains(&it));
        if silent && since(self.decreased_at).is_none_or(|it| it >= SILENCE / 2) {
            self.decreased_at = Some(now);
            self.delay_bps *= 0.5;
            self.bound();
        }
    }

    fn elapsed_us(&self, now: Instant) -> i64 {
        let elapsed = now.saturating_duration_since(self.start).as_micros();
        // An hour short of the end of the type, so that sums with it stay in range.
        i64::try_from(elapsed).unwrap_or(i64::MAX).min(i64::MAX - 3_600_000_000)
    }

    fn has_twcc(&self, now: Instant) -> bool {
        self.twcc_at.is_some_and(|at| now.saturating_duration_since(at) < TWCC_VALID)
    }

    /// The viewer's clock as 64 bits of microseconds.
    fn unwrap_reference(&mut self, reference: u32) -> i64 {
        let unwrapped = match self.reference {
            None => i64::from(reference),
            // 24 bits, of which the top one is the sign of the distance.
            Some((last, at)) => {
                at + i64::from((reference.wrapping_sub(last) << 8).cast_signed() >> 8)
            }
        };
        self.reference = Some((reference, unwrapped));
        unwrapped * 64_000
    }

    fn arrived(&mut self, sequence: u64, arrival_us: i64, bytes: u32) {
        self.arrivals.push_back((arrival_us, bytes));
        let newest_us = arrival_us;
        while self.arrivals.len() > UNREPORTED_MAX
            || self.arrivals.front().is_some_and(|it| newest_us - it.0 > ARRIVAL_WINDOW_US)
        {
            self.arrivals.pop_front();
        }
        if let Some(probing) = &mut self.probing
            && (probing.first..probing.end).contains(&sequence)
        {
            probing.arrived = Some(match probing.arrived {
                None => (arrival_us, arrival_us, 0),
                Some((first, last, sum)) => (first, last.max(arrival_us), sum + u64::from(bytes)),
            });
        }
    }

    fn measure_round_trip(&mut self, sent_us: i64, now: Instant) {
        let sent = Duration::from_micros(sent_us.unsigned_abs());
        let elapsed = now.saturating_duration_since(self.start).saturating_sub(sent);
        self.round_trip = (self.round_trip * 7 + elapsed) / 8;
    }

    /// From the first to the last of the arrivals that are kept.
    fn arrivals_span_us(&self) -> i64 {
        let (first, last) = (self.arrivals.front(), self.arrivals.back());
        first.zip(last).map_or(0, |(first, last)| last.0 - first.0)
    }

    /// Bits per second that arrived lately; nothing until there is enough to tell.
    fn arriving_bps(&self) -> Option<f64> {
        let bytes = self.arrivals.iter().map(|it| f64::from(it.1)).sum::<f64>();
        #[expect(clippy::cast_precision_loss, reason = "half a second")]
        let span_us = self.arrivals_span_us() as f64;
        (span_us > 150_000.0).then(|| bytes * 8e6 / span_us)
    }

    /// Bits per second that arrived while the path was full, which it is or has just been.
    fn carried_bps(&self) -> f64 {
        let newest_us = self.arrivals.back().map_or(0, |it| it.0);
        let (mut inside, mut first, mut most) = (0_u64, 0, 0_u64);
        for &(at_us, bytes) in &self.arrivals {
            inside += u64::from(bytes);
            while let Some(old) =
                self.arrivals.get(first).filter(|it| at_us - it.0 >= FULL_WINDOW_US)
            {
                inside -= u64::from(old.1);
                first += 1;
            }
            if newest_us - at_us < FULL_RECENT_US {
                most = most.max(inside);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a fraction of a second")]
        let bps = most as f64 * 8e6 / FULL_WINDOW_US as f64;
        bps
    }

    fn elapsed_s(&mut self, now: Instant) -> f64 {
        let last = self.updated_at.replace(now);
        last.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64())
    }

    fn update_delay(&mut self, now: Instant) {
        let elapsed_s = self.elapsed_s(now).min(1.0);
        let Some(arriving_bps) = self.arriving_bps() else { return };
        match self.trendline.usage() {
            // Of the first moments little is known but that packets were few: a decrease to what came
            // of them would be far too deep, and a path that only jitters looks full at first.
            Usage::Over if self.arrivals_span_us() < DECREASE_SPAN_US => {}
            Usage::Over => self.decrease(arriving_bps.max(self.carried_bps()), now),
            // The queue drains: whatever drains it shall go on.
            Usage::Under => {}
            Usage::Normal => {
                if self.capacity_bps.is_some_and(|it| arriving_bps > it * 1.3) {
                    self.capacity_bps = None;
                }
                let near = self.capacity_bps.is_some_and(|it| arriving_bps > it * 0.7);
                let growth = if near { GROWTH.1 } else { GROWTH.0 };
                let grown = self.delay_bps * (1.0 + growth).powf(elapsed_s);
                if grown <= arriving_bps * UNTESTED + 10_000.0 {
                    self.delay_bps = grown;
                }
            }
        }
        self.bound();
    }

    /// Once in a round trip: the feedback until then speaks of what was sent before.
    fn decrease(&mut self, carried_bps: f64, now: Instant) {
        let pause = self.round_trip.max(Duration::from_millis(100));
        if self.decreased_at.is_some_and(|at| now.saturating_duration_since(at) < pause) {
            return;
        }
        self.decreased_at = Some(now);
        self.capacity_bps = Some(match self.capacity_bps {
            Some(known) if (known * 0.7..known * 1.3).contains(&carried_bps) => {
                0.8 * known + 0.2 * carried_bps
            }
            _ => carried_bps,
        });
        self.delay_bps = self.delay_bps.min(carried_bps * DECREASE);
    }

    fn update_loss(&mut self, now: Instant) {
        let (packets, lost, since) = self.loss;
        if packets < LOSS_WINDOW.0 || now.saturating_duration_since(since) < LOSS_WINDOW.1 {
            return;
        }
        let elapsed_s = now.saturating_duration_since(since).as_secs_f64().min(2.0);
        self.loss = (0, 0, now);
        let loss = f64::from(lost) / f64::from(packets);
        self.last_loss = loss;
        if loss > LOSS.1 {
            let current = self.delay_bps.min(self.loss_cap_bps);
            self.loss_cap_bps = current * (1.0 - 0.5 * loss);
        } else if self.loss_cap_bps.is_finite() {
            let growth = if loss < LOSS.0 { GROWTH.0 } else { GROWTH.1 };
            self.loss_cap_bps *= (1.0 + growth).powf(elapsed_s);
            if self.loss_cap_bps > self.delay_bps {
                self.loss_cap_bps = f64::INFINITY;
            }
        }
    }

    /// What a probe found, once all its packets are reported on; nothing if that takes too long.
    fn end_probe(&mut self, reported: u64, now: Instant) {
        let Some(probing) = self.probing else { return };
        let late = now.saturating_duration_since(probing.started) > TWCC_VALID;
        if !late && (probing.left > 0 || reported < probing.end) {
            return;
        }
        self.probing = None;
        let found = probing.arrived.filter(|it| !late && it.1 > it.0);
        let measured_bps = found.map_or(0.0, |(first, last, bytes)| {
            #[expect(clippy::cast_precision_loss, reason = "one burst")]
            {
                bytes as f64 * 8e6 / (last - first) as f64
            }
        });
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
        let tried_bps = probing.probe.bps as f64;
        // Slower than sent is the capacity itself, which leaves no room for a queue to drain.
        let full = measured_bps < tried_bps * 0.9;
        let usable_bps = if full { measured_bps * DECREASE } else { tried_bps.min(measured_bps) };
        let current_bps = self.delay_bps.min(self.loss_cap_bps);
        let more = usable_bps > current_bps * 1.05 && self.trendline.usage() != Usage::Over;
        if more {
            self.delay_bps = usable_bps;
            self.loss_cap_bps = f64::INFINITY;
            self.capacity_bps = None;
            self.bound();
        }
        self.probe_interval =
            if more { PROBE_INTERVAL.0 } else { (self.probe_interval * 2).min(PROBE_INTERVAL.1) };
        self.probe_after = now + self.probe_interval;
    }

    fn bound(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
        let (min, max) = (self.config.min_bps as f64, self.config.max_bps as f64);
        self.delay_bps = self.delay_bps.clamp(min, max);
    }
}
