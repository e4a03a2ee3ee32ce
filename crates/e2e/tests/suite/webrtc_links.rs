//! WebRTC over paths that lose, delay and hold up what they carry.
//!
//! Each story takes some ten seconds of media. Two minutes each, with the binary of `cargo xtask test`:
//! `TALLY_LINK_SECONDS=120 TALLY_BIN=target/e2e/tally cargo nextest run -P ci -p tally-e2e webrtc_links`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use tally_e2e::link::{Both, Bottleneck, Conditions, Counts, Link, Mouth};
use tally_e2e::play::webrtc::{Browser, Player, Report};
use tally_e2e::publish::Publisher;
use tally_e2e::publish::ffmpeg::Show;
use tally_e2e::publish::webrtc::Source;
use tally_e2e::record::Recording;
use tally_e2e::tools::{self, Missing};
use tally_e2e::{Server, Settings, mp4, need, wait};

use crate::shows;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CHROMIUM: Player = Player::Page(Browser::Chromium);
const FRAMES_PER_SECOND: f64 = 30.0;
const SEED: u64 = 20_261_125;
const MS: Duration = Duration::from_millis(1);

/// How often a session is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a player may take to its first picture.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How long the picture may stand still, and an estimate may take.
const FROZEN_SHARE_MAX: f64 = 0.02;
/// A run takes whole pictures along, and the player keeps only some 10 ms of them.
const FROZEN_IN_RUNS_MAX: f64 = 0.08;
const FOLLOWS_WITHIN: Duration = Duration::from_secs(3);
/// Until the better layer is seen not to fit any more, and the other one's keyframe comes, a second
/// passes in which it cannot arrive whole.
const NARROWED_FROZEN_MS_MAX: f64 = 2_500.0;
/// What may wait before the bottleneck once the estimate has followed.
const QUEUED_MS_MAX: f64 = 150.0;
/// Longest mean wait of pictures in the player: what is lost twice takes three round trips.
const BUFFERED_MS_MAX: f64 = 400.0;
/// Sound is not sent again: a player makes up what is lost, and some around it.
const CONCEALED_SHARE_MAX: f64 = 0.10;
/// Pictures and sound of [`Show::default`].
const SHOW_BPS: u64 = 900_000;
/// Longest samples of sound, which is not sent again: the one before a lost packet lasts longer; and of
/// a page's pictures on a busy machine. A lost group would last longer.
const SOUND_MS_MAX: u64 = 100;
const PICTURE_MS_MAX: u64 = 500;

/// Length of a story; see above.
fn seconds() -> u64 {
    let asked = std::env::var("TALLY_LINK_SECONDS").ok();
    asked.and_then(|seconds| seconds.parse().ok()).unwrap_or(10)
}

/// A server behind a link.
fn server() -> Result<(Server, Link), Missing> {
    let mouth = Mouth::open(LOOPBACK);
    let address = mouth.address().to_string();
    let settings = Settings::default().with("webrtc.public_addresses", &address);
    let server = Server::start(&tools::tally()?, &settings);
    let link = mouth.lead_to(server.webrtc, SEED);
    Ok((server, link))
}

/// A show that can be watched over the link.
fn show(show: &Show) -> Result<(Server, Link, Publisher), Missing> {
    let (server, link) = server()?;
    let publisher = show.publish_enhanced(&server.publish_url("alice"))?;
    server.wait_for_show("alice", shows::SHOW_WITHIN);
    Ok((server, link, publisher))
}

/// What the server says of its one session.
#[derive(Debug, Clone)]
struct Session {
    at: Instant,
    rtt_ms: Option<f64>,
    estimate_bps: Option<u64>,
    layer: Option<u64>,
    packets: u64,
    frames_dropped: u64,
    packets_repaired: u64,
}

fn session(server: &Server) -> Option<Session> {
    let response = server.admin_get("/api/v1/webrtc/sessions").ok()?;
    let list: serde_json::Value = serde_json::from_str(response.text()).ok()?;
    let session = list["sessions"].get(0)?;
    let count = |name: &str| session[name].as_u64().unwrap_or(0);
    Some(Session {
        at: wait::now(),
        rtt_ms: session["rtt_ms"].as_f64(),
        estimate_bps: session["estimate_bps"].as_u64(),
        layer: session["layer"].as_u64(),
        packets: count("packets"),
        frames_dropped: count("frames_dropped"),
        packets_repaired: count("packets_repaired"),
    })
}

/// Waits until media flows, then looks again and again for `time`.
fn observe(server: &Server, time: Duration) -> Vec<Session> {
    let first = wait::until("a session with media", START_WITHIN, || {
        session(server).filter(|session| session.packets > 0)
    });
    let mut seen = vec![first];
    while seen[0].at.elapsed() < time {
        wait::pass(LOOK);
        seen.extend(session(server));
    }
    seen
}

/// Plays over a path with these conditions.
#[track_caller]
fn play_over(conditions: Both<Conditions>) -> Result<(Vec<Session>, Both<Counts>), Missing> {
    let (server, link, _publisher) = show(&Show::default())?;
    link.set_both(conditions);
    let playing = CHROMIUM.watch(&server.whep_url("alice"), seconds())?;
    let seen = observe(&server, Duration::from_secs(seconds()));
    let report = playing.report().unwrap();
    assert_plays(&report, seconds());
    let share = report.frozen_ms / report.media_ms.unwrap_or(0.0);
    let bound = if conditions.down.burst > 1.0 { FROZEN_IN_RUNS_MAX } else { FROZEN_SHARE_MAX };
    assert!(share <= bound, "frozen for {share} of the time: {report}");
    let lowest = settled(&seen).filter_map(|session| session.estimate_bps).min().unwrap();
    assert!(lowest >= SHOW_BPS, "{lowest} bit/s of a path without a bottleneck: {seen:?}");
    println!("{:?} {:?}", seen.last(), link.counts());
    Ok((seen, link.counts()))
}

/// What the server said from when an estimate has to have followed on.
fn settled(seen: &[Session]) -> impl Iterator<Item = &Session> {
    seen.iter().filter(|session| session.at - seen[0].at >= FOLLOWS_WITHIN)
}

/// Pictures came, with sound, and not late.
#[track_caller]
fn assert_plays(report: &Report, seconds: u64) {
    assert!(report.status == 201 && report.started, "no picture: {report}");
    let media_ms = report.media_ms.unwrap_or(0.0);
    assert!(media_ms >= seconds as f64 * 800.0, "the stream stood still: {report}");
    let published = media_ms / 1_000.0 * FRAMES_PER_SECOND;
    assert!(report.frames as f64 >= published * 0.9, "{published:.0} published: {report}");
    let buffered_ms = report.jitter_buffer_ms.unwrap_or(f64::INFINITY);
    assert!(buffered_ms <= BUFFERED_MS_MAX, "{buffered_ms} ms behind: {report}");
    let samples = seconds as f64 * 48_000.0;
    assert!(report.audio_samples as f64 >= samples * 0.9, "sound is missing: {report}");
    let concealed = report.audio_concealed as f64 / report.audio_samples as f64;
    assert!(concealed <= CONCEALED_SHARE_MAX, "{concealed} of the sound is made up: {report}");
}

fn delayed(delay_ms: u32) -> Conditions {
    Conditions { delay: MS * delay_ms, ..Conditions::default() }
}

#[test]
fn a_path_that_loses_one_in_twenty() {
    let down = Conditions { loss: 0.05, ..delayed(10) };
    let (_, counts) = need!(play_over(Both { up: delayed(10), down }));
    assert!(counts.down.lost * 30 > counts.down.taken, "{counts:?}");
}

#[test]
fn a_path_that_loses_in_runs() {
    let down = Conditions { loss: 0.02, burst: 4.0, ..delayed(10) };
    let (_, counts) = need!(play_over(Both { up: delayed(10), down }));
    assert!(counts.down.lost * 100 > counts.down.taken, "{counts:?}");
}

#[test]
fn a_long_path() {
    let (seen, _) = need!(play_over(Both { up: delayed(50), down: delayed(50) }));
    let measured_ms = seen.last().and_then(|session| session.rtt_ms).unwrap();
    assert!((100.0..200.0).contains(&measured_ms), "{measured_ms}");
}

#[test]
fn a_path_with_jitter() {
    let jitter = Conditions { jitter: MS * 30, ..delayed(10) };
    need!(play_over(Both { up: jitter, down: jitter }));
}

/// One that lets datagrams overtake each other, too.
#[test]
fn a_path_that_reorders() {
    let jitter = Conditions { jitter: MS * 30, reorders: true, ..delayed(10) };
    need!(play_over(Both { up: jitter, down: jitter }));
}

/// A viewer of two layers gets the better one where it fits, and the other one where not.
#[test]
fn a_path_that_narrows_and_widens() {
    let show_of_two = Show {
        sizes: &["640x360", "320x180"],
        bitrates: &["2000k", "350k"],
        keyframe_interval: 30,
        ..Show::default()
    };
    let (server, link, _publisher) = need!(show(&show_of_two));
    let carry = |bps| {
        let bottleneck = Some(Bottleneck { bps, queue: MS * 300 });
        link.set_both(Both { up: delayed(10), down: Conditions { bottleneck, ..delayed(10) } });
    };
    carry(4_000_000);
    let playing = need!(CHROMIUM.watch(&server.whep_url("alice"), 3 * seconds() / 2));
    let third = Duration::from_secs(seconds() / 2);
    let wide = observe(&server, third);
    carry(1_000_000);
    let narrow = observe(&server, third);
    carry(4_000_000);
    let wide_again = observe(&server, third);
    let report = playing.report().unwrap();
    let ends = [&wide, &narrow, &wide_again].map(|seen| seen.last().unwrap().clone());
    println!("{ends:?} {:?}", link.counts());
    assert_plays(&report, 3 * seconds() / 2);
    assert!(report.frozen_ms <= NARROWED_FROZEN_MS_MAX, "{report}");
    for session in settled(&narrow) {
        let followed = session.estimate_bps.is_some_and(|bps| (350_000..1_100_000).contains(&bps));
        assert!(followed && session.layer == Some(1), "{session:?}");
    }
    for seen in [wide, wide_again] {
        let most = seen.iter().filter_map(|session| session.estimate_bps).max().unwrap();
        assert!(most >= 2_000_000, "{most} bit/s found of 4 Mbit/s: {seen:?}");
    }
    assert!(report.widths.contains(&640) && report.widths.contains(&320), "{report}");
    let queued_ms = narrow.last().and_then(|session| session.rtt_ms).unwrap() - 20.0;
    assert!(queued_ms <= QUEUED_MS_MAX, "a queue of {queued_ms} ms is left: {narrow:?}");
}

/// What a publisher's path loses is sent again before it is missed: the show has no hole.
#[test]
fn a_publisher_whose_path_loses_one_in_twenty() {
    let (server, link) = need!(server());
    link.set(Conditions { loss: 0.05, ..delayed(10) });
    let source = Source::Page { browser: Browser::Chromium, codec: Some("H264"), layers: 1 };
    let publishing = need!(source.publish(&server.whip_url("alice")));
    let playlist = shows::media_playlist(&server, "alice");
    let enough_us = seconds() * 1_000_000;
    let recording = Recording::follow(server.http, &playlist, |playlist| {
        playlist.segments.iter().map(|segment| segment.duration_us).sum::<u64>() >= enough_us
    });
    let recording = recording.unwrap();
    let session = session(&server).expect("the publisher's session");
    println!("{session:?} {:?} {:?}", link.counts(), publishing.stop());
    assert!(session.packets_repaired > 0, "nothing was lost: {session:?}");
    assert_eq!(session.frames_dropped, 0, "{session:?}");
    assert_whole(&recording);
}

/// Nothing is marked as missing, and samples follow each other without a hole.
#[track_caller]
fn assert_whole(recording: &Recording) {
    for segment in recording.segments.values() {
        assert!(!segment.gap && !segment.discontinuity, "{segment:?}");
        let tracks = mp4::read_init(&recording.files[segment.map.as_ref().unwrap()]).unwrap();
        let samples = mp4::read_fragments(&recording.files[&segment.uri]).unwrap();
        for track in tracks {
            let longest = samples[&track.id].iter().map(|sample| sample.duration).max().unwrap();
            let longest_ms = u64::from(longest) * 1_000 / u64::from(track.timescale);
            let most_ms = if track.handler == "soun" { SOUND_MS_MAX } else { PICTURE_MS_MAX };
            assert!(longest_ms <= most_ms, "{} for {longest_ms} ms: {segment:?}", track.handler);
        }
    }
}
