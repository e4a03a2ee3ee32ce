//! One audio track: decoder records and packets.

use std::collections::VecDeque;

use bytes::Bytes;
use tally_media::codec::{CodecError, aac, ac3, eac3, flac, mp3, opus};
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};

use super::announced::Announced;
use super::{BodyError, Numbered, Refusals, own_record};
use crate::Event;
use crate::flv::{AudioCodec, Content, Packet};

/// `OpusHead` of stereo without pre-skip, for encoders that send an empty one (Enhanced RTMP:
/// "default to mono/stereo mode").
const OPUS_HEAD_STEREO: [u8; 19] = *b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00";

/// One audio track of a publish.
#[derive(Debug)]
pub(super) struct AudioTrack {
    number: u8,
    /// What the last sequence start said, byte for byte.
    header: Option<(AudioCodec, Bytes)>,
    codec: Option<Codec>,
    announced: Announced,
    refusals: Refusals,
}

impl Numbered for AudioTrack {
    fn number(&self) -> u8 {
        self.number
    }
}

impl AudioTrack {
    pub(super) fn new(number: u8) -> Self {
        Self {
            number,
            header: None,
            codec: None,
            announced: Announced::default(),
            refusals: Refusals::default(),
        }
    }

    pub(super) fn handle(
        &mut self,
        packet: Packet<AudioCodec>,
        time_ns: i64,
        events: &mut VecDeque<Event>,
    ) -> Result<(), BodyError> {
        if let AudioCodec::Refused(codec) = packet.codec {
            self.refusals.codec("audio", self.number, codec, events);
            return Ok(());
        }
        match packet.content {
            Content::SequenceStart(record) => self.start(packet.codec, &record, events)?,
            Content::Frame { payload, .. } => {
                if payload.is_empty() || !self.ready(packet.codec, &payload, events)? {
                    return Ok(());
                }
                let frame = self.frame(payload, time_ns)?;
                self.announce(events);
                events.push_back(Event::Frame { track: TrackId::Audio(self.number), frame });
            }
            Content::SequenceEnd => self.end(events),
            Content::Metadata(_) | Content::Ignored => {}
        }
        Ok(())
    }

    /// A decoder record. The same one again changes nothing.
    fn start(
        &mut self,
        kind: AudioCodec,
        record: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), BodyError> {
        let header = (kind, own_record(record)?);
        if self.header.as_ref() == Some(&header) {
            return Ok(());
        }
        let parsed = match kind {
            AudioCodec::Aac => aac::from_asc(header.1.clone()),
            AudioCodec::Opus if header.1.is_empty() => opus::from_opus_head(&OPUS_HEAD_STEREO),
            AudioCodec::Opus => opus::from_opus_head(&header.1),
            AudioCodec::Flac => flac::from_stream_info(&header.1),
            // Their frames describe themselves.
            AudioCodec::Ac3 | AudioCodec::Eac3 | AudioCodec::Mp3 | AudioCodec::Refused(_) => {
                return Ok(());
            }
        };
        // Packets that follow need the new record, whether it is good or not.
        self.codec = None;
        self.header = None;
        self.codec = self.refusals.record("audio", self.number, parsed, events)?;
        self.header = Some(header);
        self.announced.touch();
        Ok(())
    }

    /// Whether the decoder record of a packet is known, which for some codecs each packet brings.
    fn ready(
        &mut self,
        kind: AudioCodec,
        payload: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<bool, BodyError> {
        let from_frame: fn(&[u8]) -> Result<Codec, CodecError> = match kind {
            AudioCodec::Mp3 => mp3::from_frame,
            AudioCodec::Ac3 => ac3::from_sync_frame,
            AudioCodec::Eac3 => eac3::from_sync_frame,
            _ => return Ok(self.codec.as_ref().is_some_and(|codec| is_kind(codec, kind))),
        };
        let codec = self.refusals.record("audio", self.number, from_frame(payload), events)?;
        if !same_decoder(self.codec.as_ref(), codec.as_ref()) {
            self.codec = codec;
            self.announced.touch();
        }
        Ok(self.codec.is_some())
    }

    fn frame(&self, payload: Bytes, time_ns: i64) -> Result<Frame, BodyError> {
        let duration_ticks = match &self.codec {
            Some(Codec::Opus(_)) => Some(opus::packet_samples(&payload)?),
            Some(Codec::Flac(_)) => Some(flac::frame_samples(&payload)?),
            Some(codec) => codec.audio().and_then(|audio| audio.frame_samples),
            None => None,
        };
        let time = Timestamp::new(time_ns, Timescale::NANOS);
        Ok(Frame { dts: time, pts: time, duration_ticks, keyframe: true, payload })
    }

    /// Tells the track if it is new or changed.
    fn announce(&mut self, events: &mut VecDeque<Event>) {
        let track = || {
            let codec = self.codec.clone()?;
            let timescale = Timescale::new(codec.audio()?.sample_rate.max(1));
            let id = TrackId::Audio(self.number);
            Some(Track { id, codec, timescale, language: None, color: None })
        };
        self.announced.tell(track, events);
    }

    fn end(&mut self, events: &mut VecDeque<Event>) {
        self.header = None;
        self.codec = None;
        self.announced.end(TrackId::Audio(self.number), events);
    }
}

/// Whether packets of both go to one decoder. The `dec3` record begins with the data rate, which
/// is made of the packet's size and differs from packet to packet at 44.1 kHz.
fn same_decoder(one: Option<&Codec>, other: Option<&Codec>) -> bool {
    const DATA_RATE_BYTES: usize = 2;
    match (one, other) {
        (Some(Codec::Eac3(one)), Some(Codec::Eac3(other))) => {
            one.sample_rate == other.sample_rate
                && one.frame_samples == other.frame_samples
                && one.record.get(DATA_RATE_BYTES..) == other.record.get(DATA_RATE_BYTES..)
        }
        _ => one == other,
    }
}

const fn is_kind(codec: &Codec, kind: AudioCodec) -> bool {
    matches!(
        (codec, kind),
        (Codec::Aac(_), AudioCodec::Aac)
            | (Codec::Opus(_), AudioCodec::Opus)
            | (Codec::Flac(_), AudioCodec::Flac)
    )
}
