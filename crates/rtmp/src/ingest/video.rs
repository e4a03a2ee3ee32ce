//! One video track: decoder records, colour, frames.

use std::collections::VecDeque;

use bytes::Bytes;
use tally_media::codec::{CodecError, av1, changed_parameters, h264, h265, vp8, vp9};
use tally_media::{Codec, Color, Frame, Timescale, Timestamp, Track, TrackId, nal, obu};

use super::announced::Announced;
use super::{BodyError, Numbered, Refusals, clock, own_record};
use crate::Event;
use crate::amf::{self, Encoding, Value};
use crate::flv::{Content, Packet, VideoCodec};

/// One video track of a publish.
#[derive(Debug)]
pub(super) struct VideoTrack {
    number: u8,
    /// What the last sequence start said, byte for byte.
    header: Option<(VideoCodec, Bytes)>,
    /// The decoder record, once it is known.
    codec: Option<Codec>,
    color: Option<Color>,
    announced: Announced,
    refusals: Refusals,
}

impl Numbered for VideoTrack {
    fn number(&self) -> u8 {
        self.number
    }
}

impl VideoTrack {
    pub(super) fn new(number: u8) -> Self {
        Self {
            number,
            header: None,
            codec: None,
            color: None,
            announced: Announced::default(),
            refusals: Refusals::default(),
        }
    }

    pub(super) fn handle(
        &mut self,
        packet: Packet<VideoCodec>,
        time_ns: i64,
        events: &mut VecDeque<Event>,
    ) -> Result<(), BodyError> {
        let kind = packet.codec;
        if let VideoCodec::Refused(codec) = kind {
            self.refusals.codec("video", self.number, codec, events);
            return Ok(());
        }
        match packet.content {
            Content::SequenceStart(record) => self.start(kind, &record, events)?,
            Content::Frame { composition_ms, keyframe, payload } => {
                if payload.is_empty() {
                    return Ok(());
                }
                if !self.ready(kind, keyframe, &payload, events)? {
                    return Ok(());
                }
                let Some(codec) = &self.codec else { return Ok(()) };
                let frame = frame(codec, payload, time_ns, composition_ms)?;
                if frame.keyframe {
                    self.follow_in_band(&frame.payload);
                }
                self.announce(events);
                events.push_back(Event::Frame { track: TrackId::Video(self.number), frame });
            }
            Content::SequenceEnd => self.end(events),
            Content::Metadata(values) => self.metadata(&values)?,
            Content::Ignored => {}
        }
        Ok(())
    }

    /// A decoder record. The same one again, as many encoders send it at each key frame, changes
    /// nothing.
    fn start(
        &mut self,
        kind: VideoCodec,
        record: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), BodyError> {
        let header = (kind, own_record(record)?);
        if self.header.as_ref() == Some(&header) || header.1.is_empty() {
            return Ok(());
        }
        // Frames that follow need the new record, whether it is good or not.
        self.codec = None;
        self.header = None;
        let parsed = match kind {
            VideoCodec::H264 => h264::from_avcc(header.1.clone()),
            VideoCodec::H265 => h265::from_hvcc(header.1.clone()),
            VideoCodec::Av1 => match av1::from_av1c(header.1.clone()) {
                // The sequence header comes with the first key frame.
                Err(CodecError::Missing { .. }) => {
                    self.header = Some(header);
                    return Ok(());
                }
                parsed => parsed,
            },
            // Their records do not tell the size: the first key frame does.
            VideoCodec::Vp8 | VideoCodec::Vp9 | VideoCodec::Refused(_) => {
                self.header = Some(header);
                return Ok(());
            }
        };
        self.codec = self.refusals.record("video", self.number, parsed, events)?;
        self.header = Some(header);
        self.announced.touch();
        Ok(())
    }

    /// Whether the decoder record of a frame is known, which for some codecs a key frame brings.
    fn ready(
        &mut self,
        kind: VideoCodec,
        keyframe: bool,
        payload: &Bytes,
        events: &mut VecDeque<Event>,
    ) -> Result<bool, BodyError> {
        if self.codec.as_ref().is_some_and(|codec| is_kind(codec, kind)) {
            return Ok(true);
        }
        if !keyframe {
            return Ok(false);
        }
        let record = match &self.header {
            Some((header_kind, record)) if *header_kind == kind => Some(record.clone()),
            _ => None,
        };
        let parsed = match kind {
            VideoCodec::Av1 => match obu::sequence_header(payload)? {
                Some(header) => av1::from_sequence_header(header),
                None => return Ok(false),
            },
            VideoCodec::Vp8 => vp8::from_keyframe(record, payload),
            VideoCodec::Vp9 => match record {
                Some(record) => vp9::from_vpcc(record, payload),
                None => vp9::from_keyframe(payload),
            },
            VideoCodec::H264 | VideoCodec::H265 | VideoCodec::Refused(_) => return Ok(false),
        };
        self.codec = self.refusals.record("video", self.number, parsed, events)?;
        self.announced.touch();
        Ok(self.codec.is_some())
    }

    /// Takes up parameters that changed in a key frame without a new sequence start. Sets that
    /// cannot be read change nothing: the picture may still decode with the known ones.
    fn follow_in_band(&mut self, keyframe: &Bytes) {
        let changed = self.codec.as_ref().map(|codec| changed_parameters(codec, keyframe));
        if let Some(Ok(Some(codec))) = changed {
            self.codec = Some(codec);
            self.announced.touch();
        }
    }

    /// Tells the track if it is new or changed. Only with a frame, so that record and colour, which
    /// come one after the other, make one change.
    fn announce(&mut self, events: &mut VecDeque<Event>) {
        let track = || {
            let (codec, color) = (self.codec.clone()?, self.color);
            let id = TrackId::Video(self.number);
            Some(Track { id, codec, timescale: Timescale::VIDEO, language: None, color })
        };
        self.announced.tell(track, events);
    }

    fn end(&mut self, events: &mut VecDeque<Event>) {
        self.header = None;
        self.codec = None;
        self.announced.end(TrackId::Video(self.number), events);
    }

    /// `colorInfo` for the frames that follow (Enhanced RTMP, "Metadata Frame"). Anything but an
    /// object takes it back.
    fn metadata(&mut self, values: &[u8]) -> Result<(), BodyError> {
        let values = amf::read_all(values, Encoding::Amf0)?;
        let pair = values.chunks(2).find(|pair| pair[0].as_text() == Some("colorInfo"));
        if let Some([_, info]) = pair {
            let color = info.property("colorConfig").and_then(color);
            if color != self.color {
                self.color = color;
                self.announced.touch();
            }
        }
        Ok(())
    }
}

/// A frame, with the payload as ISO-BMFF stores it and the key frame flag as the bitstream has it:
/// some encoders set the tag header's flag on every I picture.
fn frame(
    codec: &Codec,
    payload: Bytes,
    time_ns: i64,
    composition_ms: i32,
) -> Result<Frame, BodyError> {
    let (payload, keyframe) = match codec {
        Codec::Av1(_) => {
            let keyframe = obu::is_keyframe(&payload)?;
            (obu::without_temporal_delimiters(payload)?, keyframe)
        }
        Codec::Vp8(_) => {
            let keyframe = vp8::is_keyframe(&payload);
            (payload, keyframe)
        }
        Codec::Vp9(_) => {
            let keyframe = vp9::is_keyframe(&payload);
            (payload, keyframe)
        }
        _ => {
            let keyframe = nal::random_access(codec, &payload)?.is_keyframe(codec);
            (payload, keyframe)
        }
    };
    let dts = Timestamp::new(time_ns, Timescale::NANOS);
    let pts = dts.offset(clock::nanos(composition_ms));
    Ok(Frame { dts, pts, duration_ticks: None, keyframe, payload })
}

/// The code points of a `colorConfig`; `None` if it has none of them. ffmpeg leaves out those that
/// its source does not tell.
fn color(config: &Value) -> Option<Color> {
    /// "Unspecified" in all three tables of H.273.
    const UNSPECIFIED: u8 = 2;
    let code = |name| {
        let number = config.property(name)?.as_number()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        (0.0..=255.0).contains(&number).then_some(number as u8)
    };
    let codes = ["colorPrimaries", "transferCharacteristics", "matrixCoefficients"].map(code);
    if codes == [None; 3] {
        return None;
    }
    let [primaries, transfer, matrix] = codes.map(|code| code.unwrap_or(UNSPECIFIED));
    // colorInfo has no field for the range; encoders that send it use the video range.
    Some(Color { primaries, transfer, matrix, full_range: false })
}

const fn is_kind(codec: &Codec, kind: VideoCodec) -> bool {
    matches!(
        (codec, kind),
        (Codec::H264(_), VideoCodec::H264)
            | (Codec::H265(_), VideoCodec::H265)
            | (Codec::Av1(_), VideoCodec::Av1)
            | (Codec::Vp8(_), VideoCodec::Vp8)
            | (Codec::Vp9(_), VideoCodec::Vp9)
    )
}
