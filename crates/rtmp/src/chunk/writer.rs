//! Cutting messages into chunks.

use bytes::{BufMut, BytesMut};

use super::{EXTENDED_TIMESTAMP, INITIAL_CHUNK_SIZE, Message};
use crate::message_type;

/// Chunk streams that are written to; fixed by message type, so this is all of them.
const CHUNK_STREAMS: usize = 4;

/// Cuts messages into chunks. Media headers are compressed (5.3.1.2); control messages and commands
/// are few and always have full headers, because some peers need that during set-up.
#[derive(Debug)]
pub struct ChunkWriter {
    chunk_size: usize,
    last: [Option<Last>; CHUNK_STREAMS],
}

/// What the next header on a chunk stream may leave out.
#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp_ms: u32,
    /// The step it was written as; `None` after an absolute time, where readers disagree about
    /// the step of a type 3 header that begins a message.
    step: Option<u32>,
    length: usize,
    type_id: u8,
    stream_id: u32,
}

impl Default for ChunkWriter {
    fn default() -> Self {
        Self { chunk_size: INITIAL_CHUNK_SIZE as usize, last: [None; CHUNK_STREAMS] }
    }
}

impl ChunkWriter {
    /// A writer at the start of the chunk stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of payload per chunk from the next message on. The peer has to be told first, with a
    /// Set Chunk Size message.
    ///
    /// # Panics
    /// On zero.
    pub const fn set_chunk_size(&mut self, bytes: u32) {
        assert!(bytes > 0, "a chunk holds at least one byte");
        self.chunk_size = bytes as usize;
    }

    /// Appends a message to `out`. Its payload must be below 16 MiB, what the 24-bit length field
    /// can say.
    pub fn write(&mut self, out: &mut BytesMut, message: &Message) {
        let slot = slot(message.type_id);
        let length = message.payload.len();
        debug_assert!(length <= 0xff_ffff, "longer messages cannot be announced");
        let last = self.last[slot];
        let format = last.map_or(0, |last| format(&last, message));
        let field = match last {
            Some(last) if format > 0 => message.timestamp_ms.wrapping_sub(last.timestamp_ms),
            _ => message.timestamp_ms,
        };
        let extended = field >= EXTENDED_TIMESTAMP;
        out.reserve(length + 18 * (1 + length / self.chunk_size));
        out.put_u8(format << 6 | chunk_stream(slot));
        if format < 3 {
            out.put_uint(u64::from(field.min(EXTENDED_TIMESTAMP)), 3);
        }
        if format < 2 {
            out.put_uint(length as u64, 3);
            out.put_u8(message.type_id);
        }
        if format < 1 {
            out.put_u32_le(message.stream_id);
        }
        if extended {
            out.put_u32(field);
        }
        for (index, chunk) in message.payload.chunks(self.chunk_size).enumerate() {
            if index > 0 {
                out.put_u8(3 << 6 | chunk_stream(slot));
                if extended {
                    out.put_u32(field);
                }
            }
            out.put_slice(chunk);
        }
        let Message { timestamp_ms, type_id, stream_id, .. } = *message;
        let step = (format > 0).then_some(field);
        self.last[slot] = Some(Last { timestamp_ms, step, length, type_id, stream_id });
    }
}

/// The shortest header type that says everything (5.3.1.2).
fn format(last: &Last, message: &Message) -> u8 {
    let step = message.timestamp_ms.wrapping_sub(last.timestamp_ms);
    // A step back needs an absolute time; so does one that only wraps around 2^32.
    if !matches!(message.type_id, message_type::AUDIO | message_type::VIDEO)
        || last.stream_id != message.stream_id
        || message.timestamp_ms < last.timestamp_ms
    {
        0
    } else if last.length != message.payload.len() || last.type_id != message.type_id {
        1
    } else if last.step != Some(step) {
        2
    } else {
        3
    }
}

/// Messages of one kind share a chunk stream, so that their headers compress well and a long video
/// message does not hold up the others.
const fn slot(type_id: u8) -> usize {
    match type_id {
        1..=6 => 0,
        message_type::AUDIO => 2,
        message_type::VIDEO => 3,
        _ => 1,
    }
}

/// Protocol control has chunk stream 2 by definition (5.4); the others are ours to choose.
const fn chunk_stream(slot: usize) -> u8 {
    [2, 3, 4, 6][slot]
}
