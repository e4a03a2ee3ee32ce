//! What tests here share: offers of real clients, and ids of this side.

use std::path::Path;
use std::sync::Arc;

use tally_api::{Outside, Playback, PlaybackAuth, PlaybackOptions, SigningKeys};
use tally_rtc::sdp::{Candidate, Local};
use tally_rtc::transport::{Credentials, Fingerprint, Protocol};
use tally_watch::Basis;
use tokio::task::JoinSet;

use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::webrtc::{self, Sockets, WebRtc};
use crate::{clock, config, random};

/// Chromium plays.
pub(super) const CHROMIUM_WHEP: &str = include_str!("../../../rtc/tests/offers/chromium-whep.sdp");
/// Chromium publishes.
pub(super) const CHROMIUM_WHIP: &str = include_str!("../../../rtc/tests/offers/chromium-whip.sdp");
/// Firefox plays.
pub(super) const FIREFOX_WHEP: &str = include_str!("../../../rtc/tests/offers/firefox-whep.sdp");

/// Ids and secrets of this side, always the same.
pub(super) fn local() -> Local {
    let udp = "192.0.2.1:8189".parse().unwrap();
    Local {
        session_id: 4_000_000_000,
        ice: Credentials { ufrag: "srvu".to_owned(), pwd: "serverpasswordserverpw".to_owned() },
        fingerprint: Fingerprint::parse(&format!("sha-256 {}A5", "A5:".repeat(31))).unwrap(),
        candidates: vec![Candidate::host(Protocol::Udp, udp, 0)],
        ice_lite: false,
        cname: "tally".to_owned(),
        stream_id: "show".to_owned(),
        audio_ssrc: 1_001,
        video_ssrc: 1_002,
        video_rtx_ssrc: 1_003,
    }
}

/// Playback sessions under keys that nobody keeps.
pub(super) fn playback(auth: PlaybackAuth) -> Playback {
    let outside = Outside { unix_ms: Arc::new(clock::unix_ms), random: random::fill };
    let keys = Arc::new(SigningKeys::ephemeral(&outside));
    Playback::new(keys, PlaybackOptions { auth, basis: Basis::Direct }, outside)
}

/// WebRTC on a port of loopback, with its certificate in `folder`. Its tasks end with the runtime.
pub(super) fn webrtc(
    config: &config::WebRtc,
    metrics: &Metrics,
    shutdown: &Shutdown,
    folder: &Path,
) -> WebRtc {
    let sockets = Sockets::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let options = webrtc::Options::from_config(config, sockets.address);
    let certificate = webrtc::load_or_make(folder).unwrap();
    let (metrics, shutdown, mut tasks) = (metrics.webrtc.clone(), shutdown.clone(), JoinSet::new());
    let webrtc = WebRtc::start(sockets, certificate, options, metrics, shutdown, &mut tasks);
    tasks.detach_all();
    webrtc
}
