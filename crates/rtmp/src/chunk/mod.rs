//! The chunk layer: messages cut into chunks and put together again (RTMP 1.0, section 5.3).

mod reader;
mod writer;

use bytes::Bytes;

pub use reader::ChunkReader;
pub use writer::ChunkWriter;

/// Chunk size both ways until a Set Chunk Size message changes it (5.4.1).
const INITIAL_CHUNK_SIZE: u32 = 128;
/// A 24-bit timestamp field of this value means that 32 bits follow (5.3.1.3).
const EXTENDED_TIMESTAMP: u32 = 0xff_ffff;

/// One RTMP message, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Milliseconds on the sender's clock, modulo 2^32.
    pub timestamp_ms: u32,
    /// What it is: see [`crate::message_type`].
    pub type_id: u8,
    /// The message stream: 0 for the connection, else what `createStream` returned.
    pub stream_id: u32,
    /// Its bytes, contiguous.
    pub payload: Bytes,
}

#[cfg(test)]
mod tests;
