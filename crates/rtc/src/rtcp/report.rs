//! Report blocks (RFC 3550 section 6.4.1), and the units of time in them.

use std::time::Duration;

use super::word;

/// What a report says of one SSRC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Of whom.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the start, 24 bits; negative where duplicates came.
    pub cumulative_lost: i32,
    /// Highest sequence number, with turns in the upper 16 bits.
    pub highest_sequence: u32,
    /// Jitter in ticks.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time; 0 before the first.
    pub last_sender_report: u32,
    /// Since then, in 1/65,536 s.
    pub delay: u32,
}

impl ReportBlock {
    /// Bytes of one.
    pub(super) const BYTES: usize = 24;

    /// Reads [`Self::BYTES`]; what is missing is 0.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let at = |offset| word(bytes, offset).unwrap_or_default();
        let lost = at(4);
        Self {
            ssrc: at(0),
            fraction_lost: lost.to_be_bytes()[0],
            // 24 bits with a sign.
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            highest_sequence: at(8),
            jitter: at(12),
            last_sender_report: at(16),
            delay: at(20),
        }
    }

    /// The words of it.
    pub(super) fn words(&self) -> [u32; 6] {
        let lost = self.cumulative_lost.cast_unsigned() & 0xff_ffff;
        let losses = u32::from(self.fraction_lost) << 24 | lost;
        let Self { ssrc, highest_sequence, jitter, last_sender_report, delay, .. } = *self;
        [ssrc, losses, highest_sequence, jitter, last_sender_report, delay]
    }
}

/// The middle 32 bits of an NTP time, as reports quote it: units of 1/65,536 s.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the middle bits are what is wanted")]
pub const fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A time of 1/65,536 s.
#[must_use]
pub const fn from_units(units: u32) -> Duration {
    Duration::from_nanos((units as u64 * 1_000_000_000) >> 16)
}

/// In 1/65,536 s, at most what 32 bits hold.
#[must_use]
pub fn to_units(time: Duration) -> u32 {
    u32::try_from((time.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}
