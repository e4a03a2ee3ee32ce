//! A show as one worker's viewers watch it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tally_media::TrackId;
use tally_rtc::egress::layers::{Layer, LayerEvent};
use tally_rtc::packetize::PacketizedFrame;
use tally_rtc::sdp::VideoFormat;

use crate::egress::whep_feed::{FeedItem, FeedLayer, Group, Subscription, layers_of};
use crate::shows::{Show, ShowState};
use crate::webrtc::table::Key;

/// Ticks a second of every video's RTP timestamps (RFC 6184 section 8.2.1, RFC 7741 section 6.1).
const VIDEO_CLOCK_HZ: u32 = 90_000;

/// One show, from its first viewer in this worker to its last.
pub(super) struct Following {
    pub(super) show: Arc<Show>,
    pub(super) viewers: Vec<Key>,
    /// Its viewers have been told, and whoever is late has nothing to wait for.
    pub(super) is_over: bool,
    _subscription: Subscription,
    state: Option<ShowState>,
    layers: Arc<[FeedLayer]>,
    /// What a viewer that connects is sent at once.
    group: Group,
    /// Each track's next frame: what comes again after a lag is known by its number.
    next: BTreeMap<TrackId, u64>,
}

/// What an item means to the viewers.
pub(super) enum News {
    /// Nothing.
    None,
    /// Frames they have not seen, in order.
    Frames(Vec<Arc<PacketizedFrame>>),
    /// The layers changed.
    Layers,
    /// The state changed.
    State(ShowState),
    /// WebRTC viewers cannot have its pictures.
    BFrames,
    /// It is over.
    Ended,
}

impl Following {
    pub(super) fn new(show: Arc<Show>, subscription: Subscription) -> Self {
        Self {
            show,
            viewers: Vec::new(),
            is_over: false,
            _subscription: subscription,
            state: None,
            layers: Arc::default(),
            group: Group::default(),
            next: BTreeMap::new(),
        }
    }

    /// Takes the feed's next item.
    pub(super) fn take(&mut self, item: FeedItem) -> News {
        match item {
            FeedItem::State(state) if self.state == Some(state) => News::None,
            FeedItem::State(state) => {
                self.state = Some(state);
                News::State(state)
            }
            FeedItem::Layers(layers) => {
                self.layers = layers;
                News::Layers
            }
            FeedItem::Cached(frames) => {
                self.group = Group::default();
                News::Frames(frames.iter().filter_map(|frame| self.keep(frame)).collect())
            }
            FeedItem::Frame(frame) => {
                self.keep(&frame).map_or(News::None, |f| News::Frames(vec![f]))
            }
            FeedItem::BFrames => {
                self.group = Group::default();
                News::BFrames
            }
            FeedItem::Ended => {
                self.is_over = true;
                News::Ended
            }
        }
    }

    /// The frame, if it is new.
    fn keep(&mut self, frame: &Arc<PacketizedFrame>) -> Option<Arc<PacketizedFrame>> {
        self.group.put(frame);
        let next = self.next.entry(frame.track).or_default();
        let is_new = frame.number >= *next;
        *next = (*next).max(frame.number + 1);
        is_new.then(|| Arc::clone(frame))
    }

    /// The pictures of the newest group, and the sound of now.
    pub(super) fn group(&self) -> Arc<[Arc<PacketizedFrame>]> {
        self.group.for_joining()
    }

    /// The layers for a viewer that agreed to this format.
    pub(super) fn layers(&self, format: Option<VideoFormat>) -> Vec<Layer> {
        format.map(|format| layers_of(format, &self.layers)).unwrap_or_default()
    }

    /// The state as viewers are told of it.
    pub(super) fn state_message(&self) -> Option<Vec<u8>> {
        self.state.map(state_message)
    }
}

/// `{"type":"state","state":"live"}`, for the data channel.
pub(super) fn state_message(state: ShowState) -> Vec<u8> {
    let state = match state {
        ShowState::Starting => "starting",
        ShowState::Live => "live",
        ShowState::Away => "away",
        ShowState::Ended => "ended",
    };
    json!({ "type": "state", "state": state }).to_string().into_bytes()
}

/// Where an instant of the show (Unix milliseconds on the EXT-X-PROGRAM-DATE-TIME axis) is in a viewer's
/// pictures (their RTP timestamp), by which a page that attests what it shows knows the time of each.
///
/// `{"type":"timeline","rtp":3735928559,"clock_hz":90000,"unix_ms":1700000000000}`
pub(super) fn timeline_message(rtp: u32, unix_ms: i64) -> Vec<u8> {
    json!({ "type": "timeline", "rtp": rtp, "clock_hz": VIDEO_CLOCK_HZ, "unix_ms": unix_ms })
        .to_string()
        .into_bytes()
}

/// `{"type":"layer","layer":"1"}`, by the name that a viewer chooses it by; `null` while the picture
/// pauses because nothing of it fits the path.
pub(super) fn layer_message(event: LayerEvent) -> Vec<u8> {
    let layer = match event {
        LayerEvent::Switched(TrackId::Video(number) | TrackId::Audio(number)) => {
            Some(number.to_string())
        }
        LayerEvent::Paused => None,
    };
    json!({ "type": "layer", "layer": layer }).to_string().into_bytes()
}

/// `{"type":"unplayable","reason":"b-frames"}`: the show goes on over LL-HLS.
pub(super) fn b_frames_message() -> Vec<u8> {
    json!({ "type": "unplayable", "reason": "b-frames" }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_small_json() {
        let text = |message: Vec<u8>| String::from_utf8(message).unwrap();
        assert_eq!(
            text(timeline_message(u32::MAX, 1_700_000_000_000)),
            r#"{"clock_hz":90000,"rtp":4294967295,"type":"timeline","unix_ms":1700000000000}"#
        );
        assert_eq!(text(state_message(ShowState::Away)), r#"{"state":"away","type":"state"}"#);
        let switched = LayerEvent::Switched(TrackId::Video(2));
        assert_eq!(text(layer_message(switched)), r#"{"layer":"2","type":"layer"}"#);
        assert_eq!(text(layer_message(LayerEvent::Paused)), r#"{"layer":null,"type":"layer"}"#);
    }
}
