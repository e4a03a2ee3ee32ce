//! Putting messages together from chunks.
//!
//! Each payload byte is copied once: from the caller's read buffer into a buffer that was reserved
//! with the message's announced length, which then becomes the message's [`Bytes`] as it is.

use bytes::{Bytes, BytesMut};

use super::{EXTENDED_TIMESTAMP, INITIAL_CHUNK_SIZE, Message};
use crate::{Error, Limits};

/// Longest chunk header: three bytes of basic header, eleven of message header, four of extended
/// timestamp.
const HEADER_BYTES_MAX: usize = 18;

/// Puts messages together from chunks. Bounds: [`Limits`].
pub struct ChunkReader {
    limits: Limits,
    message_bytes_max: usize,
    chunk_size: usize,
    /// Few, so a scan is faster than hashing; [`Limits::chunk_streams_max`] bounds it.
    streams: Vec<ChunkStream>,
    state: State,
    /// Start of a header that did not arrive in one piece.
    header: Vec<u8>,
    /// Bytes that were taken for part of a header and turned out to be what follows it: at most
    /// three (see [`extended_timestamp`]).
    carried: Vec<u8>,
    /// Sum of the lengths reserved for incomplete messages.
    reserved_bytes: usize,
    abandoned: u64,
}

enum State {
    Header,
    /// Inside a chunk's payload.
    Payload {
        /// Index in `streams`.
        stream: usize,
        /// Bytes of this chunk still to come.
        left: usize,
    },
}

/// What later chunks of one chunk stream refer to.
struct ChunkStream {
    id: u32,
    header: MessageHeader,
    /// The message being put together, if one is.
    partial: Option<BytesMut>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct MessageHeader {
    timestamp_ms: u32,
    /// What the timestamp field held: the time itself (type 0) or the step. A type 3 chunk that
    /// begins a message steps by it (5.3.1.2.4).
    field: u32,
    extended: bool,
    length: usize,
    type_id: u8,
    stream_id: u32,
}

/// A chunk header as it stands on the wire.
struct WireHeader {
    format: u8,
    chunk_stream: u32,
    /// Bytes it took.
    bytes: usize,
    message: MessageHeader,
}

impl ChunkReader {
    /// A reader at the start of the chunk stream, right after the handshake.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            message_bytes_max: limits.command_bytes_max.min(limits.message_bytes_max),
            chunk_size: INITIAL_CHUNK_SIZE as usize,
            streams: Vec::new(),
            state: State::Header,
            header: Vec::with_capacity(HEADER_BYTES_MAX),
            carried: Vec::new(),
            reserved_bytes: 0,
            abandoned: 0,
        }
    }

    /// Lets messages be as long as media may be, from the next header on.
    pub const fn allow_media(&mut self) {
        self.message_bytes_max = self.limits.message_bytes_max;
    }

    /// The peer's new chunk size (Set Chunk Size, 5.4.1), from the next chunk on.
    ///
    /// # Errors
    /// [`Error::ChunkSize`] outside 1..2^31.
    pub const fn set_chunk_size(&mut self, size: u32) -> Result<(), Error> {
        if size == 0 || size > 0x7fff_ffff {
            return Err(Error::ChunkSize { size });
        }
        self.chunk_size = size as usize;
        Ok(())
    }

    /// The peer gives up the incomplete message on a chunk stream (Abort, 5.4.2).
    pub fn abort(&mut self, chunk_stream: u32) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == chunk_stream)
            && stream.partial.take().is_some()
        {
            self.reserved_bytes -= stream.header.length;
        }
    }

    /// How many incomplete messages were dropped because another one began on their chunk stream.
    #[must_use]
    pub const fn abandoned(&self) -> u64 {
        self.abandoned
    }

    /// Takes bytes off the front of `input` until a message is whole or nothing is left.
    ///
    /// # Errors
    /// A broken protocol or a limit; the reader is of no use afterwards.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        loop {
            if !self.carried.is_empty() {
                let carried = std::mem::take(&mut self.carried);
                let mut rest = carried.as_slice();
                let message = self.read_from(&mut rest)?;
                self.carried.extend_from_slice(rest);
                if message.is_some() {
                    return Ok(message);
                }
            }
            let message = self.read_from(input)?;
            if message.is_some() || self.carried.is_empty() {
                return Ok(message);
            }
        }
    }

    fn read_from(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        loop {
            match self.state {
                State::Header => {
                    let Some(wire) = self.take_header(input)? else { return Ok(None) };
                    let (stream, left) = self.begin_chunk(&wire)?;
                    self.state = State::Payload { stream, left };
                    if !self.carried.is_empty() {
                        return Ok(None);
                    }
                }
                State::Payload { stream, left } => {
                    let (taken, rest) = input.split_at(left.min(input.len()));
                    *input = rest;
                    let complete = self.append(stream, taken);
                    if taken.len() < left {
                        self.state = State::Payload { stream, left: left - taken.len() };
                        return Ok(None);
                    }
                    self.state = State::Header;
                    if complete.is_some() {
                        return Ok(complete);
                    }
                }
            }
        }
    }

    /// The next chunk header, taken off `input` once it is whole.
    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<WireHeader>, Error> {
        if self.header.is_empty() {
            let parsed = self.parse_header(input)?;
            match &parsed {
                Some(wire) => *input = &input[wire.bytes..],
                None => self.header.extend_from_slice(std::mem::take(input)),
            }
            return Ok(parsed);
        }
        let had = self.header.len();
        let more = (HEADER_BYTES_MAX - had).min(input.len());
        self.header.extend_from_slice(&input[..more]);
        let parsed = self.parse_header(&self.header)?;
        match &parsed {
            Some(wire) => {
                *input = &input[wire.bytes.saturating_sub(had)..];
                self.carried.extend_from_slice(self.header.get(wire.bytes..had).unwrap_or(&[]));
                self.header.clear();
            }
            None => *input = &input[more..],
        }
        Ok(parsed)
    }

    /// Reads a chunk header (5.3.1); `None` while bytes are missing.
    fn parse_header(&self, bytes: &[u8]) -> Result<Option<WireHeader>, Error> {
        let Some((format, chunk_stream, basic)) = basic_header(bytes) else { return Ok(None) };
        let known = self.streams.iter().find(|stream| stream.id == chunk_stream);
        let mut message = known.map_or(MessageHeader::default(), |stream| stream.header);
        if known.is_none() && format >= 2 {
            return Err(Error::HeaderWithoutContext { id: chunk_stream, format });
        }
        let fields = [11, 7, 3, 0][usize::from(format)];
        let Some(header) = bytes.get(basic..basic + fields) else { return Ok(None) };
        if let Some(field) = header.first_chunk::<3>() {
            message.field = u24(*field);
            message.extended = message.field == EXTENDED_TIMESTAMP;
        }
        if let Some([_, _, _, a, b, c, type_id]) = header.first_chunk::<7>() {
            message.length = u24([*a, *b, *c]) as usize;
            message.type_id = *type_id;
        }
        if let Some(stream_id) = header.get(7..).and_then(|rest| rest.first_chunk::<4>()) {
            message.stream_id = u32::from_le_bytes(*stream_id);
        }
        let mut end = basic + fields;
        if message.extended {
            match extended_timestamp(&bytes[end..], format, message.field) {
                Extended::Field(field) => {
                    message.field = field;
                    end += 4;
                }
                Extended::LeftOut => {}
                Extended::Unclear => return Ok(None),
            }
        }
        Ok(Some(WireHeader { format, chunk_stream, bytes: end, message }))
    }

    /// Notes what a header says and gives the stream's index and the length of the chunk's payload.
    fn begin_chunk(&mut self, wire: &WireHeader) -> Result<(usize, usize), Error> {
        let index = self.stream_index(wire.chunk_stream)?;
        let stream = &mut self.streams[index];
        let mut header = wire.message;
        if stream.partial.is_some() {
            if continues(&stream.header, wire) {
                return Ok((index, self.chunk_length(index)));
            }
            // Another message begins inside this one. The specification has no meaning for it;
            // the newer one is taken, so that one lost message is all it costs.
            stream.partial = None;
            self.reserved_bytes -= stream.header.length;
            self.abandoned += 1;
        }
        let stream = &mut self.streams[index];
        header.timestamp_ms = match wire.format {
            0 => header.field,
            _ => stream.header.timestamp_ms.wrapping_add(header.field),
        };
        stream.header = header;
        if header.length > self.message_bytes_max {
            return Err(Error::MessageTooLong {
                bytes: header.length,
                max: self.message_bytes_max,
            });
        }
        let reserved_bytes = self.reserved_bytes + header.length;
        if reserved_bytes > self.limits.buffered_bytes_max {
            return Err(Error::TooMuchBuffered {
                bytes: reserved_bytes,
                max: self.limits.buffered_bytes_max,
            });
        }
        self.reserved_bytes = reserved_bytes;
        stream.partial = Some(BytesMut::with_capacity(header.length));
        Ok((index, self.chunk_length(index)))
    }

    fn stream_index(&mut self, id: u32) -> Result<usize, Error> {
        if let Some(index) = self.streams.iter().position(|stream| stream.id == id) {
            return Ok(index);
        }
        if self.streams.len() >= self.limits.chunk_streams_max {
            return Err(Error::TooManyChunkStreams { max: self.limits.chunk_streams_max });
        }
        self.streams.push(ChunkStream { id, header: MessageHeader::default(), partial: None });
        Ok(self.streams.len() - 1)
    }

    fn chunk_length(&self, index: usize) -> usize {
        let stream = &self.streams[index];
        let have = stream.partial.as_ref().map_or(0, BytesMut::len);
        (stream.header.length - have).min(self.chunk_size)
    }

    /// The one copy of a payload byte. Gives the message once it is whole.
    fn append(&mut self, index: usize, bytes: &[u8]) -> Option<Message> {
        let stream = &mut self.streams[index];
        let partial = stream.partial.as_mut()?;
        partial.extend_from_slice(bytes);
        if partial.len() < stream.header.length {
            return None;
        }
        let payload: Bytes = stream.partial.take()?.freeze();
        self.reserved_bytes -= payload.len();
        let MessageHeader { timestamp_ms, type_id, stream_id, .. } = stream.header;
        Some(Message { timestamp_ms, type_id, stream_id, payload })
    }
}

/// What stands where an extended timestamp is due.
enum Extended {
    Field(u32),
    /// The encoder did not repeat it: this is payload.
    LeftOut,
    /// More bytes are needed to tell.
    Unclear,
}

/// Reads the extended timestamp. Type 3 chunks repeat the one of their message (5.3.1.3), but some
/// encoders leave it out, so what does not repeat it is payload: four bytes that are equal by
/// chance are one in 2^32.
fn extended_timestamp(bytes: &[u8], format: u8, current: u32) -> Extended {
    let expected = current.to_be_bytes();
    match bytes.first_chunk::<4>() {
        Some(field) if format < 3 || *field == expected => {
            Extended::Field(u32::from_be_bytes(*field))
        }
        Some(_) => Extended::LeftOut,
        None if format == 3 && !expected.starts_with(bytes) => Extended::LeftOut,
        None => Extended::Unclear,
    }
}

/// Whether a chunk goes on with the message that is being put together on its chunk stream. Type 3
/// does by definition; some encoders write full headers on every chunk of a message, which then
/// say the same again.
fn continues(current: &MessageHeader, wire: &WireHeader) -> bool {
    let new = &wire.message;
    let same = new.length == current.length && new.type_id == current.type_id;
    match wire.format {
        0 => same && new.stream_id == current.stream_id && new.field == current.timestamp_ms,
        1 | 2 => same && new.field == current.field,
        _ => true,
    }
}

/// Type, chunk stream id and length of a basic header (5.3.1.1); `None` while bytes are missing.
fn basic_header(bytes: &[u8]) -> Option<(u8, u32, usize)> {
    let first = *bytes.first()?;
    let format = first >> 6;
    match first & 0x3f {
        0 => Some((format, 64 + u32::from(*bytes.get(1)?), 2)),
        1 => {
            let low = u32::from(*bytes.get(1)?);
            let high = u32::from(*bytes.get(2)?);
            Some((format, 64 + low + (high << 8), 3))
        }
        id => Some((format, u32::from(id), 1)),
    }
}

const fn u24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}
