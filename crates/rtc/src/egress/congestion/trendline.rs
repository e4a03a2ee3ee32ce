//! Whether queues grow: the slope of one-way delay over the last packet groups, against a threshold
//! that adapts to the path (draft-ietf-rmcat-gcc, section 5, with the trendline filter that replaced
//! its Kalman filter).

use std::collections::VecDeque;

/// Packets sent within this time are one group: a burst says nothing about a queue by itself.
const GROUP_US: i64 = 5_000;
/// A packet that comes this soon after the one before, and nearer to it than it was sent, was held up
/// with it: they are one group too, up to a length. A path that lets go of its packets in bursts says
/// nothing about a queue by that.
const BURST_US: (i64, i64) = (5_000, 100_000);
/// Groups the slope is taken over.
const WINDOW: usize = 20;
/// Share of the old value in smoothed delay.
const SMOOTHING: f64 = 0.9;
/// Makes slopes comparable with a threshold in milliseconds.
const GAIN: f64 = 4.0;
/// Groups after which a slope counts in full.
const GROUPS_COUNTED: u32 = 60;
/// The threshold's start and bounds, in milliseconds.
const THRESHOLD_MS: (f64, f64, f64) = (12.5, 6.0, 600.0);
/// How fast the threshold follows upward and downward, per millisecond.
const THRESHOLD_SPEED: (f64, f64) = (0.0087, 0.039);
/// A slope further beyond the threshold than this is a jump of the path: no reason to adapt.
const JUMP_MS: f64 = 15.0;
/// Overuse must last this long, and for more than one group: those of pictures are further apart.
const OVERUSE_MS: f64 = 10.0;

/// What the queue on the path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    /// It neither grows nor drains.
    Normal,
    /// It grows.
    Over,
    /// It drains.
    Under,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent_us: i64,
    last_sent_us: i64,
    first_arrival_us: i64,
    last_arrival_us: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Trendline {
    current: Option<Group>,
    previous: Option<Group>,
    /// Arrival and smoothed accumulated delay, both in milliseconds.
    points: VecDeque<(f64, f64)>,
    accumulated_ms: f64,
    smoothed_ms: f64,
    groups: u32,
    threshold_ms: f64,
    updated_ms: Option<f64>,
    /// How long and for how many groups the slope has been beyond the threshold.
    over: (f64, u32),
    previous_slope: f64,
    usage: Usage,
}

impl Trendline {
    pub(super) fn new() -> Self {
        Self {
            current: None,
            previous: None,
            points: VecDeque::with_capacity(WINDOW),
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            groups: 0,
            threshold_ms: THRESHOLD_MS.0,
            updated_ms: None,
            over: (0.0, 0),
            previous_slope: 0.0,
            usage: Usage::Normal,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Takes a packet that arrived, in the order sent, in microseconds of either side's clock.
    pub(super) fn on_packet(&mut self, sent_us: i64, arrival_us: i64) {
        let Some(group) = &mut self.current else {
            self.current = Some(Group::of(sent_us, arrival_us));
            return;
        };
        if sent_us - group.first_sent_us <= GROUP_US || group.held_up(sent_us, arrival_us) {
            group.last_sent_us = group.last_sent_us.max(sent_us);
            group.last_arrival_us = group.last_arrival_us.max(arrival_us);
            return;
        }
        let complete = *group;
        *group = Group::of(sent_us, arrival_us);
        if let Some(previous) = self.previous.replace(complete) {
            let between_sent = complete.last_sent_us - previous.last_sent_us;
            let between_arrivals = complete.last_arrival_us - previous.last_arrival_us;
            #[expect(clippy::cast_precision_loss, reason = "differences of seconds at most")]
            let (gradient_ms, sent_ms, arrival_ms) = (
                (between_arrivals - between_sent) as f64 / 1_000.0,
                between_sent as f64 / 1_000.0,
                complete.last_arrival_us as f64 / 1_000.0,
            );
            self.on_gradient(gradient_ms, sent_ms, arrival_ms);
        }
    }

    fn on_gradient(&mut self, gradient_ms: f64, sent_ms: f64, arrival_ms: f64) {
        self.groups = (self.groups + 1).min(GROUPS_COUNTED);
        self.accumulated_ms += gradient_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        if self.points.len() == WINDOW {
            self.points.pop_front();
        }
        self.points.push_back((arrival_ms, self.smoothed_ms));
        let slope = if self.points.len() == WINDOW { self.slope() } else { self.previous_slope };
        self.detect(slope, sent_ms, arrival_ms);
    }

    /// Least squares.
    fn slope(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "WINDOW at most")]
        let count = self.points.len() as f64;
        let mean_x = self.points.iter().map(|it| it.0).sum::<f64>() / count;
        let mean_y = self.points.iter().map(|it| it.1).sum::<f64>() / count;
        let (mut over, mut under) = (0.0, 0.0);
        for (x, y) in &self.points {
            over += (x - mean_x) * (y - mean_y);
            under += (x - mean_x) * (x - mean_x);
        }
        if under > 0.0 { over / under } else { self.previous_slope }
    }

    fn detect(&mut self, slope: f64, sent_ms: f64, arrival_ms: f64) {
        let weighed = f64::from(self.groups) * slope * GAIN;
        if weighed > self.threshold_ms {
            self.over = (self.over.0 + sent_ms, self.over.1 + 1);
            let (lasts_ms, groups) = self.over;
            if lasts_ms > OVERUSE_MS && groups > 1 && slope >= self.previous_slope {
                self.over = (0.0, 0);
                self.usage = Usage::Over;
            }
        } else {
            self.over = (0.0, 0);
            self.usage = if weighed < -self.threshold_ms { Usage::Under } else { Usage::Normal };
        }
        self.previous_slope = slope;
        self.adapt(weighed.abs(), arrival_ms);
    }

    fn adapt(&mut self, weighed: f64, arrival_ms: f64) {
        let elapsed_ms = self.updated_ms.map_or(0.0, |at| (arrival_ms - at).clamp(0.0, 100.0));
        self.updated_ms = Some(arrival_ms);
        if weighed > self.threshold_ms + JUMP_MS {
            return;
        }
        let (up, down) = THRESHOLD_SPEED;
        let speed = if weighed > self.threshold_ms { up } else { down };
        let moved = self.threshold_ms + speed * (weighed - self.threshold_ms) * elapsed_ms;
        self.threshold_ms = moved.clamp(THRESHOLD_MS.1, THRESHOLD_MS.2);
    }
}

impl Group {
    fn of(sent_us: i64, arrival_us: i64) -> Self {
        Self {
            first_sent_us: sent_us,
            last_sent_us: sent_us,
            first_arrival_us: arrival_us,
            last_arrival_us: arrival_us,
        }
    }

    /// Whether a packet was held up together with these.
    fn held_up(&self, sent_us: i64, arrival_us: i64) -> bool {
        let apart_us = arrival_us - self.last_arrival_us;
        apart_us < sent_us - self.last_sent_us
            && apart_us <= BURST_US.0
            && arrival_us - self.first_arrival_us < BURST_US.1
    }
}
