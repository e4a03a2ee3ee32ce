//! The server's numbers, in the Prometheus text format.
//!
//! Every handle is made once, in [`Metrics::new`]; counting is one atomic addition. Labels have a
//! fixed, small set of values: never a handle, an address or a path.

mod media;
mod process;
mod runtime;
mod signalling;
mod watch;
mod webrtc;
mod whep_feed;

use prometheus::{
    Counter, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

pub use media::{HlsMetrics, RtmpMetrics, WhipMetrics};
pub use signalling::SignallingMetrics;
pub use webrtc::{DroppedDatagrams, FailedMetrics, WebRtcMetrics};
pub use whep_feed::{DroppedMetrics, WhepFeedMetrics};

/// Handles of all numbers. Clones count into the same ones.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// `tally_shows`: shows that can be played, live or just ended.
    pub shows: IntGauge,
    /// What HTTP connections and requests do.
    pub http: HttpMetrics,
    /// Certificates.
    pub tls: TlsMetrics,
    /// Publishers over RTMP.
    pub rtmp: RtmpMetrics,
    /// Publishers over WHIP.
    pub whip: WhipMetrics,
    /// WHIP and WHEP.
    pub signalling: SignallingMetrics,
    /// LL-HLS packaging and delivery.
    pub hls: HlsMetrics,
    /// The WebRTC port and its sessions.
    pub webrtc: WebRtcMetrics,
    /// What is made of shows for WebRTC viewers.
    pub whep_feed: WhepFeedMetrics,
}

/// Numbers of HTTP and HTTPS, without the admin listener.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    /// `tally_http_connections`: open now.
    pub connections: IntGauge,
    /// `tally_http_connections_total`: accepted since the start.
    pub connections_total: IntCounter,
    /// `tally_http_connections_refused_total`: closed because `http.connections_max` were open.
    pub connections_refused_total: IntCounter,
    /// `tally_http_connections_cut_total{reason}`: closed by a deadline.
    pub cut: CutMetrics,
    /// `tally_http_requests_in_flight`: from the end of the head to the end of the body.
    pub requests_in_flight: IntGauge,
    /// `tally_http_responses_total{class}` with `class` = `1xx`..`5xx`, in this order.
    pub responses: [IntCounter; 5],
    /// `tally_http_waiting_requests`: waiting for media now.
    pub waiting_requests: IntGauge,
    /// `tally_http_waiting_requests_refused_total{limit="server"}`.
    pub waiting_refused_server: IntCounter,
    /// `tally_http_waiting_requests_refused_total{limit="connection"}`.
    pub waiting_refused_connection: IntCounter,
    /// `tally_http_tls_handshakes_failed_total`: refused, broken off or too slow.
    pub tls_handshakes_failed_total: IntCounter,
    /// `tally_http_accept_errors_total`: mostly out of file descriptors.
    pub accept_errors_total: IntCounter,
}

/// `tally_http_connections_cut_total{reason}`.
#[derive(Debug, Clone)]
pub struct CutMetrics {
    /// A request's head did not come in time.
    pub head: IntCounter,
    /// No request for too long.
    pub idle: IntCounter,
    /// The viewer took none of its bytes.
    pub stalled: IntCounter,
}

/// Numbers of certificates.
#[derive(Debug, Clone)]
pub struct TlsMetrics {
    /// `tally_tls_reloads_total{result="ok"}`.
    pub reloads_ok: IntCounter,
    /// `tally_tls_reloads_total{result="failed"}`: the old certificate stays.
    pub reloads_failed: IntCounter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All numbers at zero, in a registry of their own.
    pub fn new() -> Self {
        let registry = Registry::new();
        let add = Add { registry: &registry };
        let build = add.gauges("tally_build_info", "Version of the server.", "version");
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        process::register(&registry);
        runtime::register(&registry);
        Self {
            shows: add.gauge("tally_shows", "Shows that can be played, live or just ended."),
            http: HttpMetrics::new(&add),
            tls: TlsMetrics::new(&add),
            rtmp: RtmpMetrics::new(&add),
            whip: WhipMetrics::new(&add),
            signalling: SignallingMetrics::new(&add),
            hls: HlsMetrics::new(&add),
            webrtc: WebRtcMetrics::new(&add),
            whep_feed: WhepFeedMetrics::new(&add),
            registry,
        }
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // The encoder fails only on families without a name or without samples; none is made.
        let encoded = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        if let Err(error) = encoded {
            tracing::error!(%error, "cannot render the metrics");
        }
        text
    }
}

impl HttpMetrics {
    fn new(add: &Add<'_>) -> Self {
        let cut = add.counters(
            "tally_http_connections_cut_total",
            "HTTP connections closed by a deadline.",
            "reason",
        );
        let refused = add.counters(
            "tally_http_waiting_requests_refused_total",
            "Requests not allowed to wait for media because as many waited as may.",
            "limit",
        );
        let responses = add.counters(
            "tally_http_responses_total",
            "HTTP responses by class of status.",
            "class",
        );
        Self {
            connections: add.gauge("tally_http_connections", "HTTP connections open now."),
            connections_total: add
                .counter("tally_http_connections_total", "HTTP connections accepted."),
            connections_refused_total: add.counter(
                "tally_http_connections_refused_total",
                "HTTP connections closed because http.connections_max were open.",
            ),
            cut: CutMetrics {
                head: cut.with_label_values(&["head"]),
                idle: cut.with_label_values(&["idle"]),
                stalled: cut.with_label_values(&["stalled"]),
            },
            requests_in_flight: add
                .gauge("tally_http_requests_in_flight", "HTTP requests being answered now."),
            responses: ["1xx", "2xx", "3xx", "4xx", "5xx"]
                .map(|class| responses.with_label_values(&[class])),
            waiting_requests: add
                .gauge("tally_http_waiting_requests", "HTTP requests waiting for media now."),
            waiting_refused_server: refused.with_label_values(&["server"]),
            waiting_refused_connection: refused.with_label_values(&["connection"]),
            tls_handshakes_failed_total: add.counter(
                "tally_http_tls_handshakes_failed_total",
                "TLS handshakes of HTTPS refused, broken off or too slow.",
            ),
            accept_errors_total: add.counter(
                "tally_http_accept_errors_total",
                "Errors of accepting HTTP connections, mostly for want of file descriptors.",
            ),
        }
    }
}

impl TlsMetrics {
    fn new(add: &Add<'_>) -> Self {
        let reloads =
            add.counters("tally_tls_reloads_total", "Certificates read again on SIGHUP.", "result");
        Self {
            reloads_ok: reloads.with_label_values(&["ok"]),
            reloads_failed: reloads.with_label_values(&["failed"]),
        }
    }
}

/// Makes numbers in a registry. Names and labels are written in this file, so a wrong or a double
/// one is a bug that the first start shows.
struct Add<'a> {
    registry: &'a Registry,
}

impl Add<'_> {
    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    fn seconds(&self, name: &str, help: &str) -> Counter {
        self.register(Counter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, label: &str) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), &[label]))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), &[label]))
    }

    fn register<C>(&self, made: prometheus::Result<C>) -> C
    where
        C: prometheus::core::Collector + Clone + 'static,
    {
        let collector = made.expect("names and labels in this file are valid");
        let registered = self.registry.register(Box::new(collector.clone()));
        registered.expect("no name in this file is used twice");
        collector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rendered_with_help_and_type() {
        let metrics = Metrics::new();
        metrics.http.cut.stalled.inc();
        let text = metrics.render();
        assert!(text.contains("# TYPE tally_http_connections_cut_total counter"), "{text}");
        assert!(text.contains("tally_http_connections_cut_total{reason=\"stalled\"} 1"), "{text}");
        assert!(text.contains("# HELP tally_shows "), "{text}");
        assert!(text.contains("tally_build_info{version=\""), "{text}");
    }

    #[test]
    fn two_servers_in_one_process_count_apart() {
        let (one, other) = (Metrics::new(), Metrics::new());
        one.shows.inc();
        assert_eq!(other.shows.get(), 0);
    }
}
