//! Real players watch a show as it happens.

use tally_e2e::play::browser::Browser;
use tally_e2e::play::command;
use tally_e2e::record::Recording;
use tally_e2e::{Settings, need};

use crate::shows;

/// Issue: no stalls in 30 s.
const SECONDS: u64 = 30;

#[test]
fn hls_js_in_chromium_plays_live_and_smoothly() {
    assert_plays_live(Browser::ChromiumHlsJs);
}

#[test]
fn hls_js_in_firefox_plays_live_and_smoothly() {
    assert_plays_live(Browser::FirefoxHlsJs);
}

/// One browser at a time: hls.js keeps for good what its start has cost, and a second browser that
/// starts beside it would be measured instead of the server.
#[track_caller]
fn assert_plays_live(browser: Browser) {
    let (server, _publisher) = need!(shows::server_with_show(&Settings::default()));
    let playing = need!(browser.play(&server.play_url("alice"), SECONDS));
    let report = playing.report().unwrap();
    println!("{browser:?}: {report}");
    report.assert_smooth(SECONDS, 30);
    report.assert_live();
    assert_eq!((report.width, report.height), (640, 360), "{report}");
}

#[test]
fn players_of_whole_segments_play_what_low_latency_players_play() {
    let (server, _publisher) = need!(shows::server_with_show(&Settings::default()));
    let url = server.play_url("alice");
    // Chromium's own player refuses any live playlist of fewer than three segments.
    let playlist = shows::media_playlist(&server, "alice");
    Recording::follow(server.http, &playlist, |playlist| playlist.segments.len() >= 3).unwrap();
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

/// The session is in the queries of playlists there, and rendition reports do not have it.
#[test]
fn a_show_for_caches_plays_the_same() {
    let settings = Settings::default().with("hls.delivery", "cached");
    let (server, _publisher) = need!(shows::server_with_show(&settings));
    let playlist = shows::media_playlist(&server, "alice");
    assert!(playlist.contains(".m3u8?session=") && !playlist.contains("/s/"), "{playlist}");
    let url = server.play_url("alice");
    let seconds = 10;
    let ffmpeg = need!(command::ffmpeg(&url, seconds));
    let browser = need!(Browser::ChromiumHlsJs.play(&url, seconds));
    browser.report().unwrap().assert_smooth(seconds, 30);
    ffmpeg.assert_played(30).unwrap();
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
