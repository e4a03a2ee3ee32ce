//! Numbers of ingest and packaging.

use prometheus::{IntCounter, IntGauge};

use super::Add;

/// Numbers of RTMP and RTMPS publishers.
#[derive(Debug, Clone)]
pub struct RtmpMetrics {
    /// `tally_rtmp_connections`: open now.
    pub connections: IntGauge,
    /// `tally_rtmp_connections_total`: accepted since the start.
    pub connections_total: IntCounter,
    /// `tally_rtmp_connections_refused_total`: closed because `rtmp.connections_max` were open.
    pub connections_refused_total: IntCounter,
    /// `tally_rtmp_accept_errors_total`: mostly out of file descriptors.
    pub accept_errors_total: IntCounter,
    /// `tally_rtmp_received_bytes_total`.
    pub received_bytes: IntCounter,
    /// `tally_rtmp_frames_total`: pictures and audio packets taken in.
    pub frames: IntCounter,
    /// `tally_rtmp_damaged_messages_total`: media messages dropped because they were damaged.
    pub damaged: IntCounter,
    /// `tally_rtmp_publish_refused_total`: no valid key, no room, or shutting down.
    pub refused: IntCounter,
    /// `tally_rtmp_takeovers_total`: publishers sent away by a newer one.
    pub takeovers: IntCounter,
}

/// Numbers of WHIP publishers.
#[derive(Debug, Clone)]
pub struct WhipMetrics {
    /// `tally_whip_sessions`: publishing now.
    pub sessions: IntGauge,
    /// `tally_whip_sessions_total`: admitted to a show since the start.
    pub sessions_total: IntCounter,
    /// `tally_whip_frames_total`: pictures and audio packets taken in.
    pub frames: IntCounter,
    /// `tally_whip_keyframes_asked_total`: keyframes that packaging asked publishers for.
    pub keyframes_asked: IntCounter,
    /// `tally_whip_publish_refused_total`: no valid key, no room, or shutting down.
    pub refused: IntCounter,
    /// `tally_whip_takeovers_total`: publishers sent away by a newer one.
    pub takeovers: IntCounter,
}

/// Numbers of LL-HLS packaging.
#[derive(Debug, Clone)]
pub struct HlsMetrics {
    /// `tally_hls_parts_total`: parts made, over all renditions.
    pub parts: IntCounter,
    /// `tally_hls_segments_total`: segments made, over all renditions.
    pub segments: IntCounter,
    /// `tally_hls_skipped_frames_total`: frames packaging was too slow for.
    pub skipped_frames: IntCounter,
    /// `tally_hls_untranscoded_frames_total`: Opus packets that became no AAC.
    pub untranscoded_frames: IntCounter,
    /// `tally_hls_misplaced_frames_total`: frames with no place on the show's timeline.
    pub misplaced_frames: IntCounter,
    /// `tally_hls_early_expiries_total`: segments that left memory before their time because a
    /// window had reached its bound of bytes.
    pub early_expiries: IntCounter,
    /// `tally_hls_delivered_bytes_total`: media bytes handed to viewers.
    pub delivered_bytes: IntCounter,
}

impl RtmpMetrics {
    pub(super) fn new(add: &Add<'_>) -> Self {
        Self {
            connections: add.gauge("tally_rtmp_connections", "RTMP connections open now."),
            connections_total: add
                .counter("tally_rtmp_connections_total", "RTMP connections accepted."),
            connections_refused_total: add.counter(
                "tally_rtmp_connections_refused_total",
                "RTMP connections closed because rtmp.connections_max were open.",
            ),
            accept_errors_total: add
                .counter("tally_rtmp_accept_errors_total", "Accepts of RTMP that failed here."),
            received_bytes: add
                .counter("tally_rtmp_received_bytes_total", "Bytes from publishers."),
            frames: add.counter("tally_rtmp_frames_total", "Pictures and audio packets taken in."),
            damaged: add.counter(
                "tally_rtmp_damaged_messages_total",
                "Media messages dropped because they were damaged.",
            ),
            refused: add.counter(
                "tally_rtmp_publish_refused_total",
                "Publish requests refused: no valid key, no room, or shutting down.",
            ),
            takeovers: add.counter(
                "tally_rtmp_takeovers_total",
                "Publishers sent away because a newer one came with the same right.",
            ),
        }
    }
}

impl WhipMetrics {
    pub(super) fn new(add: &Add<'_>) -> Self {
        Self {
            sessions: add.gauge("tally_whip_sessions", "WHIP publishers now."),
            sessions_total: add
                .counter("tally_whip_sessions_total", "WHIP publishers admitted to a show."),
            frames: add.counter("tally_whip_frames_total", "Pictures and audio packets taken in."),
            keyframes_asked: add.counter(
                "tally_whip_keyframes_asked_total",
                "Keyframes that packaging asked WHIP publishers for.",
            ),
            refused: add.counter(
                "tally_whip_publish_refused_total",
                "WHIP offers refused: no valid key, no room, or shutting down.",
            ),
            takeovers: add.counter(
                "tally_whip_takeovers_total",
                "WHIP publishers sent away because a newer one came with the same right.",
            ),
        }
    }
}

impl HlsMetrics {
    pub(super) fn new(add: &Add<'_>) -> Self {
        Self {
            parts: add.counter("tally_hls_parts_total", "LL-HLS parts made."),
            segments: add.counter("tally_hls_segments_total", "HLS segments made."),
            skipped_frames: add.counter(
                "tally_hls_skipped_frames_total",
                "Frames that packaging was too slow for.",
            ),
            untranscoded_frames: add.counter(
                "tally_hls_untranscoded_frames_total",
                "Opus packets that became no AAC: damaged, or transcoding was too slow for them.",
            ),
            misplaced_frames: add.counter(
                "tally_hls_misplaced_frames_total",
                "Frames dropped because they have no place on the show's timeline.",
            ),
            early_expiries: add.counter(
                "tally_hls_early_expiries_total",
                "Segments that left memory early because a window had reached its bound of bytes.",
            ),
            delivered_bytes: add
                .counter("tally_hls_delivered_bytes_total", "Media bytes handed to viewers."),
        }
    }
}
