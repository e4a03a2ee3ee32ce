//! Where a feed's items go: bounded, and never waited for while the show lives.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::FeedItem;
use crate::metrics::WhepFeedMetrics;

/// Items a sink should hold: what one show makes in some two seconds, so that a worker that is held up
/// for a moment misses nothing. They are references.
pub const SINK_ITEMS: usize = 256;

/// Items a subscriber is greeted with.
pub(super) const GREETING_ITEMS: usize = 3;

/// How long the end of a show waits for subscribers to make room for it: a worker that takes nothing
/// for so long has stopped.
const END_WAIT: Duration = Duration::from_secs(5);

/// Where one subscriber's items go: a bounded channel that several subscriptions of a worker may share,
/// each with a key of its own.
#[derive(Clone, Debug)]
pub struct Sink {
    key: u64,
    items: mpsc::Sender<(u64, FeedItem)>,
}

impl Sink {
    /// Items come as `(key, item)`. The channel holds some [`SINK_ITEMS`], at least three.
    #[must_use]
    pub const fn new(key: u64, items: mpsc::Sender<(u64, FeedItem)>) -> Self {
        Self { key, items }
    }
}

/// A subscriber's place at a feed. Dropping it unsubscribes; a few items may still come.
#[derive(Debug)]
#[must_use = "dropping it unsubscribes"]
pub struct Subscription {
    _alive: Arc<()>,
}

/// One who subscribed.
#[derive(Debug)]
pub(super) struct Subscriber {
    sink: Sink,
    /// Lives as long as the [`Subscription`].
    alive: Weak<()>,
    /// It was greeted, and has had every item since.
    is_following: bool,
}

impl Subscriber {
    pub(super) fn new(sink: Sink) -> (Self, Subscription) {
        let alive = Arc::new(());
        let subscriber = Self { sink, alive: Arc::downgrade(&alive), is_following: false };
        (subscriber, Subscription { _alive: alive })
    }

    fn is_gone(&self) -> bool {
        self.alive.strong_count() == 0 || self.sink.items.is_closed()
    }

    /// Room for a greeting, and for what comes after it: who lagged starts again with half its room.
    fn room(&self) -> Option<mpsc::PermitIterator<'_, (u64, FeedItem)>> {
        let items = &self.sink.items;
        let is_emptied = items.capacity() >= items.max_capacity() / 2;
        is_emptied.then(|| items.try_reserve_many(GREETING_ITEMS).ok()).flatten()
    }
}

/// All who are subscribed to a feed.
#[derive(Debug)]
pub(super) struct Sinks {
    subscribers: Vec<Subscriber>,
    metrics: WhepFeedMetrics,
}

impl Sinks {
    pub(super) const fn new(metrics: WhepFeedMetrics) -> Self {
        Self { subscribers: Vec::new(), metrics }
    }

    /// Takes in those who joined. They get nothing before their greeting.
    pub(super) fn admit(&mut self, joined: Vec<Subscriber>) {
        self.subscribers.extend(joined);
    }

    /// Lets go of those who left; whether nobody is left.
    pub(super) fn sweep(&mut self) -> bool {
        self.subscribers.retain(|subscriber| !subscriber.is_gone());
        self.subscribers.is_empty()
    }

    /// Gives `item` to each who follows. Who has no room for it lags, until it is greeted again.
    pub(super) fn send(&mut self, item: &FeedItem) {
        let is_frame = matches!(item, FeedItem::Frame(_));
        for subscriber in &mut self.subscribers {
            if subscriber.is_following {
                let Sink { key, items } = &subscriber.sink;
                subscriber.is_following = items.try_send((*key, item.clone())).is_ok();
                if subscriber.is_following || subscriber.is_gone() {
                    continue;
                }
                self.metrics.lags.inc();
            }
            if is_frame {
                self.metrics.dropped.lag.inc();
            }
        }
    }

    /// Greets each who does not follow and has room, with what `greeting` makes if there is such a one.
    pub(super) fn greet(&mut self, greeting: impl Fn() -> [FeedItem; GREETING_ITEMS]) {
        for subscriber in self.subscribers.iter_mut().filter(|it| !it.is_following) {
            let Some(room) = subscriber.room() else { continue };
            let key = subscriber.sink.key;
            room.zip(greeting()).for_each(|(permit, item)| permit.send((key, item)));
            subscriber.is_following = true;
        }
    }

    /// Tells everybody that the show is over.
    pub(super) async fn end(&mut self) {
        let until = Instant::now() + END_WAIT;
        for Subscriber { sink: Sink { key, items }, .. } in self.subscribers.drain(..) {
            // An error means that it went, or that it takes nothing any more.
            let _ = timeout_at(until, items.send((key, FeedItem::Ended))).await;
        }
    }
}

impl Drop for Sinks {
    /// A feed that fails ends for its subscribers as well as it can; after [`Self::end`] there are none.
    fn drop(&mut self) {
        for Subscriber { sink: Sink { key, items }, .. } in &self.subscribers {
            let _ = items.try_send((*key, FeedItem::Ended));
        }
    }
}
