//! Where a decoded frame goes: the publisher's stamps against the count of samples.
//!
//! Stamps are of millisecond precision, jitter, and come from a clock that need not agree with the sound
//! card's. Samples are exact but know no gaps. So the count leads while the stamps stay near:
//! - within [`TOLERANCE_MS`] a frame continues the last one. What is left of the difference when
//!   smoothed, so when it is no rounding but a clock that drifts, is taken back one sample a frame,
//!   which cannot be heard and follows about 0.1 %;
//! - beyond it, later: samples are missing, and as many of silence take their place;
//! - beyond it, earlier: they were there already, and are left out;
//! - later by more than [`SILENCE_MS_MAX`]: the publisher was away; the timeline jumps.

/// Half of what lip sync may be off (20 ms), and above what encoders' stamps jitter.
pub(crate) const TOLERANCE_MS: u32 = 10;
/// Longest gap that is filled. One that is longer is a publisher's absence, not a loss: a player is
/// better told by the timeline than given silence to fetch.
pub(crate) const SILENCE_MS_MAX: u32 = 1_000;
/// Smoothed difference that is taken for drift: above what stamps cut to milliseconds can amount to.
const DRIFT_US_MIN: i64 = 1_000;
/// Frames the difference is smoothed over, as a power of two: 1.4 s of AAC-LC.
const SMOOTHING_SHIFT: u32 = 6;

/// What to do with a decoded frame. Counts are samples at the frame's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Goes on after `silence`, without its first `skip` samples; then the last sample is doubled
    /// (`slip` 1) or left out (-1).
    Continue { silence: usize, skip: usize, slip: i8 },
    /// Starts a new run at its own stamp.
    Start,
}

/// The count for one run of frames of one rate.
#[derive(Debug)]
pub(crate) struct Placer {
    rate: u32,
    next: Option<i64>,
    /// Smoothed difference of stamps to count, in samples, shifted left by [`SMOOTHING_SHIFT`].
    drift: i64,
}

impl Placer {
    /// For frames of `rate` samples a second.
    pub(crate) const fn new(rate: u32) -> Self {
        Self { rate, next: None, drift: 0 }
    }

    /// Places a frame of `samples` that is stamped `at`, in samples at the rate.
    pub(crate) fn place(&mut self, at: i64, samples: usize) -> Placement {
        let length = i64::try_from(samples).unwrap_or(i64::MAX);
        let Some(next) = self.next else { return self.start(at, length) };
        let difference = at.saturating_sub(next);
        if difference > self.samples(SILENCE_MS_MAX) {
            return self.start(at, length);
        }
        let tolerance = self.samples(TOLERANCE_MS);
        if difference > tolerance {
            self.drift = 0;
            self.next = Some(at.saturating_add(length));
            let silence = usize::try_from(difference).unwrap_or(0);
            return Placement::Continue { silence, skip: 0, slip: 0 };
        }
        if difference < -tolerance {
            self.drift = 0;
            let skip = length.min(difference.saturating_neg());
            self.next = Some(next.saturating_add(length - skip));
            let skip = usize::try_from(skip).unwrap_or(0);
            return Placement::Continue { silence: 0, skip, slip: 0 };
        }
        let slip = self.slip(difference);
        self.next = Some(next.saturating_add(length + i64::from(slip)));
        Placement::Continue { silence: 0, skip: 0, slip }
    }

    /// Where the next sample goes, in samples at the rate, once there was one.
    pub(crate) const fn next(&self) -> Option<i64> {
        self.next
    }

    fn start(&mut self, at: i64, length: i64) -> Placement {
        self.drift = 0;
        self.next = Some(at.saturating_add(length));
        Placement::Start
    }

    fn slip(&mut self, difference: i64) -> i8 {
        self.drift += difference - (self.drift >> SMOOTHING_SHIFT);
        let threshold = (i64::from(self.rate) * DRIFT_US_MIN / 1_000_000) << SMOOTHING_SHIFT;
        let slip = match self.drift {
            drift if drift > threshold => 1,
            drift if drift < -threshold => -1,
            _ => return 0,
        };
        self.drift -= i64::from(slip) << SMOOTHING_SHIFT;
        slip
    }

    fn samples(&self, ms: u32) -> i64 {
        i64::from(self.rate) * i64::from(ms) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOURS_24_S: i64 = 24 * 3_600;
    const GO_ON: Placement = Placement::Continue { silence: 0, skip: 0, slip: 0 };

    /// Pushes `seconds` of 1,024-sample frames whose stamps are those of a clock that runs `ppm` fast,
    /// rounded to milliseconds and jittered; gives the greatest distance of count to clock, in samples.
    fn farthest(rate: u32, seconds: i64, ppm: i64, jitter_ms: i64) -> i64 {
        let mut placer = Placer::new(rate);
        let mut farthest = 0;
        let mut noise: i64 = 1;
        for frame in 0..seconds * i64::from(rate) / 1_024 {
            let at = frame * 1_024;
            let clock = at + (i128::from(at) * i128::from(ppm) / 1_000_000) as i64;
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            let jitter = (noise >> 33).rem_euclid(2 * jitter_ms + 1) - jitter_ms;
            let ms = (clock * 1_000 + i64::from(rate) / 2) / i64::from(rate) + jitter;
            placer.place(ms * i64::from(rate) / 1_000, 1_024);
            let next = placer.next().expect("a frame was placed");
            farthest = farthest.max((next - 1_024 - clock).abs());
        }
        farthest
    }

    #[test]
    fn stamps_of_milliseconds_do_not_move_the_count_in_24_hours() {
        for rate in [44_100, 48_000] {
            assert!(farthest(rate, HOURS_24_S, 0, 0) <= i64::from(rate) / 1_000);
        }
    }

    #[test]
    fn a_clock_that_drifts_is_followed_for_24_hours_within_10_ms() {
        for ppm in [-300, 300] {
            assert!(farthest(48_000, HOURS_24_S, ppm, 0) <= 480, "at {ppm} ppm");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn count_and_stamps_stay_within_10_ms(
            rate in prop::sample::select(vec![24_000_u32, 32_000, 44_100, 48_000]),
            ppm in -500_i64..=500,
            jitter_ms in 0_i64..=3,
        ) {
            prop_assert!(farthest(rate, 600, ppm, jitter_ms) <= i64::from(rate) / 100);
        }
    }

    #[test]
    fn a_lost_frame_becomes_silence_of_its_length() {
        let mut placer = Placer::new(48_000);
        assert_eq!(placer.place(0, 1_024), Placement::Start);
        assert_eq!(placer.place(1_024, 1_024), GO_ON);
        let lost = Placement::Continue { silence: 1_024, skip: 0, slip: 0 };
        assert_eq!(placer.place(3 * 1_024, 1_024), lost);
        assert_eq!(placer.place(4 * 1_024, 1_024), GO_ON);
    }

    #[test]
    fn what_was_there_already_is_left_out() {
        let mut placer = Placer::new(48_000);
        placer.place(10_000, 1_024);
        let again = Placement::Continue { silence: 0, skip: 1_024, slip: 0 };
        assert_eq!(placer.place(10_000, 1_024), again);
        let half = Placement::Continue { silence: 0, skip: 600, slip: 0 };
        assert_eq!(placer.place(10_424, 1_024), half);
    }

    #[test]
    fn an_absence_starts_a_new_run() {
        let mut placer = Placer::new(48_000);
        placer.place(0, 1_024);
        assert_eq!(placer.place(1_024 + 48_001, 1_024), Placement::Start);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut placer = Placer::new(48_000);
        for at in [i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX, i64::MAX] {
            placer.place(at, 1_024);
        }
    }
}
