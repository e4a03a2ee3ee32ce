//! A stream as everybody but its producer sees it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tally_media::{Track, TrackId};

use crate::delivery::Deliveries;
use crate::entry::Entry;
use crate::log::Log;
use crate::stats::TrackCounters;
use crate::wake::WakeTree;
use crate::{Consumer, Delivery, DeliverySink, DeliveryTotals, Limits, Start, StreamStats};

/// A handle on a stream: to read it, to look at it, to report what reached viewers.
///
/// Cheap to clone. Outlives the producer: what is kept can still be read to its end.
#[derive(Clone, Debug)]
pub struct Stream(pub(crate) Arc<Shared>);

impl Stream {
    /// The name it was created under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The tracks there are now, in the order they were added.
    #[must_use]
    pub fn tracks(&self) -> Vec<Arc<Track>> {
        self.0.log().state().tracks.clone()
    }

    /// A new reader.
    #[must_use]
    pub fn consume(&self, start: Start) -> Consumer {
        Consumer::new(Arc::clone(&self.0), start)
    }

    /// Reports media that completely reached a viewer. Three atomic additions, and the sink's work; no
    /// lock, no allocation.
    pub fn deliver(&self, delivery: &Delivery) {
        self.0.deliveries.add(delivery);
    }

    /// Passes every report from now on to `sink` too. A stream has one sink for its life: false, and no
    /// change, where it has one already.
    pub fn report_to(&self, sink: Arc<dyn DeliverySink>) -> bool {
        self.0.deliveries.report_to(sink)
    }

    /// What was reported with [`Stream::deliver`] so far.
    #[must_use]
    pub fn delivered(&self) -> DeliveryTotals {
        self.0.deliveries.totals()
    }

    /// Its counters now.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        let tracks = self.0.counters().iter().map(|(&id, count)| (id, count.stats())).collect();
        StreamStats {
            readers: self.0.wake_tree.readers(),
            skips: self.0.skips.load(Ordering::Relaxed),
            kept_bytes: self.0.log().bytes(),
            delivered: self.delivered(),
            tracks,
        }
    }

    /// Whether both are handles on the same stream (a name can come back with another one).
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What the producer, the consumers and the handles of a stream share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) limits: Limits,
    log: Mutex<Log>,
    pub(crate) wake_tree: WakeTree,
    counters: Mutex<BTreeMap<TrackId, Arc<TrackCounters>>>,
    pub(crate) skips: AtomicU64,
    deliveries: Deliveries,
}

impl Shared {
    pub(crate) fn new(name: Arc<str>, limits: Limits) -> Self {
        Self {
            name,
            limits,
            log: Mutex::new(Log::new(limits)),
            wake_tree: WakeTree::default(),
            counters: Mutex::default(),
            skips: AtomicU64::new(0),
            deliveries: Deliveries::default(),
        }
    }

    /// Appends `entry` and wakes the first of those who wait for it.
    pub(crate) fn append(&self, entry: Entry) {
        let (written, dropped) = self.log().append(entry);
        self.wake_tree.publish(written).wake();
        // Freeing a chunk's frames takes longer than writing one: readers are woken before.
        drop(dropped);
    }

    /// Held for the time of an append or of finding a place to enter. Readers that follow the log do
    /// not take it.
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        // Every change is complete before anything that could panic.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters of track `id`, from its first use on.
    pub(crate) fn track_counters(&self, id: TrackId) -> Arc<TrackCounters> {
        Arc::clone(self.counters().entry(id).or_default())
    }

    /// One per id ever used; ids are two kinds of 256.
    fn counters(&self) -> MutexGuard<'_, BTreeMap<TrackId, Arc<TrackCounters>>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
