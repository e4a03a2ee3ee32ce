//! Sample entries: what `stsd` says of each codec.

use tally_media::codec::{AudioRecord, VideoRecord};
use tally_media::{Codec, Color, Track};

use crate::boxes::BoxWriter;

/// MPEG-4 Audio in `esds` (ISO/IEC 14496-1 table 5).
const OBJECT_TYPE_AAC: u8 = 0x40;
/// MPEG-1 Audio: MP3 at 32, 44.1 and 48 kHz.
const OBJECT_TYPE_MP3: u8 = 0x6B;
/// MPEG-2 Audio: MP3 at the half rates.
const OBJECT_TYPE_MP3_LOW: u8 = 0x69;
/// Lowest sample rate of MPEG-1 layer III in Hz.
const MPEG1_RATE_MIN: u32 = 32_000;

pub(super) fn sample_entry(w: &mut BoxWriter, track: &Track) {
    let color = track.color.or_else(|| track.codec.video().and_then(|video| video.color));
    match &track.codec {
        // A1.10: parameter sets in the sample entry, hence avc1 and hvc1.
        Codec::H264(video) => visual(w, *b"avc1", *b"avcC", video, color),
        Codec::H265(video) => visual(w, *b"hvc1", *b"hvcC", video, color),
        Codec::Av1(video) => visual(w, *b"av01", *b"av1C", video, color),
        Codec::Vp8(video) => visual(w, *b"vp08", *b"vpcC", video, color),
        Codec::Vp9(video) => visual(w, *b"vp09", *b"vpcC", video, color),
        Codec::Aac(audio) => mpeg4_audio(w, OBJECT_TYPE_AAC, audio),
        Codec::Mp3(audio) if audio.sample_rate < MPEG1_RATE_MIN => {
            mpeg4_audio(w, OBJECT_TYPE_MP3_LOW, audio);
        }
        Codec::Mp3(audio) => mpeg4_audio(w, OBJECT_TYPE_MP3, audio),
        Codec::Opus(audio) => recorded_audio(w, *b"Opus", *b"dOps", audio),
        Codec::Flac(audio) => recorded_audio(w, *b"fLaC", *b"dfLa", audio),
        Codec::Ac3(audio) => recorded_audio(w, *b"ac-3", *b"dac3", audio),
        Codec::Eac3(audio) => recorded_audio(w, *b"ec-3", *b"dec3", audio),
    }
}

fn visual(
    w: &mut BoxWriter,
    kind: [u8; 4],
    record_kind: [u8; 4],
    video: &VideoRecord,
    color: Option<Color>,
) {
    w.boxed(kind, |w| {
        w.zeros(6).u16(1).zeros(16).u16(video.width).u16(video.height);
        w.u32(0x48_0000).u32(0x48_0000).u32(0); // 72 dpi
        w.u16(1).zeros(32).u16(24).u16(0xFFFF); // one frame per sample, no name, depth, no palette
        w.boxed(record_kind, |w| {
            w.put(&video.record);
        });
        if let Some(color) = color {
            w.boxed(*b"colr", |w| {
                w.put(b"nclx").u16(u16::from(color.primaries)).u16(u16::from(color.transfer));
                w.u16(u16::from(color.matrix)).u8(u8::from(color.full_range) << 7);
            });
        }
    });
}

fn audio_header(w: &mut BoxWriter, audio: &AudioRecord) {
    w.zeros(6).u16(1).zeros(8).u16(u16::from(audio.channels)).u16(16).zeros(4);
    // 16.16 fixed point: rates from 65,536 Hz do not fit and are 0, the record has the truth.
    w.u16(u16::try_from(audio.sample_rate).unwrap_or(0)).u16(0);
}

fn recorded_audio(w: &mut BoxWriter, kind: [u8; 4], record_kind: [u8; 4], audio: &AudioRecord) {
    w.boxed(kind, |w| {
        audio_header(w, audio);
        w.boxed(record_kind, |w| {
            w.put(&audio.record);
        });
    });
}

/// `mp4a` with its `esds` (ISO/IEC 14496-1 7.2.6, 14496-14).
///
/// The AudioSpecificConfig goes in as it came. Where it tells of SBR it does so explicitly, which
/// is what A2.24 asks for; SBR hidden in the payload is known to nobody before decoding.
fn mpeg4_audio(w: &mut BoxWriter, object_type: u8, audio: &AudioRecord) {
    let specific = descriptor(0x05, &audio.record);
    let mut config = vec![object_type, 0x15]; // audio stream, the reserved bit set
    config.extend_from_slice(&[0; 11]); // buffer size and bit rates: unknown
    if !audio.record.is_empty() {
        config.extend_from_slice(&specific);
    }
    let mut stream = vec![0, 0, 0]; // ES_ID 0 in files, no flags
    stream.extend_from_slice(&descriptor(0x04, &config));
    stream.extend_from_slice(&descriptor(0x06, &[0x02])); // SL config: MP4
    w.boxed(*b"mp4a", |w| {
        audio_header(w, audio);
        w.full(*b"esds", 0, 0, |w| {
            w.put(&descriptor(0x03, &stream));
        });
    });
}

/// An MPEG-4 descriptor: tag, length as four groups of seven bits, body.
fn descriptor(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let group = |shift: u32| u8::try_from(len >> shift & 0x7F).unwrap_or(0x7F);
    let mut bytes = vec![tag, group(21) | 0x80, group(14) | 0x80, group(7) | 0x80, group(0)];
    bytes.extend_from_slice(body);
    bytes
}
