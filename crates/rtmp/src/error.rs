//! Why a session ended.

use crate::amf::AmfError;

/// Why a session ended. Every variant but [`Error::EventsUnread`] is the peer's fault; none carries
/// a stream key, so all may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first byte is no RTMP version: another protocol, or a port scanner.
    #[error("not RTMP: the first byte is {version:#04x}, expected 0x03")]
    NotRtmp {
        /// The first byte.
        version: u8,
    },
    /// RTMPE, Adobe's own encryption, which no encoder needs any more. RTMPS works.
    #[error("RTMPE (version {version}) is not supported, use RTMPS")]
    Encrypted {
        /// The first byte: 6, 8 or 9.
        version: u8,
    },
    /// The handshake was not finished in time.
    #[error("no complete handshake after {ms} ms")]
    HandshakeTimeout {
        /// The deadline that passed, in ms.
        ms: u64,
    },
    /// The peer connected but did not ask to publish in time.
    #[error("no publish command after {ms} ms")]
    PublishTimeout {
        /// The deadline that passed, in ms.
        ms: u64,
    },
    /// The publisher sent no complete media message for too long.
    #[error("no media for {ms} ms")]
    IdleTimeout {
        /// The deadline that passed, in ms.
        ms: u64,
    },
    /// A message announces more bytes than allowed.
    #[error("a message of {bytes} bytes, at most {max} are accepted")]
    MessageTooLong {
        /// Announced length.
        bytes: usize,
        /// The limit in force: it is lower before the publish command.
        max: usize,
    },
    /// More chunk streams than allowed.
    #[error("more than {max} chunk streams")]
    TooManyChunkStreams {
        /// The limit.
        max: usize,
    },
    /// Incomplete messages on several chunk streams add up to too much.
    #[error("incomplete messages add up to {bytes} bytes, at most {max} are accepted")]
    TooMuchBuffered {
        /// What the newest message would have made it.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A chunk header that refers to an earlier one, on a chunk stream that had none.
    #[error("chunk stream {id} begins with a header of type {format}")]
    HeaderWithoutContext {
        /// The chunk stream.
        id: u32,
        /// The header type: 2 or 3.
        format: u8,
    },
    /// A Set Chunk Size outside 1..2^31.
    #[error("chunk size {size} is outside 1..=2147483647")]
    ChunkSize {
        /// What the peer asked for.
        size: u32,
    },
    /// A protocol control message that is too short.
    #[error("control message of type {type_id} is too short")]
    ShortControlMessage {
        /// Message type, 1 to 6.
        type_id: u8,
    },
    /// A command that cannot be read.
    #[error("unreadable command: {0}")]
    Command(#[from] AmfError),
    /// A command that is not allowed yet.
    #[error("{command} before {missing}")]
    OutOfOrder {
        /// What came.
        command: &'static str,
        /// What should have come first.
        missing: &'static str,
    },
    /// Too many media bodies were damaged.
    #[error("too many damaged media messages ({count}), the last one: {last}")]
    Garbage {
        /// How many there were in the session.
        count: u64,
        /// What was wrong with the last one.
        last: String,
    },
    /// The peer sends requests and does not read the answers.
    #[error("{bytes} bytes of answers are waiting for a peer that does not read")]
    PeerNotReading {
        /// Bytes waiting.
        bytes: usize,
    },
    /// The caller does not poll events. The caller's fault.
    #[error("{count} events are waiting to be polled")]
    EventsUnread {
        /// Events waiting.
        count: usize,
    },
}
