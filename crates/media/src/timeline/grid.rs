//! Audio on its sample grid.
//!
//! The samples themselves are the best clock there is: an AAC frame is 1,024 samples whatever its
//! millisecond-rounded wire time says. So audio frames follow each other sample by sample, and the
//! wire only corrects:
//! - a mean error above [`SLEW_START_NS`] means that the encoder's clock and its sound card differ:
//!   frames move by [`SLEW_SHARE`] of their length until the error is below [`SLEW_STOP_NS`];
//! - a frame more than [`GAP_NS`] later than the grid has a hole before it: the grid starts anew there.
//!   Where the wire counts samples itself (RTP), [`COUNTED_GAP_NS`] is a hole;
//! - a frame more than [`GAP_NS`] earlier than the grid is surplus and is refused.

use super::Misplaced;
use crate::{Timescale, Timestamp};

/// Largest distance between a frame's wire time and its place. Above this the ear sees lips move
/// (ITU-R BT.1359: detectable from 45 ms early and 125 ms late); below, encoders that stamp two or
/// three audio frames alike are not torn apart.
pub const GAP_NS: i64 = 100_000_000;
/// The same for frames later than the grid whose wire time counts samples: there is no rounding, so what
/// is missing was lost or never sent. Below one packet of 20 ms, or sound would run ahead of its pictures
/// with each that is lost; above the 10 ms by which browsers' sender reports are off from one to the next.
pub const COUNTED_GAP_NS: i64 = 15_000_000;
/// Mean error at which slewing starts: well above rounding (1 ms) and the jitter of stamping one
/// frame late (21 ms now and then), well below what is seen.
pub const SLEW_START_NS: i64 = 15_000_000;
/// Mean error at which slewing ends: about the rounding of the wire.
pub const SLEW_STOP_NS: i64 = 2_000_000;
/// Frames move by their length divided by this: 2 samples of 1,024. Follows clocks that differ by
/// 2,000 ppm, twenty times what crystals do, and is far below the 1 % at which players resample.
pub const SLEW_SHARE: u32 = 512;
/// The mean forgets with this many frames (1.4 s of AAC at 48 kHz): longer than bursts of jitter.
const MEAN_FRAMES: i64 = 64;

/// The grid of one audio track in one epoch.
#[derive(Debug)]
pub(super) struct SampleGrid {
    timescale: Timescale,
    /// Where the next frame starts.
    next_ticks: i64,
    /// Mean of wire time minus grid time.
    mean_error_ns: i64,
    is_slewing: bool,
}

impl SampleGrid {
    pub(super) const fn new(next_ticks: i64, timescale: Timescale) -> Self {
        Self { timescale, next_ticks, mean_error_ns: 0, is_slewing: false }
    }

    /// Where the next frame is expected.
    pub(super) const fn next(&self) -> Timestamp {
        Timestamp::new(self.next_ticks, self.timescale)
    }

    /// Gives the frame its place in ticks and moves on by its length. One that is later than the grid by
    /// more than `gap_ns` starts it anew.
    pub(super) fn place(
        &mut self,
        mapped_ns: i64,
        duration: u32,
        gap_ns: i64,
    ) -> Result<i64, Misplaced> {
        let error_ns = mapped_ns.saturating_sub(self.next().ticks_in(Timescale::NANOS));
        if error_ns < -GAP_NS {
            return Err(Misplaced::Overlap { overlap_ms: -error_ns / 1_000_000 });
        }
        let mut ticks = self.next_ticks;
        if error_ns > gap_ns {
            ticks = Timestamp::new(mapped_ns, Timescale::NANOS).ticks_in(self.timescale);
            self.mean_error_ns = 0;
            self.is_slewing = false;
        } else {
            self.mean_error_ns += (error_ns - self.mean_error_ns) / MEAN_FRAMES;
            ticks = ticks.saturating_add(self.slew(duration));
        }
        self.next_ticks = ticks.saturating_add(i64::from(duration));
        Ok(ticks)
    }

    /// By how many ticks this frame moves to follow the wire.
    fn slew(&mut self, duration: u32) -> i64 {
        let distance_ns = self.mean_error_ns.abs();
        self.is_slewing = distance_ns > if self.is_slewing { SLEW_STOP_NS } else { SLEW_START_NS };
        if !self.is_slewing {
            return 0;
        }
        // At least a tick, but never back onto the frame before.
        let share = (duration / SLEW_SHARE).max(1).min(duration - 1);
        let ticks = i64::from(share) * self.mean_error_ns.signum();
        self.mean_error_ns -= Timestamp::new(ticks, self.timescale).ticks_in(Timescale::NANOS);
        ticks
    }
}
