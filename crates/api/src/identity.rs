//! From the names on the wire to the numbers of the ledger.

use aws_lc_rs::digest::{SHA256, digest};
use tally_watch::{ShowId, ViewerKey};

/// The ledger's number for a show: the first 64 bits of its name's SHA-256. Names are 80 random bits.
#[must_use]
pub fn show_id(name: &str) -> ShowId {
    ShowId(u64::from_be_bytes(prefix(&[name])))
}

/// A viewer's key: 128 bits of a hash, so that the ledger holds nobody's account name. `kind` keeps an
/// account apart from a device that chose the same text.
pub(crate) fn viewer_key(kind: &str, name: &str) -> ViewerKey {
    ViewerKey(u128::from_be_bytes(prefix(&[kind, ":", name])))
}

/// The first `N` bytes of the SHA-256 of all texts in a row.
pub(crate) fn prefix<const N: usize>(texts: &[&str]) -> [u8; N] {
    let hash = digest(&SHA256, texts.concat().as_bytes());
    hash.as_ref().first_chunk().copied().expect("a SHA-256 has 32 bytes, and N is 8 or 16")
}
