//! When each packet arrived, for transport-wide congestion control.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::rtcp::{TICK_US, TwccFeedback, Writer};
use crate::rtp::ExtendedSequence;

/// Arrivals kept between two reports: 100 ms of 100 Mbit/s. Beyond, the oldest go unreported.
pub const ARRIVALS_MAX: usize = 1_024;
/// Arrivals told in one packet, so that it stays within 1,200 bytes at the worst chunks and deltas.
const TOLD_MAX: usize = 300;
/// Packets one report may tell to be lost in a row; after a longer hole a new report begins.
const HOLE_MAX: u64 = 1_000;
/// Arrival ticks in one tick of the reference time (64 ms).
const TICKS_PER_REFERENCE: i64 = 256;
/// Packets of one report: with [`TOLD_MAX`] this keeps it within a datagram.
const PACKETS_MAX: usize = 1_500;

/// Arrival times of packets by transport-wide sequence number.
#[derive(Debug)]
pub struct Arrivals {
    start: Instant,
    sequence: ExtendedSequence,
    /// Arrival in ticks since `start`.
    arrivals: BTreeMap<u64, i64>,
    /// One past the last sequence number reported.
    reported: Option<u64>,
    reports: u8,
}

impl Arrivals {
    /// Nothing arrived yet; times count from `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            sequence: ExtendedSequence::new(),
            arrivals: BTreeMap::new(),
            reported: None,
            reports: 0,
        }
    }

    /// Whether there is something to report.
    #[must_use]
    pub fn is_due(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// A packet with this transport-wide sequence number came.
    pub fn handle_packet(&mut self, now: Instant, sequence: u16) {
        let full = self.sequence.unwrap(sequence);
        if self.arrivals.len() >= ARRIVALS_MAX {
            self.arrivals.pop_first();
        }
        let since_us = now.saturating_duration_since(self.start).as_micros();
        let since = i64::try_from(since_us).unwrap_or(i64::MAX) / TICK_US;
        // The first arrival counts: a duplicate tells nothing of the path.
        self.arrivals.entry(full).or_insert(since);
    }

    /// Writes a packet about what came since the last; call until nothing [is due](Self::is_due).
    #[expect(clippy::cast_possible_truncation, reason = "the wire has the low bits")]
    pub fn write(&mut self, writer: &mut Writer, media: u32) {
        let Some((&first, &arrival)) = self.arrivals.first_key_value() else { return };
        // What lies between two reports was lost, unless the hole says the numbers began anew.
        let base = match self.reported {
            Some(reported) if first > reported && first - reported <= HOLE_MAX => reported,
            _ => first,
        };
        let reference = arrival.div_euclid(TICKS_PER_REFERENCE);
        let zero = reference * TICKS_PER_REFERENCE;
        let (mut packets, mut told) = (Vec::new(), 0);
        let (mut before, mut next) = (zero, base);
        while let Some((&sequence, &arrival)) = self.arrivals.first_key_value() {
            let is_full = told == TOLD_MAX || packets.len() >= PACKETS_MAX;
            if is_full || sequence - next > HOLE_MAX || i16::try_from(arrival - before).is_err() {
                break;
            }
            self.arrivals.pop_first();
            packets.extend((next..sequence).map(|it| (it as u16, None)));
            packets.push((sequence as u16, Some((arrival - zero) * TICK_US)));
            told += 1;
            before = arrival;
            next = sequence + 1;
        }
        self.reported = self.reported.max(Some(next));
        let reference = reference.cast_unsigned() as u32;
        writer.transport_wide(media, self.reports, &TwccFeedback { reference, packets });
        self.reports = self.reports.wrapping_add(1);
    }
}
