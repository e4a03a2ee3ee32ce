//! When to ask a WebRTC publisher for keyframes, so that segments have something to begin with.
//!
//! WebRTC encoders make a keyframe when they are asked for one, and otherwise next to never; a show
//! without them cannot be cut, and nobody who comes later sees anything. So they are asked in time with
//! the packaging: once the picture is as old as a segment that began with the last keyframe that could
//! begin one, all of the publisher's pictures are asked for, so that every layer of a simulcast can be
//! cut at the same place. Keyframes that come for another reason (a viewer joined, the encoder changed
//! its resolution) count as well, if a segment can begin with them.
//!
//! Two clocks tell: the publisher's, which segments are counted in, with each frame; and the server's,
//! where frames do not come. A screen that does not change sends none until it is asked for a keyframe.

use std::time::Duration;

use tally_media::{Frame, Medium, Timescale, Timestamp, TrackId};
use tokio::time::Instant;

/// A keyframe ends a segment from this long before its wished length on: the segmenter's rule.
const EARLY_MS: u32 = 100;

/// An ask that led to nothing a segment can begin with is repeated after this. What is lost on the
/// way to the publisher is asked for again by its session.
const REPEAT: Duration = Duration::from_millis(500);

/// The asks of one publisher.
#[derive(Debug)]
pub(super) struct KeyframeAsks {
    every_ms: i64,
    /// The publisher's video tracks in order: segments begin with the keyframes of the first.
    tracks: Vec<TrackId>,
    /// The last keyframe a segment could begin with, in the publisher's time.
    began: Option<Timestamp>,
    due: Option<Instant>,
    /// It was asked since.
    is_asked: bool,
}

impl KeyframeAsks {
    /// For segments of `segment_ms`.
    pub(super) fn new(segment_ms: u32) -> Self {
        let every_ms = i64::from(segment_ms.saturating_sub(EARLY_MS));
        Self { every_ms, tracks: Vec::new(), began: None, due: None, is_asked: false }
    }

    /// A track was declared. Whether its pictures are new.
    pub(super) fn track(&mut self, id: TrackId) -> bool {
        let place = self.tracks.binary_search(&id);
        if let Some(place) = place.err().filter(|_| id.medium() == Medium::Video) {
            self.tracks.insert(place, id);
            self.forget_if_first(place);
            return true;
        }
        false
    }

    /// A track has ended.
    pub(super) fn track_ended(&mut self, id: TrackId) {
        if let Ok(place) = self.tracks.binary_search(&id) {
            self.tracks.remove(place);
            self.forget_if_first(place);
        }
    }

    /// A frame came at `now`.
    pub(super) fn frame(&mut self, id: TrackId, frame: &Frame, now: Instant) {
        if self.tracks.first() != Some(&id) {
            return;
        }
        let age_ms = self.began.map(|began| {
            let age = frame
                .pts
                .ticks_in(Timescale::NANOS)
                .saturating_sub(began.ticks_in(Timescale::NANOS));
            age / 1_000_000
        });
        // A clock that was set back would make the segment endless.
        let is_old = age_ms.is_none_or(|age_ms| age_ms < 0 || age_ms >= self.every_ms);
        if is_old && frame.keyframe {
            self.began = Some(frame.pts);
            self.due = Some(now + Duration::from_millis(self.every_ms.unsigned_abs()));
            self.is_asked = false;
        } else if is_old && !self.is_asked {
            self.due = Some(now);
        }
    }

    /// Resolves when keyframes are to be asked for. Cancel safe.
    pub(super) async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// The tracks to ask for keyframes of, at `now`.
    pub(super) fn ask(&mut self, now: Instant) -> &[TrackId] {
        self.due = Some(now + REPEAT);
        self.is_asked = true;
        &self.tracks
    }

    /// Other pictures decide now where segments begin.
    fn forget_if_first(&mut self, place: usize) {
        if place == 0 {
            (self.began, self.due, self.is_asked) = (None, None, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const LARGE: TrackId = TrackId::Video(0);
    const SMALL: TrackId = TrackId::Video(1);

    fn frame(ms: i64, keyframe: bool) -> Frame {
        let at = Timestamp::from_ms(ms);
        Frame { dts: at, pts: at, duration_ticks: None, keyframe, payload: Bytes::new() }
    }

    /// Publishes since `start`; times are milliseconds from there, of both clocks.
    struct Clocks {
        asks: KeyframeAsks,
        start: Instant,
    }

    impl Clocks {
        fn new(tracks: &[TrackId]) -> Self {
            let mut asks = KeyframeAsks::new(2_000);
            for track in tracks {
                assert_eq!(asks.track(*track), track.medium() == Medium::Video);
            }
            Self { asks, start: Instant::now() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn frame(&mut self, id: TrackId, wire_ms: i64, keyframe: bool, now_ms: u64) {
            let now = self.at(now_ms);
            self.asks.frame(id, &frame(wire_ms, keyframe), now);
        }

        fn due_ms(&self) -> Option<u128> {
            self.asks.due.map(|due| due.duration_since(self.start).as_millis())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_publishers_clock_tells_when_a_segment_is_old_enough() {
        let mut clocks = Clocks::new(&[LARGE]);
        clocks.frame(LARGE, 0, true, 300);
        assert_eq!(clocks.due_ms(), Some(2_200));
        clocks.frame(LARGE, 1_899, false, 1_950);
        assert_eq!(clocks.due_ms(), Some(2_200));
        clocks.frame(LARGE, 1_901, false, 1_951);
        assert_eq!(clocks.due_ms(), Some(1_951), "frames came faster than the first");
        let now = clocks.at(1_951);
        assert_eq!(clocks.asks.ask(now), [LARGE]);
        clocks.frame(LARGE, 1_934, false, 1_984);
        assert_eq!(
            clocks.due_ms(),
            Some(2_451),
            "asked once, and again only if nothing comes of it"
        );
        clocks.frame(LARGE, 2_000, true, 2_050);
        assert_eq!(clocks.due_ms(), Some(3_950));
    }

    #[tokio::test(start_paused = true)]
    async fn a_keyframe_that_comes_too_early_for_a_segment_postpones_nothing() {
        let mut clocks = Clocks::new(&[LARGE]);
        clocks.frame(LARGE, 0, true, 0);
        clocks.frame(LARGE, 1_000, true, 1_000);
        assert_eq!(clocks.due_ms(), Some(1_900));
        clocks.frame(LARGE, 1_900, true, 1_900);
        assert_eq!(clocks.due_ms(), Some(3_800));
    }

    #[tokio::test(start_paused = true)]
    async fn pictures_that_stop_are_asked_for_by_the_servers_clock() {
        let mut clocks = Clocks::new(&[LARGE]);
        clocks.frame(LARGE, 0, true, 0);
        clocks.asks.due().await;
        assert_eq!(clocks.start.elapsed(), Duration::from_millis(1_900));
        clocks.asks.ask(Instant::now());
        clocks.asks.due().await;
        assert_eq!(clocks.start.elapsed(), Duration::from_millis(1_900) + REPEAT);
    }

    #[tokio::test(start_paused = true)]
    async fn all_layers_are_asked_for_when_the_first_is_due() {
        let mut clocks = Clocks::new(&[SMALL, TrackId::Audio(0), LARGE]);
        clocks.frame(SMALL, 0, true, 0);
        assert_eq!(clocks.due_ms(), None, "segments begin with the other's keyframes");
        clocks.frame(LARGE, 0, true, 5);
        assert_eq!(clocks.due_ms(), Some(1_905));
        let now = clocks.at(1_905);
        assert_eq!(clocks.asks.ask(now), [LARGE, SMALL]);
        clocks.asks.track_ended(LARGE);
        assert_eq!(clocks.due_ms(), None);
        clocks.frame(SMALL, 2_000, false, 2_000);
        assert_eq!(clocks.due_ms(), Some(2_000), "it has to begin one now");
    }
}
