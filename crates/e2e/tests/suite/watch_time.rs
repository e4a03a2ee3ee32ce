//! Watch time: what people really watched in a browser, and what the server counts of it.

use std::time::Duration;

use serde::Deserialize;
use tally_e2e::play::watching::{Watched, Watching};
use tally_e2e::publish::Publisher;
use tally_e2e::publish::ffmpeg::Show;
use tally_e2e::tools::{self, Missing};
use tally_e2e::{Server, Settings, need, wait};

use crate::shows;

/// How far a figure may be from what was watched.
const TOLERANCE_MS: i64 = 500;

/// Deliveries reach the books within a second, and the last heartbeat with the end of its story.
const COUNTED_WITHIN: Duration = Duration::from_secs(10);

/// A small picture: what is held is what is counted, not what a machine can decode.
const SMALL: &[&str] = &["160x90"];

/// What `GET /api/v1/shows/{show}/watch-time` says, as far as it is held here.
#[derive(Debug, Clone, Deserialize)]
struct Figures {
    counted_ms: i64,
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
}

/// A server, and the show of a creator for each story.
fn server_with_shows(
    settings: &Settings,
    stories: &[&str],
) -> Result<(Server, Publisher), Missing> {
    let server = Server::start(&tools::tally()?, settings);
    let urls: Vec<String> = stories.iter().map(|story| server.publish_url(story)).collect();
    let show = Show { sizes: SMALL, rate: "15", keyframe_interval: 30, ..Show::default() };
    let publisher = show.publish_to_all(&urls)?;
    for story in stories {
        server.wait_for_show(story, shows::SHOW_WITHIN);
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
fn counted(server: &Server, story: &str, watched: &Watched) -> Figures {
    let wanted = watched.counted_ms;
    let figures = wait::until(&format!("{story}: {wanted} ms"), COUNTED_WITHIN, || {
        let figures = figures(server, &watched.show);
        let error_ms = figures.counted_ms - wanted;
        println!("{story}: {error_ms} ms off {watched:?}: {figures:?}");
        assert!(error_ms <= TOLERANCE_MS, "{story}: more than was watched");
        (error_ms >= -TOLERANCE_MS).then_some(figures)
    });
    assert_eq!(figures.valid_ms, figures.counted_ms, "{story}");
    assert!(figures.counted_ms <= figures.delivered_ms.min(figures.live_ms), "{story}");
    assert_eq!(figures.peak, 1, "{story}: one viewer, however many pages");
    figures
}

/// All at once: each is a window with a show of its own.
#[test]
fn what_people_watch_is_what_counts() {
    let stories = ["plain", "left", "twice", "hidden", "paused", "back", "fast", "cut"];
    let (server, _publisher) = need!(server_with_shows(&Settings::default(), &stories));
    let told = need!(Watching::begin(&server, &stories)).told().unwrap();
    assert_eq!(told.len(), stories.len(), "{told:?}");
    for (story, watched) in &told {
        // No story watches less: a figure of nothing must not pass for one that is right.
        assert!(watched.counted_ms >= 5_000, "{story}: {watched:?}");
        let figures = counted(&server, story, watched);
        assert_eq!((figures.assurance_ms.a, figures.assurance_ms.b), (figures.counted_ms, 0));
        if story == "hidden" {
            let idle_error_ms = figures.idle_ms - watched.worthless_ms;
            assert!(watched.worthless_ms >= 4_000, "{watched:?}");
            assert!(idle_error_ms.abs() <= TOLERANCE_MS, "{watched:?}: {figures:?}");
        }
    }
    // What was rendered at twice the speed was real, and is worth nothing.
    assert!(told["fast"].worthless_ms >= 2_000, "{told:?}");
}
