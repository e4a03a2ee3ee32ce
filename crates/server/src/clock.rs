//! The only reader of the machine's wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds from 1900, where NTP's clock starts, to 1970 (RFC 5905 section 6).
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// Unix time in milliseconds.
#[must_use]
pub fn unix_ms() -> i64 {
    i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX)
}

/// NTP time in units of 2^-32 s since 1900, as RTCP writes it (RFC 3550 section 4). Wraps in 2036.
#[must_use]
pub fn ntp() -> u64 {
    ntp_of(since_1970())
}

fn ntp_of(since_1970: Duration) -> u64 {
    let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
    since_1970.as_secs().wrapping_add(NTP_TO_UNIX_S) << 32 | fraction
}

fn since_1970() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this function is where the wall clock enters")]
    let now = SystemTime::now();
    // A clock before 1970 is a broken machine; zero keeps playlists well-formed.
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_counts_from_1900() {
        assert_eq!(ntp_of(Duration::ZERO), 0x83AA_7E80_0000_0000);
        assert_eq!(ntp_of(Duration::from_millis(1_500)), 0x83AA_7E81_8000_0000);
    }
}
