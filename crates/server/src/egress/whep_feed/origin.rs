//! What a show has for WebRTC viewers, and the door to its feed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tally_hub::{Start, Stream};
use tally_media::{Medium, TrackId};
use tally_rtc::egress::packet::TRANSPORT_BYTES;
use tally_rtc::sdp::Playable;
use tokio::sync::{Notify, watch};

use super::pump::Pump;
use super::sinks::{Sink, Subscriber, Subscription};
use super::{formats, sound};
use crate::metrics::WhepFeedMetrics;
use crate::shows::{Expected, KeyframeWishes, Show, ShowState};

/// Longest packet on the path, in bytes, IPv4 and UDP included: passes IPv6's least MTU (1,280) with
/// its longer header, and tunnels.
const WIRE_BYTES_MAX: usize = 1_232;

/// RTP header with extensions as long as they get: a transport sequence number (3), a send time (4), a
/// MID of 16 (17) behind 12 + 4 bytes, padded; and the two bytes a retransmission has more.
const HEADER_BYTES_MAX: usize = 40 + 2;

/// Longest RTP payload, in bytes.
pub(super) const PAYLOAD_BYTES_MAX: usize = WIRE_BYTES_MAX - TRANSPORT_BYTES - HEADER_BYTES_MAX;

/// What a show has for WebRTC viewers. Its feed runs while there are any.
#[derive(Debug)]
pub struct WhepOrigin {
    stream: Stream,
    state: watch::Receiver<ShowState>,
    /// Once the first track was declared.
    expected: OnceLock<Expected>,
    keyframe_wishes: Arc<KeyframeWishes>,
    has_b_frames: Arc<AtomicBool>,
    metrics: WhepFeedMetrics,
    door: Mutex<Door>,
    joined: Notify,
}

/// Where subscribers wait for the feed. One for each worker and show.
#[derive(Debug, Default)]
struct Door {
    joining: Vec<Subscriber>,
    /// A feed is running and will look here.
    is_open: bool,
}

impl WhepOrigin {
    pub(crate) fn new(
        stream: Stream,
        state: watch::Receiver<ShowState>,
        keyframe_wishes: Arc<KeyframeWishes>,
        has_b_frames: Arc<AtomicBool>,
        metrics: WhepFeedMetrics,
    ) -> Self {
        Self {
            stream,
            state,
            expected: OnceLock::new(),
            keyframe_wishes,
            has_b_frames,
            metrics,
            door: Mutex::default(),
            joined: Notify::new(),
        }
    }

    /// What the first publisher announced. Only its first word counts.
    pub(crate) fn expect(&self, expected: Expected) {
        // An error means that it was said before.
        let _ = self.expected.set(expected);
    }

    /// What there is to play, one for each distinct video format, the main track's first. Empty when
    /// the show cannot be played: not yet, or not any more.
    ///
    /// It can as soon as the media its publisher announced are there and of the video a keyframe,
    /// which is long before LL-HLS has its first playlist; when that is out, with what there is.
    #[must_use]
    pub fn playables(&self) -> Vec<Playable> {
        let state = *self.state.borrow();
        if state == ShowState::Ended {
            return Vec::new();
        }
        let tracks = self.stream.tracks();
        let stats = self.stream.stats();
        let has_keyframe =
            |id: TrackId| stats.tracks.iter().any(|(of, it)| *of == id && it.keyframes > 0);
        let mut videos: Vec<_> = tracks.iter().filter(|it| has_keyframe(it.id)).collect();
        videos.sort_by_key(|track| track.id);
        let formats = formats::distinct(videos.into_iter().map(AsRef::as_ref));
        let is_there = |medium| tracks.iter().any(|track| track.id.medium() == medium);
        let expected = self.expected.get().copied().unwrap_or_default();
        let misses_video = (expected.video || is_there(Medium::Video)) && formats.is_empty();
        let misses_audio = expected.audio && !is_there(Medium::Audio);
        if state == ShowState::Starting && (misses_video || misses_audio) {
            return Vec::new();
        }
        let opus = sound::main_track(&tracks).is_some();
        if formats.is_empty() && opus {
            return vec![Playable { video: None, opus }];
        }
        formats.into_iter().map(|format| Playable { video: Some(format), opus }).collect()
    }

    /// Whether pictures of the show's newest publisher are shown in another order than they are sent,
    /// as far as seen.
    #[must_use]
    pub fn has_b_frames(&self) -> bool {
        self.has_b_frames.load(Ordering::Relaxed)
    }

    /// A viewer's decoder waits for a keyframe of `track`. Reaches the publisher, at most one wish in
    /// [`crate::shows::KEYFRAME_WISH_INTERVAL`], where its protocol can ask the encoder.
    pub fn keyframe_wanted(&self, track: TrackId) {
        if self.keyframe_wishes.want(track) {
            self.metrics.keyframes_wished.inc();
        }
    }

    /// Subscribes `sink` to the feed of `show`, whose origin this is; once for each worker. Starts the
    /// feed if it is not running, so it is called within the runtime.
    pub fn subscribe(&self, show: &Arc<Show>, sink: Sink) -> Subscription {
        let (subscriber, subscription) = Subscriber::new(sink);
        let mut door = self.door();
        door.joining.push(subscriber);
        let starts = !std::mem::replace(&mut door.is_open, true);
        drop(door);
        if starts {
            let consumer = self.stream.consume(Start::NewestGroup);
            let pump = Pump::new(Arc::clone(show), consumer, self.metrics.clone());
            tokio::spawn(pump.run());
        }
        self.joined.notify_one();
        subscription
    }

    /// Waits until somebody may have joined. For the feed.
    pub(super) async fn joined(&self) {
        self.joined.notified().await;
    }

    /// Those who joined since the last call. For the feed.
    pub(super) fn take_joined(&self) -> Vec<Subscriber> {
        std::mem::take(&mut self.door().joining)
    }

    /// The feed stops: the next who subscribes starts another. Those who joined before that.
    pub(super) fn close(&self) -> Vec<Subscriber> {
        std::mem::take(&mut *self.door()).joining
    }

    /// The feed stops unless somebody has joined. Whether it does.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut door = self.door();
        door.is_open = !door.joining.is_empty();
        !door.is_open
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tally_rtc::rtp::{Header, HeaderWriter};

    use super::*;

    #[test]
    fn the_longest_header_leaves_the_payload_its_room() {
        let header = HeaderWriter::new(Header::default())
            .extension(1, &[0; 2])
            .extension(2, &[0; 3])
            .extension(3, &[0; 16]);
        assert_eq!(header.written_bytes() + 2, HEADER_BYTES_MAX);
    }
}
