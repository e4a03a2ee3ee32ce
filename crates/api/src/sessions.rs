//! Names of playback sessions.
//!
//! A name is 32 characters of base 64: the session's number, its show's, and a keyed hash of both.
//! The number says all that is needed without a table: whether the session was asked for or given to a
//! player that came without one, and when it began.
//!
//! ```text
//! bit 63         1 for a stranger: no viewer is known, ever
//! bits 62..23    milliseconds since 2026: 34 years
//! bits 22..0     counts sessions, from a random start: two of one millisecond differ
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tally_watch::{SessionId, ShowId};

use crate::keys::Key;
use crate::{Outside, SigningKeys};

/// Unix time at which session numbers begin: 2026-01-01T00:00:00Z, in milliseconds.
const EPOCH_MS: i64 = 1_767_225_600_000;

const STRANGER: u64 = 1 << 63;
const TIME_BITS: u32 = 40;
const COUNTER_BITS: u32 = 23;

/// Bytes of the keyed hash in a name: nobody guesses 64 bits over HTTP.
const PROOF_BYTES: usize = 8;

/// Bytes of the two numbers.
const NUMBERS_BYTES: usize = 2 * size_of::<u64>();

/// Characters of a name: whole groups of three bytes, so that each name has one spelling.
const NAME_CHARS: usize = (NUMBERS_BYTES + PROOF_BYTES) / 3 * 4;

/// How a session came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// Asked for by a player, which has a token for it and attests.
    Asked,
    /// Given to a player that started at `index.m3u8`. Nobody knows who watches.
    Stranger,
}

impl SessionKind {
    /// What the number of a session tells.
    #[must_use]
    pub const fn of(session: SessionId) -> Self {
        if session.0 & STRANGER == 0 { Self::Asked } else { Self::Stranger }
    }
}

/// When a session began, in Unix milliseconds: `t0` of WT-1. Read from its number.
#[must_use]
pub const fn started_at_ms(session: SessionId) -> i64 {
    let since = (session.0 >> COUNTER_BITS) & ((1 << TIME_BITS) - 1);
    EPOCH_MS + since as i64
}

/// Makes and reads names of sessions. Clones share the counter.
#[derive(Clone, Debug)]
pub struct Sessions {
    keys: Arc<SigningKeys>,
    counter: Arc<AtomicU64>,
}

impl Sessions {
    /// Names that are signed with the newest of `keys`.
    #[must_use]
    pub fn new(keys: Arc<SigningKeys>, outside: &Outside) -> Self {
        let start = u64::from_be_bytes(outside.random());
        Self { keys, counter: Arc::new(AtomicU64::new(start)) }
    }

    /// A session that begins now.
    #[must_use]
    pub fn mint(&self, kind: SessionKind, now_ms: i64) -> SessionId {
        let since = u64::try_from(now_ms - EPOCH_MS).unwrap_or(0) & ((1 << TIME_BITS) - 1);
        let count = self.counter.fetch_add(1, Ordering::Relaxed) & ((1 << COUNTER_BITS) - 1);
        let kind = if kind == SessionKind::Stranger { STRANGER } else { 0 };
        SessionId(kind | since << COUNTER_BITS | count)
    }

    /// The name of a session of `show`, fit for a path segment.
    #[must_use]
    pub fn name(&self, show: ShowId, session: SessionId) -> String {
        let mut bytes = [0; NUMBERS_BYTES + PROOF_BYTES];
        let (numbers, proof) = bytes.split_at_mut(NUMBERS_BYTES);
        numbers[..8].copy_from_slice(&session.0.to_be_bytes());
        numbers[8..].copy_from_slice(&show.0.to_be_bytes());
        proof.copy_from_slice(&prove(self.keys.newest(), numbers));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The show and the session that `name` stands for, if this server gave it out.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<(ShowId, SessionId)> {
        if name.len() != NAME_CHARS {
            return None;
        }
        let mut bytes = [0; NUMBERS_BYTES + PROOF_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(name, &mut bytes).ok()?;
        let (numbers, proof) = bytes[..length].split_at_checked(NUMBERS_BYTES)?;
        // A name outlives the key that was the newest when it was given out.
        let is_ours =
            |key| constant_time::verify_slices_are_equal(proof, &prove(key, numbers)).is_ok();
        self.keys.all().any(is_ours).then_some(())?;
        let number = |bytes: &[u8]| bytes.first_chunk().copied().map(u64::from_be_bytes);
        Some((ShowId(number(&numbers[8..])?), SessionId(number(numbers)?)))
    }
}

fn prove(key: &Key, numbers: &[u8]) -> [u8; PROOF_BYTES] {
    let hash = hmac::sign(&key.names, numbers);
    *hash.as_ref().first_chunk().expect("an HMAC-SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::tests::outside_at;

    const NOW_MS: i64 = 1_795_000_000_123;

    fn sessions() -> Sessions {
        let outside = outside_at(NOW_MS);
        Sessions::new(Arc::new(SigningKeys::ephemeral(&outside)), &outside)
    }

    #[test]
    fn a_number_tells_when_its_session_began_and_its_kind() {
        let sessions = sessions();
        for kind in [SessionKind::Asked, SessionKind::Stranger] {
            let session = sessions.mint(kind, NOW_MS);
            assert_eq!((started_at_ms(session), SessionKind::of(session)), (NOW_MS, kind));
        }
    }

    #[test]
    fn sessions_of_one_millisecond_differ() {
        let sessions = sessions();
        let all: std::collections::BTreeSet<_> =
            (0..10_000).map(|_| sessions.mint(SessionKind::Asked, NOW_MS)).collect();
        assert_eq!(all.len(), 10_000);
    }

    #[test]
    fn a_name_stands_for_its_show_and_session_and_cannot_be_changed() {
        let sessions = sessions();
        let (show, session) = (ShowId(u64::MAX - 1), sessions.mint(SessionKind::Asked, NOW_MS));
        let name = sessions.name(show, session);
        assert_eq!(name.len(), NAME_CHARS);
        assert_eq!(sessions.read(&name), Some((show, session)));
        assert_eq!(self::sessions().read(&name), None, "another server's key");
        for at in 0..name.len() {
            let mut changed = name.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(sessions.read(&changed), None, "{changed}");
        }
        for other in ["", "A", &name[1..], &format!("{name}A"), &"ä".repeat(NAME_CHARS / 2)] {
            assert_eq!(sessions.read(other), None, "{other}");
        }
    }
}
