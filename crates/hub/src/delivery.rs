//! The one seam where media that reached a viewer is reported, whatever the protocol.
//!
//! An HTTP body that was written to its last byte and an RTCP report that acknowledges packets both
//! end here. Totals are kept per stream; what is counted for whom is the watch-time ledger's work, which
//! takes the same reports through a [`DeliverySink`].

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tally_media::TrackId;

/// Names one player's playback session. Given out by the server; opaque here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// A stretch of media that was completely delivered to one playback session.
///
/// Plain numbers, so that a report can be kept in a ring without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who got it. `None` where the request carried no session: counted, attributed to nobody.
    pub session: Option<SessionId>,
    /// What it was of; the video track where sound and picture were delivered together.
    pub track: TrackId,
    /// Start of the stretch on the show's timeline, inclusive, in milliseconds.
    pub start_ms: i64,
    /// End of the stretch, exclusive, in milliseconds. Rounded like `start_ms`, so that neighbours
    /// touch.
    pub end_ms: i64,
    /// Bytes of media that carried it, without the protocol's overhead.
    pub bytes: u64,
}

/// Takes up what is reported of one stream: the ledger's side of the seam.
pub trait DeliverySink: fmt::Debug + Send + Sync {
    /// One report. Called by whoever delivered, for every part of every viewer: it neither waits nor
    /// allocates. A ring with a bound belongs behind it, and a counter of what did not fit.
    fn delivered(&self, delivery: &Delivery);
}

/// What was delivered of a stream so far, to all viewers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryTotals {
    /// Reports.
    pub deliveries: u64,
    /// Media bytes.
    pub bytes: u64,
    /// Media time in milliseconds, summed over viewers.
    pub media_ms: u64,
}

/// Lock-free totals and the sink; each counter is right, the three together may be one report apart.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    deliveries: AtomicU64,
    bytes: AtomicU64,
    media_ms: AtomicU64,
    sink: OnceLock<Arc<dyn DeliverySink>>,
}

impl Deliveries {
    pub(crate) fn add(&self, delivery: &Delivery) {
        let media_ms = delivery.end_ms.saturating_sub(delivery.start_ms);
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(delivery.bytes, Ordering::Relaxed);
        self.media_ms.fetch_add(u64::try_from(media_ms).unwrap_or(0), Ordering::Relaxed);
        if let Some(sink) = self.sink.get() {
            sink.delivered(delivery);
        }
    }

    pub(crate) fn report_to(&self, sink: Arc<dyn DeliverySink>) -> bool {
        self.sink.set(sink).is_ok()
    }

    pub(crate) fn totals(&self) -> DeliveryTotals {
        DeliveryTotals {
            deliveries: self.deliveries.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            media_ms: self.media_ms.load(Ordering::Relaxed),
        }
    }
}
