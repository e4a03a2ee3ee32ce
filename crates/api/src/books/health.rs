//! What the operator is told of the books.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tally_store::watch_log::LogHealth;
use tally_watch::Refusal;

/// How the books are doing; all numbers since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BooksHealth {
    /// The log.
    pub log: LogHealth,
    /// Published and delivered stretches that were dropped because they came faster than they were
    /// taken up.
    pub dropped_evidence: u64,
    /// Commands refused because too many waited.
    pub refused_commands: u64,
    /// Heartbeats that were believed.
    pub admitted_heartbeats: u64,
    /// Heartbeats that were not, by reason.
    pub refused_heartbeats: BTreeMap<Refusal, u64>,
    /// Facts about shows that are final already.
    pub late_facts: u64,
    /// Facts that met a bound of the ledger: evidence is missing in part or whole.
    pub curtailed_facts: u64,
    /// Writes into the store that failed; they are tried again.
    pub failed_store_writes: u64,
    /// Final shows that are not in the store yet.
    pub unarchived_shows: u64,
    /// Compactions of the log that failed; they are tried again.
    pub failed_compactions: u64,
}

/// The numbers as they are counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) dropped_evidence: AtomicU64,
    pub(super) refused_commands: AtomicU64,
    pub(super) admitted_heartbeats: AtomicU64,
    pub(super) late_facts: AtomicU64,
    pub(super) curtailed_facts: AtomicU64,
    pub(super) failed_store_writes: AtomicU64,
    pub(super) unarchived_shows: AtomicU64,
    pub(super) failed_compactions: AtomicU64,
    refused_heartbeats: Mutex<BTreeMap<Refusal, u64>>,
}

pub(super) fn count(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn refused_heartbeat(&self, refusal: Refusal) {
        let mut refused = self.refused_heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(refusal).or_default() += 1;
    }

    pub(super) fn health(&self, log: LogHealth) -> BooksHealth {
        let now = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let refused = self.refused_heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        BooksHealth {
            log,
            dropped_evidence: now(&self.dropped_evidence),
            refused_commands: now(&self.refused_commands),
            admitted_heartbeats: now(&self.admitted_heartbeats),
            refused_heartbeats: refused.clone(),
            late_facts: now(&self.late_facts),
            curtailed_facts: now(&self.curtailed_facts),
            failed_store_writes: now(&self.failed_store_writes),
            unarchived_shows: now(&self.unarchived_shows),
            failed_compactions: now(&self.failed_compactions),
        }
    }
}
