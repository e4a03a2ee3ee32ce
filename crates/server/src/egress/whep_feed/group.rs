//! The newest group of each video track and the sound since then: what a viewer that joins can show at
//! once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tally_media::{Medium, TrackId};
use tally_rtc::egress::backlog::{BACKLOG_BYTES_MAX, BACKLOG_FRAMES_MAX};
use tally_rtc::packetize::PacketizedFrame;

use super::pictures::SILENT_MS_MAX;

/// Sound kept with the pictures, in frames: twelve seconds of 20 ms each, as much as the hub keeps.
/// Older sound leaves first.
const AUDIO_FRAMES_MAX: usize = 600;

/// Sound that a joining viewer is sent at once, in milliseconds: what a player buffers in any case.
const JOINING_SOUND_MS: i64 = 40;

/// Frames in the order they were made. They are slices of what the hub keeps too, so a long group
/// costs little more than the references; one longer than a viewer's backlog takes is of no use to any
/// and not kept.
#[derive(Debug, Default)]
pub(crate) struct Group {
    frames: VecDeque<Arc<PacketizedFrame>>,
    tracks: BTreeMap<TrackId, Kept>,
    audio_frames: usize,
}

/// What is kept of a video track.
#[derive(Debug)]
struct Kept {
    start_ms: i64,
    end_ms: i64,
    frames: usize,
    bytes: usize,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is kept, or there is nothing it could be kept for.
    Done,
    /// Its group has become too long: this many frames were let go, and nobody can join before the
    /// track's next keyframe.
    TooLong(usize),
}

impl Group {
    /// Keeps `frame`; a keyframe takes the place of its track's last group.
    pub(crate) fn put(&mut self, frame: &Arc<PacketizedFrame>) -> Put {
        match frame.track.medium() {
            Medium::Audio => {
                self.put_audio(frame);
                Put::Done
            }
            Medium::Video => self.put_video(frame),
        }
    }

    /// Forgets a track.
    pub(crate) fn remove(&mut self, track: TrackId) {
        self.tracks.remove(&track);
        self.frames.retain(|frame| frame.track != track);
        self.trim_audio();
    }

    /// Whether viewers can join at a group of `track`.
    pub(super) fn has(&self, track: TrackId) -> bool {
        self.tracks.contains_key(&track)
    }

    /// All of it, in the order it was made.
    pub(crate) fn snapshot(&self) -> Arc<[Arc<PacketizedFrame>]> {
        self.frames.iter().cloned().collect()
    }

    /// What a viewer that joins is sent: the pictures of the group, which its decoder runs through,
    /// and sound from now on. Players do not run through sound: Chromium plays a second that comes at
    /// once some 6 % faster until it has caught up, and holds the picture back to it meanwhile.
    pub(crate) fn for_joining(&self) -> Arc<[Arc<PacketizedFrame>]> {
        let now_ms = self.frames.iter().map(|frame| frame.end_ms).max().unwrap_or_default();
        let is_wanted = |frame: &&Arc<PacketizedFrame>| {
            frame.track.medium() == Medium::Video || frame.end_ms > now_ms - JOINING_SOUND_MS
        };
        self.frames.iter().filter(is_wanted).cloned().collect()
    }

    fn put_audio(&mut self, frame: &Arc<PacketizedFrame>) {
        if self.start_ms().is_none_or(|start_ms| frame.end_ms <= start_ms) {
            return;
        }
        if self.audio_frames == AUDIO_FRAMES_MAX {
            let oldest = self.frames.iter().position(|it| it.track.medium() == Medium::Audio);
            oldest.and_then(|at| self.frames.remove(at));
            self.audio_frames -= 1;
        }
        self.frames.push_back(Arc::clone(frame));
        self.audio_frames += 1;
    }

    fn put_video(&mut self, frame: &Arc<PacketizedFrame>) -> Put {
        if frame.keyframe {
            self.frames.retain(|it| it.track != frame.track);
            let &PacketizedFrame { start_ms, end_ms, .. } = &**frame;
            self.tracks.insert(frame.track, Kept { start_ms, end_ms, frames: 0, bytes: 0 });
            self.remove_silent(start_ms);
            self.trim_audio();
        }
        let Some(kept) = self.tracks.get_mut(&frame.track) else { return Put::Done };
        kept.frames += 1;
        kept.bytes += frame.media_bytes as usize;
        kept.end_ms = kept.end_ms.max(frame.end_ms);
        // A keyframe alone is what a viewer's backlog takes whatever its size.
        let is_too_long = kept.frames > BACKLOG_FRAMES_MAX || kept.bytes > BACKLOG_BYTES_MAX;
        if is_too_long && !frame.keyframe {
            let frames = kept.frames;
            self.remove(frame.track);
            return Put::TooLong(frames);
        }
        self.frames.push_back(Arc::clone(frame));
        Put::Done
    }

    /// Lets go of tracks that have ended or fallen silent long before `now_ms`.
    fn remove_silent(&mut self, now_ms: i64) {
        let is_live = |kept: &Kept| kept.end_ms.saturating_add(SILENT_MS_MAX) >= now_ms;
        self.tracks.retain(|_, kept| is_live(kept));
        let Self { frames, tracks, .. } = self;
        frames.retain(|frame| {
            frame.track.medium() == Medium::Audio || tracks.contains_key(&frame.track)
        });
    }

    /// Start of the earliest picture that is kept.
    fn start_ms(&self) -> Option<i64> {
        self.tracks.values().map(|kept| kept.start_ms).min()
    }

    fn trim_audio(&mut self) {
        let start_ms = self.start_ms();
        self.frames.retain(|frame| {
            frame.track.medium() == Medium::Video
                || start_ms.is_some_and(|start_ms| frame.end_ms > start_ms)
        });
        self.audio_frames =
            self.frames.iter().filter(|it| it.track.medium() == Medium::Audio).count();
    }
}

#[cfg(test)]
pub(super) mod testing {
    use tally_rtc::packetize::{Payload, Prefix};

    use super::*;

    /// A picture of 40 ms and 100 bytes in one payload.
    pub(in crate::egress::whep_feed) fn picture(
        track: u8,
        number: u64,
        keyframe: bool,
    ) -> PacketizedFrame {
        let start_ms = number as i64 * 40;
        let prefix = Prefix::new(&[]);
        let body = vec![0; 100].into();
        PacketizedFrame {
            track: TrackId::Video(track),
            number,
            rtp_ticks: start_ms * 90,
            start_ms,
            end_ms: start_ms + 40,
            keyframe,
            disposable: false,
            payloads: vec![Payload { prefix, body, marker: true, picture_id: None }],
            media_bytes: 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::picture;
    use super::*;

    fn sound(number: u64) -> PacketizedFrame {
        let start_ms = number as i64 * 20;
        let times = PacketizedFrame { start_ms, end_ms: start_ms + 20, ..picture(0, number, true) };
        PacketizedFrame { track: TrackId::Audio(0), ..times }
    }

    fn put(group: &mut Group, frames: impl IntoIterator<Item = PacketizedFrame>) -> Vec<Put> {
        frames.into_iter().map(|frame| group.put(&Arc::new(frame))).collect()
    }

    /// Track and number of what is kept.
    fn kept(group: &Group) -> Vec<(TrackId, u64)> {
        group.snapshot().iter().map(|frame| (frame.track, frame.number)).collect()
    }

    #[test]
    fn a_keyframe_takes_the_place_of_its_tracks_group_and_of_the_sound_before_all_pictures() {
        use TrackId::{Audio, Video};
        let mut group = Group::default();
        put(&mut group, [sound(0), picture(0, 0, true), picture(1, 0, true), sound(1), sound(2)]);
        put(&mut group, [picture(0, 1, false), picture(1, 1, true), sound(3)]);
        let all = [(Video(0), 0), (Audio(0), 1), (Audio(0), 2), (Video(0), 1), (Video(1), 1)];
        assert_eq!(kept(&group)[..5], all);
        put(&mut group, [picture(0, 2, true), picture(1, 2, false)]);
        // The other track's picture began at 40 ms, and sound 2 then.
        let later = [(Audio(0), 2), (Video(1), 1), (Audio(0), 3), (Video(0), 2), (Video(1), 2)];
        assert_eq!(kept(&group), later);
        group.remove(Video(1));
        assert_eq!(kept(&group), [(Video(0), 2)]);
    }

    #[test]
    fn a_viewer_joins_at_the_sound_of_now() {
        let mut group = Group::default();
        put(&mut group, [picture(0, 0, true)]);
        put(&mut group, (1..10).map(sound));
        let sent: Vec<_> = group.for_joining().iter().map(|it| (it.track, it.number)).collect();
        let expected = [(TrackId::Video(0), 0), (TrackId::Audio(0), 8), (TrackId::Audio(0), 9)];
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_group_longer_than_a_viewer_takes_is_let_go_until_its_next_keyframe() {
        let mut group = Group::default();
        let frames = |from, to| (from..to).map(move |number| picture(0, number, number == from));
        let longest = BACKLOG_FRAMES_MAX as u64;
        assert!(put(&mut group, frames(0, longest)).iter().all(|it| *it == Put::Done));
        assert_eq!(group.snapshot().len(), BACKLOG_FRAMES_MAX);
        let over = put(&mut group, [picture(0, longest, false), picture(0, longest + 1, false)]);
        assert_eq!(over, [Put::TooLong(BACKLOG_FRAMES_MAX + 1), Put::Done]);
        assert_eq!(kept(&group), []);
        put(&mut group, frames(1_000, 1_002));
        assert_eq!(group.snapshot().len(), 2);
    }

    #[test]
    fn a_track_that_fell_silent_is_let_go() {
        let mut group = Group::default();
        put(&mut group, [picture(0, 0, true), picture(1, 0, true), picture(1, 1, false)]);
        put(&mut group, (2..130).map(sound));
        // The last picture of the other track ended at 80 ms.
        put(&mut group, [picture(0, 77, true)]);
        assert_eq!(kept(&group)[..2], [(TrackId::Video(1), 0), (TrackId::Video(1), 1)]);
        put(&mut group, [picture(0, 78, true)]);
        assert_eq!(kept(&group), [(TrackId::Video(0), 78)]);
    }

    #[test]
    fn a_keyframe_of_any_size_is_kept() {
        let mut group = Group::default();
        let large = PacketizedFrame { media_bytes: u32::MAX, ..picture(0, 0, true) };
        assert_eq!(put(&mut group, [large]), [Put::Done]);
        assert_eq!(group.snapshot().len(), 1);
        assert_eq!(put(&mut group, [picture(0, 1, false)]), [Put::TooLong(2)]);
    }

    #[test]
    fn sound_is_bounded_and_kept_for_pictures_only() {
        let mut group = Group::default();
        put(&mut group, (0..5).map(sound));
        assert_eq!(kept(&group), []);
        put(&mut group, [picture(0, 0, true)]);
        put(&mut group, (0..700).map(sound));
        let numbers: Vec<u64> = kept(&group).into_iter().map(|(_, number)| number).collect();
        assert_eq!((numbers.len(), numbers[0], numbers[1]), (AUDIO_FRAMES_MAX + 1, 0, 100));
    }
}
