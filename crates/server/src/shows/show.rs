//! One show: its identity, its state, its input and what is made of it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tally_api::Evidence;
use tally_hub::{DeliverySink, Producer, Stream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::evidence::ShowEvidence;
use super::keyframe_wishes::KeyframeWishes;
use super::picture_order::PictureOrder;
use super::publication::Input;
use crate::egress::{HlsOrigin, WhepOrigin};
use crate::metrics::Metrics;

/// Where a show is in its life. It only moves forward, except between `Live` and `Away`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowState {
    /// A publisher was accepted; nothing can be played yet.
    Starting,
    /// Playable, the encoder is connected.
    Live,
    /// Playable, the encoder dropped and may come back within the grace.
    Away,
    /// Over; what is left can be played until it expires.
    Ended,
}

/// One live broadcast of a creator, from go-live to its end.
#[derive(Debug)]
pub struct Show {
    id: String,
    handle: String,
    started: Instant,
    started_at_unix_ms: i64,
    state: watch::Sender<ShowState>,
    hls: HlsOrigin,
    whep: WhepOrigin,
    keyframe_wishes: Arc<KeyframeWishes>,
    stream: Stream,
    input: Mutex<Input>,
    evidence: OnceLock<Arc<ShowEvidence>>,
}

impl Show {
    pub(super) fn new(
        id: String,
        handle: String,
        started_at_unix_ms: i64,
        hls: HlsOrigin,
        producer: Producer,
        metrics: &Metrics,
    ) -> Self {
        let state = watch::Sender::new(ShowState::Starting);
        let order = PictureOrder::default();
        let keyframe_wishes = Arc::new(KeyframeWishes::default());
        let whep = WhepOrigin::new(
            producer.stream(),
            state.subscribe(),
            Arc::clone(&keyframe_wishes),
            order.has_b_frames(),
            metrics.whep_feed.clone(),
        );
        Self {
            id,
            handle,
            started: Instant::now(),
            started_at_unix_ms,
            state,
            hls,
            whep,
            keyframe_wishes,
            stream: producer.stream(),
            input: Mutex::new(Input::new(producer, order, metrics.hls.misplaced_frames.clone())),
            evidence: OnceLock::new(),
        }
    }

    /// Unique among all shows ever; part of every media URI, so that a cache never mixes two shows.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The creator's public name.
    #[must_use]
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// Unix time of the timeline's zero, in milliseconds of the origin's clock.
    #[must_use]
    pub fn started_at_unix_ms(&self) -> i64 {
        self.started_at_unix_ms
    }

    /// Milliseconds of the server's monotonic clock since the show began.
    #[must_use]
    pub fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Where the show is in its life.
    #[must_use]
    pub fn state(&self) -> ShowState {
        *self.state.borrow()
    }

    /// Follows the state.
    #[must_use]
    pub fn watch_state(&self) -> watch::Receiver<ShowState> {
        self.state.subscribe()
    }

    /// What viewers read over LL-HLS.
    #[must_use]
    pub fn hls(&self) -> &HlsOrigin {
        &self.hls
    }

    /// What WebRTC viewers get.
    #[must_use]
    pub fn whep(&self) -> &WhepOrigin {
        &self.whep
    }

    /// Viewers' wishes for keyframes, for a publisher whose protocol can ask its encoder.
    #[must_use]
    pub fn keyframe_wishes(&self) -> &KeyframeWishes {
        &self.keyframe_wishes
    }

    /// The show's media in the hub, also after its end.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Where what is known of it and its viewers goes; `None` where no books are kept.
    #[must_use]
    pub fn evidence(&self) -> Option<&Arc<ShowEvidence>> {
        self.evidence.get()
    }

    /// Keeps books of it from here on. Called once, before anybody knows of it.
    pub(super) fn keep_books(&self, evidence: Evidence) {
        let evidence = ShowEvidence::new(evidence, &self.id, self.started_at_unix_ms);
        let evidence = self.evidence.get_or_init(|| Arc::new(evidence));
        self.stream.report_to(Arc::clone(evidence) as Arc<dyn DeliverySink>);
    }

    /// There is something to play: the show has started.
    pub(crate) fn now_playable(&self) {
        let input = self.input();
        if self.state() == ShowState::Starting {
            let next = if input.has_publisher() { ShowState::Live } else { ShowState::Away };
            self.set_state(next);
        }
    }

    /// Moves the state; an ended show stays ended. Called with the input held: the state tells
    /// whether somebody publishes.
    pub(super) fn set_state(&self, next: ShowState) {
        self.state.send_if_modified(|state| {
            let moves = *state != ShowState::Ended && *state != next;
            if moves {
                *state = next;
            }
            moves
        });
    }

    /// The publisher's side. Held for a few instructions per frame by the one publisher.
    pub(super) fn input(&self) -> MutexGuard<'_, Input> {
        // A panic while holding it can only come from a bug in one frame's bookkeeping; the
        // state stays usable, and a poisoned lock must not take the show down.
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
