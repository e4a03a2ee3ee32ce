//! RTP headers, extensions and sequence numbers.

mod header;
mod packet;
mod sequence;
#[cfg(test)]
mod tests;

pub use header::{EXTENSION_BYTES_MAX, HEADER_BYTES_MAX, Header, HeaderWriter};
pub use packet::{Packet, ParseError, header_bytes, is_rtcp};
pub use sequence::{ExtendedSequence, unwrap_ticks};
