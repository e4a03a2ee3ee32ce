//! Which packets to ask for again, and when (generic NACK, RFC 4585 section 6.2.1); and what comes
//! back on the repair stream (RFC 4588).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::reorder;

/// Sequence numbers asked for at a time, per SSRC: beyond, a new keyframe costs less than repair.
pub const MISSING_MAX: usize = 512;
/// Times one packet is asked for: at 30 % loss both ways, one packet in a thousand still misses.
pub const ASKS_MAX: u8 = 10;
/// How long a packet may come out of order before it is asked for: what path jitter swaps.
pub const REORDER_GRACE: Duration = Duration::from_millis(10);
/// Least time between two asks for the same packet, and what is added to a round trip.
pub const ASK_MARGIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
struct Missing {
    asks: u8,
    asked: Option<Instant>,
    due: Instant,
}

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// In its turn, or out of turn before it was asked for.
    Unasked,
    /// After it was asked for.
    Repaired {
        /// How long the answer took, where there was one ask.
        round_trip: Option<Duration>,
    },
}

/// The missing packets of one SSRC.
#[derive(Debug, Default)]
pub struct Nack {
    highest: Option<u64>,
    missing: BTreeMap<u64, Missing>,
}

impl Nack {
    /// Nothing missing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Packets missing and still of use, never more than [`MISSING_MAX`].
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// A packet came, `sequence` not wrapped.
    pub fn handle_arrival(&mut self, now: Instant, sequence: u64) -> Arrival {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            return Arrival::Unasked;
        };
        if sequence <= highest {
            return match self.missing.remove(&sequence) {
                Some(Missing { asked: Some(asked), asks, .. }) => Arrival::Repaired {
                    // With two asks it is not known which one was answered.
                    round_trip: (asks == 1).then(|| now.saturating_duration_since(asked)),
                },
                _ => Arrival::Unasked,
            };
        }
        self.highest = Some(sequence);
        for gone in highest + 1..sequence {
            if self.missing.len() >= MISSING_MAX {
                break;
            }
            let due = now + REORDER_GRACE;
            self.missing.insert(gone, Missing { asks: 0, asked: None, due });
        }
        Arrival::Unasked
    }

    /// The sender's sequence numbers start anew at `sequence`.
    pub fn restart(&mut self, sequence: u64) {
        self.missing.clear();
        self.highest = Some(sequence);
    }

    /// Nothing below `sequence` is of use any more.
    pub fn forget_below(&mut self, sequence: u64) {
        while let Some(first) = self.missing.first_entry() {
            if *first.key() >= sequence {
                return;
            }
            first.remove();
        }
    }

    /// When [`Nack::take_due`] has something.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.missing.values().filter(|missing| missing.asks < ASKS_MAX).map(|m| m.due).min()
    }

    /// The sequence numbers to ask for now, ascending; each comes again a round trip later until it
    /// arrives or was asked for [`ASKS_MAX`] times.
    pub fn take_due(&mut self, now: Instant, rtt: Duration) -> Vec<u16> {
        let mut due = Vec::new();
        for (&sequence, missing) in &mut self.missing {
            if missing.asks < ASKS_MAX && missing.due <= now {
                missing.asks += 1;
                missing.asked = Some(now);
                missing.due = now + rtt + ASK_MARGIN;
                #[expect(clippy::cast_possible_truncation, reason = "the wire has the low bits")]
                due.push(sequence as u16);
            }
        }
        due
    }
}

/// The original packet, of this payload type, inside a retransmission (RFC 4588 section 4); none where the payload is too
/// short to hold one, as in packets that probe the path.
#[must_use]
pub fn restore(
    payload_type: u8,
    timestamp: u32,
    marker: bool,
    payload: &Bytes,
) -> Option<reorder::Packet> {
    let sequence = u16::from_be_bytes(*payload.first_chunk()?);
    let payload = payload.slice(2..);
    Some(reorder::Packet { payload_type, sequence, timestamp, marker, payload })
}
