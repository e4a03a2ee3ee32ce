//! Audio tag bodies.

use bytes::Bytes;

use super::enhanced::{TrackBodies, TrackBody, mod_ex};
use super::{AudioCodec, Content, FlvError, Packet, array};

/// `SoundFormat` that marks an enhanced header.
const EXTENDED: u8 = 9;

const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const SEQUENCE_END: u8 = 2;
const MULTICHANNEL_CONFIG: u8 = 4;
const MULTITRACK: u8 = 5;

/// An audio tag's body: an iterator over its packets. Ends after the first error.
#[derive(Debug)]
pub(crate) struct AudioBody {
    nano_offset: u32,
    packets: Packets,
}

#[derive(Debug)]
enum Packets {
    Legacy(Option<Packet<AudioCodec>>),
    Enhanced { packet_type: u8, bodies: TrackBodies },
}

impl AudioBody {
    /// Reads the header of `body`.
    pub(crate) fn parse(mut body: Bytes) -> Result<Self, FlvError> {
        let [first] = array(&mut body, "audio header")?;
        if first >> 4 != EXTENDED {
            let packet = legacy(body, AudioCodec::from_legacy_id(first >> 4))?;
            return Ok(Self { nano_offset: 0, packets: Packets::Legacy(Some(packet)) });
        }
        let (packet_type, nano_offset) = mod_ex(&mut body, first & 0x0f)?;
        let (packet_type, bodies) = if packet_type == MULTITRACK {
            TrackBodies::multitrack(body, MULTITRACK)?
        } else {
            (packet_type, TrackBodies::plain(body)?)
        };
        Ok(Self { nano_offset, packets: Packets::Enhanced { packet_type, bodies } })
    }

    /// Nanoseconds to add to the message's timestamp.
    pub(crate) const fn nano_offset(&self) -> u32 {
        self.nano_offset
    }
}

impl Iterator for AudioBody {
    type Item = Result<Packet<AudioCodec>, FlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.packets {
            Packets::Legacy(packet) => packet.take().map(Ok),
            Packets::Enhanced { packet_type, bodies } => {
                let body = bodies.next()?;
                Some(body.and_then(|body| enhanced(body, *packet_type)))
            }
        }
    }
}

/// `AUDIODATA` of the legacy specification, where only AAC has structure.
fn legacy(mut body: Bytes, codec: AudioCodec) -> Result<Packet<AudioCodec>, FlvError> {
    let frame = |payload| Content::Frame { composition_ms: 0, keyframe: true, payload };
    let content = match codec {
        AudioCodec::Refused(_) => Content::Ignored,
        AudioCodec::Aac => match array(&mut body, "AAC packet header")? {
            [0] => Content::SequenceStart(body),
            [1] => frame(body),
            [value] => return Err(FlvError::Unknown { what: "AAC packet type", value }),
        },
        _ => frame(body),
    };
    Ok(Packet { track: 0, codec, content })
}

fn enhanced(body: TrackBody, packet_type: u8) -> Result<Packet<AudioCodec>, FlvError> {
    let TrackBody { track, four_cc, bytes } = body;
    let content = match packet_type {
        SEQUENCE_START => Content::SequenceStart(bytes),
        CODED_FRAMES => Content::Frame { composition_ms: 0, keyframe: true, payload: bytes },
        SEQUENCE_END => Content::SequenceEnd,
        MULTICHANNEL_CONFIG => Content::Ignored,
        value => return Err(FlvError::Unknown { what: "audio packet type", value }),
    };
    Ok(Packet { track, codec: AudioCodec::from_four_cc(four_cc), content })
}
