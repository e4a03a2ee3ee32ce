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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tally_media::Timestamp;

    use super::*;
    use crate::egress::testing::anchor;
    use crate::packetize::Packetizer;
    use crate::session::tests::media::{self, VIDEO_FORMATS};

    const VIDEO: TrackId = TrackId::Video(0);

    fn assembly(format: Format) -> Assembly {
        Assembly::new(VIDEO, format, anchor())
    }

    /// Frame `number` as a publisher's picture, three payloads long.
    fn picture(format: Format, number: u64, keyframe: bool, after_loss: bool) -> Picture {
        let frame = media::frame(format, number, 0, keyframe, 2_500);
        let mut packetizer = Packetizer::new(&media::track(VIDEO, format), 1_000).unwrap();
        let made = packetizer.packetize(&frame).unwrap().payloads;
        let payloads = made.iter().map(|it| [it.prefix.as_slice(), &it.body].concat().into());
        let time = Timestamp::new(0, Timescale::VIDEO);
        let (payload_type, rtp_ticks, arrived) = (96, 0, anchor());
        Picture { payload_type, rtp_ticks, time, payloads: payloads.collect(), arrived, after_loss }
    }

    fn told(out: &VecDeque<Published>) -> Vec<Option<u64>> {
        let number = |it: &Published| match it {
            Published::Frame(_, frame) => Some(media::number(frame)),
            _ => None,
        };
        out.iter().map(number).collect()
    }

    #[test]
    fn what_depends_on_something_lost_waits_for_a_keyframe() {
        for format in VIDEO_FORMATS {
            let (mut assembly, mut out) = (assembly(format), VecDeque::new());
            let outcomes = [
                (0, false, true),
                (1, true, false),
                (2, false, false),
                (4, false, true),
                (5, false, false),
                (6, true, false),
                (7, false, false),
                (9, true, true),
                (10, false, false),
            ]
            .map(|(number, keyframe, after_loss)| {
                assembly.take(format, &picture(format, number, keyframe, after_loss), &mut out)
            });
            let (key, delta, dropped) = (Outcome::Keyframe, Outcome::Frame, Outcome::Dropped);
            let expected = [dropped, key, delta, dropped, dropped, key, delta, key, delta];
            assert_eq!(outcomes, expected, "{format:?}");
            let numbers = [1, 2, 6, 7, 9, 10].map(Some);
            assert_eq!(told(&out), [&[None], &numbers[..]].concat(), "the track once");
        }
    }

    #[test]
    fn a_picture_without_its_beginning_or_its_end_is_left_out() {
        for format in VIDEO_FORMATS {
            let (mut assembly, mut out) = (assembly(format), VecDeque::new());
            let mut headless = picture(format, 0, true, true);
            headless.payloads.remove(0);
            // What is left of some could pass for a picture, if parameters were its beginning.
            headless.payloads.retain(|payload| !starts_picture(format, payload));
            assert_eq!(assembly.take(format, &headless, &mut out), Outcome::Dropped);
            assert!(out.is_empty(), "{format:?}");
        }
    }

    #[test]
    fn another_codec_makes_the_track_anew() {
        let (mut assembly, mut out) = (assembly(Format::Vp8), VecDeque::new());
        for (format, number, keyframe) in [
            (Format::Vp8, 0, true),
            (Format::H264, 1, false),
            (Format::H264, 2, true),
            (Format::H264, 3, false),
        ] {
            assembly.take(format, &picture(format, number, keyframe, false), &mut out);
        }
        assert_eq!(told(&out), [None, Some(0), None, Some(2), Some(3)]);
        let Some(Published::Track(track)) = out.get(2) else { panic!() };
        assert_eq!(*track, media::track(VIDEO, Format::H264));
    }

    #[test]
    fn a_caller_who_takes_nothing_is_not_waited_for() {
        let (mut assembly, mut out) = (assembly(Format::Vp8), VecDeque::new());
        for number in 0..2_000 {
            let keyframe = number % 10 == 0;
            assembly.take(Format::Vp8, &picture(Format::Vp8, number, keyframe, false), &mut out);
        }
        assert!(out.len() <= PUBLISHED_MAX + 1, "{}", out.len());
        out.clear();
        assembly.take(Format::Vp8, &picture(Format::Vp8, 2_001, false, false), &mut out);
        assert!(out.is_empty(), "frames are missing before it");
        assembly.take(Format::Vp8, &picture(Format::Vp8, 2_002, true, false), &mut out);
        assert_eq!(told(&out), [Some(2_002)]);
    }

    #[test]
    fn fuzz_assembly() {
        bolero::check!().with_iterations(5_000).for_each(|input: &[u8]| {
            let Some((&kind, rest)) = input.split_first() else { return };
            let format = VIDEO_FORMATS[usize::from(kind) % VIDEO_FORMATS.len()];
            let (mut assembly, mut out) = (assembly(format), VecDeque::new());
            let mut picture = picture(format, 0, true, false);
            assembly.take(format, &picture, &mut out);
            for piece in rest.chunks(40) {
                let (flags, body) = piece.split_first().unwrap_or((&0, &[]));
                picture.payloads = body.chunks(20).map(Bytes::copy_from_slice).collect();
                picture.after_loss = flags & 1 != 0;
                let before = out.len();
                let outcome = assembly.take(format, &picture, &mut out);
                let is_frame = matches!(outcome, Outcome::Keyframe | Outcome::Frame);
                assert!(matches!(out.back(), Some(Published::Frame(..))));
                assert_eq!(out.len() > before, is_frame);
            }
        });
    }
}
