//! The estimator on a virtual bottleneck: a queue of bounded length, a delay, a rate and loss.

use super::*;
use crate::egress::testing::{Chance, anchor};

const PACKET_BYTES: usize = 1_200;
const PACKET_BITS: f64 = 9_600.0;
/// One way.
const DELAY_US: i64 = 50_000;
/// Longest queue before packets are dropped.
const QUEUE_US_MAX: i64 = 500_000;
const FEEDBACK_US: i64 = 50_000;

struct Path {
    estimator: Estimator,
    start: Instant,
    chance: Chance,
    loss_percent: u64,
    now_us: i64,
    link_free_us: i64,
    next: u64,
    owed_bits: f64,
    probe_bits: f64,
    probe_bps: f64,
    /// Sequence and arrival of what is under way to the viewer and back.
    flying: VecDeque<(u64, Option<i64>)>,
    queue_us_max: i64,
    /// Most that is added to the delay.
    jitter_us: u64,
    /// Whether packets overtake each other by it.
    reorders: bool,
    newest_us: i64,
}

impl Path {
    fn new(loss_percent: u64, seed: u64) -> Self {
        let start = anchor();
        let config = EstimatorConfig { start_bps: 1_000_000, ..EstimatorConfig::default() };
        Self {
            estimator: Estimator::new(config, start),
            start,
            chance: Chance(seed),
            loss_percent,
            now_us: 0,
            link_free_us: 0,
            next: 65_000,
            owed_bits: 0.0,
            probe_bits: 0.0,
            probe_bps: 0.0,
            flying: VecDeque::new(),
            queue_us_max: 0,
            jitter_us: 0,
            reorders: false,
            newest_us: 0,
        }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_micros(self.now_us.unsigned_abs())
    }

    fn estimate(&self) -> f64 {
        self.estimator.estimate_bps(self.now()) as f64
    }

    /// Runs for a time on a link of `link_bps`, sending what is estimated up to `media_bps`.
    fn run(&mut self, millis: i64, link_bps: f64, media_bps: f64) {
        self.queue_us_max = 0;
        for _ in 0..millis {
            self.now_us += 1_000;
            let now = self.now();
            if let Some(probe) = self.estimator.poll_probe(now) {
                self.probe_bits = probe.bytes as f64 * 8.0;
                self.probe_bps = probe.bps as f64;
            }
            let media_bps = self.estimate().min(media_bps);
            let bps = if self.probe_bits > 0.0 { self.probe_bps } else { media_bps };
            self.owed_bits += bps / 1_000.0;
            while self.owed_bits >= PACKET_BITS {
                self.owed_bits -= PACKET_BITS;
                self.probe_bits -= PACKET_BITS;
                self.send(link_bps);
            }
            if self.now_us % FEEDBACK_US == 0 {
                self.feedback();
            }
        }
    }

    /// Runs for a time with pictures of a layer, 30 a second, every 30th eight times as large, paced
    /// as a viewer's are. Gives the lowest estimate of the second half.
    fn run_pictures(&mut self, millis: i64, link_bps: f64, layer_bps: f64) -> f64 {
        let (mut backlog_bits, mut lowest) = (0.0, f64::INFINITY);
        for ms in 0..millis {
            self.now_us += 1_000;
            if ms % 33 == 0 {
                let picture = layer_bps / 37.0;
                backlog_bits += if ms % (33 * 30) == 0 { picture * 8.0 } else { picture };
            }
            let pace_bps = self.estimate().max(layer_bps) * 1.5;
            let burst_bits = (pace_bps / 200.0).max(PACKET_BITS);
            self.owed_bits = (self.owed_bits + pace_bps / 1_000.0).min(burst_bits);
            while self.owed_bits >= PACKET_BITS && backlog_bits > 0.0 {
                self.owed_bits -= PACKET_BITS;
                backlog_bits -= PACKET_BITS;
                self.send(link_bps);
            }
            if self.now_us % FEEDBACK_US == 0 {
                self.feedback();
            }
            if ms > millis / 2 {
                lowest = lowest.min(self.estimate());
            }
        }
        lowest
    }

    fn send(&mut self, link_bps: f64) {
        self.estimator.on_sent(self.next, PACKET_BYTES, self.now());
        let queue_us = (self.link_free_us - self.now_us).max(0);
        self.queue_us_max = self.queue_us_max.max(queue_us);
        let lost = queue_us > QUEUE_US_MAX || self.chance.percent(self.loss_percent);
        if queue_us <= QUEUE_US_MAX {
            self.link_free_us =
                self.link_free_us.max(self.now_us) + (PACKET_BITS * 1e6 / link_bps) as i64;
        }
        let jitter_us = (self.chance.number() % (self.jitter_us + 1)).cast_signed();
        let arrival_us = self.link_free_us + DELAY_US + jitter_us;
        self.newest_us = self.newest_us.max(arrival_us);
        let arrival_us = if self.reorders { arrival_us } else { self.newest_us };
        self.flying.push_back((self.next, (!lost).then_some(arrival_us)));
        self.next += 1;
    }

    /// What had arrived one way ago.
    fn feedback(&mut self) {
        let seen_us = self.now_us - DELAY_US;
        let came = |it: &(u64, Option<i64>)| it.1.is_some_and(|at| at <= seen_us);
        let Some(last) = self.flying.iter().rposition(came) else { return };
        let told = self.flying.drain(..=last).map(|it| {
            // What is overtaken counts as missing: nobody tells of it again.
            let arrival = it.1.filter(|_| came(&it)).map(|at| at / 250 * 250);
            (it.0 as u16, arrival)
        });
        let packets: Vec<_> = told.collect();
        self.estimator.on_feedback(&TwccFeedback { reference: 0, packets }, self.now());
    }
}

#[test]
fn the_estimate_follows_the_path_down_and_up_again() {
    let mut path = Path::new(0, 1);
    path.run(20_000, 4e6, 6e6);
    assert!((2.8e6..4.4e6).contains(&path.estimate()), "found 4 Mbit/s: {}", path.estimate());
    path.run(3_000, 1e6, 6e6);
    assert!(path.estimate() < 1.05e6, "down within 3 s: {}", path.estimate());
    path.run(4_000, 1e6, 6e6);
    path.run(10_000, 1e6, 6e6);
    assert!((0.6e6..1.1e6).contains(&path.estimate()), "stays: {}", path.estimate());
    assert!(path.queue_us_max < 100_000, "a bounded queue: {} us", path.queue_us_max);
    path.run(10_000, 4e6, 6e6);
    assert!(path.estimate() > 3e6, "up within 10 s: {}", path.estimate());
}

#[test]
fn random_loss_does_not_collapse_it() {
    for seed in 0..3 {
        let mut path = Path::new(5, seed);
        path.run(30_000, 4e6, 6e6);
        assert!(path.estimate() > 2.4e6, "seed {seed}: {}", path.estimate());
    }
}

#[test]
fn heavy_loss_cuts_the_rate() {
    let mut path = Path::new(0, 1);
    path.run(15_000, 4e6, 6e6);
    let before = path.estimate();
    path.loss_percent = 25;
    path.run(5_000, 4e6, 6e6);
    assert!(path.estimate() < before / 2.0, "{before} {}", path.estimate());
}

#[test]
fn probes_find_room_that_media_does_not_use() {
    let mut path = Path::new(0, 1);
    path.run(20_000, 4e6, 0.8e6);
    assert!(path.estimate() > 2.5e6, "{}", path.estimate());
}

#[test]
fn a_keyframe_does_not_cost_the_layer_it_is_of() {
    for (link_bps, layer_bps) in [(4e6, 2.2e6), (1e6, 0.4e6)] {
        let mut path = Path::new(0, 1);
        path.run(10_000, link_bps, 6e6);
        let lowest = path.run_pictures(20_000, link_bps, layer_bps);
        assert!(lowest > layer_bps * 1.15, "{layer_bps} on {link_bps}: {lowest}");
    }
}

#[test]
fn jitter_is_no_queue() {
    for seed in 0..5 {
        let mut path = Path::new(0, seed);
        path.jitter_us = 30_000;
        let lowest = path.run_pictures(30_000, 20e6, 0.8e6);
        assert!(lowest > 0.8e6 * 1.15, "seed {seed}: {lowest}");
    }
}

#[test]
fn a_path_that_is_down_lowers_it() {
    let mut path = Path::new(0, 1);
    path.run(10_000, 4e6, 6e6);
    let before = path.estimate();
    for ms in 0..3_000 {
        path.estimator.on_sent(path.next, PACKET_BYTES, path.now() + Duration::from_millis(ms));
        path.next += 1;
    }
    assert!(path.estimate() < before / 3.0, "{before} {}", path.estimate());
}

#[test]
fn without_transport_wide_feedback_remb_and_reports_serve() {
    let start = anchor();
    let mut estimator = Estimator::new(EstimatorConfig::default(), start);
    let at = |seconds| start + Duration::from_secs(seconds);
    estimator.on_remb(3_000_000, at(0));
    assert_eq!(estimator.estimate_bps(at(0)), 3_000_000);
    let report = |fraction_lost| ReportBlock { fraction_lost, ..ReportBlock::default() };
    estimator.on_receiver_report(&report(128), at(1));
    assert_eq!(estimator.estimate_bps(at(1)), 2_250_000);
    estimator.on_receiver_report(&report(0), at(2));
    assert_eq!(estimator.estimate_bps(at(2)), 2_430_000);
    assert_eq!(estimator.poll_probe(at(2)), None);
}

#[test]
fn hostile_feedback_changes_nothing_but_numbers() {
    let start = anchor();
    let mut chance = Chance(9);
    let mut estimator = Estimator::new(EstimatorConfig::default(), start);
    for round in 0..300 {
        let now = start + Duration::from_millis(round * 20);
        for packet in 0..20 {
            estimator.on_sent(round * 20 + packet, 1_200, now);
        }
        let packets = (0..50)
            .map(|_| (chance.number() as u16, Some(chance.number() as i16 as i64 * 250)))
            .collect();
        let reference = chance.number() as u32 >> 8;
        estimator.on_feedback(&TwccFeedback { reference, packets }, now);
        estimator.poll_probe(now);
        let bps = estimator.estimate_bps(now);
        assert!((50_000..=20_000_000).contains(&bps), "{bps}");
    }
}

#[test]
fn a_path_that_reorders_from_the_start_is_not_taken_for_a_narrow_one() {
    for seed in 1..20 {
        let mut path = Path::new(0, seed);
        (path.jitter_us, path.reorders) = (30_000, true);
        path.run_pictures(400, 100_000_000.0, 3_000_000.0);
        assert!(path.estimate() > 800_000.0, "seed {seed}: {}", path.estimate());
    }
}
