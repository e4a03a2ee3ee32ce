//! Transport-wide congestion control feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01): when each packet arrived.

use std::collections::BTreeMap;
use std::time::Instant;

use super::write::Writer;
use crate::rtp::ExtendedSequence;

/// Arrivals kept between two reports: 100 ms of 100 Mbit/s. Beyond, the oldest go unreported.
pub const ARRIVALS_MAX: usize = 1_024;
/// Arrivals told in one packet, so that it stays within 1,200 bytes at the worst chunks and deltas.
const TOLD_MAX: usize = 300;
/// Packets one report may tell to be lost in a row; after a longer hole a new report begins.
const HOLE_MAX: u64 = 1_000;
/// Ticks of 250 us in one tick of the reference time (64 ms).
const TICKS_PER_REFERENCE: i64 = 256;
/// Longest run of one run-length chunk: 13 bits.
const RUN_MAX: usize = 0x1fff;

/// Status symbols of section 3.1.1.
const LOST: u8 = 0;
const SMALL: u8 = 1;
const LARGE: u8 = 2;

/// Arrival times of packets by transport-wide sequence number.
#[derive(Debug)]
pub struct Twcc {
    start: Instant,
    sequence: ExtendedSequence,
    /// Arrival in 250 us since `start`.
    arrivals: BTreeMap<u64, i64>,
    /// One past the last sequence number reported.
    reported: Option<u64>,
    packets: u8,
}

impl Twcc {
    /// Nothing arrived yet; times count from `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            sequence: ExtendedSequence::new(),
            arrivals: BTreeMap::new(),
            reported: None,
            packets: 0,
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
        let since = now.saturating_duration_since(self.start).as_micros() / 250;
        // The first arrival counts: a duplicate tells nothing of the path.
        self.arrivals.entry(full).or_insert(i64::try_from(since).unwrap_or(i64::MAX));
    }

    /// Writes a packet about what came since the last; call until nothing [is due](Twcc::is_due).
    pub fn write(&mut self, writer: &mut Writer, media: u32) {
        let Some((&first, &arrival)) = self.arrivals.first_key_value() else { return };
        // What lies between two reports was lost, unless the hole says the numbers began anew.
        let base = match self.reported {
            Some(reported) if first > reported && first - reported <= HOLE_MAX => reported,
            _ => first,
        };
        let reference = arrival.div_euclid(TICKS_PER_REFERENCE);
        let mut symbols = Vec::new();
        let mut deltas = Vec::new();
        let mut before = reference * TICKS_PER_REFERENCE;
        let mut next = base;
        while let Some((&sequence, &arrival)) = self.arrivals.first_key_value() {
            let hole = sequence - next;
            let delta = arrival - before;
            if hole > HOLE_MAX || deltas.len() >= TOLD_MAX * 2 {
                break;
            }
            let Ok(delta) = i16::try_from(delta) else { break };
            self.arrivals.pop_first();
            symbols.extend((next..sequence).map(|_| LOST));
            match u8::try_from(delta) {
                Ok(small) => {
                    symbols.push(SMALL);
                    deltas.push(small);
                }
                Err(_) => {
                    symbols.push(LARGE);
                    deltas.extend(delta.to_be_bytes());
                }
            }
            before = arrival;
            next = sequence + 1;
            if symbols.len() >= SYMBOLS_MAX {
                break;
            }
        }
        self.reported = self.reported.max(Some(next));
        writer.transport_wide(media, &self.body(base, reference, &symbols, &deltas));
        self.packets = self.packets.wrapping_add(1);
    }

    #[expect(clippy::cast_possible_truncation, reason = "the wire has the low bits")]
    fn body(&self, base: u64, reference: i64, symbols: &[u8], deltas: &[u8]) -> Vec<u8> {
        let mut body = Vec::with_capacity(8 + symbols.len() + deltas.len());
        body.extend((base as u16).to_be_bytes());
        body.extend((symbols.len() as u16).to_be_bytes());
        body.extend(&(reference.cast_unsigned() as u32).to_be_bytes()[1..]);
        body.push(self.packets);
        write_chunks(symbols, &mut body);
        body.extend(deltas);
        body
    }
}

/// Symbols of one packet: with [`TOLD_MAX`] this keeps it within a datagram.
const SYMBOLS_MAX: usize = 1_500;

/// Sections 3.1.2 to 3.1.4: runs where they pay, else vectors of 14 or 7 symbols.
fn write_chunks(mut symbols: &[u8], body: &mut Vec<u8>) {
    while let Some(&first) = symbols.first() {
        let run = symbols.iter().take(RUN_MAX).take_while(|&&symbol| symbol == first).count();
        let ahead = &symbols[..symbols.len().min(14)];
        let (chunk, taken) = if run >= 14 || run == symbols.len() {
            #[expect(clippy::cast_possible_truncation, reason = "at most RUN_MAX")]
            (u16::from(first) << 13 | run as u16, run)
        } else if ahead.iter().all(|&symbol| symbol != LARGE) {
            (0x8000 | vector(ahead, 14, 1), ahead.len())
        } else {
            let ahead = &ahead[..ahead.len().min(7)];
            (0xc000 | vector(ahead, 7, 2), ahead.len())
        };
        body.extend(chunk.to_be_bytes());
        symbols = &symbols[taken..];
    }
}

/// Symbols of `bits` each, the first on the left of `places`.
fn vector(symbols: &[u8], places: usize, bits: usize) -> u16 {
    let packed = symbols.iter().fold(0, |packed, &symbol| packed << bits | u16::from(symbol));
    packed << ((places - symbols.len()) * bits)
}
