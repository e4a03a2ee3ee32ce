//! Feeds of whole shows in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tally_audio::{Target, Transcoder};
use tally_hub::{Hub, Limits};
use tally_media::codec::VideoRecord;
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};
use tally_rtc::packetize::PacketizedFrame;
use tally_rtc::sdp::{Playable, VideoFormat};
use tally_testsource::{Options, TestSource};
use tokio::sync::mpsc;

use super::origin::PAYLOAD_BYTES_MAX;
use super::{FeedItem, FeedLayer, SINK_ITEMS, Sink, Subscription, layers_of};
use crate::config::HlsAudio;
use crate::egress::HlsOptions;
use crate::metrics::Metrics;
use crate::shows::{Expected, Publication, Show, ShowState, Shows, ShowsOptions};

const VIDEO: TrackId = TrackId::Video(0);
const AUDIO: TrackId = TrackId::Audio(0);
const GRACE: Duration = Duration::from_secs(30);
const STEP_MS: i64 = 20;

/// A show being broadcast in step with virtual time.
struct Broadcast {
    shows: Shows,
    show: Arc<Show>,
    metrics: Metrics,
    publication: Option<Publication>,
    source: TestSource,
    next: (TrackId, Frame),
    /// Media time of the publisher's clock.
    now_ms: i64,
    /// Length of pictures, where they are not the source's.
    picture_bytes: Option<usize>,
}

impl Broadcast {
    fn new(options: Options) -> Self {
        let metrics = Metrics::new();
        let audio = HlsAudio::Passthrough;
        let hls = HlsOptions { part_ms: 250, segment_ms: 2_000, window_ms: 12_000, audio };
        let shows_options = ShowsOptions { hls, reconnect_grace: GRACE, shows_max: 1 };
        let shows = Shows::new(Hub::new(Limits::default()), shows_options, metrics.clone());
        let publication = shows.publish("alice").unwrap();
        let show = Arc::clone(publication.show());
        let mut source = TestSource::new(options).unwrap();
        let next = source.next_frame();
        let publication = Some(publication);
        Self { shows, show, metrics, publication, source, next, now_ms: 0, picture_bytes: None }
    }

    /// A keyframe every second, with its tracks declared.
    fn started() -> Self {
        let mut broadcast = Self::new(Options { gop_frames: 30, ..Options::default() });
        broadcast.declare();
        broadcast
    }

    fn declare(&mut self) {
        let publication = self.publication.as_mut().unwrap();
        self.source.tracks().iter().for_each(|track| publication.track(track.clone()));
    }

    /// Broadcasts for `ms`.
    async fn run(&mut self, ms: i64) {
        for _ in 0..ms / STEP_MS {
            self.now_ms += STEP_MS;
            while self.next.1.dts < Timestamp::from_ms(self.now_ms) {
                let (id, frame) = std::mem::replace(&mut self.next, self.source.next_frame());
                self.write(id, self.sized(id, frame));
            }
            tokio::time::sleep(Duration::from_millis(STEP_MS.cast_unsigned())).await;
        }
    }

    fn sized(&self, id: TrackId, frame: Frame) -> Frame {
        let Some(bytes) = self.picture_bytes.filter(|_| id == VIDEO) else { return frame };
        // One slice NAL unit behind its length.
        let kind = if frame.keyframe { 0x65 } else { 0x41 };
        let mut payload = (bytes as u32 - 4).to_be_bytes().to_vec();
        payload.push(kind);
        payload.resize(bytes, 0xA5);
        Frame { payload: payload.into(), ..frame }
    }

    fn write(&mut self, id: TrackId, frame: Frame) {
        let nanos =
            |time: Timestamp| Timestamp::new(time.ticks_in(Timescale::NANOS), Timescale::NANOS);
        let frame = Frame { dts: nanos(frame.dts), pts: nanos(frame.pts), ..frame };
        self.publication.as_mut().unwrap().write(id, frame).unwrap();
    }

    fn subscribe(&self, capacity: usize) -> Viewer {
        let (items, receiver) = mpsc::channel(capacity);
        let subscription = self.show.whep().subscribe(&self.show, Sink::new(7, items));
        Viewer { subscription, receiver }
    }
}

/// Stands for a worker.
struct Viewer {
    subscription: Subscription,
    receiver: mpsc::Receiver<(u64, FeedItem)>,
}

impl Viewer {
    /// What there is now.
    fn items(&mut self) -> Vec<FeedItem> {
        let keyed = std::iter::from_fn(|| self.receiver.try_recv().ok());
        keyed.inspect(|(key, _)| assert_eq!(*key, 7)).map(|(_, item)| item).collect()
    }
}

/// State, layers and cached group of a greeting, and what came after it.
fn greeting(items: &[FeedItem]) -> (ShowState, &[FeedLayer], &[Arc<PacketizedFrame>], &[FeedItem]) {
    match items {
        [FeedItem::State(state), FeedItem::Layers(layers), FeedItem::Cached(group), rest @ ..] => {
            (*state, layers, group, rest)
        }
        other => panic!("no greeting: {other:?}"),
    }
}

fn frames(items: &[FeedItem]) -> Vec<Arc<PacketizedFrame>> {
    let frame = |item: &FeedItem| match item {
        FeedItem::Frame(frame) => Some(Arc::clone(frame)),
        _ => None,
    };
    items.iter().filter_map(frame).collect()
}

fn of(track: TrackId, frames: &[Arc<PacketizedFrame>]) -> Vec<&PacketizedFrame> {
    frames.iter().map(AsRef::as_ref).filter(|frame| frame.track == track).collect()
}

/// Numbers without a hole, first to last.
fn numbers(frames: &[&PacketizedFrame]) -> (u64, u64) {
    let follow = |pair: &[&PacketizedFrame]| pair[0].number + 1 == pair[1].number;
    assert!(frames.windows(2).all(follow), "holes");
    (frames[0].number, frames[frames.len() - 1].number)
}

#[tokio::test(start_paused = true)]
async fn a_late_subscriber_gets_the_group_from_its_keyframe_with_its_sound_as_opus() {
    let mut broadcast = Broadcast::started();
    broadcast.run(2_700).await;
    let mut viewer = broadcast.subscribe(SINK_ITEMS);
    broadcast.run(500).await;
    let items = viewer.items();
    let (_, layers, group, rest) = greeting(&items);
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0].layer.track, VIDEO);
    let cached = of(VIDEO, group);
    assert_eq!((cached[0].keyframe, cached[0].start_ms, numbers(&cached).0), (true, 2_000, 0));
    assert!(cached.len() >= 21, "0.7 s");
    let all = [group.to_vec(), frames(rest)].concat();
    let pictures = of(VIDEO, &all);
    assert_eq!(numbers(&pictures).1, 35, "3.2 s have 96 pictures, 60 before the group");
    let sounds = of(AUDIO, &all);
    numbers(&sounds);
    // The AAC frame that sounds at 2 s begins at 1,984 ms, and Opus has a look-ahead of 6.5 ms.
    assert!((1_970..=2_000).contains(&sounds[0].start_ms), "{}", sounds[0].start_ms);
    assert!(sounds[sounds.len() - 1].end_ms >= 3_120, "{}", sounds[sounds.len() - 1].end_ms);
    for pair in sounds.windows(2) {
        assert_eq!(pair[1].rtp_ticks - pair[0].rtp_ticks, 960, "20 ms of 48 kHz");
    }
    // RFC 6716 3.1: configurations of 20 ms, stereo, one frame in the packet.
    let toc = sounds[0].payloads[0].body[0];
    assert!([1, 5, 9, 13, 15, 19, 23, 27, 31].contains(&(toc >> 3)) && toc & 7 == 4, "{toc:08b}");
    assert!(broadcast.metrics.whep_feed.transcoded_s.get() >= 1.1);
}

#[tokio::test(start_paused = true)]
async fn subscribers_share_frames_that_were_made_once() {
    let mut broadcast = Broadcast::started();
    broadcast.run(1_500).await;
    let mut first = broadcast.subscribe(SINK_ITEMS);
    broadcast.run(500).await;
    let mut second = broadcast.subscribe(SINK_ITEMS);
    broadcast.run(700).await;
    let all = |viewer: &mut Viewer| -> BTreeMap<(TrackId, u64), Arc<PacketizedFrame>> {
        let items = viewer.items();
        let (_, _, group, rest) = greeting(&items);
        let all = [group.to_vec(), frames(rest)].concat();
        all.into_iter().map(|frame| ((frame.track, frame.number), frame)).collect()
    };
    let (first, second) = (all(&mut first), all(&mut second));
    assert!(second.len() > 40, "{}", second.len());
    for (name, frame) in &second {
        assert!(Arc::ptr_eq(frame, &first[name]), "{name:?} was made twice");
    }
    let made = broadcast.metrics.whep_feed.packetized.get();
    assert_eq!(made, first.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_feed_ends_some_seconds_after_its_last_subscriber_and_can_start_again() {
    let mut broadcast = Broadcast::started();
    broadcast.run(1_000).await;
    let feeds = broadcast.metrics.whep_feed.feeds.clone();
    assert_eq!(feeds.get(), 0, "nobody watches");
    let (one, other) = (broadcast.subscribe(SINK_ITEMS), broadcast.subscribe(SINK_ITEMS));
    broadcast.run(1_000).await;
    drop(one);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(feeds.get(), 1);
    drop(other.subscription);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(feeds.get(), 1, "a viewer may come back");
    let back = broadcast.subscribe(SINK_ITEMS);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(feeds.get(), 1);
    drop(back);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(feeds.get(), 0);
    let made = broadcast.metrics.whep_feed.packetized.get();
    broadcast.run(1_000).await;
    assert_eq!(broadcast.metrics.whep_feed.packetized.get(), made);
    let mut again = broadcast.subscribe(SINK_ITEMS);
    broadcast.run(100).await;
    let items = again.items();
    let (_, _, group, _) = greeting(&items);
    assert!(group[0].keyframe && group[0].track == VIDEO);
    assert_eq!(feeds.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_takes_nothing_holds_nobody_up_and_is_greeted_again() {
    let mut broadcast = Broadcast::started();
    broadcast.run(500).await;
    let mut slow = broadcast.subscribe(8);
    let mut quick = broadcast.subscribe(SINK_ITEMS);
    broadcast.run(1_800).await;
    let items = quick.items();
    let (_, _, group, rest) = greeting(&items);
    let pictures = [group.to_vec(), frames(rest)].concat();
    assert_eq!(numbers(&of(VIDEO, &pictures)), (0, 68), "2.3 s");
    let feed = &broadcast.metrics.whep_feed;
    assert_eq!(feed.lags.get(), 1);
    let missed = feed.dropped.lag.get();
    assert!(missed > 100, "{missed}");
    // What it had before, then a gap; the next it gets is the group, with all that it missed of it.
    assert_eq!(slow.items().len(), 8);
    broadcast.run(40).await;
    let items = slow.items();
    let (_, _, group, rest) = greeting(&items);
    let pictures = [group.to_vec(), frames(rest)].concat();
    assert_eq!(numbers(&of(VIDEO, &pictures)), (60, 70));
    assert!(of(VIDEO, &pictures)[0].keyframe);
    assert_eq!(broadcast.metrics.whep_feed.lags.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_encoder_that_comes_back_goes_on_in_the_same_numbers() {
    let mut broadcast = Broadcast::started();
    broadcast.run(4_000).await;
    assert_eq!(broadcast.show.state(), ShowState::Live);
    let mut viewer = broadcast.subscribe(SINK_ITEMS);
    broadcast.run(500).await;
    let items = viewer.items();
    let (state, _, group, rest) = greeting(&items);
    assert_eq!(state, ShowState::Live);
    let last = numbers(&of(VIDEO, &[group.to_vec(), frames(rest)].concat())).1;
    broadcast.publication = None;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let away = viewer.items();
    assert!(matches!(away[0], FeedItem::State(ShowState::Away)), "{away:?}");
    assert_eq!(frames(&away).len(), 0);
    // Who comes meanwhile sees the last pictures.
    let mut late = broadcast.subscribe(SINK_ITEMS);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let items = late.items();
    let (state, layers, group, _) = greeting(&items);
    assert_eq!((state, layers.len()), (ShowState::Away, 1));
    assert!(!of(VIDEO, group).is_empty());
    assert_eq!(broadcast.show.whep().playables().len(), 1);

    broadcast.publication = Some(broadcast.shows.publish("alice").unwrap());
    broadcast.source = TestSource::new(Options { gop_frames: 30, ..Options::default() }).unwrap();
    broadcast.next = broadcast.source.next_frame();
    broadcast.now_ms = 0;
    broadcast.declare();
    broadcast.run(500).await;
    let items = viewer.items();
    let live = items.iter().position(|it| matches!(it, FeedItem::State(ShowState::Live)));
    let picture = items.iter().position(|it| matches!(it, FeedItem::Frame(_)));
    assert!(live.is_some() && live < picture, "{live:?} {picture:?}");
    let frames = frames(&items);
    let pictures = of(VIDEO, &frames);
    assert_eq!(numbers(&pictures).0, last + 1);
    assert!(pictures[0].keyframe && pictures[0].start_ms.abs_diff(13_500) < 100);
    let sounds = of(AUDIO, &frames);
    assert!(sounds.iter().any(|it| it.start_ms.abs_diff(pictures[0].start_ms) <= 20));
}

#[tokio::test(start_paused = true)]
async fn a_show_can_be_played_with_its_first_keyframe_and_until_its_end() {
    let mut broadcast = Broadcast::new(Options::default());
    let show = Arc::clone(&broadcast.show);
    assert_eq!(show.whep().playables(), []);
    broadcast.declare();
    assert_eq!(show.whep().playables(), [], "no keyframe");
    broadcast.run(STEP_MS).await;
    assert_eq!(show.state(), ShowState::Starting);
    let video = VideoFormat::of(&broadcast.source.tracks()[0].codec);
    assert!(video.is_some());
    assert_eq!(show.whep().playables(), [Playable { video, opus: true }]);
    let mut viewer = broadcast.subscribe(SINK_ITEMS);
    broadcast.run(200).await;
    broadcast.publication.take().unwrap().end();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(show.whep().playables(), []);
    let items = viewer.items();
    assert!(matches!(items.last(), Some(FeedItem::Ended)));
    let ends = items.iter().filter(|item| matches!(item, FeedItem::Ended));
    assert_eq!(ends.count(), 1);
    assert_eq!(broadcast.metrics.whep_feed.feeds.get(), 0);
    // Who comes too late is told as well.
    let mut late = broadcast.subscribe(SINK_ITEMS);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(matches!(late.items().last(), Some(FeedItem::Ended)));
}

#[tokio::test(start_paused = true)]
async fn a_show_is_not_played_before_the_sound_that_was_announced() {
    for (announced, playables) in [(true, 0), (false, 1)] {
        let mut broadcast = Broadcast::new(Options::default());
        let video = broadcast.source.tracks()[0].clone();
        let format = VideoFormat::of(&video.codec);
        let publication = broadcast.publication.as_mut().unwrap();
        publication.expect(Expected { video: true, audio: announced });
        publication.track(video);
        broadcast.run(STEP_MS).await;
        let found = broadcast.show.whep().playables();
        let silent = Playable { video: format, opus: false };
        assert_eq!(found, vec![silent; playables]);
    }
}

#[tokio::test(start_paused = true)]
async fn sound_that_cannot_be_made_opus_is_left_out() {
    let mut broadcast = Broadcast::new(Options::default());
    let [video, aac] = broadcast.source.tracks().clone();
    let record = aac.codec.audio().unwrap().clone();
    let mp3 = Track { codec: Codec::Mp3(record), ..aac };
    let publication = broadcast.publication.as_mut().unwrap();
    [video, mp3].into_iter().for_each(|track| publication.track(track));
    broadcast.run(STEP_MS).await;
    assert_eq!(broadcast.show.whep().playables().iter().map(|it| it.opus).next(), Some(false));
    let mut viewer = broadcast.subscribe(SINK_ITEMS);
    broadcast.run(300).await;
    let items = viewer.items();
    let (_, _, group, rest) = greeting(&items);
    let all = [group.to_vec(), frames(rest)].concat();
    assert!(all.len() >= 8 && all.iter().all(|frame| frame.track == VIDEO));
}

#[tokio::test(start_paused = true)]
async fn sound_that_is_opus_goes_out_as_it_came() {
    let mut broadcast = Broadcast::new(Options::default());
    let [video, aac] = broadcast.source.tracks().clone();
    let made = Transcoder::new(&aac, Target::Opus, tally_audio::Options::default()).unwrap();
    let opus = made.output_track().clone();
    let publication = broadcast.publication.as_mut().unwrap();
    [video, opus].into_iter().for_each(|track| publication.track(track));
    assert_eq!(broadcast.show.whep().playables(), []);
    broadcast.write(VIDEO, broadcast.next.1.clone());
    assert!(broadcast.show.whep().playables()[0].opus);
    let mut viewer = broadcast.subscribe(SINK_ITEMS);
    let payload = Bytes::from_static(&[0xFC, 1, 2, 3]);
    let pts = Timestamp::new(960, Timescale::new(48_000));
    let frame = Frame {
        dts: pts,
        pts,
        duration_ticks: Some(960),
        keyframe: true,
        payload: payload.clone(),
    };
    broadcast.write(AUDIO, frame);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let items = viewer.items();
    let (_, _, group, _) = greeting(&items);
    let sounds = of(AUDIO, group);
    assert_eq!((sounds.len(), sounds[0].payloads.len(), sounds[0].rtp_ticks), (1, 1, 960));
    assert_eq!(sounds[0].payloads[0].body.as_ptr(), payload.as_ptr(), "copied");
    assert!(broadcast.metrics.whep_feed.transcoded_s.get() < f64::EPSILON);
}

/// A track of `id` with the H.264 level `level`, or of VP8.
fn ladder(like: &Track, number: u8, level: Option<u8>) -> Track {
    let video = like.codec.video().unwrap();
    let mut record = video.record.to_vec();
    record[3] = level.unwrap_or(0);
    let video = VideoRecord { record: record.into(), ..video.clone() };
    let codec = if level.is_some() { Codec::H264(video) } else { Codec::Vp8(video) };
    Track { id: TrackId::Video(number), codec, ..like.clone() }
}

#[tokio::test(start_paused = true)]
async fn layers_of_one_format_are_one_playable_and_come_and_go() {
    let mut broadcast = Broadcast::new(Options::default());
    let [like, aac] = broadcast.source.tracks().clone();
    let tracks = [ladder(&like, 0, Some(30)), ladder(&like, 1, Some(40)), ladder(&like, 2, None)];
    let best = VideoFormat::of(&tracks[1].codec).unwrap();
    let publication = broadcast.publication.as_mut().unwrap();
    tracks.into_iter().chain([aac]).for_each(|track| publication.track(track));
    let mut viewer = broadcast.subscribe(SINK_ITEMS);
    let keyframe = broadcast.next.1.clone();
    assert_eq!(broadcast.show.whep().playables(), []);
    for number in [1, 0, 2] {
        broadcast.write(TrackId::Video(number), keyframe.clone());
    }
    let videos: Vec<_> =
        broadcast.show.whep().playables().into_iter().filter_map(|it| it.video).collect();
    assert_eq!(videos, [best, VideoFormat::Vp8], "the highest level stands for both");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let layers = |items: Vec<FeedItem>, format| -> Vec<TrackId> {
        let told = items.into_iter().filter_map(|item| match item {
            FeedItem::Layers(layers) => Some(layers),
            _ => None,
        });
        let layers = layers_of(format, &told.last().unwrap());
        layers.into_iter().map(|layer| layer.track).collect()
    };
    assert_eq!(layers(viewer.items(), best), [TrackId::Video(0), TrackId::Video(1)]);
    broadcast.publication.as_mut().unwrap().remove_track(TrackId::Video(0));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(layers(viewer.items(), best), [TrackId::Video(1)]);
    let mut late = broadcast.subscribe(SINK_ITEMS);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let items = late.items();
    let (_, _, group, _) = greeting(&items);
    let kept: Vec<_> = group.iter().map(|frame| frame.track).collect();
    assert_eq!(kept, [TrackId::Video(1), TrackId::Video(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_falls_silent_is_not_on_offer_until_it_comes_back() {
    let mut broadcast = Broadcast::started();
    let like = broadcast.source.tracks()[0].clone();
    broadcast.publication.as_mut().unwrap().track(ladder(&like, 1, Some(40)));
    let mut viewer = broadcast.subscribe(SINK_ITEMS * 4);
    let mut offers = Vec::new();
    for sends in [true, false, false, true] {
        if sends {
            let at = Timestamp::from_ms(broadcast.now_ms).rescale(Timescale::VIDEO);
            let keyframe = Frame { dts: at, pts: at, keyframe: true, ..broadcast.next.1.clone() };
            broadcast.write(TrackId::Video(1), keyframe);
        }
        broadcast.run(2_000).await;
        let told = viewer.items().into_iter().filter_map(|item| match item {
            FeedItem::Layers(layers) => Some(layers.len()),
            _ => None,
        });
        offers.push(told.last());
    }
    assert_eq!((offers[0], offers[1], offers[3]), (Some(2), Some(1), Some(2)), "{offers:?}");
    assert!(offers[2].is_none_or(|layers| layers == 1), "{offers:?}");
}

#[tokio::test(start_paused = true)]
async fn packets_fit_the_path_and_rates_are_measured() {
    let mut broadcast = Broadcast::started();
    broadcast.picture_bytes = Some(8_333);
    let early = broadcast.subscribe(SINK_ITEMS);
    broadcast.run(2_500).await;
    let mut viewer = broadcast.subscribe(SINK_ITEMS * 4);
    broadcast.run(4_500).await;
    drop(early);
    let items = viewer.items();
    let (_, layers, _, rest) = greeting(&items);
    let bps = layers[0].layer.bps;
    assert!((2_000_000..2_200_000).contains(&bps), "{bps}: 2 Mbit/s and headers");
    let told = rest.iter().filter(|item| matches!(item, FeedItem::Layers(_)));
    assert_eq!(told.count(), 0, "the rate stays");
    let all = frames(rest);
    for frame in of(VIDEO, &all) {
        let lengths: Vec<_> =
            frame.payloads.iter().map(tally_rtc::packetize::Payload::len).collect();
        let (last, others) = lengths.split_last().unwrap();
        // Parameter sets stand alone in front of a keyframe.
        let equal = if frame.keyframe { &others[1..] } else { others };
        assert!(equal.iter().all(|it| *it == equal[0]) && *last <= equal[0], "{lengths:?}");
        assert!((1_000..=PAYLOAD_BYTES_MAX).contains(&equal[0]), "{lengths:?}");
    }
    broadcast.picture_bytes = Some(4_000);
    broadcast.run(6_000).await;
    let items = viewer.items();
    let told = items.iter().filter_map(|item| match item {
        FeedItem::Layers(layers) => Some(layers[0].layer.bps),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert!((3..8).contains(&told.len()) && told.is_sorted_by(|one, next| one > next), "{told:?}");
    assert!((960_000..1_200_000).contains(told.last().unwrap()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn pictures_out_of_order_are_told_and_no_more_come() {
    let mut broadcast = Broadcast::started();
    let mut viewer = broadcast.subscribe(SINK_ITEMS);
    broadcast.run(500).await;
    viewer.items();
    assert!(!broadcast.show.whep().has_b_frames());
    let mut picture = |dts_ms: i64, pts_ms: i64| {
        let [dts, pts] =
            [dts_ms, pts_ms].map(|ms| Timestamp::from_ms(ms).rescale(Timescale::VIDEO));
        let frame = Frame { dts, pts, ..broadcast.next.1.clone() };
        broadcast.write(VIDEO, frame);
        broadcast.show.whep().has_b_frames()
    };
    assert_eq!([picture(600, 700), picture(640, 660)], [false, true]);
    broadcast.run(500).await;
    let items = viewer.items();
    let told = items.iter().position(|item| matches!(item, FeedItem::BFrames)).unwrap();
    let after = frames(&items[told..]);
    assert!(of(VIDEO, &after).is_empty() && !of(AUDIO, &after).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_too_long_to_keep_asks_for_a_keyframe() {
    let options = Options { fps: 120, gop_frames: u32::MAX, ..Options::default() };
    let mut broadcast = Broadcast::new(options);
    let video = broadcast.source.tracks()[0].clone();
    broadcast.publication.as_mut().unwrap().track(video);
    broadcast.next.0 = VIDEO;
    let viewer = broadcast.subscribe(2_048);
    broadcast.run(4_900).await;
    let wish = broadcast.show.keyframe_wishes().next();
    assert!(tokio::time::timeout(Duration::ZERO, wish).await.is_err());
    broadcast.run(200).await;
    assert_eq!(broadcast.show.keyframe_wishes().next().await, VIDEO);
    assert!(broadcast.metrics.whep_feed.dropped.group.get() > 600);
    drop(viewer);
}
