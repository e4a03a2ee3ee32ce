//! What a browser publishes over WHIP, watched over LL-HLS.

use tally_e2e::need;
use tally_e2e::play::browser::Browser;
use tally_e2e::play::webrtc;
use tally_e2e::playlist::MediaPlaylist;
use tally_e2e::publish::webrtc::Source;

use crate::shows;

/// Long enough to cross several segments.
const SECONDS: u64 = 8;

/// A page that draws and encodes on the machine it is watched on has its own pauses, which a player
/// bridges: how smoothly is held where encoders publish. Of the 30 pictures a second it is asked for:
const FRAMES_PER_SECOND_MIN: u64 = 10;

/// Its encoder makes keyframes only when asked: without, there would be one segment.
#[test]
fn a_page_publishes_and_another_plays_segments_of_two_seconds() {
    let server = need!(shows::server());
    let source = Source::Page { browser: webrtc::Browser::Chromium, codec: Some("VP9"), layers: 1 };
    let publishing = need!(source.publish(&format!("http://{}/live/alice/whip", server.http)));
    let text = server.wait_for_show("alice", shows::SHOW_WITHIN);
    assert!(text.contains("vp09.00.") && text.contains("opus"), "{text}");
    let playing = need!(Browser::ChromiumHlsJs.play(&server.play_url("alice"), SECONDS));
    let report = playing.report().unwrap();
    println!("{report}");
    assert!(report.started && report.fatal.is_empty() && report.has_sound, "{report}");
    assert!(report.frames >= SECONDS * FRAMES_PER_SECOND_MIN, "{report}");
    let address = shows::media_playlist(&server, "alice");
    let playlist = server.get(&address).text().to_owned();
    let segments = MediaPlaylist::parse(&playlist).unwrap().segments;
    assert!(segments.len() >= 4, "{playlist}");
    // What the segmenter cuts without a keyframe is longer.
    let at_keyframes =
        segments.iter().filter(|it| (1_890_000..2_400_000).contains(&it.duration_us));
    assert!(at_keyframes.count() + 1 >= segments.len(), "{playlist}");
    assert_eq!(publishing.stop().deleted, Some(200));
    let ended = server.get(&address);
    assert!(ended.text().contains("#EXT-X-ENDLIST"), "{}", ended.text());
}
