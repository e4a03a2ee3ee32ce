//! Small real pieces of media for the tests of this crate.

use bytes::Bytes;
use tally_media::codec::{aac, h264};
use tally_media::{Timescale, Track, TrackId};

/// `avcC` of x264, High profile, 64x48, from ffmpeg 5.1.
pub(crate) const AVCC: &[u8] = b"\x01d\x00\x09\xff\xe1\x00\x18gd\x00\x09\xac\xd9D{\x01\x10\x00\x00\
\x03\x00\x10\x00\x00\x03\x03 \xf1\"Y`\x01\x00\x05h\xeb\xec\xb2,\xfd\xf8\xf8\x00";
/// `avcC`, Constrained Baseline profile, level 3, 640x480.
pub(crate) const AVCC_2: &[u8] =
    b"\x01B\xc0\x1e\xff\xe1\x00\x09gB\xc0\x1e\xf4\x05\x01\xed\x00\x01\x00\x04h\xce<\x80";
/// An IDR slice's NAL unit with its length: only its header is looked at.
pub(crate) const FRAME_IDR: &[u8] = b"\x00\x00\x00\x05\x65\x88\x84\x00\x33";
/// A P slice's NAL unit with its length.
pub(crate) const FRAME_P: &[u8] = b"\x00\x00\x00\x04\x41\x9a\x21\x6c";
/// AAC-LC, 44.1 kHz, stereo.
pub(crate) const ASC: &[u8] = b"\x12\x10";

/// The track of [`AVCC`].
pub(crate) fn avc_track(number: u8) -> Track {
    Track {
        id: TrackId::Video(number),
        codec: h264::from_avcc(Bytes::from_static(AVCC)).unwrap(),
        timescale: Timescale::VIDEO,
        language: None,
        color: None,
    }
}

/// The track of [`ASC`].
pub(crate) fn aac_track(number: u8) -> Track {
    Track {
        id: TrackId::Audio(number),
        codec: aac::from_asc(Bytes::from_static(ASC)).unwrap(),
        timescale: Timescale::new(44_100),
        language: None,
        color: None,
    }
}
