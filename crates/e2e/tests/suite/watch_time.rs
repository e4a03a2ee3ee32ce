//! Watch time: what people really watched in a browser, and what the server counts of it.

use std::time::Duration;

use serde::Deserialize;
use tally_e2e::cache::Cache;
use tally_e2e::play::watching::{Watched, Watching};
use tally_e2e::publish::Publisher;
use tally_e2e::publish::ffmpeg::Show;
use tally_e2e::tools::{self, Missing};
use tally_e2e::{Server, Settings, need, wait};

use crate::shows;

/// How far a figure may be from what was watched.
const TOLERANCE_MS: i64 = 500;

/// Over WebRTC the first pictures are on screen before the page knows what moment they show, and the last
/// count only if their receiver report comes before the page is gone.
const WEBRTC_TOLERANCE_MS: i64 = 1_000;

/// CMCD of version 1 says where the playhead is only with requests for media, and not after the last.
const CMCD_TOLERANCE_MS: i64 = 2_000;

/// Deliveries reach the books within a second, and the last heartbeat with the end of its story.
const COUNTED_WITHIN: Duration = Duration::from_secs(10);

/// A small picture: what is held is what is counted, not what a machine can decode.
const SMALL: &[&str] = &["160x90"];

/// What `GET /api/v1/shows/{show}/watch-time` says, as far as it is held here.
#[derive(Debug, Clone, Deserialize)]
struct Figures {
    counted_ms: i64,
    gross_ms: i64,
    valid_ms: i64,
    delivered_ms: i64,
    idle_ms: i64,
    live_ms: i64,
    peak: i64,
    assurance_ms: Assurance,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Assurance {
    a: i64,
    b: i64,
    c: i64,
    d: i64,
}

/// A server, and a show of each of these creators.
fn server_with_shows(
    settings: &Settings,
    handles: &[&str],
) -> Result<(Server, Publisher), Missing> {
    let server = Server::start(&tools::tally()?, settings);
    let urls: Vec<String> = handles.iter().map(|handle| server.publish_url(handle)).collect();
    let show = Show { sizes: SMALL, rate: "15", keyframe_interval: 30, ..Show::default() };
    let publisher = show.publish_to_all(&urls)?;
    for handle in handles {
        server.wait_for_show(handle, shows::SHOW_WITHIN);
    }
    Ok((server, publisher))
}

fn figures(server: &Server, show: &str) -> Figures {
    let answer = server.get(&format!("/api/v1/shows/{show}/watch-time"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(answer.text()).unwrap()
}

/// Waits until what was watched is counted; figures only grow, so it is never more either.
#[track_caller]
fn wait_for(what: &str, wanted_ms: i64, tolerance_ms: i64, look: impl Fn() -> i64) {
    wait::until(&format!("{what}: {wanted_ms} ms"), COUNTED_WITHIN, || {
        let error_ms = look() - wanted_ms;
        println!("{what}: {wanted_ms} ms watched, {error_ms} ms off");
        assert!(error_ms <= tolerance_ms, "{what}: more than was watched");
        (error_ms >= -tolerance_ms).then_some(())
    });
}

#[track_caller]
fn counted(server: &Server, story: &str, watched: &Watched) -> Figures {
    // No story watches less: a figure of nothing must not pass for one that is right.
    assert!(watched.counted_ms >= 5_000, "{story}: {watched:?}");
    let look = || figures(server, &watched.show).counted_ms;
    let is_webrtc = story.starts_with("whep");
    let tolerance_ms = if is_webrtc { WEBRTC_TOLERANCE_MS } else { TOLERANCE_MS };
    wait_for(story, watched.counted_ms, tolerance_ms, look);
    let figures = figures(server, &watched.show);
    println!("{story}: {figures:?}");
    assert_eq!(figures.valid_ms, figures.counted_ms, "{story}");
    assert!(figures.counted_ms <= figures.gross_ms, "{story}");
    assert!(figures.counted_ms <= figures.delivered_ms.min(figures.live_ms), "{story}");
    assert_eq!(figures.peak, 1, "{story}: one viewer, however many pages");
    figures
}

/// All at once: each is a window with a show of its own.
#[test]
fn what_people_watch_is_what_counts() {
    let handles = ["ann", "ben", "cat", "dan", "eva", "fay", "gus", "hal"];
    let stories = [
        "plain@ann",
        "left@ben",
        "twice@cat",
        "hidden@dan",
        "paused@eva",
        "back@fay",
        "fast@gus",
        "cut@hal",
    ];
    let (server, _publisher) = need!(server_with_shows(&Settings::default(), &handles));
    let told = need!(Watching::begin(server.http, &stories)).told().unwrap();
    assert_eq!(told.len(), stories.len(), "{told:?}");
    for (story, watched) in &told {
        let figures = counted(&server, story, watched);
        assert_eq!((figures.assurance_ms.a, figures.assurance_ms.b), (figures.counted_ms, 0));
        if story == "hidden@dan" {
            let idle_error_ms = figures.idle_ms - watched.worthless_ms;
            assert!(watched.worthless_ms >= 4_000, "{watched:?}");
            assert!(idle_error_ms.abs() <= TOLERANCE_MS, "{watched:?}: {figures:?}");
        }
    }
    // What was rendered at twice the speed was real, and is worth nothing.
    assert!(told["fast@gus"].worthless_ms >= 2_000, "{told:?}");
}

/// The server's own page attests; hls.js as it comes says with its requests what it plays (CMCD), which
/// is told apart from what was attested and counts for nobody.
#[test]
fn our_page_is_counted_and_stock_players_are_told_apart() {
    let stories = ["page@ann", "query@ben", "headers@cat", "events@dan"];
    let handles = ["ann", "ben", "cat", "dan"];
    let (server, _publisher) = need!(server_with_shows(&Settings::default(), &handles));
    let told = need!(Watching::begin(server.http, &stories)).told().unwrap();
    let figures_of_page = counted(&server, "page@ann", &told["page@ann"]);
    assert_eq!(figures_of_page.assurance_ms.a, figures_of_page.counted_ms);
    for story in &stories[1..] {
        let watched = &told[*story];
        let look = || figures(&server, &watched.show).assurance_ms.c;
        wait_for(story, watched.counted_ms, CMCD_TOLERANCE_MS, look);
        let figures = figures(&server, &watched.show);
        assert_eq!((figures.counted_ms, figures.assurance_ms.a, figures.assurance_ms.b), (0, 0, 0));
        // What was buffered and not played.
        assert!((1..figures.delivered_ms).contains(&figures.assurance_ms.d), "{figures:?}");
    }
}

/// A page that plays over WebRTC knows the moment of each picture from the server, and what reached it
/// from the browser's receiver reports.
#[test]
fn a_viewer_over_webrtc_is_counted() {
    let (server, _publisher) = need!(server_with_shows(&Settings::default(), &["ann"]));
    let told = need!(Watching::begin(server.http, &["whep@ann"])).told().unwrap();
    let figures = counted(&server, "whep@ann", &told["whep@ann"]);
    assert_eq!(figures.assurance_ms.a, figures.counted_ms);
}

/// Media has one address for all, so the cache has it for the second viewer; each is counted by the
/// playlists of its session.
#[test]
fn viewers_behind_a_cache_are_told_apart_and_the_cache_gets_its_hits() {
    let settings = Settings::default().with("hls.delivery", "cached");
    let (server, _publisher) = need!(server_with_shows(&settings, &["ann"]));
    let cache = need!(Cache::before(&server));
    let told = need!(Watching::begin(cache.http, &["plain@ann", "back@ann"])).told().unwrap();
    let (plain, back) = (&told["plain@ann"], &told["back@ann"]);
    assert!(plain.counted_ms >= 5_000 && back.counted_ms >= 5_000, "{told:?}");
    let wanted_ms = plain.counted_ms + back.counted_ms;
    let look = || figures(&server, &plain.show).counted_ms;
    wait_for("both", wanted_ms, 2 * TOLERANCE_MS, look);
    let figures = figures(&server, &plain.show);
    assert_eq!((figures.assurance_ms.a, figures.assurance_ms.b), (0, figures.counted_ms));
    assert_eq!(figures.peak, 2, "{figures:?}");
    let (hits, misses) = cache.media_hits_and_misses();
    println!("media: {hits} hits, {misses} misses");
    assert!(hits * 3 >= misses, "two viewers at about the same place: {hits} hits, {misses}");
}
