//! One track of a publisher: pictures in, decodable frames out.

use std::collections::VecDeque;
use std::time::Instant;

use tally_media::codec::opus;
use tally_media::{Codec, Frame, Medium, Timescale, Track, TrackId};

use super::Published;
use crate::depacketize::{Assembled, Depacketizer, Format, starts_picture};
use crate::ingest::Picture;

/// What waits for the caller to take: two seconds of four layers at 60 pictures a second and sound.
/// Beyond it frames are dropped as if they had been lost.
const PUBLISHED_MAX: usize = 1_024;

/// What became of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A frame; a decoder can start with it.
    Keyframe,
    /// A frame.
    Frame,
    /// No frame of its own: parameters for the ones that follow.
    Parameters,
    /// Left out: broken, or it depends on something that is not there.
    Dropped,
}

/// Makes one track's frames.
#[derive(Debug)]
pub(super) struct Assembly {
    id: TrackId,
    depacketizer: Depacketizer,
    /// What came last cannot be decoded without a keyframe.
    waits: bool,
    /// The track as it is now was told of.
    announced: bool,
    /// When its last picture arrived.
    pub(super) heard: Instant,
}

impl Assembly {
    pub(super) fn new(id: TrackId, format: Format, now: Instant) -> Self {
        let waits = id.medium() == Medium::Video;
        Self { id, depacketizer: Depacketizer::new(format), waits, announced: false, heard: now }
    }

    /// Takes a picture of this format: the track and the frame it makes go to `out`.
    pub(super) fn take(
        &mut self,
        format: Format,
        picture: &Picture,
        out: &mut VecDeque<Published>,
    ) -> Outcome {
        self.heard = picture.arrived;
        if self.depacketizer.format() != format {
            *self = Self::new(self.id, format, picture.arrived);
        }
        let is_video = self.id.medium() == Medium::Video;
        self.waits |= is_video && picture.after_loss;
        let outcome = self.assemble(picture, out);
        self.waits |= is_video && outcome == Outcome::Dropped;
        outcome
    }

    /// The track is silent: it ends, if it had begun.
    pub(super) fn end(&mut self, out: &mut VecDeque<Published>) {
        if std::mem::take(&mut self.announced) {
            out.push_back(Published::TrackEnded(self.id));
        }
        self.waits = self.id.medium() == Medium::Video;
    }

    fn assemble(&mut self, picture: &Picture, out: &mut VecDeque<Published>) -> Outcome {
        let format = self.depacketizer.format();
        let is_whole = !picture.after_loss
            || picture.payloads.first().is_some_and(|first| starts_picture(format, first));
        if !is_whole {
            return Outcome::Dropped;
        }
        let assembled = match self.depacketizer.assemble(&picture.payloads) {
            Ok(Some(assembled)) => assembled,
            Ok(None) => return Outcome::Parameters,
            Err(_) => return Outcome::Dropped,
        };
        self.announced &= assembled.codec.is_none();
        self.waits &= !assembled.keyframe;
        let Some(codec) = self.depacketizer.codec() else { return Outcome::Dropped };
        if self.waits || out.len() >= PUBLISHED_MAX {
            return Outcome::Dropped;
        }
        if !std::mem::replace(&mut self.announced, true) {
            out.push_back(Published::Track(track(self.id, codec)));
        }
        let outcome = if assembled.keyframe { Outcome::Keyframe } else { Outcome::Frame };
        out.push_back(Published::Frame(self.id, frame(format, picture, assembled)));
        outcome
    }
}

/// Times come in the RTP clock, which for Opus is its sample rate.
fn track(id: TrackId, codec: &Codec) -> Track {
    let sample_rate = codec.audio().map(|audio| Timescale::new(audio.sample_rate.max(1)));
    let timescale = sample_rate.unwrap_or(Timescale::VIDEO);
    Track { id, codec: codec.clone(), timescale, language: None, color: None }
}

fn frame(format: Format, picture: &Picture, assembled: Assembled) -> Frame {
    let samples = (format == Format::Opus).then(|| opus::packet_samples(&assembled.payload));
    Frame {
        dts: picture.time,
        pts: picture.time,
        duration_ticks: samples.and_then(Result::ok),
        keyframe: assembled.keyframe,
        payload: assembled.payload,
    }
}
