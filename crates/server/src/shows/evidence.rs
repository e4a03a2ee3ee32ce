//! What is known of one show and its viewers, on its way to the books.
//!
//! The books count on the EXT-X-PROGRAM-DATE-TIME axis, the hub and its deliveries on the show's own
//! timeline: here one becomes the other.

use std::sync::Arc;
use std::time::Duration;

use tally_api::books::{NewShow, Unavailable};
use tally_api::{Evidence, show_id};
use tally_hub::{Delivery, DeliverySink};
use tally_watch::cmcd::CmcdRecord;
use tally_watch::{DeliveryKind, Interval, SessionId, ShowId};
use tokio::time::sleep;
use tracing::{error, warn};

use super::show::{Show, ShowState};
use crate::clock;

/// How soon what the books did not take is said again; each time twice as late, up to a minute.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);

/// How often it is said again: for a day. A show that never ended in the books ends with its last media
/// when the server starts again.
const RETRIES_MAX: u32 = 24 * 60;

/// Evidence about one show. The sink of its stream's deliveries.
#[derive(Debug)]
pub struct ShowEvidence {
    evidence: Evidence,
    show: ShowId,
    /// Unix time of the timeline's zero, in milliseconds.
    zero_ms: i64,
}

impl ShowEvidence {
    pub(super) fn new(evidence: Evidence, id: &str, zero_ms: i64) -> Self {
        Self { evidence, show: show_id(id), zero_ms }
    }

    /// A stretch of the show's timeline can be played.
    pub fn published(&self, stretch_ms: (i64, i64)) {
        if let Some(media) = self.media(stretch_ms) {
            self.evidence.published(self.show, media);
        }
    }

    /// A playlist that lists a stretch of the show's timeline was written to a session.
    pub fn listed(&self, session: SessionId, stretch_ms: (i64, i64)) {
        if let Some(media) = self.media(stretch_ms) {
            self.evidence.delivered(self.show, session, DeliveryKind::Playlist, media);
        }
    }

    /// A session's player said something of itself with a request for a stretch of the show's timeline,
    /// or for none.
    pub fn observed(
        &self,
        session: SessionId,
        record: &CmcdRecord,
        stretch_ms: Option<(i64, i64)>,
        received_ms: i64,
    ) {
        let object = stretch_ms.and_then(|stretch_ms| self.media(stretch_ms));
        self.evidence.observed(self.show, session, record, object, received_ms);
    }

    fn media(&self, (start_ms, end_ms): (i64, i64)) -> Option<Interval> {
        Interval::new(self.zero_ms.checked_add(start_ms)?, self.zero_ms.checked_add(end_ms)?)
    }
}

impl DeliverySink for ShowEvidence {
    fn delivered(&self, delivery: &Delivery) {
        let Delivery { session, start_ms, end_ms, .. } = *delivery;
        if let (Some(session), Some(media)) = (session, self.media((start_ms, end_ms))) {
            let session = SessionId(session.0);
            self.evidence.delivered(self.show, session, DeliveryKind::Media, media);
        }
    }
}

/// Tells the books when the show goes live and when it ends. A show that never had media is none.
pub(super) async fn keep_record(show: Arc<Show>, evidence: Evidence) {
    let mut state = show.watch_state();
    // The sender lives in the show, which is held here.
    let _ = state.wait_for(|state| *state != ShowState::Starting).await;
    if show.hls().presentation().is_none() {
        return;
    }
    let handle = match show.handle().parse() {
        Ok(handle) => handle,
        Err(error) => {
            error!(show = show.id(), %error, "no creator has this name, a bug: not recorded");
            return;
        }
    };
    let books = evidence.books();
    let (name, went_live_ms) = (show.id(), show.started_at_unix_ms());
    let live = || books.went_live(NewShow { name, handle: &handle, went_live_ms });
    if again_and_again(name, live).await.is_err() {
        return;
    }
    let _ = state.wait_for(|state| *state == ShowState::Ended).await;
    let (id, at_ms) = (show_id(name), clock::unix_ms());
    let name = name.to_owned();
    // Its media need not stay in memory for the books.
    drop(state);
    drop(show);
    let _ = again_and_again(&name, || books.ended(id, at_ms)).await;
}

async fn again_and_again<F: Future<Output = Result<(), Unavailable>>>(
    show: &str,
    mut say: impl FnMut() -> F,
) -> Result<(), Unavailable> {
    let mut pause = RETRY_FIRST;
    for _ in 0..RETRIES_MAX {
        match say().await {
            Err(Unavailable::Closed) => return Err(Unavailable::Closed),
            Err(error) => warn!(show, %error, "the show's record waits"),
            Ok(()) => return Ok(()),
        }
        sleep(pause).await;
        pause = RETRY_LAST.min(pause * 2);
    }
    error!(show, "the show's record was given up");
    Err(Unavailable::Busy)
}
