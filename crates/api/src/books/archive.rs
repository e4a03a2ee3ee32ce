//! What goes from the ledger into the store: totals now and then, final figures for good. The store never
//! knows more than the log has on disk.

use std::sync::Arc;

use tally_store::Store;
use tally_store::watch_log::WatchLog;
use tally_watch::figures::Report;
use tally_watch::log::Position;
use tally_watch::{Figures, FinalRecord, ShowId};

use super::events::show_finalized;

/// A show whose final record is in the log.
pub(super) struct FinalShow {
    pub(super) show: ShowId,
    pub(super) record: FinalRecord,
    pub(super) report: Arc<Report>,
    /// A position at or behind the record's.
    pub(super) position: Position,
}

/// Stores provisional totals; gives back whether that worked.
pub(super) async fn store_totals(
    log: WatchLog,
    store: Store,
    position: Position,
    at_ms: i64,
    totals: Vec<(ShowId, Figures)>,
) -> bool {
    if log.durable(position.sequence).await.is_err() {
        return false;
    }
    let put = store.watch_totals().put(position, at_ms, &totals).await;
    put.inspect_err(|error| tracing::warn!(%error, "watch totals were not stored")).is_ok()
}

/// Stores a final show; gives back whether it is there now, so that its evidence can be forgotten.
pub(super) async fn store_final(log: WatchLog, store: Store, is: FinalShow) -> bool {
    if log.durable(is.position.sequence).await.is_err() {
        return false;
    }
    let FinalShow { show, record, report, position } = is;
    let put = async {
        let Some(known) = store.shows().get(show).await? else { return Ok(false) };
        let event = show_finalized(&known.name, &known.handle, &record);
        store.watch_totals().put_final(position, show, &record, &report, Some(&event)).await
    };
    match put.await {
        Ok(true) => true,
        Ok(false) => {
            tracing::warn!(
                show = show.0,
                "a final show is not in the store, so its evidence stays"
            );
            false
        }
        Err(error) => {
            let error: tally_store::Error = error;
            tracing::warn!(show = show.0, %error, "a final show was not stored");
            false
        }
    }
}
