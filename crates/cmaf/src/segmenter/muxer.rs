//! One rendition: its lanes, its open segment, its parts.

use std::collections::VecDeque;
use std::sync::Arc;

use tally_media::{Medium, Timestamp, TrackId};

use super::cutter::{Cutter, Start};
use super::intake::Pending;
use super::lane::Lane;
use super::meter::Meter;
use crate::fragment::fragment;
use crate::init::init_segment;
use crate::limits::{
    AUDIO_WAIT_MS, LATE_MS_MAX, PART_PERCENT_MIN, SEGMENT_BYTES_MAX, SLACK, TIMESCALE, ticks,
};
use crate::{
    Bitrates, Body, FrameRate, Init, Output, Part, Rendition, RenditionId, Segment, Stats,
};

/// A rest of a segment this short, in ticks, is not made a part when no frame starts in it: it goes
/// to the next segment.
const REST_MAX: i64 = ticks(20);

/// The same where there is sound but no picture in it: such a part at the end of the newest segment
/// keeps hls.js loading that segment again and again, because its buffer never reaches the end. Two
/// pictures of the slowest usual rate: a clip that loops leaves less, and more is a hole.
const REST_OF_SOUND_MAX: i64 = ticks(84);

/// What all renditions share while they advance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) cutter: &'a Cutter,
    /// PART-TARGET in ticks.
    pub(super) target: i64,
    /// Everything before this goes out now, whatever has come.
    pub(super) forced_until: i64,
    /// The show's clock, where it has been told.
    pub(super) position: Option<i64>,
    /// Whether this rendition decides where segments start.
    pub(super) is_lead: bool,
}

/// What happened to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// Dropped and counted: the track has a hole now.
    Dropped,
}

/// Patience with audio that lags behind its video.
#[derive(Debug, Default)]
struct AudioWait {
    /// It ran out, and audio has not caught up since.
    is_over: bool,
    /// Where the clock was when the wait began.
    since: Option<i64>,
}

/// Puts out one rendition.
#[derive(Debug)]
pub(super) struct Muxer {
    pub(super) id: RenditionId,
    video: Option<Lane>,
    audio: Option<Lane>,
    frame_rate: Option<FrameRate>,
    /// The segment being made, or the one to join at.
    msn: u64,
    joined: bool,
    segment: Option<Start>,
    segment_start: i64,
    part_start: i64,
    parts: Vec<Arc<Part>>,
    segment_bytes: u64,
    /// Whether the segment's first picture is a keyframe; `None` before it.
    begins_with_keyframe: Option<bool>,
    init: Option<Arc<Init>>,
    next_init: u32,
    /// The init segment changed since [`Muxer::take_change`].
    changed: bool,
    fragments: u32,
    audio_wait: AudioWait,
    meter: Meter,
}

impl Muxer {
    /// A rendition that joins at the start of segment `msn`; its init segments count from
    /// `next_init`.
    pub(super) fn new(
        id: RenditionId,
        msn: u64,
        next_init: u32,
        frame_rate: Option<FrameRate>,
    ) -> Self {
        Self {
            id,
            video: None,
            audio: None,
            frame_rate,
            msn,
            joined: false,
            segment: None,
            segment_start: 0,
            part_start: 0,
            parts: Vec::new(),
            segment_bytes: 0,
            begins_with_keyframe: None,
            init: None,
            next_init,
            changed: false,
            fragments: 0,
            audio_wait: AudioWait::default(),
            meter: Meter::default(),
        }
    }

    pub(super) fn set_lane(&mut self, lane: Lane) {
        match lane.track().id.medium() {
            Medium::Video => self.video = Some(lane),
            Medium::Audio => self.audio = Some(lane),
        }
    }

    pub(super) fn lane_mut(&mut self, id: TrackId) -> Option<&mut Lane> {
        let lanes = [self.video.as_mut(), self.audio.as_mut()];
        lanes.into_iter().flatten().find(|lane| lane.track().id == id)
    }

    pub(super) const fn msn(&self) -> u64 {
        self.msn
    }

    pub(super) const fn next_init(&self) -> u32 {
        self.next_init
    }

    pub(super) const fn is_joined(&self) -> bool {
        self.joined
    }

    pub(super) const fn part_start(&self) -> i64 {
        self.part_start
    }

    pub(super) fn bitrates(&self) -> Option<Bitrates> {
        self.meter.bitrates()
    }

    /// Where everything that came ends: what is out, or what is queued behind it.
    pub(super) fn end(&self) -> i64 {
        let lanes = [self.video.as_ref(), self.audio.as_ref()].into_iter().flatten();
        lanes.filter_map(Lane::end).fold(self.part_start, i64::max)
    }

    /// Lets parts wait for audio anew.
    pub(super) fn restart_audio_wait(&mut self) {
        self.audio_wait = AudioWait::default();
    }

    pub(super) fn rendition(&self) -> Rendition {
        let lanes = [self.video.as_ref(), self.audio.as_ref()].into_iter().flatten();
        let tracks = match &self.init {
            Some(init) => init.tracks.clone(),
            None => lanes.map(|lane| lane.track().clone()).collect(),
        };
        Rendition { id: self.id, tracks, frame_rate: self.frame_rate }
    }

    /// Whether the tracks of the rendition changed since the last call.
    pub(super) fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Queues a frame for its part, within the bounds.
    pub(super) fn take(&mut self, id: TrackId, frame: Pending, stats: &mut Stats) -> Taken {
        let held: u64 =
            [self.video.as_ref(), self.audio.as_ref()].into_iter().flatten().map(Lane::bytes).sum();
        let bytes = self.segment_bytes + held + frame.payload.len() as u64;
        let late = self.joined && frame.end < self.part_start - ticks(LATE_MS_MAX);
        let Some(lane) = self.lane_mut(id) else {
            return Taken::Yes;
        };
        if late {
            stats.frames_late += 1;
            return Taken::Dropped;
        }
        if lane.is_full() || bytes > SEGMENT_BYTES_MAX {
            stats.frames_refused += 1;
            return Taken::Dropped;
        }
        lane.push(frame);
        Taken::Yes
    }

    /// Begins, once the segment to begin with is known; says whether it did now.
    pub(super) fn join(&mut self, cutter: &Cutter) -> bool {
        let start = if self.joined { None } else { cutter.start(self.msn) };
        let Some(start) = start else {
            return false;
        };
        self.joined = true;
        self.segment_start = start.at;
        self.part_start = start.at;
        for lane in [self.video.as_mut(), self.audio.as_mut()].into_iter().flatten() {
            lane.begin_at(start.at);
        }
        if let (None, Some(video)) = (self.frame_rate, &self.video) {
            let (frames, span) = video.cadence().seen();
            self.frame_rate = super::cadence::frame_rate(frames, span);
        }
        true
    }

    /// Puts out every part and segment that is known to be complete.
    pub(super) fn advance(
        &mut self,
        context: Context<'_>,
        outputs: &mut VecDeque<Output>,
        stats: &mut Stats,
    ) {
        while self.joined
            && let Some(at) = self.next_boundary(context, stats)
        {
            let rest_max = if at == self.part_start { REST_OF_SOUND_MAX } else { REST_MAX };
            let next = context.cutter.start(self.msn + 1).filter(|next| at + rest_max >= next.at);
            let is_cut = next.is_some_and(|next| at == next.at || at == self.part_start);
            if at > self.part_start {
                self.put_part(at, is_cut, context, outputs, stats);
            }
            if is_cut {
                self.put_segment(outputs);
            }
        }
    }

    fn lead(&self) -> Option<&Lane> {
        self.video.as_ref().or(self.audio.as_ref())
    }

    /// Where the open part ends, if that is known; its own start when only the segment is to end.
    fn next_boundary(&mut self, context: Context<'_>, stats: &mut Stats) -> Option<i64> {
        let start = self.part_start;
        let next = context.cutter.start(self.msn + 1).map(|next| next.at);
        let lead = self.lead()?;
        if let Some(cut) = next
            && !self.parts.is_empty()
        {
            let is_last = context.forced_until >= cut;
            let has_sound = self.audio.as_ref().is_some_and(|audio| audio.has_before(cut));
            let has_frames = lead.has_before(cut) || is_last && has_sound;
            let is_sound_only = self.video.is_some() && has_sound && !is_last;
            let rest_max = if is_sound_only { REST_OF_SOUND_MAX } else { REST_MAX };
            if cut <= start || cut <= start + rest_max && !has_frames {
                return Some(start);
            }
        }
        // Counted from where the leading rendition cut: this one may have begun a rest before.
        let begun = context.cutter.start(self.msn).map_or(self.segment_start, |begun| begun.at);
        let segment_end = next.unwrap_or(begun + context.cutter.length_max());
        let limit = segment_end.min(start + context.target);
        if limit <= start {
            return None;
        }
        // Others never pass a place where the leading rendition may still begin a segment.
        let is_open = |at| next.is_none() && !context.is_lead && at > context.cutter.clear();
        if context.forced_until >= limit && !is_open(limit) {
            return Some(limit);
        }
        let at = lead.boundary(start, limit, context.target).filter(|&at| !is_open(at))?;
        self.is_audio_there(at, context.position, stats).then_some(at)
    }

    /// Whether the audio up to `at` has come, or is not waited for.
    fn is_audio_there(&mut self, at: i64, position: Option<i64>, stats: &mut Stats) -> bool {
        let (Some(video), Some(audio)) = (&self.video, &self.audio) else {
            return true;
        };
        let is_expected = audio.is_adopted() || self.init.is_none();
        let Some(frontier) = audio.frontier().filter(|_| is_expected) else {
            return true;
        };
        if frontier >= at - SLACK {
            self.audio_wait = AudioWait::default();
            return true;
        }
        if self.audio_wait.is_over {
            return true;
        }
        let patience = ticks(AUDIO_WAIT_MS);
        let since = self.audio_wait.since.or(position);
        self.audio_wait.since = since;
        let waited = position.zip(since).map_or(0, |(now, since)| now - since);
        let video_ahead = video.frontier().map_or(0, |frontier| frontier - at);
        if waited.max(video_ahead) < patience {
            return false;
        }
        stats.audio_waits_expired += 1;
        self.audio_wait = AudioWait { is_over: true, since: None };
        true
    }

    fn put_part(
        &mut self,
        at: i64,
        is_cut: bool,
        context: Context<'_>,
        outputs: &mut VecDeque<Output>,
        stats: &mut Stats,
    ) {
        let segment = self.open_segment(context.cutter, outputs);
        let video_runs = self.video.as_mut().and_then(|lane| lane.take(at, is_cut, 1, stats));
        let audio_id = if self.video.as_ref().is_some_and(Lane::is_adopted) { 2 } else { 1 };
        let mut audio_runs =
            self.audio.as_mut().and_then(|lane| lane.take(at, is_cut, audio_id, stats));
        if self.video.is_some() && video_runs.is_none() && self.begins_with_keyframe.is_none() {
            // Sound before a segment's first picture: a player that buffers both together cannot
            // play it, and not being told that it is a gap, waits for ever.
            let silenced = audio_runs.take().map_or(0, |run| run.samples.len());
            stats.frames_before_keyframe += silenced as u64;
        }
        let independent = match (&self.video, &video_runs) {
            (Some(_), Some(run)) => {
                self.begins_with_keyframe.get_or_insert(run.samples[0].sync);
                run.samples.iter().any(|sample| sample.sync)
            }
            (Some(_), None) => false,
            (None, _) => true,
        };
        let runs: Vec<_> = video_runs.into_iter().chain(audio_runs).collect();
        let gap = runs.is_empty();
        if gap {
            // What comes after a gap begins at its own time, however short the gap was.
            let lanes = [self.video.as_mut(), self.audio.as_mut()].into_iter().flatten();
            lanes.for_each(Lane::forget_end);
        }
        let body = if gap { Body::default() } else { fragment(self.fragments, runs) };
        self.fragments = self.fragments.wrapping_add(1);
        let part = Arc::new(Part {
            msn: self.msn,
            index: u32::try_from(self.parts.len()).unwrap_or(u32::MAX),
            start: Timestamp::new(self.part_start, TIMESCALE),
            duration: Timestamp::new(at - self.part_start, TIMESCALE),
            independent: independent && !gap,
            gap,
            discontinuity: segment.discontinuity,
            discontinuity_sequence: segment.discontinuity_sequence,
            init: self.init.as_ref().map_or(0, |init| init.id),
            body,
        });
        let is_short = part.duration.ticks * 100 < context.target * PART_PERCENT_MIN;
        stats.short_parts += u64::from(is_short);
        stats.gap_parts += u64::from(gap);
        self.segment_bytes += part.body.len_bytes();
        self.part_start = at;
        self.parts.push(part.clone());
        outputs.push_back(Output::Part { rendition: self.id, part });
    }

    /// The open segment. Before its first part, parameters that wait for a discontinuity take
    /// effect.
    fn open_segment(&mut self, cutter: &Cutter, outputs: &mut VecDeque<Output>) -> Start {
        if let (Some(segment), false) = (self.segment, self.parts.is_empty()) {
            return segment;
        }
        let segment = cutter.start(self.msn).unwrap_or_else(|| cutter.newest());
        self.segment = Some(segment);
        if self.init.is_none() || segment.discontinuity {
            let lanes = [self.video.as_mut(), self.audio.as_mut()].into_iter().flatten();
            let tracks: Vec<_> = lanes.map(|lane| lane.adopt().clone()).collect();
            if self.init.as_ref().is_none_or(|init| init.tracks != tracks) {
                let id = self.next_init;
                self.next_init += 1;
                let init = Arc::new(Init { id, body: init_segment(&tracks), tracks });
                self.changed |= self.init.is_some();
                self.init = Some(init.clone());
                outputs.push_back(Output::Init { rendition: self.id, init });
            }
        }
        segment
    }

    fn put_segment(&mut self, outputs: &mut VecDeque<Output>) {
        let parts = std::mem::take(&mut self.parts);
        let start = self.segment.take().filter(|_| !parts.is_empty());
        if let Some(start) = start {
            let gap = parts.iter().all(|part| part.gap);
            let has_video = self.video.is_some();
            let segment = Segment {
                msn: self.msn,
                start: Timestamp::new(self.segment_start, TIMESCALE),
                duration: Timestamp::new(self.part_start - self.segment_start, TIMESCALE),
                gap,
                independent: !gap && self.begins_with_keyframe.unwrap_or(!has_video),
                discontinuity: start.discontinuity,
                discontinuity_sequence: start.discontinuity_sequence,
                init: self.init.as_ref().map_or(0, |init| init.id),
                len_bytes: self.segment_bytes,
                parts,
            };
            self.meter.see(&segment);
            let segment = Arc::new(segment);
            outputs.push_back(Output::Segment { rendition: self.id, segment });
        }
        self.msn += 1;
        self.segment_start = self.part_start;
        self.segment_bytes = 0;
        self.begins_with_keyframe = None;
    }
}
