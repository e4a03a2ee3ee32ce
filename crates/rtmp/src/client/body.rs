//! Writing FLV bodies.

use bytes::{BufMut, Bytes, BytesMut};
use tally_media::codec::AudioRecord;
use tally_media::{Codec, Frame, Timescale, Track, TrackId};

const ENHANCED_VIDEO: u8 = 0x80;
const ENHANCED_AUDIO: u8 = 0x90;
const KEY: u8 = 0x10;
const INTER: u8 = 0x20;
const VIDEO_MULTITRACK: u8 = 6;
const AUDIO_MULTITRACK: u8 = 5;
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
/// Legacy audio header: AAC, 44 kHz, 16 bit, stereo, which is what AAC always says.
const LEGACY_AAC: u8 = 0xaf;
/// Legacy audio header: MP3, 44 kHz, 16 bit, stereo.
const LEGACY_MP3: u8 = 0x2f;
/// Bytes of the version and flags before `vpcC` and `dfLa` payloads.
const FULL_BOX_HEAD: usize = 4;

/// The sequence start of a track; `None` for codecs that have none.
pub(super) fn sequence_start(track: &Track) -> Option<Bytes> {
    let record = match &track.codec {
        Codec::H264(video) | Codec::H265(video) | Codec::Av1(video) => video.record.clone(),
        Codec::Vp8(video) | Codec::Vp9(video) => video.record.slice(FULL_BOX_HEAD..),
        Codec::Aac(audio) => audio.record.clone(),
        Codec::Opus(audio) => opus_head(audio)?,
        Codec::Flac(audio) => Bytes::from([b"fLaC", audio.record.get(FULL_BOX_HEAD..)?].concat()),
        Codec::Mp3(_) | Codec::Ac3(_) | Codec::Eac3(_) => return None,
    };
    let mut body = BytesMut::with_capacity(16 + record.len());
    header(&mut body, track, SEQUENCE_START, true);
    if is_legacy_avc(track) {
        body.put_slice(&[0, 0, 0]);
    }
    body.put_slice(&record);
    Some(body.freeze())
}

/// One frame of a track.
pub(super) fn frame(track: &Track, frame: &Frame) -> Bytes {
    let mut body = BytesMut::with_capacity(16 + frame.payload.len());
    header(&mut body, track, CODED_FRAMES, frame.keyframe);
    if matches!(track.codec, Codec::H264(_) | Codec::H265(_)) {
        let millis = |time: tally_media::Timestamp| time.ticks_in(Timescale::MILLIS);
        let composition_ms = millis(frame.pts).saturating_sub(millis(frame.dts));
        let composition_ms = composition_ms.clamp(-0x80_0000, 0x7f_ffff);
        body.put_int(composition_ms, 3);
    }
    body.put_slice(&frame.payload);
    body.freeze()
}

/// Everything before composition time and payload.
fn header(body: &mut BytesMut, track: &Track, packet_type: u8, keyframe: bool) {
    let frame_type = if keyframe { KEY } else { INTER };
    match (track.id, &track.codec) {
        (TrackId::Video(0), Codec::H264(_)) => {
            body.put_slice(&[frame_type | 7, packet_type]);
        }
        (TrackId::Audio(0), Codec::Aac(_)) => body.put_slice(&[LEGACY_AAC, packet_type]),
        (TrackId::Audio(0), Codec::Mp3(_)) => body.put_u8(LEGACY_MP3),
        (TrackId::Video(number), codec) => {
            let first = ENHANCED_VIDEO | frame_type;
            enhanced(body, first, VIDEO_MULTITRACK, number, packet_type, codec);
        }
        (TrackId::Audio(number), codec) => {
            enhanced(body, ENHANCED_AUDIO, AUDIO_MULTITRACK, number, packet_type, codec);
        }
    }
}

fn enhanced(
    body: &mut BytesMut,
    first: u8,
    multitrack: u8,
    number: u8,
    packet_type: u8,
    codec: &Codec,
) {
    if number == 0 {
        body.put_u8(first | packet_type);
        body.put_slice(four_cc(codec));
    } else {
        // OneTrack: multitrack type 0 in the upper half.
        body.put_slice(&[first | multitrack, packet_type]);
        body.put_slice(four_cc(codec));
        body.put_u8(number);
    }
}

const fn is_legacy_avc(track: &Track) -> bool {
    matches!((track.id, &track.codec), (TrackId::Video(0), Codec::H264(_)))
}

const fn four_cc(codec: &Codec) -> &'static [u8; 4] {
    match codec {
        Codec::H264(_) => b"avc1",
        Codec::H265(_) => b"hvc1",
        Codec::Av1(_) => b"av01",
        Codec::Vp8(_) => b"vp08",
        Codec::Vp9(_) => b"vp09",
        Codec::Aac(_) => b"mp4a",
        Codec::Opus(_) => b"Opus",
        Codec::Flac(_) => b"fLaC",
        Codec::Mp3(_) => b".mp3",
        Codec::Ac3(_) => b"ac-3",
        Codec::Eac3(_) => b"ec-3",
    }
}

/// `OpusHead` (RFC 7845 5.1, little-endian) from a `dOps` payload (big-endian); `None` if cut.
fn opus_head(audio: &AudioRecord) -> Option<Bytes> {
    let ([_version, channels, s0, s1, r0, r1, r2, r3, g0, g1, family], mapping) =
        audio.record.split_first_chunk()?;
    let mut head = BytesMut::from(&b"OpusHead\x01"[..]);
    head.put_slice(&[*channels, *s1, *s0, *r3, *r2, *r1, *r0, *g1, *g0, *family]);
    head.put_slice(mapping);
    Some(head.freeze())
}
