//! Pictures into payloads: one packetizer for each video track.

use std::collections::BTreeMap;
use std::sync::Arc;

use tally_hub::StreamStats;
use tally_media::{Frame, Track, TrackId};
use tally_rtc::egress::layers::Layer;
use tally_rtc::packetize::{PacketizedFrame, Packetizer};
use tally_rtc::sdp::VideoFormat;

use super::formats::FeedLayer;
use super::origin::PAYLOAD_BYTES_MAX;
use super::rate::Rate;

/// A layer whose pictures end this long before those of another, in ms, is not on offer: WebRTC
/// publishers stop their best layers while their path is too narrow, and who chose one would wait for
/// its keyframe without a picture. Longer than any two layers are apart.
pub(super) const SILENT_MS_MAX: i64 = 3_000;

/// The video tracks of a show.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    /// One per id ever used: frame numbers go on when a track comes back.
    lanes: BTreeMap<TrackId, Lane>,
}

#[derive(Debug)]
struct Lane {
    packetizer: Packetizer,
    /// What the track is to an offer; `None` while there is no track that WebRTC carries.
    format: Option<VideoFormat>,
    rate: Rate,
    /// End of its latest picture on the show's timeline, once there was one.
    end_ms: Option<i64>,
}

impl Pictures {
    /// A track came or has new parameters, from its next frame on. `stats` tell what came of it so far.
    pub(super) fn set_track(&mut self, track: &Track, stats: &StreamStats) {
        let format = VideoFormat::of(&track.codec);
        match self.lanes.get_mut(&track.id) {
            Some(lane) => {
                lane.format = format.filter(|_| lane.packetizer.set_track(track));
            }
            None => {
                let Some(packetizer) = Packetizer::new(track, PAYLOAD_BYTES_MAX) else { return };
                let stats = stats.tracks.iter().find(|(id, _)| *id == track.id);
                let rate =
                    stats.map_or_else(Rate::default, |(_, it)| Rate::after(it.frames, it.bytes));
                self.lanes.insert(track.id, Lane { packetizer, format, rate, end_ms: None });
            }
        }
    }

    /// A track has ended.
    pub(super) fn remove(&mut self, track: TrackId) {
        if let Some(lane) = self.lanes.get_mut(&track) {
            lane.format = None;
            lane.rate = Rate::default();
        }
    }

    /// The payloads of a track's next frame; `None` where WebRTC does not carry it.
    pub(super) fn packetize(&mut self, id: TrackId, frame: &Frame) -> Option<Arc<PacketizedFrame>> {
        let lane = self.lanes.get_mut(&id).filter(|lane| lane.format.is_some())?;
        let packetized = lane.packetizer.packetize(frame)?;
        lane.rate.add(&packetized);
        lane.end_ms = lane.end_ms.max(Some(packetized.end_ms));
        Some(Arc::new(packetized))
    }

    /// The tracks that pictures come of, the main one first.
    pub(super) fn layers(&self) -> Vec<FeedLayer> {
        let layer = |(track, lane): (&TrackId, &Lane)| {
            let layer = Layer { track: *track, bps: lane.rate.bps()? };
            Some(FeedLayer { layer, format: lane.format? })
        };
        self.lanes.iter().filter(|(_, lane)| !self.is_silent(lane)).filter_map(layer).collect()
    }

    /// Whether a keyframe of `track` would come, or come soon, if the encoder were asked for it.
    pub(super) fn is_expected(&self, track: TrackId) -> bool {
        let lane = self.lanes.get(&track).filter(|lane| lane.format.is_some());
        lane.is_some_and(|lane| !self.is_silent(lane))
    }

    /// Whether pictures of other tracks have come long after the last of this one. One that has not
    /// begun is not silent.
    fn is_silent(&self, lane: &Lane) -> bool {
        let newest = self.lanes.values().filter_map(|lane| lane.end_ms).max();
        let gap_ms = newest.zip(lane.end_ms).map(|(newest, own)| newest.saturating_sub(own));
        gap_ms.is_some_and(|gap_ms| gap_ms > SILENT_MS_MAX)
    }
}
