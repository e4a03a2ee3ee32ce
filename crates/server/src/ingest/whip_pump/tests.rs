//! A publisher like a browser, in virtual time: VP8 that has keyframes when asked for, and Opus.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tally_hls::{Delivery, Encoding, Lookup};
use tally_hub::Hub;
use tally_media::codec::{opus, vp8};
use tally_media::{Frame, Timescale, Timestamp, Track};
use tokio::time::sleep_until;

use super::*;
use crate::config::HlsAudio;
use crate::egress::HlsOptions;
use crate::shows::{Show, ShowState, Shows, ShowsOptions};
use crate::shutdown::Trigger;

const GRACE: Duration = Duration::from_secs(30);
const VIDEO: TrackId = TrackId::Video(0);
const AUDIO: TrackId = TrackId::Audio(0);
const BOTH: Expected = Expected { video: true, audio: true };
/// From an ask to the keyframe's capture.
const RTT: Duration = Duration::from_millis(80);
const LARGE: (u16, u16) = (1_280, 720);
const SMALL: (u16, u16) = (960, 540);

/// A server with nothing but shows.
struct World {
    shows: Shows,
    metrics: Metrics,
    trigger: Trigger,
}

/// What a show did to a session.
#[derive(Clone, Debug, Default)]
struct Control(Arc<Mutex<Done>>);

#[derive(Debug, Default)]
struct Done {
    closed: Option<String>,
    wanted: Vec<Instant>,
}

impl PublisherControl for Control {
    fn close(&self, reason: &str) {
        self.0.lock().unwrap().closed = Some(reason.to_owned());
    }

    fn want_keyframe(&self, track: TrackId) {
        assert_eq!(track, VIDEO);
        self.0.lock().unwrap().wanted.push(Instant::now());
    }
}

impl Control {
    fn closed(&self) -> Option<String> {
        self.0.lock().unwrap().closed.clone()
    }
}

impl World {
    fn new() -> Self {
        let hls = HlsOptions {
            part_ms: 250,
            segment_ms: 2_000,
            window_ms: 60_000,
            audio: HlsAudio::Passthrough,
        };
        let options = ShowsOptions { hls, reconnect_grace: GRACE, shows_max: 10 };
        let metrics = Metrics::new();
        let shows = Shows::new(Hub::new(tally_hub::Limits::default()), options, metrics.clone());
        Self { shows, metrics, trigger: Trigger::new() }
    }

    fn publish(&self) -> Browser {
        let mut publication = self.shows.publish("alice").unwrap();
        publication.expect(BOTH);
        let show = Arc::clone(publication.show());
        let (output, published) = mpsc::channel(PUBLISHED_MAX);
        let control = Control::default();
        let shutdown = self.trigger.shutdown();
        let publisher =
            Pump::start(&self.metrics, &shutdown, publication, published, control.clone());
        Browser::new(output, control, publisher, show)
    }

    /// Ends the show and gives its playlist.
    async fn playlist(self, browser: Browser) -> String {
        let show = Arc::clone(&browser.show);
        browser.publisher.end();
        settle().await;
        self.shows.all_packaged().await;
        let version = rendition(&show).current();
        let playlist = version.snapshot.playlist(Delivery::Full, &[]).body(Encoding::Identity);
        String::from_utf8(playlist.to_vec()).unwrap()
    }
}

fn rendition(show: &Show) -> Arc<crate::egress::RenditionOrigin> {
    Arc::clone(show.hls().presentation().unwrap().rendition("v0").unwrap())
}

/// Lets every task do what it can do now.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// A publisher's session and its encoder.
struct Browser {
    output: mpsc::Sender<Published>,
    control: Control,
    publisher: WhipPublisher,
    show: Arc<Show>,
    started: Instant,
    video_ms: i64,
    audio_ms: i64,
    size: Option<(u16, u16)>,
    /// Asks answered so far.
    answered: usize,
}

impl Browser {
    fn new(
        output: mpsc::Sender<Published>,
        control: Control,
        publisher: WhipPublisher,
        show: Arc<Show>,
    ) -> Self {
        let started = Instant::now();
        let (video_ms, audio_ms, size, answered) = (0, 0, None, 0);
        Self { output, control, publisher, show, started, video_ms, audio_ms, size, answered }
    }

    async fn send(&self, published: Published) {
        // Nobody listens once the show is somebody else's.
        let _ = self.output.send(published).await;
    }

    /// Films until `until_ms`: a picture each `step_ms(now)`, of `size(now)`.
    async fn film(
        &mut self,
        until_ms: i64,
        step_ms: impl Fn(i64) -> i64,
        size: impl Fn(i64) -> (u16, u16),
    ) {
        while self.video_ms.min(self.audio_ms) < until_ms {
            let at_ms = self.video_ms.min(self.audio_ms);
            sleep_until(self.started + Duration::from_millis(at_ms.unsigned_abs())).await;
            if self.audio_ms < self.video_ms {
                self.sound().await;
                continue;
            }
            self.picture(size(at_ms)).await;
            self.video_ms += step_ms(at_ms);
        }
    }

    async fn sound(&mut self) {
        let timescale = Timescale::new(48_000);
        if self.audio_ms == 0 {
            let head = b"OpusHead\x01\x02\x38\x01\x80\xBB\x00\x00\x00\x00\x00";
            self.send(Published::Track(track(
                AUDIO,
                opus::from_opus_head(head).unwrap(),
                timescale,
            )))
            .await;
        }
        let at = Timestamp::new(self.audio_ms * 48, timescale);
        let payload = Bytes::from_static(&[0xFC; 100]);
        let frame = Frame { dts: at, pts: at, duration_ticks: Some(960), keyframe: true, payload };
        self.send(Published::Frame(AUDIO, frame)).await;
        self.audio_ms += 20;
    }

    async fn picture(&mut self, size: (u16, u16)) {
        let is_asked = {
            let done = self.control.0.lock().unwrap();
            done.wanted.get(self.answered).is_some_and(|at| *at + RTT <= Instant::now())
        };
        let keyframe = is_asked || self.size != Some(size);
        let mut payload = vec![0x11; 500];
        if keyframe {
            let ((width, height), head) = (size, [0x10, 0, 0, 0x9D, 0x01, 0x2A]);
            payload.splice(..6, head);
            payload.splice(6..10, [width.to_le_bytes(), height.to_le_bytes()].concat());
            self.answered = self.control.0.lock().unwrap().wanted.len();
        }
        if self.size.replace(size) != Some(size) {
            let codec = vp8::from_keyframe(None, &payload).unwrap();
            self.send(Published::Track(track(VIDEO, codec, Timescale::VIDEO))).await;
        }
        // Cameras do not tick evenly.
        let jitter = self.video_ms * 7 % 5 * 90;
        let at = Timestamp::new(self.video_ms * 90 + jitter, Timescale::VIDEO);
        let payload = Bytes::from(payload);
        let frame = Frame { dts: at, pts: at, duration_ticks: None, keyframe, payload };
        self.send(Published::Frame(VIDEO, frame)).await;
    }

    /// 30 pictures a second of one size.
    async fn film_steadily(&mut self, until_ms: i64) {
        self.film(until_ms, |at_ms| if at_ms % 100 == 66 { 34 } else { 33 }, |_| LARGE).await;
    }
}

fn track(id: TrackId, codec: tally_media::Codec, timescale: Timescale) -> Track {
    Track { id, codec, timescale, language: None, color: None }
}

/// The lengths of a playlist's segments, in milliseconds.
fn lengths_ms(playlist: &str) -> Vec<i64> {
    let lengths = playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:"));
    let in_ms = |text: &str| (text.trim_end_matches(',').parse::<f64>().unwrap() * 1e3) as i64;
    lengths.map(in_ms).collect()
}

/// How many segments begin without a keyframe, of those that are still there.
fn dependent(show: &Show) -> usize {
    let snapshot = rendition(show).current().snapshot;
    let segments = (0..1_000).filter_map(|msn| match snapshot.segment(msn) {
        Lookup::Found(segment) => Some(segment),
        _ => None,
    });
    segments.filter(|segment| !segment.independent).count()
}

#[tokio::test(start_paused = true)]
async fn the_newest_publisher_has_the_show_and_the_other_is_told_why() {
    let world = World::new();
    let mut first = world.publish();
    first.film_steadily(3_000).await;
    let second = world.publish();
    settle().await;
    assert_eq!(first.control.closed().unwrap(), "another publisher took the show over");
    assert_eq!(second.control.closed(), None);
    assert_eq!(first.show.id(), second.show.id());
    assert!(first.output.is_closed());
    let metrics = &world.metrics.whip;
    assert_eq!((metrics.takeovers.get(), metrics.sessions.get()), (1, 1));
    tokio::time::sleep(GRACE * 2).await;
    assert_ne!(second.show.state(), ShowState::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_lost_publisher_may_come_back_within_the_grace() {
    let world = World::new();
    let mut first = world.publish();
    first.film_steadily(3_000).await;
    let Browser { output, show, .. } = first;
    drop(output);
    settle().await;
    assert_eq!(show.state(), ShowState::Away);
    tokio::time::sleep(GRACE / 2).await;
    let mut second = world.publish();
    second.film_steadily(3_000).await;
    assert_eq!((second.show.id(), second.show.state()), (show.id(), ShowState::Live));
    drop(second.output);
    tokio::time::sleep(GRACE + Duration::from_secs(1)).await;
    assert_eq!(show.state(), ShowState::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_says_goodbye_ends_the_show_at_once() {
    let world = World::new();
    let mut browser = world.publish();
    browser.film_steadily(3_000).await;
    browser.publisher.end();
    settle().await;
    assert_eq!(browser.show.state(), ShowState::Ended);
    assert_eq!(browser.control.closed().unwrap(), "the publisher ended the show");
    assert_eq!(world.metrics.whip.sessions.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_down_ends_the_show_and_the_session() {
    let world = World::new();
    let mut browser = world.publish();
    browser.film_steadily(3_000).await;
    world.trigger.drain();
    settle().await;
    assert_eq!(browser.show.state(), ShowState::Ended);
    assert_eq!(browser.control.closed().unwrap(), "the server is shutting down");
}

#[tokio::test(start_paused = true)]
async fn a_show_that_is_ended_sends_its_publisher_away() {
    let world = World::new();
    let browser = world.publish();
    world.shows.end(&browser.show);
    settle().await;
    assert_eq!(browser.control.closed().unwrap(), "the show has ended");
}

#[tokio::test(start_paused = true)]
async fn keyframes_are_asked_for_in_time_with_the_segments() {
    let world = World::new();
    let mut browser = world.publish();
    browser.film_steadily(30_000).await;
    let asked = browser.control.0.lock().unwrap().wanted.len();
    assert!((13..=16).contains(&asked), "{asked} keyframes asked for in 30 s");
    let show = Arc::clone(&browser.show);
    let playlist = world.playlist(browser).await;
    let lengths = lengths_ms(&playlist);
    let (_, whole) = lengths.split_last().unwrap();
    assert!(whole.len() >= 13, "{playlist}");
    assert!(whole.iter().all(|ms| (1_900..=2_150).contains(ms)), "{whole:?}");
    assert_eq!(dependent(&show), 0);
    assert_eq!(playlist.matches("#EXT-X-DISCONTINUITY\n").count(), 0, "{playlist}");
    let text = show.hls().presentation().unwrap().multivariant.body(Encoding::Identity);
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.contains("vp08.00.31.08,opus"), "{text}");
    assert!(text.contains("#EXT-X-INDEPENDENT-SEGMENTS"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_viewers_wish_for_is_asked_for_at_once() {
    let world = World::new();
    let mut browser = world.publish();
    browser.film_steadily(1_000).await;
    let asked = || browser.control.0.lock().unwrap().wanted.len();
    assert_eq!(asked(), 0);
    browser.show.keyframe_wishes().want(VIDEO);
    settle().await;
    assert_eq!(asked(), 1);
    assert_eq!(world.metrics.whip.keyframes_asked.get(), 0, "packaging asked for none");
}

#[tokio::test(start_paused = true)]
async fn frame_rates_from_5_to_60_are_cut_alike() {
    let world = World::new();
    let mut browser = world.publish();
    let rates = |at_ms: i64| [16, 200, 33, 100, 66][(at_ms / 3_000 % 5) as usize];
    browser.film(40_000, rates, |_| LARGE).await;
    let show = Arc::clone(&browser.show);
    let playlist = world.playlist(browser).await;
    let lengths = lengths_ms(&playlist);
    let (_, whole) = lengths.split_last().unwrap();
    assert!(whole.iter().all(|ms| (1_900..=2_410).contains(ms)), "{whole:?}");
    assert_eq!(dependent(&show), 0);
    assert_eq!(playlist.matches("GAP").count(), 0, "{playlist}");
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_changes_its_size_every_second_is_no_discontinuity_every_second() {
    let world = World::new();
    let mut browser = world.publish();
    let sizes = [LARGE, SMALL, (640, 360), (480, 270)];
    let size = |at_ms: i64| sizes[(at_ms / 1_000 % 4) as usize];
    browser.film(30_000, |_| 33, size).await;
    let show = Arc::clone(&browser.show);
    let playlist = world.playlist(browser).await;
    let discontinuities = playlist.matches("#EXT-X-DISCONTINUITY\n").count();
    assert!((1..=5).contains(&discontinuities), "{playlist}");
    assert_eq!(playlist.matches("#EXT-X-MAP").count(), discontinuities + 1, "{playlist}");
    assert_eq!(dependent(&show), 0);
}

#[tokio::test(start_paused = true)]
async fn a_size_that_stays_is_declared() {
    let world = World::new();
    let mut browser = world.publish();
    // At once; back within the interval, which waits.
    let size = |at_ms: i64| if (9_000..10_500).contains(&at_ms) { SMALL } else { LARGE };
    browser.film(20_000, |_| 33, size).await;
    let sizes: Vec<_> = {
        let snapshot = rendition(&browser.show).current().snapshot;
        let inits = (0..4).filter_map(|id| match snapshot.init(id) {
            Lookup::Found(init) => Some(init),
            _ => None,
        });
        let video = inits.map(|init| init.tracks[0].codec.video().unwrap().clone());
        video.map(|video| (video.width, video.height)).collect()
    };
    assert_eq!(sizes, [LARGE, SMALL, LARGE]);
    let playlist = world.playlist(browser).await;
    assert_eq!(playlist.matches("#EXT-X-DISCONTINUITY\n").count(), 2, "{playlist}");
}
