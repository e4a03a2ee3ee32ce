//! Numbers of the feeds that make a show's frames into RTP payloads for its WebRTC viewers.

use prometheus::{Counter, IntCounter, IntGauge};

use super::Add;

/// Numbers of all shows' WebRTC feeds.
#[derive(Debug, Clone)]
pub struct WhepFeedMetrics {
    /// `tally_whep_feeds`: shows with WebRTC viewers, now or some seconds ago.
    pub feeds: IntGauge,
    /// `tally_whep_packetized_frames_total`: frames made into payloads, once for all viewers.
    pub packetized: IntCounter,
    /// `tally_whep_transcoded_seconds_total`: sound made into Opus.
    pub transcoded_s: Counter,
    /// `tally_whep_feed_lags_total`: times that a worker was too slow for a feed.
    pub lags: IntCounter,
    /// `tally_whep_dropped_frames_total{reason}`: frames that did not go to everybody.
    pub dropped: DroppedMetrics,
    /// `tally_whep_keyframes_wished_total`: wishes passed on to publishers.
    pub keyframes_wished: IntCounter,
}

/// `tally_whep_dropped_frames_total{reason}`.
#[derive(Debug, Clone)]
pub struct DroppedMetrics {
    /// `b_frames`: pictures out of order, or of a show that has such.
    pub b_frames: IntCounter,
    /// `refused`: not what the codec's frames look like, or not to be had as payloads.
    pub refused: IntCounter,
    /// `skipped`: the feed was too slow for the show.
    pub skipped: IntCounter,
    /// `transcoding`: sound that was damaged or came faster than it was transcoded.
    pub transcoding: IntCounter,
    /// `lag`: not taken by a worker that was too slow, counted for each.
    pub lag: IntCounter,
    /// `group`: not kept for those who join, the group being too long.
    pub group: IntCounter,
}

impl WhepFeedMetrics {
    pub(super) fn new(add: &Add<'_>) -> Self {
        let dropped = add.counters(
            "tally_whep_dropped_frames_total",
            "Frames that a WebRTC feed did not give to everybody.",
            "reason",
        );
        Self {
            feeds: add.gauge("tally_whep_feeds", "Shows packetized for WebRTC viewers now."),
            packetized: add.counter(
                "tally_whep_packetized_frames_total",
                "Frames made into RTP payloads, once for all viewers.",
            ),
            transcoded_s: add.seconds(
                "tally_whep_transcoded_seconds_total",
                "Sound made into Opus, in seconds.",
            ),
            lags: add.counter(
                "tally_whep_feed_lags_total",
                "Times that a worker was too slow for a WebRTC feed.",
            ),
            dropped: DroppedMetrics {
                b_frames: dropped.with_label_values(&["b_frames"]),
                refused: dropped.with_label_values(&["refused"]),
                skipped: dropped.with_label_values(&["skipped"]),
                transcoding: dropped.with_label_values(&["transcoding"]),
                lag: dropped.with_label_values(&["lag"]),
                group: dropped.with_label_values(&["group"]),
            },
            keyframes_wished: add.counter(
                "tally_whep_keyframes_wished_total",
                "Keyframes that WebRTC viewers' wishes asked publishers for.",
            ),
        }
    }
}
