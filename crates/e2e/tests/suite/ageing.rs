//! What a show's age brings: things leave playlists and stay fetchable, parameters change, it ends
//! and goes away. P13, P14, P15, P18, P19.

use std::time::Duration;

use tally_e2e::playlist::{MediaPlaylist, Segment};
use tally_e2e::publish::ffmpeg::Show;
use tally_e2e::record::{Recording, resolve};
use tally_e2e::{Server, Settings, need, rules, wait};

use crate::shows;

/// Six segments of two seconds: the shortest window there is (P15).
const WINDOW_S: &str = "12";

fn now(server: &Server, playlist: &str) -> MediaPlaylist {
    MediaPlaylist::parse(server.get(playlist).text()).unwrap()
}

fn status(server: &Server, playlist: &str, uri: &str) -> u16 {
    server.get(&resolve(playlist, uri)).status
}

/// P13, P15: what leaves the playlist can still be fetched. P19: an ended show can be played to its
/// end, then it is gone.
#[test]
fn what_leaves_a_playlist_stays_fetchable_until_nobody_can_want_it() {
    let settings = Settings::default().with("hls.window_s", WINDOW_S);
    let (server, publisher) = need!(shows::server_with_show(&settings));
    let playlist = shows::media_playlist(&server, "alice");
    let oldest = now(&server, &playlist).segments[0].clone();
    let part = &oldest.parts.first().expect("the first segment's parts are listed at first").uri;
    let has_parts = |segment: &Segment| segment.msn == oldest.msn && !segment.parts.is_empty();

    let unlisted = |playlist: &MediaPlaylist| !playlist.segments.iter().any(has_parts);
    Recording::follow(server.http, &playlist, unlisted).unwrap();
    assert_eq!(status(&server, &playlist, part), 200, "P13: {part} went with its tag");

    let removed = |playlist: &MediaPlaylist| playlist.media_sequence > oldest.msn;
    let recording = Recording::follow(server.http, &playlist, removed).unwrap();
    assert_eq!(status(&server, &playlist, &oldest.uri), 200, "P15: {} is gone", oldest.uri);
    let kept_us: u64 = recording.last().segments.iter().map(|segment| segment.duration_us).sum();
    let least_us = recording.last().target_duration_s * 3_000_000;
    assert!(kept_us >= least_us, "P15: only {kept_us} us listed");
    assert!(recording.last().segments.len() >= 6, "P15, A8.11");

    publisher.stop();
    wait::until("the end", shows::SHOW_WITHIN, || now(&server, &playlist).ended.then_some(()));
    let last = now(&server, &playlist).segments.pop().unwrap();
    assert_eq!(status(&server, &playlist, &last.uri), 200, "P19: the end cannot be watched");
    // As long as the longest playlist, and some.
    wait::until("the show to go", Duration::from_secs(60), || {
        (server.get(&playlist).status == 404).then_some(())
    });
    assert_eq!(status(&server, &playlist, &last.uri), 404, "P19");
    assert_eq!(server.get("/live/alice/index.m3u8").status, 404, "P19");
}

/// P18: other parameters begin with a discontinuity and an init segment of their own. P14: the
/// discontinuity counts once it has left the playlist.
#[test]
fn an_encoder_with_other_parameters_makes_a_discontinuity() {
    let settings = Settings::default().with("hls.window_s", WINDOW_S);
    let (server, first) = need!(shows::server_with_show(&settings));
    let playlist = shows::media_playlist(&server, "alice");
    let other = Show { sizes: &["426x240"], ..Show::default() };
    let _second = need!(other.publish(&server.publish_url("alice")));
    first.ended(Duration::from_secs(20));
    let counted = |playlist: &MediaPlaylist| playlist.discontinuity_sequence == Some(1);
    let recording = Recording::follow(server.http, &playlist, counted).unwrap();
    rules::check(&recording).unwrap();
    let segments: Vec<_> = recording.segments.values().collect();
    let changes: Vec<_> = segments.iter().filter(|segment| segment.discontinuity).collect();
    assert_eq!(changes.len(), 1, "P18: one change, one discontinuity");
    let maps: Vec<_> = segments.iter().filter_map(|segment| segment.map.as_deref()).collect();
    assert_ne!(maps.first(), maps.last(), "P18: the init segment is the old one");
}
