//! RTCP as bytes, both ways: [`read()`] takes a compound packet apart, [`Writer`] makes one.
//!
//! What is asked for, reported and believed is the business of [`crate::ingest`] and
//! [`crate::egress`]; here are formats and their bounds. RFC 3550 section 6 (reports, CNAME, goodbye),
//! RFC 3611 (reference times), RFC 4585 and 5104 (feedback), RFC 5506 (reduced size),
//! draft-holmer-rmcat-transport-wide-cc-extensions-01, draft-alvestrand-rmcat-remb-03.

mod read;
mod report;
#[cfg(test)]
mod tests;
mod twcc;
mod write;

pub use read::{Message, NACKS_MAX, read};
pub use report::{ReportBlock, from_units, ntp_middle, to_units};
pub use twcc::{TICK_US, TWCC_PACKETS_MAX, TwccFeedback};
pub use write::Writer;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// Feedback by transport and by payload, each with the formats it has here.
const TRANSPORT_FEEDBACK: u8 = 205;
const FORMAT_NACK: u8 = 1;
const FORMAT_TWCC: u8 = 15;
const PAYLOAD_FEEDBACK: u8 = 206;
const FORMAT_PLI: u8 = 1;
const FORMAT_FIR: u8 = 4;
const FORMAT_REMB: u8 = 15;
/// Extended reports, and their block types: reference time, and delay since the last one.
const EXTENDED_REPORT: u8 = 207;
const BLOCK_REFERENCE_TIME: u8 = 4;
const BLOCK_DELAYS: u8 = 5;

/// `N` bytes of what may be too short.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}
