//! Numbers that wrap, unwrapped.

/// Sequence numbers of one source, unwrapped from the packets seen.
///
/// The first packet gets its number plus 65,536, so that packets that overtook it have a number as
/// well. Each next one gets the number nearest to the highest so far; at exactly half the circle,
/// the older one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtendedSequence {
    highest: Option<u64>,
}

impl ExtendedSequence {
    /// Nothing seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The unwrapped number of a packet that was just received.
    pub fn unwrap(&mut self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else {
            let first = u64::from(sequence) + CYCLE;
            self.highest = Some(first);
            return first;
        };
        #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are meant")]
        let ahead = sequence.wrapping_sub(highest as u16);
        let ahead = u64::from(ahead);
        // The first number is at least a cycle and the highest never falls: no underflow.
        let behind = if ahead < CYCLE / 2 { 0 } else { CYCLE };
        let unwrapped = highest + ahead - behind;
        self.highest = Some(highest.max(unwrapped));
        unwrapped
    }

    /// The highest number so far.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Sequence numbers there are.
const CYCLE: u64 = 1 << 16;

/// The number nearest to `near` that ends in the 32 bits of `ticks`: an RTP timestamp on a timeline
/// that does not wrap. `near` is any timestamp of the same source, the last one unwrapped say.
#[must_use]
pub fn unwrap_ticks(near: i64, ticks: u32) -> i64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2^32")]
    let ahead = ticks.wrapping_sub(near as u32);
    #[expect(clippy::cast_possible_wrap, reason = "the upper half of the circle is behind")]
    let ahead = ahead as i32;
    near.saturating_add(i64::from(ahead))
}
