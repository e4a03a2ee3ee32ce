//! A track's entrance: what no decoder could use is dropped here, and each frame gets its place on
//! the timeline that parts are cut on.
//!
//! # Why places are not decode times
//! With B-frames the first picture is shown some frames after it is decoded. That delay is added to
//! the decode times of the track to get its frames' places. A segment then starts where its first
//! picture is shown: cut times mean the same in renditions with different B-frame settings, in
//! their audio, and in PDT, and no edit list has to undo a delay.
//!
//! The decode times written to fragments stay the encoder's. Moving them too, with negative
//! composition offsets, would be as correct, but ffmpeg 5.1 then shows the whole track late by the
//! largest negative offset (measured: 34 ms with two B-frames), and players built on it do as well.

use std::sync::Arc;

use bytes::Bytes;
use tally_media::{Frame, Medium, Timestamp, Track};

use crate::Stats;
use crate::limits::{REORDER_MS_MAX, SLACK, TIMESCALE};

/// A frame on its way into a part.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// Which of the track's parameters it needs.
    pub(super) generation: u32,
    /// Decode time in the track's timescale.
    pub(super) decode: i64,
    /// Presentation time in the track's timescale.
    pub(super) present: i64,
    /// Length in the track's timescale, where known.
    pub(super) duration: Option<u32>,
    pub(super) keyframe: bool,
    pub(super) payload: Bytes,
    /// What its place lies after its decode time, in the track's timescale.
    pub(super) delay: i64,
    /// Its place: decode time and delay, in 90 kHz.
    pub(super) at: i64,
    /// Its end in 90 kHz, where its length is known; else `at`.
    pub(super) end: i64,
}

/// One track as the segmenter sees it come in.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) track: Arc<Track>,
    pub(super) generation: u32,
    /// Taken away, and not set again yet.
    pub(super) removed: bool,
    /// From decode time to place, in the track's timescale. Never shrinks: places must rise.
    delay: i64,
    last_decode: Option<i64>,
    needs_keyframe: bool,
    /// After a hole: frames shown before this refer to frames that are not there (open groups).
    shown_from: Option<i64>,
}

impl Intake {
    pub(super) fn new(track: Arc<Track>) -> Self {
        let needs_keyframe = track.id.medium() == Medium::Video;
        Self {
            track,
            generation: 0,
            removed: false,
            delay: 0,
            last_decode: None,
            needs_keyframe,
            shown_from: None,
        }
    }

    /// Takes new parameters; says whether they differ.
    pub(super) fn renew(&mut self, track: Arc<Track>) -> bool {
        self.removed = false;
        if *self.track == *track {
            return false;
        }
        if self.track.timescale != track.timescale {
            let old = self.track.timescale;
            let move_over = |ticks| Timestamp::new(ticks, old).ticks_in(track.timescale);
            self.last_decode = self.last_decode.map(move_over);
            self.delay = move_over(self.delay);
        }
        self.generation = self.generation.wrapping_add(1);
        self.track = track;
        self.await_keyframe();
        true
    }

    /// There is a hole: only a keyframe can follow it.
    pub(super) fn await_keyframe(&mut self) {
        self.needs_keyframe = self.track.id.medium() == Medium::Video;
    }

    /// Lets a frame in, or drops and counts it. After a hole, keyframes before `floor` (90 kHz) are
    /// too late: their place is out.
    pub(super) fn admit(&mut self, frame: Frame, floor: i64, stats: &mut Stats) -> Option<Pending> {
        let timescale = self.track.timescale;
        let (dts, pts) = (frame.dts.ticks_in(timescale), frame.pts.ticks_in(timescale));
        let in_90k = |ticks| Timestamp::new(ticks, timescale).ticks_in(TIMESCALE);
        if self.track.id.medium() == Medium::Audio {
            return self.admit_audio(frame, dts, stats);
        }
        if self.needs_keyframe {
            if !frame.keyframe {
                stats.frames_before_keyframe += 1;
                return None;
            }
            let delay_max = i64::from(REORDER_MS_MAX) * i64::from(timescale.per_second()) / 1_000;
            let delay = self.delay.max(pts.saturating_sub(dts).clamp(0, delay_max));
            if in_90k(dts.saturating_add(delay)) < floor - SLACK {
                stats.frames_late += 1;
                return None;
            }
            self.delay = delay;
            self.needs_keyframe = false;
            self.shown_from = Some(pts);
        } else if self.shown_from.is_some_and(|from| pts < from) {
            stats.frames_before_keyframe += 1;
            return None;
        } else {
            self.shown_from = None;
        }
        let decode = self.rising(dts, stats)?;
        let at = in_90k(decode.saturating_add(self.delay));
        Some(Pending {
            generation: self.generation,
            decode,
            present: pts,
            duration: frame.duration_ticks,
            keyframe: frame.keyframe,
            payload: frame.payload,
            delay: self.delay,
            at,
            end: at,
        })
    }

    fn admit_audio(&mut self, frame: Frame, dts: i64, stats: &mut Stats) -> Option<Pending> {
        let timescale = self.track.timescale;
        let known = self.track.codec.audio().and_then(|audio| audio.frame_samples);
        let second = timescale.per_second();
        // An Opus packet holds at most 120 ms, a FLAC frame 1.5 s at 44.1 kHz.
        let duration = frame.duration_ticks.or(known).unwrap_or(second / 50).clamp(1, 2 * second);
        let decode = self.rising(dts, stats)?;
        let in_90k = |ticks| Timestamp::new(ticks, timescale).ticks_in(TIMESCALE);
        Some(Pending {
            generation: self.generation,
            decode,
            present: decode,
            duration: Some(duration),
            keyframe: true,
            payload: frame.payload,
            delay: 0,
            at: in_90k(decode),
            end: in_90k(decode.saturating_add(i64::from(duration))),
        })
    }

    /// Decode times rise and are not negative; a frame that breaks this has no place.
    fn rising(&mut self, decode: i64, stats: &mut Stats) -> Option<i64> {
        if decode < 0 || self.last_decode.is_some_and(|last| decode <= last) {
            stats.frames_late += 1;
            return None;
        }
        self.last_decode = Some(decode);
        Some(decode)
    }
}
