//! An encoder in virtual time: frames of several tracks, in the order an encoder sends them.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tally_media::codec::{AudioRecord, VideoRecord};
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};

/// An `avcC` of x264 at 640x360, level `level` (30 is 3.0).
pub fn avc(id: u8, level: u8) -> Arc<Track> {
    let record = [
        1, 0x64, 0, level, 0xFF, 0xE1, 0, 10, 0x67, 0x64, 0, level, 0xAC, 0xD9, 0x40, 0xA0, 0x2F,
        0xF9, 1, 0, 4, 0x68, 0xEB, 0xE3, 0xCB,
    ];
    Arc::new(Track {
        id: TrackId::Video(id),
        codec: Codec::H264(VideoRecord {
            record: Bytes::copy_from_slice(&record),
            width: 640,
            height: 360,
            rfc6381: format!("avc1.6400{level:02X}"),
            color: None,
        }),
        timescale: Timescale::VIDEO,
        language: None,
        color: None,
    })
}

/// AAC-LC stereo, `samples` per frame (1,024, or 2,048 for HE-AAC).
pub fn aac(id: u8, rate: u32, samples: u32) -> Arc<Track> {
    audio(id, rate, Some(samples), |record| {
        Codec::Aac(AudioRecord { record: Bytes::from_static(&[0x11, 0x90]), ..record })
    })
}

/// Opus stereo.
pub fn opus(id: u8) -> Arc<Track> {
    let dops = [0, 2, 1, 0x38, 0, 0, 0xBB, 0x80, 0, 0, 0];
    audio(id, 48_000, None, |record| {
        Codec::Opus(AudioRecord { record: Bytes::copy_from_slice(&dops), ..record })
    })
}

fn audio(
    id: u8,
    rate: u32,
    frame_samples: Option<u32>,
    codec: impl FnOnce(AudioRecord) -> Codec,
) -> Arc<Track> {
    let record = AudioRecord {
        record: Bytes::new(),
        sample_rate: rate,
        channels: 2,
        frame_samples,
        rfc6381: "audio".into(),
    };
    Arc::new(Track {
        id: TrackId::Audio(id),
        codec: codec(record),
        timescale: Timescale::new(rate),
        language: None,
        color: None,
    })
}

/// A video track's frames.
#[derive(Clone, Debug)]
pub struct VideoSource {
    pub id: TrackId,
    /// Thousandths of a frame per second.
    pub fps: i64,
    /// Frames from keyframe to keyframe.
    pub group: i64,
    /// B-frames between references.
    pub reordered: i64,
    /// Times are rounded to milliseconds, as RTMP does.
    pub is_rounded: bool,
    next: i64,
    zero_ms: i64,
}

impl VideoSource {
    pub fn new(fps: i64, group: i64) -> Self {
        Self {
            id: TrackId::Video(0),
            fps,
            group,
            reordered: 0,
            is_rounded: true,
            next: 0,
            zero_ms: 0,
        }
    }

    pub fn with_b_frames(self, reordered: i64) -> Self {
        Self { reordered, ..self }
    }

    pub fn with_id(self, n: u8) -> Self {
        Self { id: TrackId::Video(n), ..self }
    }

    /// Starts again with a keyframe at `ms`.
    pub fn restart(&mut self, ms: i64) {
        self.next = 0;
        self.zero_ms = ms;
    }

    fn time(&self, n: i64) -> i64 {
        if self.is_rounded {
            (self.zero_ms + (n * 1_000_000 + self.fps / 2) / self.fps) * 90
        } else {
            self.zero_ms * 90 + n * 90_000_000 / self.fps
        }
    }

    fn next_time(&self) -> Timestamp {
        Timestamp::new(self.time(self.next), Timescale::VIDEO)
    }

    fn frame(&mut self, payload: Bytes) -> Frame {
        let n = self.next;
        self.next += 1;
        let in_group = n % self.group;
        let shown = if self.reordered == 0 { n } else { self.reorder(n, in_group) };
        let timescale = Timescale::VIDEO;
        Frame {
            dts: Timestamp::new(self.time(n), timescale),
            pts: Timestamp::new(self.time(shown), timescale),
            duration_ticks: None,
            keyframe: in_group == 0,
            payload,
        }
    }

    /// Decode order I P b b P b b: where the n-th decoded frame is shown, closed groups.
    fn reorder(&self, n: i64, in_group: i64) -> i64 {
        let period = self.reordered + 1;
        let group_start = n - in_group;
        let last = self.group - 1;
        let shown = match in_group {
            0 => 0,
            k => {
                let mini = (k - 1) / period;
                let first = mini * period + 1;
                let reference = (first + period - 1).min(last);
                if (k - 1) % period == 0 { reference } else { k - 1 }
            }
        };
        group_start + shown + 1
    }
}

/// An audio track's frames, on its sample grid.
#[derive(Clone, Debug)]
pub struct AudioSource {
    pub id: TrackId,
    pub rate: u32,
    pub samples: u32,
    /// Frames are sent this much after their time.
    pub lag_ms: i64,
    next: i64,
}

impl AudioSource {
    pub fn new(rate: u32, samples: u32) -> Self {
        Self { id: TrackId::Audio(0), rate, samples, lag_ms: 0, next: 0 }
    }

    pub fn with_id(self, n: u8) -> Self {
        Self { id: TrackId::Audio(n), ..self }
    }

    /// Goes on at the first frame from `ms` on.
    pub fn restart(&mut self, ms: i64) {
        let samples = i64::from(self.samples);
        self.next = (ms * i64::from(self.rate) / 1_000 + samples - 1) / samples;
    }

    fn next_time(&self) -> Timestamp {
        Timestamp::new(self.next * i64::from(self.samples), Timescale::new(self.rate))
    }

    fn frame(&mut self, payload: Bytes) -> Frame {
        let at = self.next_time();
        self.next += 1;
        Frame { dts: at, pts: at, duration_ticks: Some(self.samples), keyframe: true, payload }
    }
}

/// Sources interleaved by decode time.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    pub videos: Vec<VideoSource>,
    pub audios: Vec<AudioSource>,
    sent: u64,
}

impl Encoder {
    pub fn new(videos: Vec<VideoSource>, audios: Vec<AudioSource>) -> Self {
        Self { videos, audios, sent: 0 }
    }

    /// When the next frame is sent, in milliseconds.
    pub fn next_ms(&self) -> i64 {
        let videos = self.videos.iter().map(|video| video.next_time().as_ms());
        let audios = self.audios.iter().map(|audio| audio.next_time().as_ms() + audio.lag_ms);
        videos.chain(audios).min().unwrap_or(i64::MAX)
    }

    /// The next frame in the order of sending. Payloads differ from each other.
    pub fn next(&mut self) -> (TrackId, Frame) {
        self.sent += 1;
        let mut payload = BytesMut::new();
        payload.put_u64(self.sent);
        payload.put_bytes(0xAB, usize::try_from(self.sent % 7).unwrap());
        let payload = payload.freeze();
        let at = self.next_ms();
        for video in &mut self.videos {
            if video.next_time().as_ms() == at {
                return (video.id, video.frame(payload));
            }
        }
        let audio = self.audios.iter_mut();
        let audio = { audio }.find(|audio| audio.next_time().as_ms() + audio.lag_ms == at);
        let audio = audio.expect("one source has the earliest time");
        (audio.id, audio.frame(payload))
    }
}
