//! Frames, times and chance for the tests of this module.

use std::time::Instant;

use bytes::Bytes;
use tally_media::TrackId;

use crate::packetize::{PacketizedFrame, Payload, PictureIdAt, Prefix};

/// Where virtual time starts.
#[expect(clippy::disallowed_methods, reason = "an anchor for virtual time")]
pub(crate) fn anchor() -> Instant {
    Instant::now()
}

/// Picture `number` of 40 ms in `payloads` of 1,000 bytes with a picture id; the first is a keyframe.
pub(super) fn frame(number: u64, payloads: usize) -> PacketizedFrame {
    let start_ms = i64::try_from(number).unwrap() * 40;
    let payload = |index| Payload {
        prefix: Prefix::new(&[0x10, 0x80, 0x80, 0]),
        body: Bytes::from_static(&[7; 996]),
        marker: index + 1 == payloads,
        picture_id: Some(PictureIdAt { offset: 2 }),
    };
    PacketizedFrame {
        track: TrackId::Video(0),
        number,
        rtp_ticks: start_ms * 90,
        start_ms,
        end_ms: start_ms + 40,
        keyframe: number == 0,
        disposable: false,
        payloads: (0..payloads).map(payload).collect(),
        media_bytes: u32::try_from(payloads).unwrap() * 996,
    }
}

/// Random numbers from a seed (SplitMix64), so that a failing scenario is named by one number.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.number() % 100 < percent
    }
}

/// One RTCP message: its count, its packet type and a body of whole words.
pub(crate) fn message(count: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let words = u16::try_from(body.len() / 4).unwrap();
    let mut bytes = vec![0x80 | count, kind];
    bytes.extend(words.to_be_bytes());
    bytes.extend(body);
    bytes
}
