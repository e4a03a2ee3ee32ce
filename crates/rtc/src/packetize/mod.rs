//! Frames into RTP payloads, once per stream and shared by all its viewers.
//!
//! A [`Packetizer`] belongs to one track. Its payloads have no RTP header: sequence numbers, SSRC and
//! the timestamp's offset belong to each viewer. The media in them are slices of the frame's buffer.

mod av1;
mod nal;
mod payload;
mod payloads;
#[cfg(test)]
mod tests;
mod timing;
mod vpx;

use tally_media::{Codec, Frame, Timescale, Track, TrackId};

pub use payload::{PREFIX_BYTES_MAX, PacketizedFrame, Payload, PictureIdAt, Prefix};
use payloads::Payloads;
use timing::Timing;

/// Smallest payload a packetizer may be told to make, in bytes: room for the longest prefix and for
/// more than twice as much media.
pub const PAYLOAD_BYTES_MIN: usize = 64;
/// Picture ids have 15 bits (RFC 7741 4.2, RFC 9628 4.2).
const PICTURE_ID_MASK: u64 = 0x7FFF;
/// The RTP clock of Opus (RFC 7587 4.1), whatever the track's timescale is.
const OPUS_CLOCK: Timescale = Timescale::new(48_000);

/// Makes payloads of one track's frames.
#[derive(Clone, Debug)]
pub struct Packetizer {
    track: TrackId,
    format: Format,
    payload_bytes_max: usize,
    number: u64,
    timing: Timing,
}

/// How frames of a codec become payloads, with what has to be repeated in front of keyframes.
#[derive(Clone, Debug)]
enum Format {
    H264(nal::Head),
    H265(nal::Head),
    Av1(av1::Head),
    Vp8,
    Vp9 { width: u16, height: u16 },
    Opus,
}

impl Format {
    /// `None` where WebRTC has no payload format for it, or the decoder record cannot be read.
    fn of(codec: &Codec, payload_bytes_max: usize) -> Option<Self> {
        match codec {
            Codec::H264(_) => nal::Head::h264(codec, payload_bytes_max).map(Self::H264),
            Codec::H265(_) => nal::Head::h265(codec, payload_bytes_max).map(Self::H265),
            Codec::Av1(video) => Some(Self::Av1(av1::Head::of(&video.record))),
            Codec::Vp8(_) => Some(Self::Vp8),
            Codec::Vp9(video) => Some(Self::Vp9 { width: video.width, height: video.height }),
            // RFC 7587 carries mono and stereo only.
            Codec::Opus(audio) => (audio.channels <= 2).then_some(Self::Opus),
            _ => None,
        }
    }
}

impl Packetizer {
    /// A packetizer whose payloads are at most `payload_bytes_max` long (at least
    /// [`PAYLOAD_BYTES_MIN`]). `None` where WebRTC cannot carry the track's codec.
    #[must_use]
    pub fn new(track: &Track, payload_bytes_max: usize) -> Option<Self> {
        let payload_bytes_max = payload_bytes_max.max(PAYLOAD_BYTES_MIN);
        Some(Self {
            track: track.id,
            format: Format::of(&track.codec, payload_bytes_max)?,
            payload_bytes_max,
            number: 0,
            timing: Timing::default(),
        })
    }

    /// Takes new parameters of the track, for the frames after. Frame numbers and picture ids go on.
    /// Whether WebRTC can carry them; if not, the packetizer stays as it was.
    pub fn set_track(&mut self, track: &Track) -> bool {
        let Some(format) = Format::of(&track.codec, self.payload_bytes_max) else { return false };
        self.format = format;
        self.track = track.id;
        true
    }

    /// The payloads of `frame`. `None` where it has none: its bytes are not what the codec's frames
    /// look like, nothing in it is for a decoder, it would take more payloads than a frame may have,
    /// or an Opus packet is longer than a payload. Such a frame takes no number.
    #[must_use]
    pub fn packetize(&mut self, frame: &Frame) -> Option<PacketizedFrame> {
        let mut out = Payloads::new(self.payload_bytes_max, frame.payload.len());
        let picture_id = (self.number & PICTURE_ID_MASK) as u16;
        let disposable = match &self.format {
            Format::H264(head) => head.packetize_h264(frame, &mut out)?,
            Format::H265(head) => head.packetize_h265(frame, &mut out)?,
            Format::Av1(head) => head.packetize(frame, &mut out)?,
            Format::Vp8 => vpx::packetize_vp8(frame, picture_id, &mut out)?,
            Format::Vp9 { width, height } => {
                vpx::packetize_vp9(frame, picture_id, (*width, *height), &mut out)?
            }
            Format::Opus => packetize_opus(frame, &mut out)?,
        };
        let clock = self.clock();
        let payloads = out.finish(self.track.medium())?;
        let times = self.timing.times(frame);
        let number = self.number;
        self.number += 1;
        Some(PacketizedFrame {
            track: self.track,
            number,
            rtp_ticks: frame.pts.ticks_in(clock),
            start_ms: times.start,
            end_ms: times.end,
            keyframe: frame.keyframe,
            disposable: disposable && !frame.keyframe,
            payloads,
            media_bytes: u32::try_from(frame.payload.len()).unwrap_or(u32::MAX),
        })
    }

    /// Ticks per second of [`PacketizedFrame::rtp_ticks`].
    #[must_use]
    pub const fn clock(&self) -> Timescale {
        match self.format {
            Format::Opus => OPUS_CLOCK,
            _ => Timescale::VIDEO,
        }
    }
}

/// RFC 7587 4.2: the payload is the packet. Packets do not depend on each other so far that one could
/// not be left out, but a listener hears it: none is disposable.
fn packetize_opus(frame: &Frame, out: &mut Payloads) -> Option<bool> {
    if frame.payload.len() > out.bytes_max() {
        return None;
    }
    out.push(&[], frame.payload.clone())?;
    Some(false)
}
