//! A track's queue inside one rendition: where its frames allow a part to end, and how they become
//! the samples of one.
//!
//! # When a part's end is known
//! The last frame's length is known when the next frame arrives, so a part can always be finished
//! then. Where the cadence is steady it is finished one frame earlier: the boundary on the *decode*
//! timeline is ours to choose, because composition offsets keep every picture's presentation time
//! exact. The shortest of the latest intervals is predicted, so that the next frame is decoded a
//! rounding earlier rather than later than it says, and offsets stay positive. A prediction that
//! turns out wrong by a dropped frame makes the next sample start early and last longer; nothing
//! that is seen moves. So the rule is: predict when the latest intervals differ by no more than
//! rounding, the part is full with the predicted end, and one more frame would certainly exceed the
//! target.

use std::collections::VecDeque;
use std::sync::Arc;

use tally_media::{Medium, Timestamp, Track};

use super::cadence::Cadence;
use super::intake::Pending;
use crate::Stats;
use crate::fragment::{Run, Sample};
use crate::limits::{
    HELD_FRAMES_MAX, HOLE_MS_MAX, PART_PERCENT_MIN, PICTURE_MS, SLACK, TIMESCALE, ticks,
};

/// One version of a track's parameters.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) generation: u32,
    pub(super) track: Arc<Track>,
}

/// Frames of one track waiting for their part.
#[derive(Debug)]
pub(super) struct Lane {
    newest: Parameters,
    /// What the current init segment says; `None` until one includes this track.
    adopted: Option<Parameters>,
    queue: VecDeque<Pending>,
    bytes: u64,
    cadence: Cadence,
    /// How far frames have come, 90 kHz: the last one's end for audio, its start for video.
    frontier: Option<i64>,
    /// Where the last sample put out ends, in the track's timescale.
    next_decode: Option<i64>,
}

impl Lane {
    pub(super) fn new(newest: Parameters) -> Self {
        Self {
            newest,
            adopted: None,
            queue: VecDeque::new(),
            bytes: 0,
            cadence: Cadence::default(),
            frontier: None,
            next_decode: None,
        }
    }

    pub(super) fn track(&self) -> &Arc<Track> {
        &self.newest.track
    }

    pub(super) fn renew(&mut self, newest: Parameters) {
        self.newest = newest;
    }

    /// Makes the newest parameters those of the next init segment.
    pub(super) fn adopt(&mut self) -> &Arc<Track> {
        let old_timescale = self.adopted.as_ref().map(|old| old.track.timescale);
        if old_timescale.is_some_and(|old| old != self.newest.track.timescale) {
            self.next_decode = None;
        }
        &self.adopted.insert(self.newest.clone()).track
    }

    /// The next sample does not follow the last one.
    pub(super) const fn forget_end(&mut self) {
        self.next_decode = None;
    }

    pub(super) const fn is_adopted(&self) -> bool {
        self.adopted.is_some()
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) const fn frontier(&self) -> Option<i64> {
        self.frontier
    }

    pub(super) const fn cadence(&self) -> &Cadence {
        &self.cadence
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= HELD_FRAMES_MAX
    }

    pub(super) fn push(&mut self, frame: Pending) {
        self.cadence.see(frame.at);
        self.frontier = Some(self.frontier.map_or(frame.end, |end| end.max(frame.end)));
        self.bytes += frame.payload.len() as u64;
        self.queue.push_back(frame);
    }

    /// Where what is queued ends, by cadence for video.
    pub(super) fn end(&self) -> Option<i64> {
        let frontier = self.frontier.filter(|_| !self.queue.is_empty())?;
        match self.medium() {
            Medium::Audio => Some(frontier),
            Medium::Video => Some(frontier + self.cadence.longest().unwrap_or(ticks(PICTURE_MS))),
        }
    }

    /// Whether a frame starts clearly before `at`.
    pub(super) fn has_before(&self, at: i64) -> bool {
        self.queue.front().is_some_and(|frame| frame.at < at - SLACK)
    }

    /// Drops what a rendition that begins at `at` cannot use.
    pub(super) fn begin_at(&mut self, at: i64) {
        let is_usable = |frame: &Pending| match self.newest.track.id.medium() {
            Medium::Video => frame.keyframe && frame.at >= at - SLACK,
            Medium::Audio => frame.end > at,
        };
        let count = self.queue.iter().position(is_usable).unwrap_or(self.queue.len());
        let dropped: u64 = self.queue.drain(..count).map(|frame| frame.payload.len() as u64).sum();
        self.bytes -= dropped;
    }

    /// Where the part that started at `start` ends, if that can be known: at most `limit`, at least
    /// 85 % of `target` unless `limit` is nearer, and at a frame's start where one fits.
    pub(super) fn boundary(&self, start: i64, limit: i64, target: i64) -> Option<i64> {
        let least = start + (target * PART_PERCENT_MIN + 99) / 100;
        match self.medium() {
            Medium::Video => self.video_boundary(start, limit, target, least),
            Medium::Audio => self.audio_boundary(limit, start + target, least),
        }
    }

    fn video_boundary(&self, start: i64, limit: i64, target: i64, least: i64) -> Option<i64> {
        let step = self.cadence.longest().unwrap_or(target);
        for frame in &self.queue {
            if frame.at >= limit - SLACK {
                return Some(limit);
            }
            if frame.at >= least && frame.at + step > start + target + SLACK {
                return Some(frame.at);
            }
        }
        let step = self.cadence.steady()?;
        let predicted = self.queue.back()?.at + step;
        let is_full = predicted >= least && predicted + step > start + target + 2 * SLACK;
        (is_full && predicted <= limit + SLACK).then_some(predicted.min(limit))
    }

    fn audio_boundary(&self, limit: i64, target_end: i64, least: i64) -> Option<i64> {
        for frame in &self.queue {
            if frame.end >= limit - SLACK {
                return Some(limit);
            }
            if frame.end >= least && frame.end + (frame.end - frame.at) > target_end {
                return Some(frame.end);
            }
        }
        None
    }

    /// Takes the frames before `boundary` out as the samples of one fragment; `None` if there are
    /// none. At a cut, the keyframe nearest to it begins the next segment.
    pub(super) fn take(
        &mut self,
        boundary: i64,
        is_cut: bool,
        track_id: u32,
        stats: &mut Stats,
    ) -> Option<Run> {
        let count = self.split_at(boundary, is_cut);
        let generation = self.adopted.as_ref().map(|adopted| adopted.generation);
        let mut frames: Vec<Pending> = self.queue.drain(..count).collect();
        self.bytes -= frames.iter().map(|frame| frame.payload.len() as u64).sum::<u64>();
        let before = frames.len();
        frames.retain(|frame| Some(frame.generation) == generation);
        stats.frames_refused += (before - frames.len()) as u64;
        let times = self.decode_times(&frames, boundary)?;
        let pairs = frames.into_iter().zip(times.windows(2));
        let samples = pairs.map(|(frame, time)| Sample {
            duration: u32::try_from(time[1] - time[0]).unwrap_or(u32::MAX),
            composition_offset: difference(frame.present, time[0]),
            sync: frame.keyframe,
            payload: frame.payload,
        });
        Some(Run {
            track_id,
            decode_time: u64::try_from(times[0]).unwrap_or(0),
            samples: samples.collect(),
        })
    }

    fn split_at(&self, boundary: i64, is_cut: bool) -> usize {
        if is_cut && self.medium() == Medium::Video {
            let near = self.cadence.longest().map_or(SLACK, |step| step / 2);
            let is_start = |frame: &Pending| frame.keyframe && (frame.at - boundary).abs() <= near;
            if let Some(index) = self.queue.iter().position(is_start) {
                return index;
            }
        }
        self.queue.iter().take_while(|frame| frame.at < boundary - SLACK).count()
    }

    /// When each of `frames` is decoded, and after them when the last one ends.
    fn decode_times(&mut self, frames: &[Pending], boundary: i64) -> Option<Vec<i64>> {
        let timescale = self.adopted.as_ref()?.track.timescale;
        let hole_max = i64::from(HOLE_MS_MAX) * i64::from(timescale.per_second()) / 1_000;
        let is_video = self.medium() == Medium::Video;
        let (first, last) = (frames.first()?, frames.last()?);
        let mut times: Vec<i64> = frames.iter().map(|frame| frame.decode).collect();
        if let Some(next) =
            self.next_decode.filter(|next| is_video && first.decode <= next + hole_max)
        {
            // Where the last sample ends, so that decode times have no holes (A7.3), as far as the
            // frame is not decoded after it is shown, nor after its successor.
            let latest = frames.get(1).map_or(first.present, |second| second.decode - 1);
            times[0] = next.min(latest).min(first.present).max(first.decode.min(next));
        }
        let own_end = match last.duration {
            Some(duration) if !is_video => last.decode.saturating_add(i64::from(duration)),
            _ => {
                // A frame may be late and not missing, so no more than it must last is claimed.
                let least = self.cadence.shortest().map_or(boundary, |step| last.at + step);
                let end = Timestamp::new(least.min(boundary), TIMESCALE).ticks_in(timescale);
                end - last.delay
            }
        };
        // The true length where the next frame is here already, unless there is a hole.
        let successor = self.queue.front().map(|next| next.decode);
        let is_near = |next: &i64| *next <= own_end.saturating_add(hole_max);
        let end = successor.filter(is_near).unwrap_or(own_end);
        times.push(end.max(times.last().map_or(0, |time| time + 1)));
        self.next_decode = times.last().copied();
        Some(times)
    }

    fn medium(&self) -> Medium {
        self.newest.track.id.medium()
    }
}

/// Presentation minus decode time, within what `trun` holds.
fn difference(present: i64, decode: i64) -> i32 {
    let offset = present.saturating_sub(decode).clamp(i32::MIN.into(), i32::MAX.into());
    i32::try_from(offset).unwrap_or(0)
}
