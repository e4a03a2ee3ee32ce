//! How often a publisher's pictures may change their size in the eyes of HLS.
//!
//! WebRTC encoders follow the network: they send smaller pictures when it narrows, and larger ones when
//! they dare again, within seconds where it is unsteady. To a player each new set of parameters is a
//! discontinuity and a new init segment, which costs it a fresh decoder and sometimes a stutter. VP8, VP9
//! and AV1 tell the size with every keyframe, and decoders follow it without being told; so such a
//! change is declared at once when the last one is a while ago, and waits otherwise. H.264 and H.265
//! keep their parameters in the init segment: every change of theirs is declared.

use std::collections::BTreeMap;
use std::time::Duration;

use tally_media::{Codec, Frame, Track, TrackId};
use tokio::time::Instant;

/// Least time between two sizes declared: longer than an encoder stays with one while it tries out what
/// the network bears, and three segments as they come, so that a player is done with one change before
/// the next.
const SIZE_INTERVAL: Duration = Duration::from_secs(6);

/// The sizes of one publisher's pictures.
#[derive(Debug, Default)]
pub(super) struct PictureSizes {
    tracks: BTreeMap<TrackId, Declared>,
}

#[derive(Debug)]
struct Declared {
    track: Track,
    at: Instant,
    /// The track as it really is, where that is not declared yet.
    waits: Option<Track>,
}

impl PictureSizes {
    /// Takes a track's new parameters; gives them back where they are to be declared now.
    pub(super) fn track(&mut self, track: Track, now: Instant) -> Option<Track> {
        if let Some(declared) = self.tracks.get_mut(&track.id)
            && is_size_only(&declared.track, &track)
            && now.duration_since(declared.at) < SIZE_INTERVAL
        {
            // One that changed back has nothing to wait for.
            declared.waits = (declared.track != track).then_some(track);
            return None;
        }
        let declared = Declared { track: track.clone(), at: now, waits: None };
        self.tracks.insert(track.id, declared);
        Some(track)
    }

    /// A frame came: what is to be declared before it, if something waited for this.
    pub(super) fn before(&mut self, id: TrackId, frame: &Frame, now: Instant) -> Option<Track> {
        let declared = self.tracks.get_mut(&id).filter(|_| frame.keyframe)?;
        if now.duration_since(declared.at) < SIZE_INTERVAL {
            return None;
        }
        let track = declared.waits.take()?;
        *declared = Declared { track: track.clone(), at: now, waits: None };
        Some(track)
    }

    /// A track has ended.
    pub(super) fn track_ended(&mut self, id: TrackId) {
        self.tracks.remove(&id);
    }
}

/// Whether a decoder that was set up for `declared` plays `track` as well, because the two differ in
/// nothing but what each keyframe tells.
fn is_size_only(declared: &Track, track: &Track) -> bool {
    let rest = |track: &Track| (track.timescale, track.language.clone(), track.color);
    let is_same_format = match (&declared.codec, &track.codec) {
        (Codec::Vp8(declared), Codec::Vp8(track)) | (Codec::Vp9(declared), Codec::Vp9(track)) => {
            // `vpcC` after version and flags: profile, level, depth and chroma, colour.
            let [declared, track] = [&declared.record, &track.record];
            declared.get(4) == track.get(4) && declared.get(6..) == track.get(6..)
        }
        (Codec::Av1(declared), Codec::Av1(track)) => {
            // `av1C`: profile and level, then tier, depth and chroma; its sequence header has the size.
            let of = |record: &[u8]| Some((record.get(1)? >> 5, record.get(2)? & 0x7F));
            of(&declared.record) == of(&track.record) && declared.color == track.color
        }
        _ => false,
    };
    is_same_format && rest(declared) == rest(track)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tally_media::codec::{VideoRecord, vp9};
    use tally_media::{Timescale, Timestamp};

    use super::*;

    const VIDEO: TrackId = TrackId::Video(0);

    fn track(codec: Codec) -> Track {
        Track { id: VIDEO, codec, timescale: Timescale::VIDEO, language: None, color: None }
    }

    /// As libvpx begins its keyframes of profile 0.
    fn vp9(width: u16, height: u16) -> Track {
        // After the sync code: colour space 0 and range, then 16 bits each of the size less one.
        let size = u64::from(width - 1) << 20 | u64::from(height - 1) << 4;
        let frame = [&[0x82, 0x49, 0x83, 0x42], &size.to_be_bytes()[3..]].concat();
        track(vp9::from_keyframe(&frame).unwrap())
    }

    fn h264(width: u16) -> Track {
        let record = Bytes::from(width.to_be_bytes().to_vec());
        let rfc6381 = "avc1.42E01F".to_owned();
        track(Codec::H264(VideoRecord { record, width, height: 720, rfc6381, color: None }))
    }

    fn frame(keyframe: bool) -> Frame {
        let at = Timestamp::from_ms(0);
        Frame { dts: at, pts: at, duration_ticks: None, keyframe, payload: Bytes::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_size_waits_for_a_keyframe_after_the_interval() {
        let (mut sizes, start) = (PictureSizes::default(), Instant::now());
        assert_eq!(sizes.track(vp9(1_280, 720), start), Some(vp9(1_280, 720)));
        let soon = start + SIZE_INTERVAL / 2;
        assert_eq!(sizes.track(vp9(640, 360), soon), None);
        assert_eq!(sizes.before(VIDEO, &frame(true), soon), None);
        let later = start + SIZE_INTERVAL;
        assert_eq!(sizes.before(VIDEO, &frame(false), later), None);
        assert_eq!(sizes.before(VIDEO, &frame(true), later), Some(vp9(640, 360)));
        assert_eq!(sizes.before(VIDEO, &frame(true), later + SIZE_INTERVAL), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_size_that_went_back_is_no_change() {
        let (mut sizes, start) = (PictureSizes::default(), Instant::now());
        sizes.track(vp9(1_280, 720), start);
        assert_eq!(sizes.track(vp9(640, 360), start), None);
        assert_eq!(sizes.track(vp9(1_280, 720), start), None);
        assert_eq!(sizes.before(VIDEO, &frame(true), start + SIZE_INTERVAL), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_init_segment_must_say_is_declared_at_once() {
        let (mut sizes, now) = (PictureSizes::default(), Instant::now());
        for track in [h264(1_280), h264(640), vp9(640, 360), h264(1_280)] {
            assert_eq!(sizes.track(track.clone(), now), Some(track));
        }
    }
}
