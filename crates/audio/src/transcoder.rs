//! The chain from frames to frames.

use std::collections::VecDeque;

use tally_media::{Frame, Timescale, Timestamp, Track};

use crate::decode::Decoder;
use crate::encode::Encoder;
use crate::line::Line;
use crate::place::{Placement, Placer};
use crate::resample::{RATE, Resampler};
use crate::{PushError, Stereo, Unsupported};

/// Frames that wait for [`Transcoder::poll_frame`]: four times what one push can give (a second of
/// silence and the longest frame). Beyond it the oldest are let go, for a caller that never polls.
pub const QUEUE_FRAMES_MAX: usize = 256;

const TIMESCALE: Timescale = Timescale::new(RATE);

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Opus, 48 kHz stereo, 20 ms a frame: what WebRTC takes.
    Opus,
    /// AAC-LC, 48 kHz stereo, 1,024 samples a frame: what every HLS player takes.
    Aac,
}

/// How to make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bit rate in kbit/s, 16 to 320. Default 128.
    pub bitrate_kbps: u16,
    /// Effort of the Opus encoder, 0 to 10; AAC has none to set. Default 5: at 128 kbit/s, 10 costs two
    /// thirds more for nothing that is heard.
    pub complexity: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self { bitrate_kbps: 128, complexity: 5 }
    }
}

/// Makes one audio track into another, frame by frame.
pub struct Transcoder {
    output: Track,
    target: Target,
    decoder: Decoder,
    placer: Placer,
    resampler: Resampler,
    line: Line,
    encoder: Encoder,
    queue: VecDeque<Frame>,
    /// Reused between frames: as decoded, and as resampled.
    decoded: Stereo,
    resampled: Stereo,
}

impl Transcoder {
    /// From the frames of `track` to `target`.
    ///
    /// # Errors
    /// When the track is of another codec, of `target` already, or of a form the crate's doc names as
    /// refused; when `options` are out of their ranges.
    pub fn new(track: &Track, target: Target, options: Options) -> Result<Self, Unsupported> {
        let decoder = decoder(track, target)?;
        let encoder = Encoder::new(target, options)?;
        let output = Track {
            id: track.id,
            codec: encoder.codec()?,
            timescale: TIMESCALE,
            language: track.language.clone(),
            color: None,
        };
        Ok(Self {
            output,
            target,
            decoder,
            placer: Placer::new(RATE),
            resampler: Resampler::new(RATE),
            line: Line::default(),
            encoder,
            queue: VecDeque::new(),
            decoded: Stereo::default(),
            resampled: Stereo::default(),
        })
    }

    /// The track its frames belong to: the input's id and language, 48 kHz, its own decoder record. For
    /// Opus the record's pre-skip is the look-ahead already subtracted from the frames' times, so that
    /// players which leave it out and players which do not agree on when a sound is heard.
    #[must_use]
    pub const fn output_track(&self) -> &Track {
        &self.output
    }

    /// Goes on with frames of `track`: other parameters, the same timeline. What was encoded stays; the
    /// output track does not change.
    ///
    /// # Errors
    /// As [`Self::new`]; the transcoder then goes on as it was.
    pub fn set_track(&mut self, track: &Track) -> Result<(), Unsupported> {
        self.decoder = decoder(track, self.target)?;
        self.end_run(RATE);
        Ok(())
    }

    /// Takes the next frame, of the track's own timeline.
    ///
    /// # Errors
    /// When the frame is damaged (what stands for it is encoded) or lies before what is encoded already
    /// (it is left out). Either costs that frame only.
    pub fn push(&mut self, frame: &Frame) -> Result<(), PushError> {
        let mut decoded = std::mem::take(&mut self.decoded);
        let (rate, damage) = self.decoder.decode(&frame.payload, &mut decoded);
        let late = self.place(frame.pts, rate, &mut decoded);
        self.decoded = decoded;
        self.encode();
        let track = self.output.id;
        match (damage, late) {
            (Some(reason), _) => Err(PushError::Damaged { track, reason }),
            (None, Some(late_ms)) => Err(PushError::Late { track, late_ms }),
            (None, None) => Ok(()),
        }
    }

    /// The next frame that is ready. Times rise from frame to frame by the frame's length, more only
    /// where the input was away for over a second. None of them is before zero.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        self.queue.pop_front()
    }

    /// Encodes to the last sample that was pushed, with silence after it to the frame's end.
    pub fn finish(&mut self) {
        self.end_run(RATE);
        self.flush();
    }

    /// Puts `decoded` on the line. Gives by how many milliseconds it was late if none of it was used.
    fn place(&mut self, pts: Timestamp, rate: u32, decoded: &mut Stereo) -> Option<i64> {
        if rate != self.resampler.rate_in() {
            self.end_run(rate);
        }
        let timescale = Timescale::new(rate);
        let at = pts.ticks_in(timescale);
        let samples = decoded[0].len();
        match self.placer.place(at, samples) {
            Placement::Start => {
                self.end_resampling(rate);
                let start = Timestamp::new(at, timescale).ticks_in(TIMESCALE);
                if !self.line.begin(start) {
                    self.flush();
                    self.line.jump(start);
                }
            }
            Placement::Continue { skip, .. } if skip == samples => {
                let next = self.placer.next().unwrap_or(at);
                let late = next.saturating_sub(at).saturating_sub(samples as i64);
                return Some(Timestamp::new(late, timescale).as_ms());
            }
            Placement::Continue { silence, skip, slip } => {
                for side in decoded.iter_mut() {
                    side.drain(..skip);
                    side.splice(..0, std::iter::repeat_n(0.0, silence));
                    match (slip, side.last().copied()) {
                        (1, Some(last)) => side.push(last),
                        (-1, Some(_)) => drop(side.pop()),
                        _ => {}
                    }
                }
            }
        }
        self.resampler.process(decoded, &mut self.resampled);
        self.line.append(&mut self.resampled);
        None
    }

    /// The next frame starts a run of its own, of `rate`.
    fn end_run(&mut self, rate: u32) {
        self.end_resampling(rate);
        self.placer = Placer::new(rate);
    }

    fn end_resampling(&mut self, rate: u32) {
        let ended = std::mem::replace(&mut self.resampler, Resampler::new(rate));
        ended.finish(&mut self.resampled);
        self.line.append(&mut self.resampled);
    }

    fn flush(&mut self) {
        let delay = self.encoder.delay_samples() as usize;
        self.line.flush(self.encoder.frame_samples(), delay);
        self.encode();
    }

    fn encode(&mut self) {
        let samples = self.encoder.frame_samples();
        while let Some((start, pcm)) = self.line.front(samples) {
            let encoded = self.encoder.encode(pcm);
            self.line.advance(samples);
            let pts = start.saturating_sub(i64::from(self.encoder.delay_samples()));
            // No container can say a time before the timeline's zero.
            let Some(payload) = encoded.filter(|_| pts >= 0) else { continue };
            if self.queue.len() == QUEUE_FRAMES_MAX {
                self.queue.pop_front();
            }
            let pts = Timestamp::new(pts, TIMESCALE);
            let duration_ticks = Some(samples as u32);
            self.queue.push_back(Frame { dts: pts, pts, duration_ticks, keyframe: true, payload });
        }
    }
}

impl std::fmt::Debug for Transcoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transcoder")
            .field("output", &self.output)
            .field("placer", &self.placer)
            .finish_non_exhaustive()
    }
}

fn decoder(track: &Track, target: Target) -> Result<Decoder, Unsupported> {
    use tally_media::Codec::{Aac, Opus};
    if matches!((&track.codec, target), (Aac(_), Target::Aac) | (Opus(_), Target::Opus)) {
        return Err(Unsupported::Same(track.codec.rfc6381().to_owned()));
    }
    Decoder::new(track)
}
