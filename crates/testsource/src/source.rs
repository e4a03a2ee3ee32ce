//! Pictures and sound on one timeline.

use bytes::{BufMut, Bytes, BytesMut};
use tally_media::codec::{CodecError, aac, h264};
use tally_media::nal::LengthSize;
use tally_media::{Frame, Timescale, Timestamp, Track, TrackId};

use crate::scene::{Mosaic, NUMBER_BITS, STONE_PIXELS, Scene};
use crate::sound::{self, Sound};
use crate::{picture, sets};

/// `user_data_unregistered` SEI that pads pictures to a bit rate: a random UUID of ours, then 0xFF,
/// which never looks like a start code (H.264 D.1.7).
const PADDING_UUID: [u8; 16] = *b"\x9e\x1ftally padding\x01";
/// Widest and highest picture: 4K. Load tests need no more.
const PIXELS_MAX: u16 = 4_096;
/// Narrowest picture: the bits of the frame number need one stone each, and so does the parity.
const WIDTH_MIN: u16 = (NUMBER_BITS as u16 + 1) * STONE_PIXELS;
/// Lowest picture in which bars, clock, mover and number have rows of their own.
const HEIGHT_MIN: u16 = 240;

/// What the show is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Width in pixels, even, 400 to 4,096. Default 640.
    pub width: u16,
    /// Height in pixels, even, 240 to 4,096. Default 360.
    pub height: u16,
    /// Pictures a second, 1 to 120. Default 30.
    pub fps: u32,
    /// Pictures from one key frame to the next, at least 1. Default 60.
    pub gop_frames: u32,
    /// Pads pictures to this bit rate in kbit/s, at most 100,000, so that a load is like that of real
    /// pictures. Default `None`: as small as it gets, about 25 kbit/s.
    pub video_kbps: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { width: 640, height: 360, fps: 30, gop_frames: 60, video_kbps: None }
    }
}

/// Why there is no such show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// Width or height is out of its range or odd.
    #[error("{width}x{height}: even sizes from {WIDTH_MIN}x{HEIGHT_MIN} to 4096x4096 can be made")]
    Size {
        /// As asked for.
        width: u16,
        /// As asked for.
        height: u16,
    },
    /// The frame rate, key frame distance or bit rate is out of its range.
    #[error("{option} = {value} is not in {least}..={most}")]
    Range {
        /// The option's name.
        option: &'static str,
        /// As asked for.
        value: u32,
        /// Smallest that can be made.
        least: u32,
        /// Largest that can be made.
        most: u32,
    },
    /// Our own parameter sets could not be read back.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// An endless show: frames of both tracks in decode order on one timeline from zero.
#[derive(Debug)]
pub struct TestSource {
    options: Options,
    tracks: [Track; 2],
    scene: Scene,
    previous: Option<Mosaic>,
    sound: Sound,
    pictures: u64,
    sounds: u64,
}

impl TestSource {
    /// A show from its first frame.
    ///
    /// # Errors
    /// When an option is out of its range.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        options.check()?;
        let sps = sets::sequence(options.width, options.height, options.fps);
        let record = h264::avcc(&[&sps], &[&sets::picture()], LengthSize::Four)?;
        let tracks = [
            Track {
                id: TrackId::Video(0),
                codec: h264::from_avcc(record)?,
                timescale: Timescale::VIDEO,
                language: None,
                color: None,
            },
            Track {
                id: TrackId::Audio(0),
                codec: aac::from_asc(Bytes::from_static(&sound::CONFIG))?,
                timescale: Timescale::new(sound::RATE),
                language: None,
                color: None,
            },
        ];
        Ok(Self {
            options,
            tracks,
            scene: Scene::new(options.width, options.height, options.fps),
            previous: None,
            sound: Sound::new(),
            pictures: 0,
            sounds: 0,
        })
    }

    /// The video track, then the audio track.
    #[must_use]
    pub const fn tracks(&self) -> &[Track; 2] {
        &self.tracks
    }

    /// The scene, to know what a decoded picture must look like.
    #[must_use]
    pub const fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The next frame in decode order, and the track it belongs to. There is always one.
    pub fn next_frame(&mut self) -> (TrackId, Frame) {
        let picture = Timestamp::new(self.pictures as i64, Timescale::new(self.options.fps));
        let sound_ticks = self.sounds as i64 * i64::from(sound::FRAME_SAMPLES);
        let sound = Timestamp::new(sound_ticks, Timescale::new(sound::RATE));
        if picture <= sound {
            (TrackId::Video(0), self.next_picture(picture.rescale(Timescale::VIDEO)))
        } else {
            (TrackId::Audio(0), self.next_sound(sound))
        }
    }

    fn next_picture(&mut self, at: Timestamp) -> Frame {
        let mosaic = self.scene.paint(self.pictures);
        let gop = u64::from(self.options.gop_frames);
        let in_gop = (self.pictures % gop) as u32;
        let slice = match &self.previous {
            Some(previous) if in_gop > 0 => picture::predicted(&mosaic, previous, in_gop),
            _ => picture::intra(&mosaic, (self.pictures / gop % 2) as u32),
        };
        self.pictures += 1;
        self.previous = Some(mosaic);
        let payload = self.options.pad(&slice);
        Frame { dts: at, pts: at, duration_ticks: None, keyframe: in_gop == 0, payload }
    }

    fn next_sound(&mut self, at: Timestamp) -> Frame {
        let payload = self.sound.frame(self.sounds);
        self.sounds += 1;
        let duration_ticks = Some(sound::FRAME_SAMPLES);
        Frame { dts: at, pts: at, duration_ticks, keyframe: true, payload }
    }
}

impl Options {
    fn check(self) -> Result<(), OptionsError> {
        let Self { width, height, fps, gop_frames, video_kbps } = self;
        let is_made = (WIDTH_MIN..=PIXELS_MAX).contains(&width)
            && (HEIGHT_MIN..=PIXELS_MAX).contains(&height)
            && width.is_multiple_of(2)
            && height.is_multiple_of(2);
        if !is_made {
            return Err(OptionsError::Size { width, height });
        }
        let ranges = [
            ("fps", fps, 1, 120),
            ("gop_frames", gop_frames, 1, u32::MAX),
            ("video_kbps", video_kbps.unwrap_or(1), 1, 100_000),
        ];
        for (option, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(OptionsError::Range { option, value, least, most });
            }
        }
        Ok(())
    }

    /// The picture with NAL lengths, behind as much padding as the bit rate asks for.
    fn pad(self, slice: &[u8]) -> Bytes {
        let wanted = self.video_kbps.map_or(0, |kbps| kbps * 125 / self.fps) as usize;
        let mut payload = BytesMut::with_capacity(wanted.max(slice.len() + 4));
        // Length, NAL header, payload type, payload size and trailing bits need some bytes as well.
        let padding = wanted.saturating_sub(slice.len() + 4 + PADDING_UUID.len() + 8);
        if padding > 0 {
            let message = PADDING_UUID.len() + padding;
            let (runs, last) = (message / 255, (message % 255) as u8);
            payload.put_u32((2 + runs + 1 + message + 1) as u32);
            payload.put_slice(&[0x06, 0x05]);
            payload.put_bytes(0xFF, runs);
            payload.put_u8(last);
            payload.put_slice(&PADDING_UUID);
            payload.put_bytes(0xFF, padding);
            payload.put_u8(0x80);
        }
        payload.put_u32(slice.len() as u32);
        payload.put_slice(slice);
        payload.freeze()
    }
}
