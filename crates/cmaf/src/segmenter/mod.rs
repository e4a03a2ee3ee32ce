//! The segmenter: all renditions of one show, in step.
//!
//! Frames enter through an [`intake`] per track. Until the [`plan`] is made they are held by the
//! [`probe`]; then each [`muxer`] queues them in its [`lane`]s and puts out parts. The [`cutter`]
//! decides from the leading track where segments start; [`running`] keeps it all in step and lets
//! the clock make GAP parts while the encoder is away.

mod cadence;
mod cutter;
mod intake;
mod lane;
mod meter;
mod muxer;
mod plan;
mod probe;
mod running;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tally_media::{Frame, Timestamp, Track, TrackId};

use self::intake::Intake;
use self::muxer::Taken;
use self::probe::Probe;
use self::running::Running;
use crate::limits::{AHEAD_MS_MAX, CLOCK_MAX, TIMESCALE, TRACKS_MAX, ticks};
use crate::{Bitrates, Options, Output, RenditionId, Stats};

/// Cuts one show into parts and segments.
///
/// Output is bounded by input: each call puts out what that call completed, at most
/// 64 parts per rendition where only the clock drives it.
#[derive(Debug)]
pub struct Segmenter {
    options: Options,
    tracks: BTreeMap<TrackId, Intake>,
    stage: Stage,
    outputs: VecDeque<Output>,
    stats: Stats,
}

#[derive(Debug)]
enum Stage {
    Probing(Probe),
    Running(Box<Running>),
    /// With what was measured of the renditions there were, for the last multivariant playlist.
    Ended(Vec<(RenditionId, Bitrates)>),
}

impl Segmenter {
    /// A segmenter for one show. Values out of range are clamped as [`Options`] says.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let options = Options {
            part_ms: options.part_ms.clamp(50, 1_000),
            segment_ms: options.segment_ms.clamp(1_000, 10_000),
            ..options
        };
        Self {
            options,
            tracks: BTreeMap::new(),
            stage: Stage::Probing(Probe::default()),
            outputs: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Adds a track, or gives a known one new parameters. The same parameters again change nothing.
    ///
    /// New parameters take effect with the track's next keyframe where it leads the show, else with
    /// the leading track's next keyframe; the segment there starts with a discontinuity in all
    /// renditions (P18) and has a new [`crate::Init`] where it needs one. Tracks beyond the bound
    /// of 16 are ignored and their frames counted as refused.
    pub fn set_track(&mut self, track: Arc<Track>) {
        let id = track.id;
        let is_full = self.tracks.len() >= TRACKS_MAX;
        let renewed = match self.tracks.get_mut(&id) {
            Some(intake) => intake.renew(track),
            None if is_full => return,
            None => {
                self.tracks.insert(id, Intake::new(track));
                false
            }
        };
        if let (Stage::Running(running), Some(intake)) = (&mut self.stage, self.tracks.get(&id)) {
            if !running.has(id) {
                running.join_track(intake, &self.tracks);
            } else if renewed {
                running.renew_track(intake);
            }
        }
    }

    /// Takes a track away. A rendition it leads ends, unless it is the only one: the show then goes
    /// on by the clock until the track is set again.
    pub fn remove_track(&mut self, id: TrackId) {
        if let Some(intake) = self.tracks.get_mut(&id) {
            intake.removed = true;
            intake.await_keyframe();
        }
        if let Stage::Running(running) = &mut self.stage {
            running.remove_track(id, &mut self.outputs);
        }
        self.run();
    }

    /// Takes a frame on the show's timeline, in the track's timescale, in the order frames came.
    pub fn push(&mut self, id: TrackId, frame: Frame) {
        let Some(intake) = self.tracks.get_mut(&id) else {
            self.stats.frames_refused += 1;
            return;
        };
        let (floor, ceiling) = match &self.stage {
            Stage::Running(running) => (running.floor(), running.ceiling()),
            Stage::Probing(probe) => (0, probe.start() + ticks(AHEAD_MS_MAX)),
            Stage::Ended(_) => (0, i64::MIN),
        };
        let at = frame.dts.ticks_in(TIMESCALE);
        if at > ceiling {
            self.stats.frames_refused += 1;
            intake.await_keyframe();
            if let Stage::Running(running) = &mut self.stage {
                running.force(at, &mut self.stats);
            }
        } else if let Some(pending) = intake.admit(frame, floor, &mut self.stats) {
            match &mut self.stage {
                Stage::Probing(probe) => probe.hold(id, pending),
                Stage::Running(running) => {
                    if running.take(id, &pending, &mut self.stats) == Taken::Dropped {
                        intake.await_keyframe();
                    }
                }
                Stage::Ended(_) => {}
            }
        }
        self.run();
    }

    /// Says where the server's clock puts the show's timeline. Call it a few times per part: it
    /// ends waits for lagging tracks, and makes GAP parts while nothing comes (P17).
    pub fn tick(&mut self, position: Timestamp) {
        let position = position.ticks_in(TIMESCALE).clamp(0, CLOCK_MAX);
        match &mut self.stage {
            Stage::Probing(probe) => probe.tick(position),
            Stage::Running(running) => {
                if running.tick(position, &mut self.stats)
                    && let Some(intake) = self.tracks.get_mut(&running.lead())
                {
                    intake.await_keyframe();
                }
            }
            Stage::Ended(_) => {}
        }
        self.run();
    }

    /// The encoder is away: ends the open part and segment. From now on [`Segmenter::tick`] makes
    /// GAP parts and segments (P18), until the leading track's next keyframe.
    pub fn interrupted(&mut self) {
        self.plan_early();
        if let Stage::Running(running) = &mut self.stage {
            running.interrupt(&mut self.stats);
        }
        for intake in self.tracks.values_mut() {
            intake.await_keyframe();
        }
        self.run();
    }

    /// The encoder is back. Its audio gets the same patience as at the start; everything else
    /// follows from its frames, also without this call.
    pub fn resumed(&mut self) {
        if let Stage::Running(running) = &mut self.stage {
            running.restart_audio_wait();
        }
        self.run();
    }

    /// The show is over: puts out what is held, then [`Output::Ended`]. Later calls change nothing.
    pub fn finish(&mut self) {
        self.plan_early();
        if let Stage::Running(running) = &mut self.stage {
            running.close(&mut self.stats);
            running.advance(&mut self.outputs, &mut self.stats);
        }
        let measured = match &self.stage {
            Stage::Probing(_) => Vec::new(),
            Stage::Running(running) => running.measured().collect(),
            Stage::Ended(_) => return,
        };
        self.outputs.push_back(Output::Ended);
        self.stage = Stage::Ended(measured);
    }

    /// The next thing put out, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Measured bit rates of a rendition; `None` before its first segment with media.
    #[must_use]
    pub fn bitrates(&self, rendition: RenditionId) -> Option<Bitrates> {
        let is_asked = |&(id, _): &(RenditionId, Bitrates)| id == rendition;
        let measured = match &self.stage {
            Stage::Probing(_) => None,
            Stage::Running(running) => running.measured().find(is_asked),
            Stage::Ended(measured) => measured.iter().copied().find(is_asked),
        };
        measured.map(|(_, bitrates)| bitrates)
    }

    /// Makes the plan when it can be made, and puts out all that is complete.
    fn run(&mut self) {
        if let Stage::Probing(probe) = &self.stage {
            let tracks = self.tracks.iter().filter(|(_, intake)| !intake.removed);
            let tracks: Vec<_> = tracks.map(|(id, _)| *id).collect();
            if probe.is_done(self.options, &tracks) {
                self.plan_early();
            }
        }
        if let Stage::Running(running) = &mut self.stage {
            running.advance(&mut self.outputs, &mut self.stats);
        }
    }

    /// Makes the plan from what is held, if anything is.
    fn plan_early(&mut self) {
        let Stage::Probing(probe) = &mut self.stage else {
            return;
        };
        if probe.is_empty() {
            return;
        }
        let probe = std::mem::take(probe);
        let plan = plan::decide(self.options, probe.rhythms.iter());
        let start = probe.start();
        let mut running = Running::new(self.options, plan, start, &self.tracks, &probe.rhythms);
        self.outputs.push_back(Output::Plan(plan));
        running.announce(&mut self.outputs);
        for (id, frame) in probe.held {
            running.take(id, &frame, &mut self.stats);
            running.advance(&mut self.outputs, &mut self.stats);
        }
        self.stage = Stage::Running(Box::new(running));
    }
}
