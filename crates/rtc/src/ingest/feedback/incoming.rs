//! What a publisher's RTCP says that matters here (RFC 3550 section 6, RFC 3611).

const SENDER_REPORT: u8 = 200;
const GOODBYE: u8 = 203;
const EXTENDED_REPORT: u8 = 207;
/// Block type of "delay since the last receiver report" (RFC 3611 section 4.5).
const BLOCK_DLRR: u8 = 5;

/// One thing a publisher said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Wall clock and RTP clock of one SSRC at the same instant (RFC 3550 section 6.4.1).
    SenderReport {
        /// Whose.
        ssrc: u32,
        /// Wall clock: seconds since 1900 in the upper 32 bits, fractions in the lower.
        ntp: u64,
        /// RTP clock.
        rtp: u32,
    },
    /// One SSRC sends no more (section 6.6).
    Goodbye {
        /// Whose.
        ssrc: u32,
    },
    /// The answer to a receiver reference time (RFC 3611 section 4.5).
    Delay {
        /// To whom.
        ssrc: u32,
        /// Middle 32 bits of the NTP time answered; 0 where none came yet.
        last: u32,
        /// Since then, in 1/65,536 s.
        delay: u32,
    },
}

/// What a compound packet says; a malformed rest is left out. Bounded by the datagram.
#[must_use]
pub fn read(mut bytes: &[u8]) -> Vec<Incoming> {
    let mut said = Vec::new();
    while let Some((packet, rest)) = split_packet(bytes) {
        bytes = rest;
        let count = packet[0] & 0x1f;
        let body = &packet[4..];
        match packet[1] {
            SENDER_REPORT => said.extend(sender_report(body)),
            GOODBYE => {
                let ssrcs = body.chunks_exact(4).take(usize::from(count));
                said.extend(
                    ssrcs.filter_map(|b| u32_at(b, 0)).map(|ssrc| Incoming::Goodbye { ssrc }),
                );
            }
            EXTENDED_REPORT => delays(body, &mut said),
            _ => {}
        }
    }
    said
}

/// The first packet, header included, and the rest.
fn split_packet(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let header: &[u8; 4] = bytes.first_chunk()?;
    if header[0] >> 6 != 2 {
        return None;
    }
    let len = (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1) * 4;
    bytes.split_at_checked(len)
}

fn sender_report(body: &[u8]) -> Option<Incoming> {
    let ntp = u64::from(u32_at(body, 4)?) << 32 | u64::from(u32_at(body, 8)?);
    Some(Incoming::SenderReport { ssrc: u32_at(body, 0)?, ntp, rtp: u32_at(body, 12)? })
}

fn delays(body: &[u8], said: &mut Vec<Incoming>) {
    let mut blocks = body.get(4..).unwrap_or_default();
    while let Some(header) = blocks.first_chunk::<4>() {
        let len = (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1) * 4;
        let Some((block, rest)) = blocks.split_at_checked(len) else { return };
        blocks = rest;
        if header[0] != BLOCK_DLRR {
            continue;
        }
        for part in block[4..].chunks_exact(12) {
            if let (Some(ssrc), Some(last), Some(delay)) =
                (u32_at(part, 0), u32_at(part, 4), u32_at(part, 8))
            {
                said.push(Incoming::Delay { ssrc, last, delay });
            }
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
