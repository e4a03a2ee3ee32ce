//! Real players watch a show as it happens.

use tally_e2e::play::browser::Browser;
use tally_e2e::play::command;
use tally_e2e::{Settings, need};

use crate::shows;

/// Issue: no stalls in 30 s.
const SECONDS: u64 = 30;

#[test]
fn hls_js_plays_live_and_smoothly_in_two_browser_engines() {
    let (server, _publisher) = need!(shows::server_with_show(&Settings::default()));
    let url = server.play_url("alice");
    let chromium = need!(Browser::ChromiumHlsJs.play(&url, SECONDS));
    let firefox = need!(Browser::FirefoxHlsJs.play(&url, SECONDS));
    for (name, playing) in [("chromium", chromium), ("firefox", firefox)] {
        let report = playing.report().unwrap();
        println!("{name}: {report}");
        report.assert_smooth(SECONDS, 30);
        report.assert_live();
        assert_eq!((report.width, report.height), (640, 360), "{report}");
    }
}

#[test]
fn players_of_whole_segments_play_what_low_latency_players_play() {
    let (server, _publisher) = need!(shows::server_with_show(&Settings::default()));
    let url = server.play_url("alice");
    // Shorter: these play seconds behind, so a stall would need a gap of seconds.
    let seconds = 10;
    let ffmpeg = need!(command::ffmpeg(&url, seconds));
    let mpv = need!(command::mpv(&url, seconds));
    let gstreamer = need!(command::gstreamer(&url, seconds));
    let native = need!(Browser::ChromiumNative.play(&url, seconds));
    native.report().unwrap().assert_smooth(seconds, 30);
    ffmpeg.assert_played(30).unwrap();
    mpv.assert_played(30).unwrap();
    gstreamer.assert_played(30).unwrap();
}

/// The negative control: what the stories above prove, they prove of the server.
#[test]
fn a_show_that_nobody_sends_cannot_be_played() {
    let server = need!(shows::server());
    let url = server.play_url("nobody");
    need!(Browser::ChromiumHlsJs.play(&url, 5)).report().unwrap().assert_refused("404");
    need!(Browser::FirefoxHlsJs.play(&url, 5)).report().unwrap().assert_refused("404");
    need!(Browser::ChromiumNative.play(&url, 5)).report().unwrap().assert_refused("media: 4");
    let refused = need!(command::ffmpeg(&url, 5)).assert_played(30).unwrap_err().to_string();
    assert!(refused.contains("404"), "{refused}");
}
