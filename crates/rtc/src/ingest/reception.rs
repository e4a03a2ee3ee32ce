//! What a receiver report says of one SSRC (RFC 3550 sections 6.4 and A.3, A.8).

use std::time::{Duration, Instant};

use crate::rtcp::{ReportBlock, from_units, ntp_middle, to_units};

/// Reception of one SSRC.
#[derive(Debug)]
pub struct Reception {
    ssrc: u32,
    clock_rate: u32,
    first: u64,
    highest: u64,
    received: u64,
    /// Expected and received at the last report.
    before: (u64, u64),
    /// Arrival and RTP time of the packet before.
    previous: Option<(Instant, u32)>,
    /// Jitter in 1/16 tick.
    jitter_16: u64,
    sender_report: Option<(u32, Instant)>,
}

impl Reception {
    /// Nothing received yet; `sequence` (not wrapped) is the first packet's, `clock_rate` in Hz.
    #[must_use]
    pub fn new(ssrc: u32, clock_rate: u32, sequence: u64) -> Self {
        Self {
            ssrc,
            clock_rate,
            first: sequence,
            highest: sequence,
            received: 0,
            before: (0, 0),
            previous: None,
            jitter_16: 0,
            sender_report: None,
        }
    }

    /// A packet sent in its turn came; not for retransmissions, which would be heard as jitter.
    pub fn handle_packet(&mut self, now: Instant, sequence: u64, timestamp: u32) {
        self.received += 1;
        self.highest = self.highest.max(sequence);
        let Some((then, before)) = self.previous.replace((now, timestamp)) else { return };
        let between = now.saturating_duration_since(then).as_nanos() * u128::from(self.clock_rate);
        let arrival = i64::try_from(between / 1_000_000_000).unwrap_or(i64::MAX);
        let sent = i64::from(timestamp.wrapping_sub(before).cast_signed());
        let off = arrival.saturating_sub(sent).unsigned_abs().min(u64::from(u32::MAX));
        // A.8: J += (|D| - J) / 16, kept in sixteenths so that it rounds as the RFC's code does.
        self.jitter_16 = self.jitter_16 + off - ((self.jitter_16 + 8) >> 4);
    }

    /// A missing packet came after all, on the repair stream: it is not lost (RFC 4588 section 7
    /// leaves loss to the original stream, encoders lower their rate for losses that were mended).
    pub fn handle_repaired(&mut self) {
        self.received += 1;
    }

    /// A sender report came; `ntp` is its wall clock.
    pub fn handle_sender_report(&mut self, now: Instant, ntp: u64) {
        self.sender_report = Some((ntp_middle(ntp), now));
    }

    /// The sender's sequence numbers start anew at `sequence`.
    pub fn restart(&mut self, sequence: u64) {
        let sender_report = self.sender_report;
        *self = Self { sender_report, ..Self::new(self.ssrc, self.clock_rate, sequence) };
    }

    /// The report since the one before.
    #[expect(clippy::cast_possible_truncation, reason = "the report has the low bits, or clamped")]
    pub fn take_report(&mut self, now: Instant) -> ReportBlock {
        let expected = self.highest - self.first + 1;
        let (expected_now, received_now) =
            (expected - self.before.0, self.received.saturating_sub(self.before.1));
        self.before = (expected, self.received);
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction_lost = (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8;
        let (last_sender_report, delay) = match self.sender_report {
            None => (0, 0),
            Some((ntp, at)) => (ntp, to_units(now.saturating_duration_since(at))),
        };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            cumulative_lost: expected.saturating_sub(self.received).min(0x7f_ffff) as i32,
            highest_sequence: self.highest.wrapping_sub(1 << 16) as u32,
            jitter: (self.jitter_16 >> 4) as u32,
            last_sender_report,
            delay,
        }
    }
}

/// The round trip by RFC 3611: `sent` and `now` are this side's NTP times (middle 32 bits), `delay`
/// is what the peer kept the report, in 1/65,536 s. None where the numbers contradict each other.
#[must_use]
pub fn round_trip(now: u32, sent: u32, delay: u32) -> Option<Duration> {
    let units = now.wrapping_sub(sent).checked_sub(delay)?;
    Some(from_units(units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::testing::anchor;

    #[test]
    fn reports_count_loss_jitter_and_delay() {
        let zero = anchor();
        let mut reception = Reception::new(7, 90_000, 65_536 + 10);
        for n in (0..100_u64).filter(|n| n % 4 != 1) {
            // Every second packet is 2 ms late.
            let at = zero + Duration::from_millis(n * 10 + (n / 2 % 2) * 2);
            reception.handle_packet(at, 65_536 + 10 + n, u32::try_from(n * 900).unwrap());
        }
        reception.handle_sender_report(zero, 0x1_8000_0000);
        let report = reception.take_report(zero + Duration::from_millis(1_500));
        assert_eq!(
            (report.fraction_lost, report.cumulative_lost, report.highest_sequence),
            (64, 25, 109)
        );
        assert_eq!((report.last_sender_report, report.delay), (0x1_8000, 98_304));
        assert!((60..180).contains(&report.jitter), "{}", report.jitter);
        let report = reception.take_report(zero);
        assert_eq!((report.fraction_lost, report.cumulative_lost), (0, 25));
    }

    #[test]
    fn the_round_trip_is_what_is_left_of_the_delay() {
        let second = 65_536;
        assert_eq!(
            round_trip(10 * second, 9 * second, second / 2),
            Some(Duration::from_millis(500))
        );
        assert_eq!(round_trip(second, 0xffff_0000, second), Some(Duration::from_secs(1)));
        assert_eq!(round_trip(10 * second, 9 * second, 2 * second), None);
    }
}
