//! How a publisher's wire clock becomes the show's one timeline.
//!
//! A wire clock is what an encoder stamps on its frames: rounded to milliseconds, started anywhere,
//! and free to jump. The show's timeline starts at zero with the first frame and only goes forward.
//! [`Timeline`] maps one to the other by an *epoch*: a constant that is added to wire times. All
//! tracks share an epoch, which is what keeps sound and picture together; frames are moved by
//! anything else than their epoch only within the bounds named below.
//!
//! # When a new epoch begins
//! - At the first frame after [`Timeline::resume`]: it lands where the server's clock says the show
//!   is; where the show had run ahead of that clock (an encoder that began with a burst), as long
//!   after its end as the encoder was away. So nothing placed is overlapped, nor any gap that was
//!   meanwhile shown to viewers.
//! - When a track's wire time steps back by more than [`BACKWARD_MAX_NS`], or lands more than
//!   [`FORWARD_MAX_NS`] after or [`LAG_MAX_NS`] before the show's end: its clock was set. The frame
//!   lands after everything placed, and as much later as the server's clock went on since the track's
//!   last frame, so a real pause stays a pause.
//!
//! Another track whose clock is set too finds the new epoch and joins it: sync is kept when both jump.
//! A track that jumps alone leaves the others where they are. A track that starts late joins the
//! newest epoch likewise. If the joining track's first frame falls before what it already has, the
//! whole epoch is pushed forward by what is missing ([`PUSH_MAX_NS`]): time goes on for all, sync
//! stays, and no key frame is lost.
//!
//! # Sync
//! Video is placed at its wire time to the tick, except after a step back below the bound (one tick
//! per frame until the wire catches up). Audio stays within [`grid::GAP_NS`] of its wire time, and
//! within [`grid::SLEW_START_NS`] in the mean, see [`grid`].

pub mod grid;

use crate::{Codec, Frame, Timescale, Timestamp, Track, TrackId, codec};
use grid::SampleGrid;

/// A wire time may step back this far without being a new clock: encoders with several threads stamp
/// frames a few of them out of order; an NTP step is larger.
pub const BACKWARD_MAX_NS: i64 = 100_000_000;
/// A frame this far after the show's end comes from a clock that was set. Below, it is a pause of an
/// encoder that lost its input or its network.
pub const FORWARD_MAX_NS: i64 = 10_000_000_000;
/// A track this far behind the show's end is on another clock: no player buffers more than a few
/// seconds of one medium to wait for the other.
pub const LAG_MAX_NS: i64 = 10_000_000_000;
/// An epoch is pushed forward by this much at most for a track that joins it. Encoders interleave
/// sound and picture within a second.
pub const PUSH_MAX_NS: i64 = 2_000_000_000;
/// A frame is shown at most this much away from its decode time: 16 reordered frames (the most H.264
/// allows) at 2 frames a second.
pub const COMPOSITION_MAX_NS: i64 = 8_000_000_000;
/// Wire times beyond this (146 years) are refused, so that sums stay within `i64`.
const WIRE_MAX_NS: i64 = i64::MAX / 2;
/// How long a video frame lasts before a second one tells: one of 30 a second.
const VIDEO_STEP_NS: i64 = 33_333_333;
/// A pause between two video frames does not mean that the next lasts as long.
const VIDEO_STEP_MAX_NS: i64 = 1_000_000_000;
const NS_PER_MS: i64 = 1_000_000;

/// Why a frame has no place on the timeline. The frame is dropped; the next one is welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// The audio frame repeats time that is already filled by more than [`grid::GAP_NS`]: the
    /// encoder sends more samples than its clock says.
    #[error("audio is {overlap_ms} ms behind what was already placed")]
    Overlap {
        /// By how much.
        overlap_ms: i64,
    },
    /// Presentation and decode time differ by more than [`COMPOSITION_MAX_NS`].
    #[error("a frame is shown {offset_ms} ms away from its decode time")]
    Composition {
        /// By how much.
        offset_ms: i64,
    },
    /// The wire time is no time of day of this century.
    #[error("the wire time is out of range")]
    OutOfRange,
}

/// The one timeline of a show. Survives reconnects of its encoder.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Number of the newest epoch.
    epoch: u64,
    /// What the newest epoch adds to wire times; `None` until its first frame.
    offset_ns: Option<i64>,
    /// Server clock at the last [`Timeline::resume`].
    resumed_ns: i64,
    /// The end of everything placed, and at least where the newest resumption starts.
    end_ns: i64,
    /// By how much the frame that last moved the end was ahead of the server's clock.
    lead_ns: i64,
    /// No frame is placed before this.
    floor_ns: i64,
    /// One for each [`TrackId`], whose two bytes bound them to 512. A show has a handful, so a search
    /// through them is the quickest map.
    tracks: Vec<(TrackId, TrackClock)>,
}

/// One track's wire clock and place.
#[derive(Debug)]
struct TrackClock {
    timescale: Timescale,
    /// `None` before the first frame and after a resumption.
    wire: Option<Wire>,
    /// `None` before the first frame.
    last: Option<Last>,
    /// Audio only; `None` where the next frame starts a grid.
    grid: Option<SampleGrid>,
}

/// The last frame placed on a track.
#[derive(Clone, Copy, Debug)]
struct Last {
    ticks: i64,
    /// Where the next frame is expected.
    next_ns: i64,
    /// Server clock when it came.
    elapsed_ns: i64,
}

/// A track's part in an epoch.
#[derive(Clone, Copy, Debug)]
struct Wire {
    epoch: u64,
    offset_ns: i64,
    last_ns: i64,
}

impl Timeline {
    /// An empty timeline: the first frame placed on it is at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A publisher starts, or starts again, at `elapsed_ms` of the server's clock since the show
    /// began. Its wire clock is unknown until its first frame.
    pub fn resume(&mut self, elapsed_ms: i64) {
        self.offset_ns = None;
        self.resumed_ns = elapsed_ms.saturating_mul(NS_PER_MS);
        for (_, clock) in &mut self.tracks {
            clock.wire = None;
            clock.grid = None;
        }
    }

    /// Places a frame, whose times are the encoder's in any timescale, on the show's timeline in the
    /// track's timescale. `elapsed_ms` is the server's clock since the show began, when it came.
    ///
    /// Per track, decode times rise strictly. Audio frames get their duration, if the codec tells it,
    /// and lie on the sample grid.
    ///
    /// # Errors
    /// When the frame has no place. It is to be dropped and counted.
    pub fn place(
        &mut self,
        track: &Track,
        mut frame: Frame,
        elapsed_ms: i64,
    ) -> Result<Frame, Misplaced> {
        let elapsed_ns = elapsed_ms.saturating_mul(NS_PER_MS);
        let wire_ns = frame.dts.ticks_in(Timescale::NANOS);
        let composition_ns = frame.pts.ticks_in(Timescale::NANOS).saturating_sub(wire_ns);
        if !(-WIRE_MAX_NS..=WIRE_MAX_NS).contains(&wire_ns) {
            return Err(Misplaced::OutOfRange);
        }
        if !(-COMPOSITION_MAX_NS..=COMPOSITION_MAX_NS).contains(&composition_ns) {
            return Err(Misplaced::Composition { offset_ms: composition_ns / NS_PER_MS });
        }
        let mut clock = self.take_clock(track);
        let mapped_ns = self.map(&mut clock, wire_ns, elapsed_ns);
        frame.duration_ticks = duration_ticks(track, &frame);
        let counts_samples = frame.dts.timescale == track.timescale;
        let gap_ns = if counts_samples { grid::COUNTED_GAP_NS } else { grid::GAP_NS };
        let placed = match frame.duration_ticks {
            Some(duration) => clock.place_audio(mapped_ns, duration, gap_ns, elapsed_ns),
            None => Ok(clock.place_video(mapped_ns, elapsed_ns)),
        };
        let placed = placed.map(|last| {
            clock.last = Some(last);
            frame.dts = Timestamp::new(last.ticks, track.timescale);
            let composition = Timestamp::new(composition_ns, Timescale::NANOS);
            frame.pts = frame.dts.offset(composition.ticks_in(track.timescale));
            // A frame shown late ends as much later.
            let end_ns = last.next_ns.saturating_add(composition_ns.max(0));
            if end_ns > self.end_ns {
                self.end_ns = end_ns;
                let start_ns = frame.dts.ticks_in(Timescale::NANOS);
                self.lead_ns = start_ns.saturating_sub(elapsed_ns);
            }
            frame
        });
        self.tracks.push((track.id, clock));
        placed
    }

    /// The end of everything placed so far.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        Timestamp::new(self.end_ns, Timescale::NANOS)
    }

    /// The track's clock, out of the map while its frame is placed.
    fn take_clock(&mut self, track: &Track) -> TrackClock {
        let known = self.tracks.iter().position(|(id, _)| *id == track.id);
        let Some(index) = known else {
            return TrackClock { timescale: track.timescale, wire: None, last: None, grid: None };
        };
        let (_, mut clock) = self.tracks.swap_remove(index);
        clock.change_timescale(track.timescale);
        clock
    }

    /// Where the frame goes by its epoch, after settling which epoch that is.
    fn map(&mut self, clock: &mut TrackClock, wire_ns: i64, elapsed_ns: i64) -> i64 {
        let kept = clock.wire.filter(|wire| {
            wire_ns.saturating_sub(wire.last_ns) >= -BACKWARD_MAX_NS
                && self.is_near(wire_ns.saturating_add(wire.offset_ns))
        });
        let offset_ns = match (kept, self.offset_ns) {
            (Some(wire), _) => {
                clock.wire = Some(Wire { last_ns: wire_ns, ..wire });
                return wire_ns.saturating_add(wire.offset_ns);
            }
            (None, None) => self.begin_publication(wire_ns, elapsed_ns),
            (None, Some(offset_ns)) => self
                .join(clock, wire_ns, offset_ns)
                .unwrap_or_else(|| self.begin_epoch(clock, wire_ns, elapsed_ns)),
        };
        clock.grid = None;
        clock.wire = Some(Wire { epoch: self.epoch, offset_ns, last_ns: wire_ns });
        wire_ns.saturating_add(offset_ns)
    }

    const fn is_near(&self, show_ns: i64) -> bool {
        show_ns >= self.end_ns.saturating_sub(LAG_MAX_NS)
            && show_ns <= self.end_ns.saturating_add(FORWARD_MAX_NS)
    }

    /// The first frame of a publisher fixes the epoch for all its tracks.
    fn begin_publication(&mut self, wire_ns: i64, elapsed_ns: i64) -> i64 {
        let is_first = self.end_ns == 0; // whatever is placed moves the end
        if !is_first {
            let now_ns = elapsed_ns.max(self.resumed_ns).saturating_add(self.lead_ns.max(0));
            self.end_ns = self.end_ns.max(now_ns);
        }
        self.floor_ns = self.end_ns;
        self.set_epoch(self.floor_ns.saturating_sub(wire_ns))
    }

    /// Joins the newest epoch if that puts the frame near the show's end, pushing the epoch forward
    /// where the track already has something at that time.
    fn join(&mut self, clock: &TrackClock, wire_ns: i64, offset_ns: i64) -> Option<i64> {
        let show_ns = wire_ns.saturating_add(offset_ns);
        let left_it = clock.wire.is_some_and(|wire| wire.epoch == self.epoch);
        let missing_ns = clock.next_ns().max(self.floor_ns).saturating_sub(show_ns).max(0);
        if left_it || !self.is_near(show_ns) || missing_ns > PUSH_MAX_NS {
            return None;
        }
        let pushed_ns = offset_ns.saturating_add(missing_ns);
        self.offset_ns = Some(pushed_ns);
        for (_, other) in &mut self.tracks {
            if let Some(wire) = &mut other.wire
                && wire.epoch == self.epoch
            {
                wire.offset_ns = pushed_ns;
            }
        }
        Some(pushed_ns)
    }

    /// The track's clock was set: a new epoch after everything placed, later by what the server's
    /// clock went on.
    fn begin_epoch(&mut self, clock: &TrackClock, wire_ns: i64, elapsed_ns: i64) -> i64 {
        let mut target_ns = self.end_ns.max(clock.next_ns());
        if let Some(last) = clock.last {
            let passed_ns = elapsed_ns.saturating_sub(last.elapsed_ns).max(0);
            let last_ns = Timestamp::new(last.ticks, clock.timescale).ticks_in(Timescale::NANOS);
            target_ns = target_ns.max(last_ns.saturating_add(passed_ns));
        }
        self.set_epoch(target_ns.saturating_sub(wire_ns))
    }

    const fn set_epoch(&mut self, offset_ns: i64) -> i64 {
        self.epoch += 1;
        self.offset_ns = Some(offset_ns);
        offset_ns
    }
}

impl TrackClock {
    /// Where the next frame is expected; before the first one, anywhere.
    fn next_ns(&self) -> i64 {
        self.last.map_or(i64::MIN, |last| last.next_ns)
    }

    /// The first tick that keeps decode times rising.
    fn earliest_ticks(&self) -> i64 {
        self.last.map_or(i64::MIN, |last| last.ticks.saturating_add(1))
    }

    /// New parameters may change the timescale (a new sample rate): time goes on in the new one.
    fn change_timescale(&mut self, to: Timescale) {
        if self.timescale == to {
            return;
        }
        if let Some(last) = &mut self.last {
            // Rounding may have gone back by half a tick.
            let rounded = Timestamp::new(last.ticks, self.timescale).ticks_in(to);
            last.ticks = rounded.saturating_add(1);
        }
        self.timescale = to;
        self.grid = None;
    }

    fn place_audio(
        &mut self,
        mapped_ns: i64,
        duration: u32,
        gap_ns: i64,
        elapsed_ns: i64,
    ) -> Result<Last, Misplaced> {
        let start_ns = mapped_ns.max(self.next_ns());
        let start = Timestamp::new(start_ns, Timescale::NANOS).ticks_in(self.timescale);
        let start = start.max(self.earliest_ticks());
        let timescale = self.timescale;
        let grid = self.grid.get_or_insert_with(|| SampleGrid::new(start, timescale));
        let ticks = grid.place(mapped_ns, duration, gap_ns)?;
        Ok(Last { ticks, next_ns: grid.next().ticks_in(Timescale::NANOS), elapsed_ns })
    }

    fn place_video(&self, mapped_ns: i64, elapsed_ns: i64) -> Last {
        let mapped = Timestamp::new(mapped_ns, Timescale::NANOS).ticks_in(self.timescale);
        let ticks = mapped.max(self.earliest_ticks());
        let in_ns = |ticks| Timestamp::new(ticks, self.timescale).ticks_in(Timescale::NANOS);
        let step_ns = self.last.map_or(VIDEO_STEP_NS, |last| {
            in_ns(ticks.saturating_sub(last.ticks)).min(VIDEO_STEP_MAX_NS)
        });
        Last { ticks, next_ns: in_ns(ticks).saturating_add(step_ns), elapsed_ns }
    }
}

/// How long the frame lasts in the track's timescale, where its codec tells.
fn duration_ticks(track: &Track, frame: &Frame) -> Option<u32> {
    let audio = track.codec.audio()?;
    let packet = || match &track.codec {
        Codec::Opus(_) => codec::opus::packet_samples(&frame.payload).ok(),
        Codec::Flac(_) => codec::flac::frame_samples(&frame.payload).ok(),
        _ => None,
    };
    // A length of zero would stop the grid.
    frame.duration_ticks.or(audio.frame_samples).or_else(packet).filter(|ticks| *ticks > 0)
}
