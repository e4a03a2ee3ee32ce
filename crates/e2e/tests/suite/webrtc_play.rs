//! Shows that come in over RTMP, watched over WebRTC.

use std::time::Duration;

use tally_e2e::play::webrtc::{Browser, Player};
use tally_e2e::publish::ffmpeg::{self, Show};
use tally_e2e::publish::{obs, stamped};
use tally_e2e::{need, tools, wait};

use crate::shows;

/// Long enough for several keyframes and eight beeps or so.
const SECONDS: u64 = 10;
const FRAMES_PER_SECOND: f64 = 30.0;

/// What the server may add to half of the pictures, in milliseconds, while player and encoder share
/// its two cores. Undisturbed it is about a millisecond.
const SERVER_MS_P50_MAX: f64 = 20.0;

const CHROMIUM: Player = Player::Page(Browser::Chromium);
const FIREFOX: Player = Player::Page(Browser::Firefox);

#[test]
fn h264_and_aac_play_with_sound_in_sync() {
    let server = need!(shows::server());
    let show = Show { marks: true, ..Show::default() };
    let _publisher = need!(show.publish(&server.publish_url("alice")));
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    let url = server.whep_url("alice");
    let chromium = need!(CHROMIUM.watch(&url, SECONDS)).report().unwrap();
    chromium.assert_played(SECONDS, FRAMES_PER_SECOND);
    let told = r#"{"state":"live","type":"state"}"#;
    assert!(chromium.events.iter().any(|event| event == told), "{chromium}");
    chromium.assert_heard();
    assert_eq!(chromium.codec.as_deref(), Some("video/H264"), "{chromium}");
    let aiortc = need!(Player::Aiortc.watch(&url, SECONDS));
    let packets = need!(Player::Packets("H264").watch(&url, SECONDS)).report().unwrap();
    packets.assert_played(SECONDS, FRAMES_PER_SECOND);
    assert_eq!(packets.packets_lost, 0, "{packets}");
    let aiortc = aiortc.report().unwrap();
    aiortc.assert_played(SECONDS, FRAMES_PER_SECOND);
    aiortc.assert_heard();
    aiortc.assert_in_sync();
}

#[test]
fn vp9_and_opus_of_enhanced_rtmp_play_in_both_browsers() {
    let server = need!(shows::server_for_firefox());
    let show = Show {
        video: ffmpeg::VP9,
        audio: Some(ffmpeg::OPUS),
        sizes: &["320x180"],
        marks: true,
        ..Show::default()
    };
    let _publisher = need!(show.publish_enhanced(&server.publish_url("alice")));
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    let url = server.whep_url("alice");
    for player in [CHROMIUM, FIREFOX] {
        let report = need!(player.watch(&url, SECONDS)).report().unwrap();
        report.assert_played(SECONDS, FRAMES_PER_SECOND);
        report.assert_heard();
    }
}

#[test]
fn obs_plays() {
    let server = need!(shows::server());
    let media = need!(tools::big_buck_bunny());
    let address = format!("rtmp://{}/live", server.rtmp);
    let obs = need!(obs::publish(&address, "alice", &media));
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    let report = need!(CHROMIUM.watch(&server.whep_url("alice"), SECONDS)).report().unwrap();
    report.assert_played(SECONDS, FRAMES_PER_SECOND);
    report.assert_heard();
    obs.stop();
}

/// The time a picture spends in the server, from the encoder's socket to the viewer's.
#[test]
fn the_server_adds_little() {
    let server = need!(shows::server());
    let _publisher = need!(stamped::publish(server.rtmp, "alice"));
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    let url = server.whep_url("alice");
    let report = need!(Player::Packets("H264").watch(&url, SECONDS)).report().unwrap();
    report.assert_played(SECONDS, FRAMES_PER_SECOND);
    let added = report.server_ms.expect("stamped pictures");
    assert!(added.p50 <= SERVER_MS_P50_MAX, "{report}");
}

/// W16, and the negative control: what the stories here prove, they prove of the server.
#[test]
fn a_show_that_nobody_sends_is_refused_with_409() {
    let server = need!(shows::server());
    let url = server.whep_url("nobody");
    for player in [CHROMIUM, FIREFOX, Player::Aiortc, Player::Packets("H264")] {
        need!(player.watch(&url, 1)).report().unwrap().assert_refused(409);
    }
}

#[test]
fn sessions_end_with_their_players() {
    let server = need!(shows::server());
    let _publisher = need!(Show::default().publish(&server.publish_url("alice")));
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    let report = need!(Player::Packets("H264").watch(&server.whep_url("alice"), 2));
    let report = report.report().unwrap();
    assert_eq!(report.deleted, Some(200), "{report}");
    wait::until("no WebRTC session", Duration::from_secs(10), || {
        (server.metrics().sum("tally_webrtc_viewers") == 0.0).then_some(())
    });
}
