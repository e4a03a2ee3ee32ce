//! The registry: finds shows, admits publishers, ends what nobody continues.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tally_api::Evidence;
use tally_hub::{Hub, Start};
use tokio_util::task::TaskTracker;

use super::evidence::keep_record;
use super::publication::{Expected, Input, Publication};
use super::show::{Show, ShowState};
use crate::egress::{self, HlsOptions, HlsOrigin};
use crate::metrics::Metrics;
use crate::{clock, random};

/// Ended shows of one creator that can still be played. An encoder that starts and stops in a loop
/// must not fill `shows_max` with what it left behind; viewers only ever hold on to the last ones.
const ENDED_KEPT_PER_HANDLE: usize = 3;

/// What shows are made with.
#[derive(Clone, Debug)]
pub struct ShowsOptions {
    /// How packaging is done.
    pub hls: HlsOptions,
    /// How long a dropped encoder may take to come back.
    pub reconnect_grace: Duration,
    /// Shows held at once, live or being played out. Each live show owns up to a window of media,
    /// so this bounds memory before anything else does.
    pub shows_max: usize,
}

/// Why a publisher was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefused {
    /// The server holds as many shows as it may.
    #[error("this server holds {0} shows and takes no more")]
    TooMany(usize),
    /// The server is shutting down.
    #[error("this server is shutting down")]
    Draining,
}

/// All shows of this server. Clones share them.
#[derive(Clone, Debug)]
pub struct Shows {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hub: Hub,
    options: ShowsOptions,
    metrics: Metrics,
    /// One task for each show that is being packaged.
    packaging: TaskTracker,
    /// Where what is known of shows goes.
    evidence: OnceLock<Evidence>,
    /// One task for each show whose record the books may still need.
    recording: TaskTracker,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// The newest show of a handle.
    by_handle: HashMap<String, Arc<Show>>,
    /// Every show that can still be played.
    by_id: HashMap<String, Arc<Show>>,
    draining: bool,
}

impl Table {
    fn remove(&mut self, show: &Show) {
        self.by_id.remove(show.id());
        if self.by_handle.get(show.handle()).is_some_and(|newest| newest.id() == show.id()) {
            self.by_handle.remove(show.handle());
        }
    }

    /// Makes room among what a creator's ended shows left to play; the oldest go first.
    fn drop_ended_of(&mut self, handle: &str) {
        let is_ended =
            |show: &&Arc<Show>| show.handle() == handle && show.state() == ShowState::Ended;
        let mut ended: Vec<_> = self.by_id.values().filter(is_ended).cloned().collect();
        ended.sort_by_key(|show| std::cmp::Reverse(show.started_at_unix_ms()));
        ended.iter().skip(ENDED_KEPT_PER_HANDLE - 1).for_each(|show| self.remove(show));
    }
}

impl Shows {
    /// An empty registry.
    #[must_use]
    pub fn new(hub: Hub, options: ShowsOptions, metrics: Metrics) -> Self {
        let packaging = TaskTracker::new();
        let (evidence, recording) = (OnceLock::new(), TaskTracker::new());
        let table = Mutex::default();
        let shared = Shared { hub, options, metrics, packaging, evidence, recording, table };
        Self { shared: Arc::new(shared) }
    }

    /// Keeps books of every show that is made from here on. The first call counts.
    pub fn keep_books(&self, evidence: Evidence) {
        let _ = self.shared.evidence.set(evidence);
    }

    /// The newest show of a creator, live or just ended.
    #[must_use]
    pub fn by_handle(&self, handle: &str) -> Option<Arc<Show>> {
        self.table().by_handle.get(handle).cloned()
    }

    /// A show by its id, as long as it can be played.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<Arc<Show>> {
        self.table().by_id.get(id).cloned()
    }

    /// All shows that can be played now.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Show>> {
        self.table().by_id.values().cloned().collect()
    }

    /// Admits a publisher whose right to `handle` has been checked. A live show of that handle goes
    /// on with it, and its publisher until now is sent away.
    ///
    /// # Errors
    /// When the server is full or shutting down.
    pub fn publish(&self, handle: &str) -> Result<Publication, PublishRefused> {
        let mut table = self.table();
        if table.draining {
            return Err(PublishRefused::Draining);
        }
        if let Some(show) = table.by_handle.get(handle)
            && let Some(publication) = Publication::admit(self, show)
        {
            return Ok(publication);
        }
        table.drop_ended_of(handle);
        let shows_max = self.shared.options.shows_max;
        if table.by_id.len() >= shows_max {
            return Err(PublishRefused::TooMany(shows_max));
        }
        let producer = self.shared.hub.create(handle);
        let show = Arc::new(Show::new(
            random::name(),
            handle.to_owned(),
            clock::unix_ms(),
            HlsOrigin::new(self.shared.options.hls),
            producer.expect("only a live show holds its handle in the hub, and this one has none"),
            &self.shared.metrics,
        ));
        if let Some(evidence) = self.shared.evidence.get() {
            show.keep_books(evidence.clone());
            let record = keep_record(Arc::clone(&show), evidence.clone());
            self.shared.recording.spawn(record);
        }
        table.by_handle.insert(handle.to_owned(), Arc::clone(&show));
        table.by_id.insert(show.id().to_owned(), Arc::clone(&show));
        self.shared.metrics.shows.set(table.by_id.len() as i64);
        // With the table held: nobody else can know of the show, and so end it, before it has its
        // publisher.
        let publication = Publication::admit(self, &show).expect("a new show is open");
        drop(table);
        tracing::info!(handle, show = show.id(), "show created");
        Ok(publication)
    }

    /// Starts cutting the show into LL-HLS. The show is kept until what it left has been playable
    /// for long enough.
    pub(super) fn start_packaging(&self, show: &Arc<Show>, expected: Expected) {
        // The reader is there before the first frame is written, so the show misses nothing.
        let consumer = show.stream().consume(Start::Live);
        let metrics = self.shared.metrics.clone();
        let package = egress::package(Arc::clone(show), consumer, expected, metrics);
        let packaging = self.shared.packaging.spawn(package);
        let (shows, show) = (self.clone(), Arc::clone(show));
        tokio::spawn(async move {
            if let Err(error) = packaging.await {
                tracing::error!(show = show.id(), %error, "packaging failed, a bug: the show ends");
                shows.end(&show);
            }
            // Only now is the last playlist there, and with it how long it has to stay (P19).
            tokio::time::sleep(show.hls().linger()).await;
            shows.forget(&show);
        });
    }

    /// Ends the show unless a publisher comes back within the grace.
    pub(super) fn wait_for_return(&self, show: &Arc<Show>, epoch: u64) {
        let grace = self.shared.options.reconnect_grace;
        if self.table().draining {
            return self.end_abandoned(show, epoch);
        }
        tracing::info!(show = show.id(), grace_s = grace.as_secs(), "encoder away");
        let (shows, show) = (self.clone(), Arc::clone(show));
        tokio::spawn(async move {
            let mut state = show.watch_state();
            let ended = state.wait_for(|state| *state == ShowState::Ended);
            // An ended show needs no more waiting; otherwise the grace runs out.
            let _ = tokio::time::timeout(grace, ended).await;
            shows.end_abandoned(&show, epoch);
        });
    }

    fn end_abandoned(&self, show: &Arc<Show>, epoch: u64) {
        self.end_when(show, |input| input.is_newest(epoch) && !input.has_publisher());
    }

    /// Ends a show now: playlists get their ENDLIST, and what is left can be played until it
    /// expires.
    pub fn end(&self, show: &Arc<Show>) {
        self.end_when(show, |_| true);
    }

    /// Ends a show if `applies` says so of its publisher's side, which cannot change meanwhile.
    pub(super) fn end_when(&self, show: &Arc<Show>, applies: impl FnOnce(&Input) -> bool) {
        let mut input = show.input();
        if !input.is_open() || !applies(&input) {
            return;
        }
        input.end();
        show.set_state(ShowState::Ended);
        let is_packaged = input.is_packaged();
        drop(input);
        tracing::info!(show = show.id(), duration_ms = show.elapsed_ms(), "show ended");
        if !is_packaged {
            // There is nothing to play.
            self.forget(show);
        }
    }

    /// Admits no publisher any more; a show whose publisher leaves ends without a grace, and one
    /// that waits for its publisher ends now.
    pub fn refuse_publishers(&self) {
        self.table().draining = true;
        for show in self.all() {
            self.end_when(&show, |input| !input.has_publisher());
        }
    }

    /// Ends every show.
    pub fn end_all(&self) {
        self.all().iter().for_each(|show| self.end(show));
    }

    /// Resolves when every show has ended.
    pub async fn all_ended(&self) {
        for show in self.all() {
            // The sender lives in the show, which is held here.
            let _ = show.watch_state().wait_for(|state| *state == ShowState::Ended).await;
        }
    }

    /// Resolves when the last playlist of every show is out. All shows must have ended.
    pub async fn all_packaged(&self) {
        self.shared.packaging.close();
        self.shared.packaging.wait().await;
    }

    /// Resolves when the books know of every show that it has ended. All shows must have ended.
    pub async fn all_recorded(&self) {
        self.shared.recording.close();
        self.shared.recording.wait().await;
    }

    fn forget(&self, show: &Arc<Show>) {
        let mut table = self.table();
        table.remove(show);
        self.shared.metrics.shows.set(table.by_id.len() as i64);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
