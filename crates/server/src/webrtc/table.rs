//! Whose a datagram is: what all workers look up before anything else.
//!
//! Sessions are found by their names in URLs, by the ICE fragments in binding requests, and by the
//! addresses that such requests came from. Everything else is nobody's, and dropped before a byte more
//! of it is read. Locks are held for one look-up; only a session's own worker adds and removes its
//! addresses.
//!
//! Whoever knows a fragment may claim an address by a forged request. So an address along which a
//! session is connected stays that session's, and a *claimant* gets only what a session under way does
//! not need: the handshake, and answers to checks, which both get. When the claimant is connected, it
//! has proved that the address is its own.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock};

use tally_rtc::transport::{Datagram, classify, stun_local_ufrag};

use super::SessionId;

/// Parts of the table of addresses, so that workers seldom wait for each other: some times more than
/// there are workers.
const SHARDS: usize = 64;

/// DTLS content type of a handshake (RFC 6347 section 4.1).
const DTLS_HANDSHAKE: u8 = 22;

/// A session's number, never used again.
pub(super) type Key = u64;

/// Which session, and where it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// Number of the worker.
    pub(super) worker: usize,
    /// The session.
    pub(super) key: Key,
}

/// Who gets a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recipients {
    pub(super) first: Owner,
    /// An answer to a check along a contested address is given to both.
    pub(super) second: Option<Owner>,
    /// It is a request that names the session: its address may become the session's.
    pub(super) is_named: bool,
}

#[derive(Clone, Copy, Debug)]
struct Address {
    owner: Owner,
    /// The owner's media comes from here.
    is_in_use: bool,
    claimant: Option<Owner>,
}

#[derive(Debug)]
pub(super) struct Table {
    sessions: RwLock<HashMap<SessionId, Owner>>,
    fragments: RwLock<HashMap<String, Owner>>,
    addresses: [RwLock<HashMap<SocketAddr, Address>>; SHARDS],
    hasher: RandomState,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            sessions: RwLock::default(),
            fragments: RwLock::default(),
            addresses: std::array::from_fn(|_| RwLock::default()),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn add(&self, id: SessionId, fragment: String, owner: Owner) {
        write(&self.sessions, |sessions| sessions.insert(id, owner));
        self.add_fragment(fragment, owner);
    }

    pub(super) fn find(&self, id: &SessionId) -> Option<Owner> {
        read(&self.sessions, |sessions| sessions.get(id).copied())
    }

    pub(super) fn remove(&self, id: &SessionId) {
        write(&self.sessions, |sessions| sessions.remove(id));
    }

    /// After an ICE restart a session has two.
    pub(super) fn add_fragment(&self, fragment: String, owner: Owner) {
        write(&self.fragments, |fragments| fragments.insert(fragment, owner));
    }

    pub(super) fn remove_fragment(&self, fragment: &str) {
        write(&self.fragments, |fragments| fragments.remove(fragment));
    }

    /// The session a binding request names.
    pub(super) fn named(&self, datagram: &[u8]) -> Option<Owner> {
        let fragment = stun_local_ufrag(datagram)?;
        read(&self.fragments, |fragments| fragments.get(fragment).copied())
    }

    /// Whose a UDP datagram is; `None` for nobody's.
    pub(super) fn recipients(&self, remote: SocketAddr, datagram: &[u8]) -> Option<Recipients> {
        let kind = classify(datagram);
        if kind == Datagram::Other {
            return None;
        }
        if kind == Datagram::Stun
            && let Some(first) = self.named(datagram)
        {
            return Some(Recipients { first, second: None, is_named: true });
        }
        let address = read(self.shard(remote), |shard| shard.get(&remote).copied())?;
        let (first, second) = match (kind, address.claimant) {
            (Datagram::Stun, claimant) => (address.owner, claimant),
            (Datagram::Dtls, Some(claimant)) if datagram[0] == DTLS_HANDSHAKE => (claimant, None),
            _ => (address.owner, None),
        };
        Some(Recipients { first, second, is_named: false })
    }

    /// A request from `remote` named this session.
    pub(super) fn claim(&self, remote: SocketAddr, by: Owner) {
        write(self.shard(remote), |shard| match shard.entry(remote) {
            Entry::Vacant(vacant) => {
                vacant.insert(Address { owner: by, is_in_use: false, claimant: None });
            }
            Entry::Occupied(mut occupied) => {
                let address = occupied.get_mut();
                if address.owner == by {
                } else if address.is_in_use {
                    address.claimant = Some(by);
                } else {
                    address.owner = by;
                }
            }
        });
    }

    /// The session's media comes from `remote`: it has proved that the address is its own.
    pub(super) fn settle(&self, remote: SocketAddr, by: Owner) {
        let address = Address { owner: by, is_in_use: true, claimant: None };
        write(self.shard(remote), |shard| shard.insert(remote, address));
    }

    /// The session does not come from `remote` any more.
    pub(super) fn release(&self, remote: SocketAddr, by: Owner) {
        write(self.shard(remote), |shard| {
            let Some(address) = shard.get_mut(&remote) else { return };
            if address.claimant == Some(by) {
                address.claimant = None;
            } else if address.owner == by {
                match address.claimant.take() {
                    Some(owner) => {
                        *address = Address { owner, is_in_use: false, claimant: None };
                    }
                    None => {
                        shard.remove(&remote);
                    }
                }
            }
        });
    }

    /// Sessions, fragments and addresses held.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        let addresses = self.addresses.iter().map(|shard| read(shard, HashMap::len)).sum();
        (read(&self.sessions, HashMap::len), read(&self.fragments, HashMap::len), addresses)
    }

    fn shard(&self, remote: SocketAddr) -> &RwLock<HashMap<SocketAddr, Address>> {
        let hash = self.hasher.hash_one(remote);
        &self.addresses[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }
}

/// Maps stay whole when a holder panics: each change is one call.
fn read<M, T>(lock: &RwLock<M>, look: impl FnOnce(&M) -> T) -> T {
    look(&lock.read().unwrap_or_else(PoisonError::into_inner))
}

fn write<M, T>(lock: &RwLock<M>, change: impl FnOnce(&mut M) -> T) -> T {
    change(&mut lock.write().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Owner = Owner { worker: 0, key: 1 };
    const OTHER: Owner = Owner { worker: 1, key: 2 };
    const MEDIA: [u8; 12] = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const HELLO: [u8; 13] = [22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const ALERT: [u8; 13] = [21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn peer() -> SocketAddr {
        "192.0.2.9:4000".parse().unwrap()
    }

    /// A binding request for this fragment.
    fn request(fragment: &str) -> Vec<u8> {
        let name = format!("{fragment}:peer");
        let padded = name.len().next_multiple_of(4);
        let mut datagram = vec![0, 1, 0, u8::try_from(4 + padded).unwrap(), 0x21, 0x12, 0xA4, 0x42];
        datagram.extend([9; 12]);
        datagram.extend([0, 6, 0, u8::try_from(name.len()).unwrap()]);
        datagram.extend(name.as_bytes());
        datagram.resize(24 + padded, 0);
        datagram
    }

    fn answer() -> Vec<u8> {
        let mut datagram = request("one");
        datagram[0] = 1;
        datagram
    }

    fn table() -> Table {
        let table = Table::new();
        table.add(SessionId::random(), "one".into(), ONE);
        table.add(SessionId::random(), "other".into(), OTHER);
        table
    }

    fn first(table: &Table, datagram: &[u8]) -> Option<Owner> {
        table.recipients(peer(), datagram).map(|recipients| recipients.first)
    }

    #[test]
    fn what_names_nobody_from_nowhere_is_nobodys() {
        let table = table();
        for datagram in [&MEDIA[..], &HELLO, &answer(), &request("nobody"), &[0xFF; 40], &[]] {
            assert_eq!(table.recipients(peer(), datagram), None, "{datagram:?}");
        }
        let named = table.recipients(peer(), &request("one"));
        assert_eq!(named, Some(Recipients { first: ONE, second: None, is_named: true }));
    }

    #[test]
    fn an_address_is_its_claimants_and_forgotten_with_it() {
        let table = table();
        table.claim(peer(), ONE);
        assert_eq!(first(&table, &MEDIA), Some(ONE));
        table.claim(peer(), OTHER);
        assert_eq!(first(&table, &MEDIA), Some(OTHER), "not in use: the newest claim");
        table.release(peer(), ONE);
        assert_eq!(first(&table, &MEDIA), Some(OTHER));
        table.release(peer(), OTHER);
        assert_eq!(first(&table, &MEDIA), None);
        table.remove_fragment("one");
        table.remove_fragment("other");
        assert_eq!(table.sizes(), (2, 0, 0));
    }

    #[test]
    fn a_forged_claim_takes_nothing_from_a_session_under_way() {
        let table = table();
        table.claim(peer(), ONE);
        table.settle(peer(), ONE);
        table.claim(peer(), OTHER);
        assert_eq!(first(&table, &MEDIA), Some(ONE));
        assert_eq!(first(&table, &ALERT), Some(ONE));
        table.release(peer(), OTHER);
        assert_eq!(first(&table, &HELLO), Some(ONE));
    }

    #[test]
    fn a_new_session_from_an_old_ones_address_can_connect_and_takes_over() {
        let table = table();
        table.claim(peer(), ONE);
        table.settle(peer(), ONE);
        table.claim(peer(), OTHER);
        assert_eq!(first(&table, &HELLO), Some(OTHER));
        let both = Recipients { first: ONE, second: Some(OTHER), is_named: false };
        assert_eq!(table.recipients(peer(), &answer()), Some(both));
        table.settle(peer(), OTHER);
        assert_eq!(first(&table, &MEDIA), Some(OTHER));
        table.release(peer(), ONE);
        assert_eq!(first(&table, &MEDIA), Some(OTHER), "the old one's end changes nothing");
    }

    #[test]
    fn an_old_sessions_end_leaves_the_address_to_the_claimant() {
        let table = table();
        table.settle(peer(), ONE);
        table.claim(peer(), OTHER);
        table.release(peer(), ONE);
        assert_eq!(first(&table, &MEDIA), Some(OTHER));
    }
}
