//! The registry: finds shows, admits publishers, ends what nobody continues.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tally_hub::{Hub, Start};
use tokio_util::task::TaskTracker;

use super::publication::{Expected, Publication};
use super::show::{Show, ShowState};
use crate::egress::{self, HlsOptions, HlsOrigin};
use crate::metrics::Metrics;
use crate::{clock, random};

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
    tasks: TaskTracker,
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

impl Shows {
    /// An empty registry. Tasks it starts are tracked by `tasks`.
    #[must_use]
    pub fn new(hub: Hub, options: ShowsOptions, metrics: Metrics, tasks: TaskTracker) -> Self {
        let shared = Shared { hub, options, metrics, tasks, table: Mutex::default() };
        Self { shared: Arc::new(shared) }
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
            && show.input().is_open()
        {
            return Ok(Publication::admit(self.clone(), Arc::clone(show)));
        }
        let shows_max = self.shared.options.shows_max;
        if table.by_id.len() >= shows_max {
            return Err(PublishRefused::TooMany(shows_max));
        }
        let producer =
            self.shared.hub.create(handle).map_err(|_| PublishRefused::TooMany(shows_max))?;
        let show = Arc::new(Show::new(
            random::name(),
            handle.to_owned(),
            clock::unix_ms(),
            HlsOrigin::new(self.shared.options.hls),
            producer,
            &self.shared.metrics.hls,
        ));
        table.by_handle.insert(handle.to_owned(), Arc::clone(&show));
        table.by_id.insert(show.id().to_owned(), Arc::clone(&show));
        drop(table);
        self.shared.metrics.shows.inc();
        tracing::info!(handle, show = show.id(), "show created");
        Ok(Publication::admit(self.clone(), show))
    }

    /// Starts cutting the show into LL-HLS.
    pub(super) fn start_packaging(&self, show: &Arc<Show>, expected: Expected) {
        // The reader is there before the first frame is written, so the show misses nothing.
        let consumer = show.stream().consume(Start::Live);
        let metrics = self.shared.metrics.clone();
        self.shared.tasks.spawn(egress::package(Arc::clone(show), consumer, expected, metrics));
    }

    /// Ends the show unless a publisher comes back within the grace.
    pub(super) fn wait_for_return(&self, show: &Arc<Show>, epoch: u64) {
        if self.table().draining {
            return self.end(show);
        }
        let (shows, show) = (self.clone(), Arc::clone(show));
        let grace = self.shared.options.reconnect_grace;
        tracing::info!(show = show.id(), grace_s = grace.as_secs(), "encoder away");
        self.shared.tasks.spawn(async move {
            let mut state = show.watch_state();
            let ended = state.wait_for(|state| *state == ShowState::Ended);
            // An ended show needs no more waiting; otherwise the grace runs out.
            let _ = tokio::time::timeout(grace, ended).await;
            if show.input().is_abandoned(epoch) {
                shows.end(&show);
            }
        });
    }

    /// Ends a show now: playlists get their ENDLIST, and what is left can be played until it
    /// expires.
    pub fn end(&self, show: &Arc<Show>) {
        show.input().end();
        if show.state() == ShowState::Ended {
            return;
        }
        show.set_state(ShowState::Ended);
        tracing::info!(show = show.id(), duration_ms = show.elapsed_ms(), "show ended");
        if self.table().draining {
            return;
        }
        let (shows, show) = (self.clone(), Arc::clone(show));
        self.shared.tasks.spawn(async move {
            tokio::time::sleep(show.hls().linger()).await;
            shows.forget(&show);
        });
    }

    /// Admits no publisher any more; a show whose publisher leaves ends without a grace.
    pub fn refuse_publishers(&self) {
        self.table().draining = true;
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

    fn forget(&self, show: &Arc<Show>) {
        let mut table = self.table();
        if table.by_id.remove(show.id()).is_some() {
            self.shared.metrics.shows.dec();
        }
        if table.by_handle.get(show.handle()).is_some_and(|newest| newest.id() == show.id()) {
            table.by_handle.remove(show.handle());
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
