//! What tests of other parts make shows with.

use std::time::Duration;

use tally_hub::{Hub, Limits};

use super::{Shows, ShowsOptions};
use crate::config::HlsAudio;
use crate::egress::HlsOptions;
use crate::metrics::Metrics;

/// No show yet; options as they are by default.
pub(crate) fn shows(metrics: &Metrics) -> Shows {
    let audio = HlsAudio::Passthrough;
    let hls = HlsOptions { part_ms: 250, segment_ms: 2_000, window_ms: 60_000, audio };
    let options = ShowsOptions { hls, reconnect_grace: Duration::from_secs(30), shows_max: 500 };
    Shows::new(Hub::new(Limits::default()), options, metrics.clone())
}
