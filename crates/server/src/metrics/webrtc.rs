//! Numbers of the WebRTC port and its sessions.

use prometheus::{IntCounter, IntGauge};

use super::Add;

/// Numbers of WebRTC.
#[derive(Debug, Clone)]
pub struct WebRtcMetrics {
    /// `tally_webrtc_viewers`: sessions of viewers now, connected or about to be.
    pub viewers: IntGauge,
    /// `tally_webrtc_publishers`: sessions of publishers now.
    pub publishers: IntGauge,
    /// `tally_webrtc_sessions_total`: admitted since the start.
    pub sessions_total: IntCounter,
    /// `tally_webrtc_sessions_refused_total`: because of `webrtc.sessions_max`, a worker that is far
    /// behind, or the end of the server.
    pub refused: IntCounter,
    /// `tally_webrtc_connected_total`: sessions whose media could flow.
    pub connected: IntCounter,
    /// `tally_webrtc_failed_total{reason}`: sessions that never got there.
    pub failed: FailedMetrics,
    /// `tally_webrtc_lapsed_total`: connected sessions whose peer fell silent.
    pub lapsed: IntCounter,
    /// `tally_webrtc_panics_total`: sessions ended by a bug of ours or of a library.
    pub panics: IntCounter,
    /// `tally_webrtc_socket_errors_total`: failures of the UDP sockets themselves, mostly for want of
    /// memory.
    pub socket_errors: IntCounter,
    /// `tally_webrtc_received_datagrams_total`.
    pub received: IntCounter,
    /// `tally_webrtc_received_bytes_total`.
    pub received_bytes: IntCounter,
    /// `tally_webrtc_sent_datagrams_total`: taken by the kernel, or by a TCP connection.
    pub sent: IntCounter,
    /// `tally_webrtc_sent_bytes_total`.
    pub sent_bytes: IntCounter,
    /// `tally_webrtc_forwarded_datagrams_total`: received by another worker than the session's.
    pub forwarded: IntCounter,
    /// `tally_webrtc_dropped_datagrams_total{reason}`.
    pub dropped: DroppedDatagrams,
    /// `tally_webrtc_dropped_frames_total`: of publishers, because the show was too slow for them.
    pub dropped_frames: IntCounter,
    /// `tally_webrtc_tcp_connections`: open now.
    pub tcp_connections: IntGauge,
    /// `tally_webrtc_tcp_refused_total`: closed because `webrtc.tcp_connections_max` were open.
    pub tcp_refused: IntCounter,
    /// `tally_webrtc_tcp_unknown_total`: closed because they named no session in time.
    pub tcp_unknown: IntCounter,
    /// `tally_webrtc_tcp_accept_errors_total`: mostly out of file descriptors.
    pub tcp_accept_errors: IntCounter,
}

/// `tally_webrtc_failed_total{reason}`.
#[derive(Debug, Clone)]
pub struct FailedMetrics {
    /// `path`: no way to the peer was found.
    pub path: IntCounter,
    /// `handshake`: DTLS failed or took too long.
    pub handshake: IntCounter,
    /// `left`: the peer or this server ended it before.
    pub left: IntCounter,
}

/// `tally_webrtc_dropped_datagrams_total{reason}`.
#[derive(Debug, Clone)]
pub struct DroppedDatagrams {
    /// `unknown`: of no session.
    pub unknown: IntCounter,
    /// `busy`: the session's worker was too far behind.
    pub busy: IntCounter,
    /// `refused`: the kernel did not send it there.
    pub refused: IntCounter,
    /// `room`: more was to be sent than a turn or a TCP connection takes.
    pub room: IntCounter,
}

impl WebRtcMetrics {
    pub(super) fn new(add: &Add<'_>) -> Self {
        let failed = add.counters(
            "tally_webrtc_failed_total",
            "WebRTC sessions that ended before media could flow.",
            "reason",
        );
        let dropped = add.counters(
            "tally_webrtc_dropped_datagrams_total",
            "Datagrams dropped, received or to be sent.",
            "reason",
        );
        let counter = |name: &str, help: &str| add.counter(&format!("tally_webrtc_{name}"), help);
        let gauge = |name: &str, help: &str| add.gauge(&format!("tally_webrtc_{name}"), help);
        Self {
            viewers: gauge("viewers", "Sessions of viewers now."),
            publishers: gauge("publishers", "Sessions of publishers now."),
            sessions_total: counter("sessions_total", "Sessions admitted."),
            refused: counter("sessions_refused_total", "Sessions for which there was no room."),
            connected: counter("connected_total", "Sessions whose media could flow."),
            failed: FailedMetrics {
                path: failed.with_label_values(&["path"]),
                handshake: failed.with_label_values(&["handshake"]),
                left: failed.with_label_values(&["left"]),
            },
            lapsed: counter("lapsed_total", "Connected sessions whose peer fell silent."),
            panics: counter("panics_total", "Sessions ended by a bug."),
            socket_errors: counter("socket_errors_total", "Failures of the UDP sockets."),
            received: counter("received_datagrams_total", "Datagrams received."),
            received_bytes: counter("received_bytes_total", "Bytes of datagrams received."),
            sent: counter("sent_datagrams_total", "Datagrams sent."),
            sent_bytes: counter("sent_bytes_total", "Bytes of datagrams sent."),
            forwarded: counter(
                "forwarded_datagrams_total",
                "Datagrams received by another worker than the session's.",
            ),
            dropped: DroppedDatagrams {
                unknown: dropped.with_label_values(&["unknown"]),
                busy: dropped.with_label_values(&["busy"]),
                refused: dropped.with_label_values(&["refused"]),
                room: dropped.with_label_values(&["room"]),
            },
            dropped_frames: counter(
                "dropped_frames_total",
                "Frames of publishers that their show was too slow for.",
            ),
            tcp_connections: gauge("tcp_connections", "TCP connections open now."),
            tcp_refused: counter(
                "tcp_refused_total",
                "TCP connections closed because webrtc.tcp_connections_max were open.",
            ),
            tcp_unknown: counter(
                "tcp_unknown_total",
                "TCP connections closed because they named no session in time.",
            ),
            tcp_accept_errors: counter(
                "tcp_accept_errors_total",
                "Accepts of TCP that failed here.",
            ),
        }
    }
}
