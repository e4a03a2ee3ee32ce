//! RTCP packets written, as compound packets where the peer wants them (RFC 3550 section 6.1) or alone
//! where it takes reduced sizes (RFC 5506).

use super::{
    BLOCK_REFERENCE_TIME, EXTENDED_REPORT, FORMAT_FIR, FORMAT_NACK, FORMAT_PLI, FORMAT_REMB,
    FORMAT_TWCC, PAYLOAD_FEEDBACK, RECEIVER_REPORT, ReportBlock, SENDER_REPORT, SOURCE_DESCRIPTION,
    TRANSPORT_FEEDBACK, TwccFeedback,
};

/// Report blocks of one receiver report: its count has five bits.
const BLOCKS_MAX: usize = 31;
/// Bytes of a CNAME: its length has eight bits.
const CNAME_BYTES_MAX: usize = 255;

/// Writes one datagram of RTCP.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    sender: u32,
}

impl Writer {
    /// A datagram from `sender` that holds feedback alone (RFC 5506).
    #[must_use]
    pub fn reduced(sender: u32) -> Self {
        Self { bytes: Vec::with_capacity(128), sender }
    }

    /// A compound packet: receiver report (blocks beyond 31 left out), then the CNAME.
    #[must_use]
    pub fn compound(sender: u32, blocks: &[ReportBlock], cname: &str) -> Self {
        let mut writer = Self::reduced(sender);
        writer.report(&blocks[..blocks.len().min(BLOCKS_MAX)]);
        writer.cname(cname);
        writer
    }

    /// Bytes written so far.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The datagram; empty where nothing was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// A sender report without blocks (RFC 3550 section 6.4.1): `ntp` is the wall clock in units of
    /// 2^-32 s since 1900, `timestamp` the RTP timestamp of the same instant; then what was sent.
    pub fn sender_report(&mut self, ntp: u64, timestamp: u32, packets: u32, payload_bytes: u32) {
        let at = self.start(SENDER_REPORT, 0);
        self.bytes.extend(ntp.to_be_bytes());
        [timestamp, packets, payload_bytes].into_iter().for_each(|word| self.u32(word));
        self.end(at);
    }

    /// A request for a keyframe: PLI (RFC 4585 section 6.3.1).
    pub fn picture_loss(&mut self, media: u32) {
        let at = self.start(PAYLOAD_FEEDBACK, FORMAT_PLI);
        self.u32(media);
        self.end(at);
    }

    /// A demand for a keyframe: FIR (RFC 5104 section 4.3.1). A repeat has the same `number`.
    pub fn full_intra(&mut self, media: u32, number: u8) {
        let at = self.start(PAYLOAD_FEEDBACK, FORMAT_FIR);
        // The stream is named by the entry alone.
        self.u32(0);
        self.u32(media);
        self.bytes.extend([number, 0, 0, 0]);
        self.end(at);
    }

    /// A request for packets again: generic NACK (RFC 4585 section 6.2.1). `sequences` ascend in
    /// the order they were sent.
    pub fn nack(&mut self, media: u32, sequences: &[u16]) {
        let at = self.start(TRANSPORT_FEEDBACK, FORMAT_NACK);
        self.u32(media);
        let mut rest = sequences;
        while let Some((&first, mut after)) = rest.split_first() {
            let mut mask = 0_u16;
            while let Some((&next, others)) = after.split_first() {
                match next.wrapping_sub(first) {
                    step @ 1..=16 => mask |= 1 << (step - 1),
                    _ => break,
                }
                after = others;
            }
            self.bytes.extend(first.to_be_bytes());
            self.bytes.extend(mask.to_be_bytes());
            rest = after;
        }
        self.end(at);
    }

    /// The bit rate this side can take: REMB (draft-alvestrand-rmcat-remb-03).
    pub fn remb(&mut self, bits_per_second: u64, ssrcs: &[u32]) {
        let ssrcs = &ssrcs[..ssrcs.len().min(255)];
        let at = self.start(PAYLOAD_FEEDBACK, FORMAT_REMB);
        self.u32(0);
        self.bytes.extend(b"REMB");
        let exponent = (64 - bits_per_second.leading_zeros()).saturating_sub(18);
        #[expect(clippy::cast_possible_truncation, reason = "18 bits after the shift, 255 SSRCs")]
        let word =
            (ssrcs.len() as u32) << 24 | exponent << 18 | (bits_per_second >> exponent) as u32;
        self.u32(word);
        for &ssrc in ssrcs {
            self.u32(ssrc);
        }
        self.end(at);
    }

    /// This side's clock, for the peer to answer with its delay (RFC 3611 section 4.4).
    pub fn reference_time(&mut self, ntp: u64) {
        let at = self.start(EXTENDED_REPORT, 0);
        self.bytes.extend([BLOCK_REFERENCE_TIME, 0, 0, 2]);
        self.bytes.extend(ntp.to_be_bytes());
        self.end(at);
    }

    /// When which packet arrived; `count` numbers these messages.
    pub fn transport_wide(&mut self, media: u32, count: u8, feedback: &TwccFeedback) {
        let at = self.start(TRANSPORT_FEEDBACK, FORMAT_TWCC);
        self.u32(media);
        feedback.write(count, &mut self.bytes);
        self.end(at);
    }

    fn report(&mut self, blocks: &[ReportBlock]) {
        #[expect(clippy::cast_possible_truncation, reason = "at most BLOCKS_MAX")]
        let at = self.start(RECEIVER_REPORT, blocks.len() as u8);
        for block in blocks {
            block.words().into_iter().for_each(|word| self.u32(word));
        }
        self.end(at);
    }

    fn cname(&mut self, cname: &str) {
        let name = &cname.as_bytes()[..cname.len().min(CNAME_BYTES_MAX)];
        let at = self.start(SOURCE_DESCRIPTION, 1);
        #[expect(clippy::cast_possible_truncation, reason = "at most CNAME_BYTES_MAX")]
        self.bytes.extend([1, name.len() as u8]);
        self.bytes.extend(name);
        // The items end with a null octet; the chunk is filled up to words with more of them.
        self.bytes.push(0);
        while !(self.bytes.len() - at).is_multiple_of(4) {
            self.bytes.push(0);
        }
        self.end(at);
    }

    /// Header and sender; the length is written by [`Writer::end`].
    fn start(&mut self, packet_type: u8, format: u8) -> usize {
        let at = self.bytes.len();
        self.bytes.extend([0x80 | format, packet_type, 0, 0]);
        self.u32(self.sender);
        at
    }

    /// Fills up to whole words with RTCP padding and writes the length.
    fn end(&mut self, at: usize) {
        let over = (self.bytes.len() - at) % 4;
        if over > 0 {
            let padding = 4 - over;
            self.bytes.resize(self.bytes.len() + padding - 1, 0);
            #[expect(clippy::cast_possible_truncation, reason = "at most 3")]
            self.bytes.push(padding as u8);
            self.bytes[at] |= 0x20;
        }
        #[expect(clippy::cast_possible_truncation, reason = "all packets here are below 64 kB")]
        let words = ((self.bytes.len() - at) / 4 - 1) as u16;
        self.bytes[at + 2..at + 4].copy_from_slice(&words.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_be_bytes());
    }
}
