//! Media messages become tracks and frames.

mod announced;
mod audio;
mod clock;
mod metadata;
mod video;

use std::collections::VecDeque;

use bytes::Bytes;
use tally_media::codec::CodecError;
use tally_media::nal::NalError;
use tally_media::obu::ObuError;

use crate::amf::{self, AmfError, Encoding};
use crate::chunk::Message;
use crate::flv::{AudioBody, FlvError, Refused, Tags, VideoBody};
use crate::{Error, Event, Limits, Metadata, message_type};
use audio::AudioTrack;
use clock::Clock;
use video::VideoTrack;

/// How many damaged bodies are told one by one.
const DAMAGED_TOLD_MAX: u64 = 8;
/// A damaged body weighs as much as this many good ones.
const DAMAGE_WEIGHT: u32 = 16;

/// Longest decoder record that is taken, in bytes. Parameter sets of 4K HDR stay below 1 KiB; the
/// record lives as long as its track, so it may not be as long as a message.
const RECORD_BYTES_MAX: usize = 64 * 1024;
/// How many refusals are told for each track.
const REFUSALS_MAX: usize = 8;

/// What is wrong with a media message. Costs the message, not the session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum BodyError {
    #[error(transparent)]
    Flv(#[from] FlvError),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Nal(#[from] NalError),
    #[error(transparent)]
    Obu(#[from] ObuError),
    #[error(transparent)]
    Amf(#[from] AmfError),
    #[error("a decoder record of {bytes} bytes, at most {RECORD_BYTES_MAX} are accepted")]
    RecordTooLong { bytes: usize },
    #[error("an aggregate message inside an aggregate message")]
    NestedAggregate,
}

/// Media messages in, events out. Lives as long as the session; [`Ingest::restart`] between
/// publishes.
#[derive(Debug)]
pub(crate) struct Ingest {
    limits: Limits,
    clock: Clock,
    video: Vec<VideoTrack>,
    audio: Vec<AudioTrack>,
    /// What the caller knows: GStreamer sends the same again every few frames.
    metadata: Option<Metadata>,
    /// Whether it was told that there are more tracks than are taken.
    too_many_told: bool,
    damaged: u64,
    /// A leaky bucket: see [`Limits::damaged_bodies_max`].
    damage: u32,
}

impl Ingest {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            clock: Clock::default(),
            video: Vec::new(),
            audio: Vec::new(),
            metadata: None,
            too_many_told: false,
            damaged: 0,
            damage: 0,
        }
    }

    /// Forgets tracks and time: another publish begins.
    pub(crate) fn restart(&mut self) {
        self.clock = Clock::default();
        self.video.clear();
        self.audio.clear();
        self.metadata = None;
        self.too_many_told = false;
    }

    /// How many messages were damaged in the session.
    pub(crate) const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Takes one message.
    ///
    /// # Errors
    /// [`Error::Garbage`] when too many were damaged lately.
    pub(crate) fn handle(
        &mut self,
        message: &Message,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Error> {
        if message.type_id != message_type::AGGREGATE {
            let result = self.body(message, events);
            return self.judge(result, events);
        }
        for tag in Tags::new(message) {
            let result = match tag {
                Ok(tag) if tag.type_id == message_type::AGGREGATE => {
                    Err(BodyError::NestedAggregate)
                }
                Ok(tag) => self.body(&tag, events),
                Err(error) => Err(error.into()),
            };
            self.judge(result, events)?;
        }
        Ok(())
    }

    fn judge(
        &mut self,
        result: Result<(), BodyError>,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Error> {
        let Err(error) = result else {
            self.damage = self.damage.saturating_sub(1);
            return Ok(());
        };
        self.damaged += 1;
        self.damage = self.damage.saturating_add(DAMAGE_WEIGHT);
        if self.damaged <= DAMAGED_TOLD_MAX {
            events.push_back(Event::Damaged { what: error.to_string() });
        }
        if self.damage > self.limits.damaged_bodies_max.saturating_mul(DAMAGE_WEIGHT) {
            return Err(Error::Garbage { count: self.damaged, last: error.to_string() });
        }
        Ok(())
    }

    fn body(&mut self, message: &Message, events: &mut VecDeque<Event>) -> Result<(), BodyError> {
        if message.payload.is_empty() {
            // A "silence message" (Enhanced RTMP, AudioPacketType), and what some encoders send
            // before they are ready.
            return Ok(());
        }
        match message.type_id {
            message_type::VIDEO => self.video(message, events),
            message_type::AUDIO => self.audio(message, events),
            message_type::DATA_AMF0 => self.data(message, Encoding::Amf0, events),
            message_type::DATA_AMF3 => self.data(message, Encoding::Amf3, events),
            _ => Ok(()),
        }
    }

    fn video(&mut self, message: &Message, events: &mut VecDeque<Event>) -> Result<(), BodyError> {
        let body = VideoBody::parse(message.payload.clone())?;
        let time_ns = self.clock.nanos(message.timestamp_ms, body.nano_offset());
        for packet in body {
            let packet = packet?;
            match slot(&mut self.video, packet.track, self.limits.tracks_max, VideoTrack::new) {
                Some(track) => track.handle(packet, time_ns, events)?,
                None => self.too_many_tracks("video", events),
            }
        }
        Ok(())
    }

    fn audio(&mut self, message: &Message, events: &mut VecDeque<Event>) -> Result<(), BodyError> {
        let body = AudioBody::parse(message.payload.clone())?;
        let time_ns = self.clock.nanos(message.timestamp_ms, body.nano_offset());
        for packet in body {
            let packet = packet?;
            match slot(&mut self.audio, packet.track, self.limits.tracks_max, AudioTrack::new) {
                Some(track) => track.handle(packet, time_ns, events)?,
                None => self.too_many_tracks("audio", events),
            }
        }
        Ok(())
    }

    fn data(
        &mut self,
        message: &Message,
        encoding: Encoding,
        events: &mut VecDeque<Event>,
    ) -> Result<(), BodyError> {
        let values = amf::read_all(&message.payload, encoding)?;
        if let Some(metadata) = metadata::read(&values)
            && self.metadata.as_ref() != Some(&metadata)
        {
            self.metadata = Some(metadata.clone());
            events.push_back(Event::Metadata(metadata));
        }
        Ok(())
    }

    fn too_many_tracks(&mut self, medium: &str, events: &mut VecDeque<Event>) {
        if !self.too_many_told {
            self.too_many_told = true;
            let what = format!("more than {} {medium} tracks", self.limits.tracks_max);
            events.push_back(Event::Unsupported { what });
        }
    }
}

/// A track that knows its number.
trait Numbered {
    fn number(&self) -> u8;
}

/// The track with this number, made if there is room for it.
fn slot<T: Numbered>(
    tracks: &mut Vec<T>,
    number: u8,
    max: usize,
    new: impl FnOnce(u8) -> T,
) -> Option<&mut T> {
    if let Some(index) = tracks.iter().position(|track| track.number() == number) {
        return tracks.get_mut(index);
    }
    if tracks.len() >= max {
        return None;
    }
    tracks.push(new(number));
    tracks.last_mut()
}

/// A decoder record in memory of its own: a slice would keep a whole message alive, which may hold
/// far more than the record.
fn own_record(record: &[u8]) -> Result<Bytes, BodyError> {
    if record.len() > RECORD_BYTES_MAX {
        return Err(BodyError::RecordTooLong { bytes: record.len() });
    }
    Ok(Bytes::copy_from_slice(record))
}

/// Tells once per track and codec that it is not carried.
#[derive(Debug, Default)]
struct Refusals {
    /// At most [`REFUSALS_MAX`].
    told: Vec<String>,
}

impl Refusals {
    fn tell(&mut self, what: String, events: &mut VecDeque<Event>) {
        if self.told.len() < REFUSALS_MAX && !self.told.contains(&what) {
            events.push_back(Event::Unsupported { what: what.clone() });
            self.told.push(what);
        }
    }

    fn codec(&mut self, medium: &str, track: u8, codec: Refused, events: &mut VecDeque<Event>) {
        self.tell(format!("{codec} on {medium} track {track}"), events);
    }

    /// Turns "not supported" of a codec record into an event; other errors are damage.
    fn record<T>(
        &mut self,
        medium: &str,
        track: u8,
        result: Result<T, CodecError>,
        events: &mut VecDeque<Event>,
    ) -> Result<Option<T>, CodecError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(CodecError::Unsupported { what }) => {
                self.tell(format!("{what} on {medium} track {track}"), events);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
