//! A publisher's right to write into a show.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus::IntCounter;
use tally_hub::Producer;
use tally_media::timeline::Timeline;
use tally_media::{Frame, Track, TrackId};
use tokio::sync::oneshot;

use super::picture_order::PictureOrder;
use super::registry::Shows;
use super::show::{Show, ShowState};

/// How long a returning publisher has to declare a track it had before, in milliseconds. Encoders
/// send all sequence headers within their first group; after that the track is really gone.
const REDECLARE_MS: i64 = 2_000;

/// Which media the publisher announced, so that the first playlist waits for what will come and not
/// for what will not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Video is, or may be, coming.
    pub video: bool,
    /// Audio is, or may be, coming.
    pub audio: bool,
}

/// Why a publisher may not write any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishEnded {
    /// Somebody else publishes with the same right: the newest wins.
    #[error("another publisher took the show over")]
    TakenOver,
    /// The show is over (drain, or an operator ended it).
    #[error("the show has ended")]
    ShowEnded,
}

/// The publisher's side of a show, behind [`Show::input`].
pub(super) struct Input {
    /// `None` once the show has ended.
    producer: Option<Producer>,
    timeline: Timeline,
    order: PictureOrder,
    /// Counts publishers; a publication with an older number has lost the show.
    epoch: u64,
    /// Tells the publisher of `epoch` that it lost the show.
    evict: Option<oneshot::Sender<PublishEnded>>,
    tracks: BTreeMap<TrackId, Arc<Track>>,
    /// Tracks of the last publisher which this one has not declared, and until when it may.
    undeclared: Option<(Vec<TrackId>, i64)>,
    /// No frame of the publisher of `epoch` has been placed yet: its wire clock is unknown.
    clock_unknown: bool,
    /// Whether the show is being cut into LL-HLS.
    packaging: bool,
    /// Frames that found no place in the show.
    misplaced: IntCounter,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Input {
    pub(super) fn new(producer: Producer, order: PictureOrder, misplaced: IntCounter) -> Self {
        Self {
            producer: Some(producer),
            timeline: Timeline::new(),
            order,
            epoch: 0,
            evict: None,
            tracks: BTreeMap::new(),
            undeclared: None,
            clock_unknown: true,
            packaging: false,
            misplaced,
        }
    }

    /// Whether a publisher may still join.
    pub(super) fn is_open(&self) -> bool {
        self.producer.is_some()
    }

    /// Whether somebody publishes now.
    pub(super) fn has_publisher(&self) -> bool {
        self.evict.is_some()
    }

    /// Whether the publisher of `epoch` is still the newest there was.
    pub(super) fn is_newest(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Whether the show is, or was, cut into LL-HLS.
    pub(super) fn is_packaged(&self) -> bool {
        self.packaging
    }

    /// Ends the stream and sends the publisher away.
    pub(super) fn end(&mut self) {
        self.producer = None;
        if let Some(evict) = self.evict.take() {
            // The publisher may have gone at the same moment.
            let _ = evict.send(PublishEnded::ShowEnded);
        }
    }

    /// Makes room for a new publisher; the one before is told.
    fn admit(&mut self, elapsed_ms: i64) -> (u64, oneshot::Receiver<PublishEnded>) {
        let (evict, evicted) = oneshot::channel();
        if let Some(previous) = self.evict.replace(evict) {
            let _ = previous.send(PublishEnded::TakenOver);
        }
        if let Some(producer) = &mut self.producer
            && self.epoch > 0
        {
            producer.interrupted();
            producer.resumed();
        }
        self.epoch += 1;
        self.clock_unknown = true;
        self.order.start_anew();
        let known: Vec<TrackId> = self.tracks.keys().copied().collect();
        self.undeclared = (!known.is_empty()).then_some((known, elapsed_ms + REDECLARE_MS));
        (self.epoch, evicted)
    }

    fn declare(&mut self, track: Track) {
        let Some(producer) = &mut self.producer else { return };
        if let Some((undeclared, _)) = &mut self.undeclared {
            undeclared.retain(|id| *id != track.id);
        }
        if self.tracks.get(&track.id).is_some_and(|known| **known == track) {
            return;
        }
        let id = track.id;
        let shared = producer.track(track);
        self.tracks.insert(id, shared);
    }

    fn remove(&mut self, id: TrackId) {
        if self.tracks.remove(&id).is_some()
            && let Some(producer) = &mut self.producer
        {
            producer.remove_track(id);
        }
    }

    fn write(&mut self, id: TrackId, frame: Frame, elapsed_ms: i64) -> Result<(), PublishEnded> {
        if self.undeclared.as_ref().is_some_and(|(_, until_ms)| elapsed_ms >= *until_ms)
            && let Some((gone, _)) = self.undeclared.take()
        {
            gone.into_iter().for_each(|id| self.remove(id));
        }
        let Some(producer) = &mut self.producer else { return Err(PublishEnded::ShowEnded) };
        let Some(track) = self.tracks.get(&id) else {
            self.misplaced.inc();
            return Ok(());
        };
        if std::mem::take(&mut self.clock_unknown) {
            // Not when the publisher was admitted: its first frame may come much later.
            self.timeline.resume(elapsed_ms);
        }
        let placed = self.timeline.place(track, frame, elapsed_ms).map_err(|e| e.to_string());
        let written = placed.and_then(|placed| {
            if self.order.note(id, placed.pts) {
                tracing::warn!(
                    "the encoder sends B-frames, which WebRTC players cannot show: the show is LL-HLS \
                     only until they are off (x264: bframes=0, or tune zerolatency)"
                );
            }
            producer.write(id, placed).map_err(|error| error.to_string())
        });
        if let Err(why) = written {
            self.misplaced.inc();
            tracing::debug!(?id, why, "frame dropped");
        }
        Ok(())
    }
}

/// One publisher's right to write into a show. Dropping it without [`Publication::end`] means the
/// encoder was lost: the show waits for it through the grace.
#[derive(Debug)]
pub struct Publication {
    shows: Shows,
    show: Arc<Show>,
    epoch: u64,
    evicted: oneshot::Receiver<PublishEnded>,
    expected: Expected,
    ended: bool,
}

impl Publication {
    /// Joins the show as its newest publisher; `None` when it has ended. One look at the input: a
    /// grace that runs out at this very moment either ended the show before, or finds it taken.
    pub(super) fn admit(shows: &Shows, show: &Arc<Show>) -> Option<Self> {
        let mut input = show.input();
        if !input.is_open() {
            return None;
        }
        let (epoch, evicted) = input.admit(show.elapsed_ms());
        if show.state() == ShowState::Away {
            show.set_state(ShowState::Live);
        }
        drop(input);
        let (shows, show) = (shows.clone(), Arc::clone(show));
        let expected = Expected { video: true, audio: true };
        Some(Self { shows, show, epoch, evicted, expected, ended: false })
    }

    /// The show written into.
    #[must_use]
    pub fn show(&self) -> &Arc<Show> {
        &self.show
    }

    /// What the publisher announced in its metadata; counts until the first track is declared.
    pub fn expect(&mut self, expected: Expected) {
        self.expected = expected;
    }

    /// Declares a track, or new parameters of one. The first one starts the packaging.
    pub fn track(&mut self, track: Track) {
        let mut input = self.show.input();
        if input.epoch != self.epoch {
            return;
        }
        input.declare(track);
        let starts = !std::mem::replace(&mut input.packaging, true);
        drop(input);
        if starts {
            self.show.whep().expect(self.expected);
            self.shows.start_packaging(&self.show, self.expected);
        }
    }

    /// The publisher ended one track.
    pub fn remove_track(&mut self, id: TrackId) {
        let mut input = self.show.input();
        if input.epoch == self.epoch {
            input.remove(id);
        }
    }

    /// Writes one frame, in the publisher's wire time.
    ///
    /// # Errors
    /// When the show was taken over or has ended: the publisher must leave.
    pub fn write(&mut self, id: TrackId, frame: Frame) -> Result<(), PublishEnded> {
        let mut input = self.show.input();
        if input.epoch != self.epoch {
            return Err(PublishEnded::TakenOver);
        }
        input.write(id, frame, self.show.elapsed_ms())
    }

    /// Resolves when the publisher has to leave, with the reason to tell it. Resolves once.
    pub async fn evicted(&mut self) -> PublishEnded {
        (&mut self.evicted).await.unwrap_or(PublishEnded::ShowEnded)
    }

    /// The creator ended the broadcast on purpose: the show is over now, without a grace.
    pub fn end(mut self) {
        self.ended = true;
        self.shows.end_when(&self.show, |input| input.is_newest(self.epoch));
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut input = self.show.input();
        if input.epoch != self.epoch {
            return;
        }
        input.evict = None;
        if let Some(producer) = &mut input.producer {
            producer.interrupted();
        }
        // While the input is held, so that a publisher who returns now is not taken for away.
        if self.show.state() == ShowState::Live {
            self.show.set_state(ShowState::Away);
        }
        drop(input);
        self.shows.wait_for_return(&self.show, self.epoch);
    }
}
