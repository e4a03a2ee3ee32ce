//! What a viewer's RTCP says, as far as sending needs it (RFC 3550, 4585, 5104, draft-holmer-rmcat-
//! transport-wide-cc-extensions-01, draft-alvestrand-rmcat-remb).

/// Packets one transport-wide report may speak of: a second of 40 Mbit/s. Reports come many times a
/// second; a count beyond this is hostile, and such a report is ignored.
pub const TWCC_PACKETS_MAX: usize = 4_096;

/// Packets one NACK message may ask for: more than a history holds is never of use.
pub const NACKS_MAX: usize = 1_024;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const GOODBYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

/// One message of a compound packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// What arrived of one of our streams (RFC 3550, section 6.4.1).
    Report(ReportBlock),
    /// Packets of `ssrc` that are missing (RFC 4585, section 6.2.1), at most [`NACKS_MAX`].
    Nack {
        /// The stream.
        ssrc: u32,
        /// RTP sequence numbers.
        sequences: Vec<u16>,
    },
    /// When which packet arrived.
    Twcc(TwccFeedback),
    /// The viewer's own estimate.
    Remb {
        /// Bits per second.
        bps: u64,
    },
    /// PLI or FIR: a decoder of `ssrc` is stuck (RFC 4585, section 6.3.1; RFC 5104, section 4.3.1).
    KeyframeWanted {
        /// The stream.
        ssrc: u32,
    },
    /// The viewer leaves (RFC 3550, section 6.6).
    Goodbye,
}

/// A report block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream reported on.
    pub ssrc: u32,
    /// Share of the packets lost since the last report, of 256.
    pub fraction_lost: u8,
    /// Packets lost in all; negative where duplicates came.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest_sequence: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0 for none.
    pub last_sender_report: u32,
    /// Since that report arrived, in units of 1/65,536 s.
    pub delay_since: u32,
}

/// A transport-wide feedback message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwccFeedback {
    /// The viewer's clock in units of 64 ms, 24 bits, from which arrivals count.
    pub reference: u32,
    /// Each packet in order: transport-wide sequence number, and its arrival in microseconds after
    /// the reference time if it arrived.
    pub packets: Vec<(u16, Option<i64>)>,
}

/// Reads the messages of a compound packet one after the other. What is malformed or unknown is
/// skipped; after a header that does not fit nothing more is read.
pub fn read(compound: &[u8]) -> impl Iterator<Item = Feedback> {
    let mut rest = compound;
    let mut ready = Vec::new();
    std::iter::from_fn(move || {
        loop {
            if let Some(message) = ready.pop() {
                return Some(message);
            }
            let [first, kind, high, low, ..] = *rest else { return None };
            let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
            if first >> 6 != 2 || rest.len() < length {
                return None;
            }
            let (message, after) = rest.split_at(length);
            rest = after;
            read_message(first & 31, kind, &message[4..], &mut ready);
            ready.reverse();
        }
    })
}

fn read_message(count: u8, kind: u8, body: &[u8], out: &mut Vec<Feedback>) {
    let blocks = |from: usize| body.get(from..).unwrap_or_default().chunks_exact(24);
    match (kind, count) {
        (SENDER_REPORT, _) => {
            out.extend(blocks(24).take(usize::from(count)).map(report_block));
        }
        (RECEIVER_REPORT, _) => {
            out.extend(blocks(4).take(usize::from(count)).map(report_block));
        }
        (GOODBYE, _) => out.push(Feedback::Goodbye),
        (TRANSPORT_FEEDBACK, 1) => out.extend(nack(body)),
        (TRANSPORT_FEEDBACK, 15) => out.extend(twcc(body).map(Feedback::Twcc)),
        (PAYLOAD_FEEDBACK, 1) => {
            out.extend(word(body, 4).map(|ssrc| Feedback::KeyframeWanted { ssrc }));
        }
        (PAYLOAD_FEEDBACK, 4) => {
            out.extend(word(body, 8).map(|ssrc| Feedback::KeyframeWanted { ssrc }));
        }
        (PAYLOAD_FEEDBACK, 15) => out.extend(remb(body)),
        _ => {}
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(word.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let half = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(half.try_into().ok()?))
}

fn report_block(block: &[u8]) -> Feedback {
    let at = |offset| word(block, offset).unwrap_or_default();
    let lost = at(4);
    Feedback::Report(ReportBlock {
        ssrc: at(0),
        fraction_lost: lost.to_be_bytes()[0],
        // 24 bits with a sign.
        cumulative_lost: (lost << 8).cast_signed() >> 8,
        highest_sequence: at(8),
        last_sender_report: at(16),
        delay_since: at(20),
    })
}

fn nack(body: &[u8]) -> Option<Feedback> {
    let ssrc = word(body, 4)?;
    let mut sequences = Vec::new();
    for pair in body.get(8..)?.chunks_exact(4) {
        let (first, mask) = (half(pair, 0)?, half(pair, 2)?);
        sequences.push(first);
        let more = (0..16).filter(|bit| mask >> bit & 1 == 1);
        sequences.extend(more.map(|bit| first.wrapping_add(bit + 1)));
        if sequences.len() >= NACKS_MAX {
            break;
        }
    }
    sequences.truncate(NACKS_MAX);
    Some(Feedback::Nack { ssrc, sequences })
}

fn remb(body: &[u8]) -> Option<Feedback> {
    if body.get(8..12)? != b"REMB" {
        return None;
    }
    let packed = word(body, 12)?;
    let (exponent, mantissa) = ((packed >> 18) & 63, u64::from(packed & 0x3_ffff));
    let bps = mantissa.saturating_mul(1_u64.checked_shl(exponent)?);
    Some(Feedback::Remb { bps })
}

/// Section 3.1 of the draft: chunks of status symbols, then a delta for each packet that came.
fn twcc(body: &[u8]) -> Option<TwccFeedback> {
    let (base, count) = (half(body, 8)?, usize::from(half(body, 10)?));
    if count > TWCC_PACKETS_MAX {
        return None;
    }
    let reference = word(body, 12)? >> 8;
    let mut at = 16;
    let mut symbols = Vec::with_capacity(count);
    while symbols.len() < count {
        let chunk = half(body, at)?;
        at += 2;
        match chunk >> 14 {
            0 | 1 => {
                let run = usize::from(chunk & 0x1fff).min(count - symbols.len());
                if run == 0 {
                    return None;
                }
                symbols.resize(symbols.len() + run, chunk >> 13 & 3);
            }
            2 => symbols.extend((0..14).rev().map(|bit| chunk >> bit & 1)),
            _ => symbols.extend((0..7).rev().map(|pair| chunk >> (2 * pair) & 3)),
        }
    }
    symbols.truncate(count);
    let mut arrival_us = 0;
    let mut sequence = base;
    let mut packets = Vec::with_capacity(count);
    for symbol in symbols {
        let delta = match symbol {
            1 => {
                at += 1;
                Some(i64::from(*body.get(at - 1)?))
            }
            2 => {
                at += 2;
                Some(i64::from(half(body, at - 2)?.cast_signed()))
            }
            _ => None,
        };
        arrival_us += delta.unwrap_or_default() * 250;
        packets.push((sequence, delta.map(|_| arrival_us)));
        sequence = sequence.wrapping_add(1);
    }
    Some(TwccFeedback { reference, packets })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::egress::testing::message;

    #[test]
    fn a_compound_packet_gives_its_messages_in_order() {
        let mut block = vec![0, 0, 0, 9];
        block.extend([0, 0, 0, 7, 64, 0xff, 0xff, 0xfe, 0, 1, 0, 2, 0, 0, 0, 0]);
        block.extend([1, 2, 3, 4, 0, 1, 0, 0]);
        let mut bytes = message(1, 201, &block);
        bytes.extend(message(1, 205, &[0, 0, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 0x80, 1]));
        bytes.extend(message(1, 206, &[0, 0, 0, 9, 0, 0, 0, 7]));
        let remb = [&[0, 0, 0, 9, 0, 0, 0, 0], &b"REMB"[..], &[1, 0b0000_1000, 0, 5]].concat();
        bytes.extend(message(15, 206, &remb));
        bytes.extend(message(0, 203, &[]));
        let report = ReportBlock {
            ssrc: 7,
            fraction_lost: 64,
            cumulative_lost: -2,
            highest_sequence: 0x1_0002,
            last_sender_report: 0x0102_0304,
            delay_since: 0x1_0000,
        };
        let wanted = [
            Feedback::Report(report),
            Feedback::Nack { ssrc: 7, sequences: vec![0xffff, 0, 15] },
            Feedback::KeyframeWanted { ssrc: 7 },
            Feedback::Remb { bps: 20 },
            Feedback::Goodbye,
        ];
        assert_eq!(read(&bytes).collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn twcc_chunks_of_every_kind_are_read() {
        // Run of 2 small deltas; one-bit vector of 14; two-bit vector of 7, of which 2 are meant.
        let head = [0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0, 18, 0, 0, 3, 0];
        let chunks = [0x20, 2, 0xa0, 1, 0b1101_1000, 0];
        let deltas = [4, 8, 1, 2, 0xff, 0xfc, 12, 0];
        let feedback = twcc(&[&head[..], &chunks, &deltas].concat()).unwrap();
        assert_eq!(feedback.reference, 3);
        let arrived: Vec<_> = feedback
            .packets
            .iter()
            .filter_map(|(sequence, at)| Some((*sequence, (*at)?)))
            .collect();
        let early = [(0xffff, 1_000), (0, 3_000), (1, 3_250), (14, 3_750)];
        assert_eq!(arrived[..4], early);
        assert_eq!(arrived[4..], [(15, 67_500), (16, -185_500)]);
        assert_eq!(feedback.packets.len(), 18);
    }

    #[test]
    fn a_report_on_too_many_packets_is_ignored() {
        let body = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x1f, 0xff, 0x1f, 0xff];
        assert_eq!(twcc(&body), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            check(&bytes);
            for kind in 200..=206 {
                check(&message(bytes.first().map_or(15, |it| it & 31), kind, &bytes));
            }
        }
    }

    #[test]
    fn fuzz_feedback() {
        bolero::check!().with_iterations(5_000).for_each(|input: &[u8]| {
            check(input);
            check(&message(15, 205, input));
        });
    }

    fn check(bytes: &[u8]) {
        for feedback in read(bytes) {
            match feedback {
                Feedback::Twcc(feedback) => assert!(feedback.packets.len() <= TWCC_PACKETS_MAX),
                Feedback::Nack { sequences, .. } => assert!(sequences.len() <= NACKS_MAX),
                _ => {}
            }
        }
    }
}
