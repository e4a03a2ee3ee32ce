//! The only reader of the machine's wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds.
#[must_use]
pub fn unix_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this function is where the wall clock enters")]
    let now = SystemTime::now();
    // A clock before 1970 is a broken machine; zero keeps playlists well-formed.
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
