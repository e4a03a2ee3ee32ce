//! One session at a time for each token the shop signed: a second use takes the lease, and the first
//! session stops earning.
//!
//! A shop's token can be passed on, and whoever has it would watch on the account's behalf. Devices and
//! names need no lease: their viewer's sessions add up to a union, whoever plays them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tally_watch::SessionId;

use crate::tokens::SESSION_TOKEN_MS;

/// Leases held at a time: as many as sessions of one show may be in the ledger.
const LEASES_MAX: usize = 200_000;

/// Sessions that lost theirs and are remembered, the newest: 2 MB.
const LOST_MAX: usize = 100_000;

/// Who plays under which token.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    table: Mutex<Table>,
    /// How many sessions ever lost one. Most servers have no leases, and each delivery asks.
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    held: HashMap<u64, Held>,
    lost: HashSet<SessionId>,
    lost_in_order: VecDeque<SessionId>,
}

#[derive(Debug)]
struct Held {
    by: SessionId,
    /// Without a sign of life it is over: the session's last token has ended.
    until_ms: i64,
}

/// As many leases are held as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Leases {
    /// A new session takes `lease` from whoever has it.
    pub(crate) fn take(&self, lease: u64, by: SessionId, now_ms: i64) -> Result<(), Full> {
        let mut table = self.table();
        if let Some(before) = table.hold(lease, by, now_ms)?
            && before.by != by
        {
            table.lose(before.by);
            self.lost.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }

    /// Whether `by` has `lease`. It takes it where nobody has it, as after a restart.
    pub(crate) fn keeps(&self, lease: u64, by: SessionId, now_ms: i64) -> bool {
        let mut table = self.table();
        if table.lost.contains(&by) {
            return false;
        }
        let other = table.held.get(&lease).filter(|held| held.by != by && held.until_ms > now_ms);
        // Where there is no room for it, it goes on without: counting less would punish the viewer.
        other.is_none() && table.hold(lease, by, now_ms).map_or(true, |_| true)
    }

    /// Whether another session took the lease of this one.
    pub(crate) fn has_lost(&self, session: SessionId) -> bool {
        self.lost() > 0 && self.table().lost.contains(&session)
    }

    /// How many sessions lost their lease since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change is complete before anything that could panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn hold(&mut self, lease: u64, by: SessionId, now_ms: i64) -> Result<Option<Held>, Full> {
        if self.held.len() >= LEASES_MAX && !self.held.contains_key(&lease) {
            self.held.retain(|_, held| held.until_ms > now_ms);
            if self.held.len() >= LEASES_MAX {
                return Err(Full);
            }
        }
        Ok(self.held.insert(lease, Held { by, until_ms: now_ms + SESSION_TOKEN_MS }))
    }

    fn lose(&mut self, session: SessionId) {
        if !self.lost.insert(session) {
            return;
        }
        self.lost_in_order.push_back(session);
        if self.lost_in_order.len() > LOST_MAX
            && let Some(oldest) = self.lost_in_order.pop_front()
        {
            self.lost.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);

    #[test]
    fn a_second_use_takes_the_lease_and_the_first_never_gets_it_back() {
        let leases = Leases::default();
        leases.take(7, A, 0).unwrap();
        assert!(leases.keeps(7, A, 10));
        leases.take(7, B, 20).unwrap();
        assert!(leases.has_lost(A) && !leases.has_lost(B));
        assert!(!leases.keeps(7, A, 30) && leases.keeps(7, B, 30));
        assert!(!leases.keeps(7, A, 30 + SESSION_TOKEN_MS));
    }

    #[test]
    fn after_a_restart_whoever_comes_first_has_it() {
        let leases = Leases::default();
        assert!(leases.keeps(7, A, 0));
        assert!(!leases.keeps(7, B, 1));
        assert!(leases.keeps(7, B, 1 + SESSION_TOKEN_MS), "nobody used it for too long");
    }

    #[test]
    fn neither_table_grows_without_a_bound() {
        let leases = Leases::default();
        for lease in 0..LEASES_MAX as u64 {
            leases.take(lease, SessionId(lease), 0).unwrap();
        }
        assert_eq!(leases.take(u64::MAX, A, 0), Err(Full));
        assert_eq!(leases.take(u64::MAX, A, SESSION_TOKEN_MS), Ok(()));
        for session in 0..=LOST_MAX as u64 + 1 {
            leases.take(u64::MAX, SessionId(session), SESSION_TOKEN_MS).unwrap();
        }
        assert_eq!(leases.table().lost.len(), LOST_MAX);
        assert!(!leases.has_lost(A) && leases.has_lost(SessionId(9)), "the oldest is forgotten");
    }
}
