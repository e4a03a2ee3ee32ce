//! What a transcoder refuses.

use tally_media::TrackId;

/// Why a track cannot be transcoded: the caller serves it as it came or not at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// The track is neither Opus nor AAC of a profile that is decoded.
    #[error("{0} is not transcoded, only AAC-LC, HE-AAC and Opus are")]
    Codec(String),
    /// The track has the wanted codec already.
    #[error("the track is {0} already")]
    Same(String),
    /// A rate that is not in ISO/IEC 14496-3 table 1.18.
    #[error("audio of {0} Hz is not transcoded")]
    SampleRate(u32),
    /// More channels than are mixed down, or Opus in several streams.
    #[error("audio of {0} channels in this layout is not transcoded")]
    Channels(u8),
    /// A record the decoder refuses: a form of AAC it has not, or damage.
    #[error("the decoder refuses the track: {0}")]
    Decoder(String),
    /// A bit rate or complexity the encoder refuses. The operator's fault.
    #[error("the encoder refuses its options: {0}")]
    Encoder(String),
}

/// What was wrong with one frame. The transcoder goes on with the next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The frame could not be decoded; silence or concealment of its length took its place.
    #[error("damaged audio frame of {track:?}: {reason}")]
    Damaged {
        /// The track it came with.
        track: TrackId,
        /// The decoder's words.
        reason: String,
    },
    /// All of the frame lies before what is encoded already; it was left out.
    #[error("audio frame of {track:?} is {late_ms} ms late")]
    Late {
        /// The track it came with.
        track: TrackId,
        /// How far its end lies back, in milliseconds.
        late_ms: i64,
    },
}
