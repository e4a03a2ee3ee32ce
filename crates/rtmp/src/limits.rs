//! What one peer may cost: every bound of a session, with its reason.

/// Bounds of one session. Exceeding one ends the session with an [`crate::Error`] that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest message, in bytes. Default 8 MiB: a 4K key frame at 100 Mbit/s stays below 4 MiB,
    /// and the wire format ends at 16 MiB.
    pub message_bytes_max: usize,
    /// Longest message before the peer has asked to publish, in bytes. Default 64 KiB: commands
    /// are a few hundred bytes, and whoever has not named a stream key yet gets no media memory.
    pub command_bytes_max: usize,
    /// Chunk streams at a time. Default 64: encoders use three to six.
    pub chunk_streams_max: usize,
    /// Bytes reserved for messages that are not complete yet, over all chunk streams. Default
    /// 16 MiB: two of the longest messages interleaved.
    pub buffered_bytes_max: usize,
    /// Bytes waiting in [`crate::Session::poll_transmit`]. Default 256 KiB: our answers are small,
    /// so more means that the peer sends requests and reads nothing.
    pub transmit_bytes_max: usize,
    /// Events waiting in [`crate::Session::poll_event`]. Default 65,536: more than a read of 1 MiB
    /// of the smallest frames can make, so it only bites when events are not polled.
    pub events_max: usize,
    /// Tracks of each medium. Default 16: the multitrack ladders seen have at most six.
    pub tracks_max: usize,
    /// Time from the first byte to the end of the handshake, in ms. Default 10,000: three round
    /// trips of the worst mobile link.
    pub handshake_ms_max: u64,
    /// Time from the end of the handshake (or of the last publish) to the publish command, in ms.
    /// Default 10,000.
    pub publish_ms_max: u64,
    /// Time without a complete media message while publishing, in ms. Default 30,000: as long as
    /// the reconnect grace, so a silent encoder and a gone one end alike.
    pub idle_ms_max: u64,
    /// How many damaged media bodies in a row of otherwise good ones are forgiven. Each good body
    /// pays a sixteenth of a damaged one back. Default 64: an encoder that emits one broken frame
    /// in a while lives on, one that sends garbage does not.
    pub damaged_bodies_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 8 * 1024 * 1024,
            command_bytes_max: 64 * 1024,
            chunk_streams_max: 64,
            buffered_bytes_max: 16 * 1024 * 1024,
            transmit_bytes_max: 256 * 1024,
            events_max: 65_536,
            tracks_max: 16,
            handshake_ms_max: 10_000,
            publish_ms_max: 10_000,
            idle_ms_max: 30_000,
            damaged_bodies_max: 64,
        }
    }
}
