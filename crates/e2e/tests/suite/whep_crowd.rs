//! Many viewers over WebRTC at once, played by `tally-load`.
//!
//! The same with 2,000 of them, by hand: see `loadtest/README.md`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tally_e2e::{Server, Settings, need, tools, wait};

use crate::shows;

const VIEWERS: u32 = 100;

/// What may stay in the allocator after a second crowd that was not there after the first: a tenth of
/// what the sessions of one hold.
const GROWTH_BYTES_MAX: f64 = 4e6;

/// Two crowds come and go: everybody gets media, and nothing of them stays.
#[test]
fn viewers_that_leave_leave_nothing_behind() {
    let tally_load = need!(tools::tally_load());
    // The crowd has one address, whose requests are limited otherwise.
    let settings = Settings::default().with("webrtc.requests_per_second_max", "0");
    let (server, _publisher) = need!(shows::server_with_show(&settings));
    let before = crowd(&tally_load, &server);
    let after = crowd(&tally_load, &server);
    assert!(after.tasks <= before.tasks, "{before:?}, then {after:?}");
    assert!(after.descriptors <= before.descriptors, "{before:?}, then {after:?}");
    assert!(after.bytes - before.bytes < GROWTH_BYTES_MAX, "{before:?}, then {after:?}");
    let metrics = server.metrics();
    assert_eq!(metrics.value("tally_webrtc_connected_total"), f64::from(2 * VIEWERS));
    assert_eq!(metrics.value("tally_webrtc_panics_total"), 0.0);
}

#[derive(Debug, Clone, Copy)]
struct Held {
    tasks: f64,
    descriptors: f64,
    bytes: f64,
}

/// Lets a crowd watch; what the server holds once it has gone.
fn crowd(tally_load: &Path, server: &Server) -> Held {
    let json = server.folder().join("crowd.json");
    let mut command = Command::new(tally_load);
    command.args(["whep", "--url", &server.whep_url("alice"), "--viewers", &VIEWERS.to_string()]);
    command.args(["--ramp", "4s", "--duration", "6s", "--json"]).arg(&json);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{errors}");
    let summary: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(summary["joined"], VIEWERS, "{summary}");
    assert_eq!(summary["first_keyframe_ms"]["count"], VIEWERS, "{summary}");
    // More than a packet of sound each 20 ms: pictures too.
    assert!(summary["packets"].as_u64() > Some(u64::from(VIEWERS) * 6 * 50), "{summary}");
    wait::until("the sessions and the show's feed to end", Duration::from_secs(20), || {
        let metrics = server.metrics();
        let is_over = metrics.value("tally_webrtc_viewers") == 0.0
            && metrics.value("tally_http_connections") == 0.0
            && metrics.value("tally_whep_feeds") == 0.0;
        is_over.then(|| Held {
            tasks: metrics.value("tally_tasks"),
            descriptors: metrics.value("process_open_fds"),
            bytes: metrics.value("process_resident_memory_bytes"),
        })
    })
}
