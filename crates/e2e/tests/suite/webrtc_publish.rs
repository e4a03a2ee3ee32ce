//! Shows that come in over WHIP, watched over WebRTC.

use tally_e2e::play::webrtc::{Browser, Player, Report};
use tally_e2e::publish::ffmpeg::{self, Show};
use tally_e2e::publish::webrtc::{Publishing, Sent, Source};
use tally_e2e::{Server, need, wait};

use crate::shows;

const SECONDS: u64 = 8;
const FRAMES_PER_SECOND: f64 = 30.0;

const CHROMIUM: Player = Player::Page(Browser::Chromium);
const FIREFOX: Player = Player::Page(Browser::Firefox);

/// A server, and a page that publishes to it.
fn page(
    browser: Browser,
    codec: &'static str,
) -> Result<(Server, Publishing), tally_e2e::tools::Missing> {
    let server = shows::server_for_firefox()?;
    let source = Source::Page { browser, codec: Some(codec), layers: 1 };
    let publishing = source.publish(&server.whip_url("alice"))?;
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    Ok((server, publishing))
}

/// Watches one after the other: two cores encode and decode.
#[track_caller]
fn watch(server: &Server, players: &[Player]) -> Vec<Report> {
    let url = server.whep_url("alice");
    let watch = |player: &Player| player.watch(&url, SECONDS).expect("installed").report().unwrap();
    let reports: Vec<_> = players.iter().map(watch).collect();
    for (player, report) in players.iter().zip(&reports) {
        match player {
            Player::Packets(_) => assert_eq!(report.packets_lost, 0, "{report}"),
            Player::Page(_) | Player::Aiortc => report.assert_heard(),
        }
    }
    reports
}

/// Ends the publishing and holds what players saw and heard against what the page made: on a busy
/// machine fewer pictures than asked for, and less sound than time went by.
#[track_caller]
#[expect(clippy::cast_precision_loss, reason = "packets of a minute")]
fn assert_watched(server: &Server, publishing: Publishing, players: &[Player]) -> Sent {
    let reports = watch(server, players);
    let sent = publishing.stop();
    println!("{sent:?}");
    assert_eq!(sent.deleted, Some(200), "{sent:?}");
    let best =
        sent.layers.iter().max_by(|a, b| a.frames_per_second.total_cmp(&b.frames_per_second));
    let best = best.expect("a layer");
    let published_s = best.frames_encoded as f64 / best.frames_per_second;
    let sound_share = (sent.audio_packets as f64 / 50.0 / published_s).min(1.0);
    assert!(sound_share > 0.2, "{sent:?}");
    for report in reports {
        // The rates are those of the whole show, in which a busy machine made now more and now less.
        report.assert_pictures(SECONDS, best.frames_per_second * 0.8);
        report.assert_sound(SECONDS, sound_share * 0.8);
    }
    sent
}

#[test]
fn chromium_publishes_h264() {
    let (server, publishing) = need!(page(Browser::Chromium, "H264"));
    assert_watched(&server, publishing, &[CHROMIUM, Player::Packets("H264"), Player::Aiortc]);
}

#[test]
fn chromium_publishes_vp8() {
    let (server, publishing) = need!(page(Browser::Chromium, "VP8"));
    assert_watched(&server, publishing, &[CHROMIUM, FIREFOX, Player::Packets("VP8")]);
}

#[test]
fn chromium_publishes_vp9() {
    let (server, publishing) = need!(page(Browser::Chromium, "VP9"));
    assert_watched(&server, publishing, &[CHROMIUM, FIREFOX]);
}

#[test]
fn chromium_publishes_av1() {
    let (server, publishing) = need!(page(Browser::Chromium, "AV1"));
    assert_watched(&server, publishing, &[CHROMIUM, FIREFOX]);
}

#[test]
fn chromium_publishes_two_layers() {
    let server = need!(shows::server());
    let source = Source::Page { browser: Browser::Chromium, codec: Some("VP8"), layers: 2 };
    let publishing = need!(source.publish(&server.whip_url("alice")));
    // Browsers begin with the smallest layers and add others as the path bears them.
    wait::until("a rendition for each layer", shows::SHOW_WITHIN, || {
        (shows::media_playlists(&server, "alice").len() == 2).then_some(())
    });
    let sent = assert_watched(&server, publishing, &[CHROMIUM]);
    assert_eq!(sent.layers.len(), 2, "{sent:?}");
}

#[test]
fn firefox_publishes_vp8() {
    let (server, publishing) = need!(page(Browser::Firefox, "VP8"));
    assert_watched(&server, publishing, &[CHROMIUM, FIREFOX]);
}

#[test]
fn ffmpeg_publishes() {
    let server = need!(shows::server());
    let show = Show { audio: Some(ffmpeg::OPUS), marks: true, ..Show::default() };
    let _publisher = need!(show.publish_enhanced(&server.whip_url("alice")));
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    let reports = watch(&server, &[CHROMIUM, Player::Aiortc]);
    for report in &reports {
        report.assert_played(SECONDS, FRAMES_PER_SECOND);
    }
    reports[1].assert_in_sync();
}

#[test]
fn gstreamer_publishes_over_whip() {
    let server = need!(shows::server());
    let _publishing = need!(Source::Gstreamer.publish(&server.whip_url("alice")));
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    watch(&server, &[CHROMIUM])[0].assert_played(SECONDS, FRAMES_PER_SECOND);
}

#[test]
fn aiortc_publishes() {
    let server = need!(shows::server());
    let publishing = need!(Source::Aiortc { codec: "VP8" }.publish(&server.whip_url("alice")));
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    let reports = watch(&server, &[CHROMIUM, Player::Aiortc]);
    // On a busy machine encoding holds up its pictures and its sound, so that nobody gets that in time; and as a player
    // it cannot take all pictures since its only keyframe at once.
    reports[0].assert_pictures(SECONDS, FRAMES_PER_SECOND * 0.8);
    assert!(reports[1].started, "{}", reports[1]);
    assert_eq!(publishing.stop().deleted, Some(200));
}
