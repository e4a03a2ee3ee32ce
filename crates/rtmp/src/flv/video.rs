//! Video tag bodies.

use bytes::Bytes;

use super::enhanced::{TrackBodies, TrackBody, mod_ex};
use super::{Content, FlvError, Packet, VideoCodec, array, si24};

/// Set in the first byte of an enhanced header.
const EXTENDED: u8 = 0x80;
const FRAME_TYPE_KEY: u8 = 1;
/// "Generated key frame, reserved for server use": still a key frame.
const FRAME_TYPE_GENERATED_KEY: u8 = 4;
const FRAME_TYPE_COMMAND: u8 = 5;

const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const SEQUENCE_END: u8 = 2;
const CODED_FRAMES_X: u8 = 3;
const METADATA: u8 = 4;
const MPEG2_TS_SEQUENCE_START: u8 = 5;
const MULTITRACK: u8 = 6;

/// A video tag's body: an iterator over its packets. Ends after the first error.
#[derive(Debug)]
pub(crate) struct VideoBody {
    nano_offset: u32,
    keyframe: bool,
    packets: Packets,
}

#[derive(Debug)]
enum Packets {
    Legacy(Option<Packet<VideoCodec>>),
    Enhanced { packet_type: u8, bodies: TrackBodies },
}

impl VideoBody {
    /// Reads the header of `body`.
    pub(crate) fn parse(mut body: Bytes) -> Result<Self, FlvError> {
        let [first] = array(&mut body, "video header")?;
        let frame_type = first >> 4 & 0x07;
        let keyframe = matches!(frame_type, FRAME_TYPE_KEY | FRAME_TYPE_GENERATED_KEY);
        let command = frame_type == FRAME_TYPE_COMMAND;
        if first & EXTENDED == 0 {
            let codec = VideoCodec::from_legacy_id(first & 0x0f);
            let packet = if command { None } else { Some(legacy(body, codec, keyframe)?) };
            return Ok(Self { nano_offset: 0, keyframe, packets: Packets::Legacy(packet) });
        }
        let (packet_type, nano_offset) = mod_ex(&mut body, first & 0x0f)?;
        let packets = if command && packet_type != METADATA {
            Packets::Legacy(None)
        } else if packet_type == MULTITRACK {
            let (packet_type, bodies) = TrackBodies::multitrack(body, MULTITRACK)?;
            Packets::Enhanced { packet_type, bodies }
        } else {
            Packets::Enhanced { packet_type, bodies: TrackBodies::plain(body)? }
        };
        Ok(Self { nano_offset, keyframe, packets })
    }

    /// Nanoseconds to add to the message's timestamp.
    pub(crate) const fn nano_offset(&self) -> u32 {
        self.nano_offset
    }
}

impl Iterator for VideoBody {
    type Item = Result<Packet<VideoCodec>, FlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.packets {
            Packets::Legacy(packet) => packet.take().map(Ok),
            Packets::Enhanced { packet_type, bodies } => {
                let body = bodies.next()?;
                Some(body.and_then(|body| enhanced(body, *packet_type, self.keyframe)))
            }
        }
    }
}

/// `VIDEODATA` of the legacy specification, where only AVC (and HEVC like it) has structure.
fn legacy(
    mut body: Bytes,
    codec: VideoCodec,
    keyframe: bool,
) -> Result<Packet<VideoCodec>, FlvError> {
    if let VideoCodec::Refused(_) = codec {
        return Ok(Packet { track: 0, codec, content: Content::Ignored });
    }
    let [packet_type] = array(&mut body, "AVC packet header")?;
    let composition_ms = si24(array(&mut body, "AVC packet header")?);
    let content = match packet_type {
        0 => Content::SequenceStart(body),
        1 => Content::Frame { composition_ms, keyframe, payload: body },
        2 => Content::SequenceEnd,
        value => return Err(FlvError::Unknown { what: "AVC packet type", value }),
    };
    Ok(Packet { track: 0, codec, content })
}

fn enhanced(
    body: TrackBody,
    packet_type: u8,
    keyframe: bool,
) -> Result<Packet<VideoCodec>, FlvError> {
    let TrackBody { track, four_cc, bytes: mut payload } = body;
    let codec = VideoCodec::from_four_cc(four_cc);
    let content = match packet_type {
        SEQUENCE_START => Content::SequenceStart(payload),
        CODED_FRAMES => {
            let composition_ms = if codec.has_composition_time() {
                si24(array(&mut payload, "composition time")?)
            } else {
                0
            };
            Content::Frame { composition_ms, keyframe, payload }
        }
        CODED_FRAMES_X => Content::Frame { composition_ms: 0, keyframe, payload },
        SEQUENCE_END => Content::SequenceEnd,
        METADATA => Content::Metadata(payload),
        MPEG2_TS_SEQUENCE_START => Content::Ignored,
        value => return Err(FlvError::Unknown { what: "video packet type", value }),
    };
    Ok(Packet { track, codec, content })
}
