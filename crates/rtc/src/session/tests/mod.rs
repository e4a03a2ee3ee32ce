//! Whole sessions against each other, with real DTLS.

mod hostile;
pub(super) mod media;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use tally_media::{Medium, Timescale, Track, TrackId};

use super::{CloseReason, Outbox, PeerEvent, Published, WhepEvent};
use crate::depacketize::Format;
use crate::egress::ViewerEvent;
use crate::egress::layers::LayerEvent;
use crate::sdp::Local;
use crate::session::Numbers;
use crate::transport::{self, Certificate, DtlsRole, Path};
use media::VIDEO_FORMATS;
use world::{MOVED, Setup, World, address};

const VIDEO: TrackId = TrackId::Video(0);
const AUDIO: TrackId = TrackId::Audio(0);

pub(super) fn certificate() -> Certificate {
    Certificate::generate().unwrap()
}

/// Our side of an answer.
pub(super) fn local(certificate: &Certificate) -> Local {
    Local {
        session_id: 1,
        ice: world::credentials("server"),
        fingerprint: certificate.fingerprint().clone(),
        candidates: Vec::new(),
        ice_lite: false,
        cname: "tally".to_owned(),
        stream_id: "show".to_owned(),
        audio_ssrc: 1_001,
        video_ssrc: 1_002,
        video_rtx_ssrc: 1_003,
    }
}

/// Tracks in the order they were told of.
fn tracks(world: &World) -> Vec<Track> {
    let track = |it: &Published| match it {
        Published::Track(track) => Some(track.clone()),
        _ => None,
    };
    world.published.iter().filter_map(track).collect()
}

#[test]
fn media_of_every_codec_comes_through() {
    for (format, role) in
        VIDEO_FORMATS.into_iter().zip([DtlsRole::Server, DtlsRole::Client].repeat(3))
    {
        let mut world = World::connected(Setup { format, role, ..Setup::default() });
        world.run_out(3_000);
        for (id, frames) in [(AUDIO, 150), (VIDEO, 75)] {
            assert_eq!(world.numbers(id), (0..frames).collect::<Vec<_>>(), "{format:?}");
        }
        let mut tracks = tracks(&world);
        tracks.sort_by_key(|track| track.id);
        let [video, audio] = &tracks[..] else { panic!("{tracks:?}") };
        assert_eq!(*audio, media::track(AUDIO, Format::Opus));
        let expected = media::track(VIDEO, format);
        let size = |track: &Track| track.codec.video().map(|video| (video.width, video.height));
        assert_eq!((video.id, size(video)), (VIDEO, size(&expected)));
        if !matches!(format, Format::Vp8 | Format::Vp9) {
            assert_eq!(*video, expected, "the record made of what came in band");
        }
        assert!(world.delivered_ms(Medium::Audio) > 1_000);
        assert!(world.delivered_ms(Medium::Video) > 1_000);
    }
}

#[test]
fn a_track_comes_before_its_frames_and_times_rise_as_they_were_written() {
    let mut world = World::connected(Setup::default());
    world.run_out(5_000);
    let mut known = Vec::new();
    let mut last: BTreeMap<TrackId, i64> = BTreeMap::new();
    for published in &world.published {
        match published {
            Published::Track(track) => known.push(track.id),
            Published::TrackEnded(id) => panic!("{id:?}"),
            Published::Frame(id, frame) => {
                assert!(known.contains(id));
                assert_eq!(
                    (frame.dts, frame.duration_ticks),
                    (frame.pts, (*id == AUDIO).then_some(960))
                );
                let us = frame.pts.ticks_in(Timescale::new(1_000_000));
                let step_us = if *id == AUDIO { 20_000 } else { 40_000 };
                if let Some(last_us) = last.insert(*id, us) {
                    assert!((us - last_us - step_us).abs() <= step_us / 50 + 50, "{id:?} {us}");
                }
            }
        }
    }
    let [Some(audio), Some(video)] = [AUDIO, VIDEO].map(|id| last.get(&id)) else { panic!() };
    assert!((audio - video).abs() <= 60_000, "one timeline: {audio} {video}");
}

#[test]
fn lost_packets_are_sent_again() {
    for seed in 1..4 {
        let mut world = World::connected(Setup { seed, loss: 5, ..Setup::default() });
        world.run_out(10_000);
        let numbers = world.video_numbers();
        let written = world.written(VIDEO);
        assert!(numbers.len() as u64 * 100 >= written * 98, "{} of {written}", numbers.len());
        let stats = world.whep.stats(world.now);
        assert!(stats.resent > 10 && stats.asked > 10, "{stats:?}");
        assert!(stats.round_trip.is_some(), "{stats:?}");
        assert!(world.whip.stats().received.repaired > 10);
    }
}

#[test]
fn without_repair_frames_wait_for_a_keyframe_that_is_asked_for() {
    let setup = Setup { loss: 5, repairs: false, ..Setup::default() };
    let mut world = World::connected(setup);
    world.run_out(10_000);
    let numbers = world.video_numbers();
    let stats = world.whip.stats();
    assert!(stats.frames_dropped > 10, "{stats:?}");
    let wanted = |it: &&WhepEvent| **it == WhepEvent::Viewer(ViewerEvent::KeyframeWanted);
    assert!(world.whep_events.iter().filter(wanted).count() > 2);
    // With keyframes only every two seconds by themselves, most frames would be left out.
    assert!(numbers.len() > 80, "{}", numbers.len());
    assert_eq!(world.whep.stats(world.now).resent, 0);
}

#[test]
fn a_restart_moves_media_to_the_new_path() {
    let mut world = World::connected(Setup::default());
    world.run(2_000);
    world.move_publisher();
    world.run_out(5_000);
    let moved = |it: &WhepEvent| matches!(it, WhepEvent::PathChanged(path) if path.remote == address(MOVED));
    assert!(world.whep_events.iter().any(moved), "{:?}", world.whep_events);
    assert_eq!((world.whep_closed(), world.whip_closed()), (None, None));
    let newest = world.video_numbers().last().copied();
    assert_eq!(newest, Some(world.written(VIDEO) - 1));
    assert_eq!(world.numbers(AUDIO).last().copied(), Some(world.written(AUDIO) - 1));
}

#[test]
fn closing_tells_the_peer_from_either_side() {
    for by_viewer in [true, false] {
        let mut world = World::connected(Setup::default());
        world.run(1_000);
        if by_viewer {
            world.whip.close(world.now);
        } else {
            world.whep.close(world.now);
        }
        world.run(500);
        let ours = Some(CloseReason::Transport(transport::CloseReason::Closed));
        let theirs = Some(CloseReason::Transport(transport::CloseReason::PeerClosed));
        let expected = if by_viewer { (theirs, ours) } else { (ours, theirs) };
        assert_eq!((world.whep_closed(), world.whip_closed()), expected);
        let datagrams = world.sent.datagrams;
        world.run(5_000);
        assert_eq!(world.sent.datagrams, datagrams, "nothing leaves after the end");
        assert_eq!((world.whep.poll_timeout(), world.whip.poll_timeout()), (None, None));
    }
}

#[test]
fn a_wrong_certificate_ends_the_session_before_any_media() {
    for role in [DtlsRole::Server, DtlsRole::Client] {
        let setup = Setup { wrong_fingerprint: true, role, ..Setup::default() };
        let mut world = World::new(setup);
        world.run(3_000);
        let reason = CloseReason::Transport(transport::CloseReason::FingerprintMismatch);
        assert_eq!(world.whep_events, [WhepEvent::Closed(reason)]);
        assert!(world.sent.media.is_empty());
        assert!(world.published.is_empty());
    }
}

#[test]
fn a_peer_that_never_comes_is_given_up() {
    let mut world = World::new(Setup::default());
    world.loss = 100;
    world.run(31_000);
    let reason = CloseReason::Transport(transport::CloseReason::NoPath);
    assert_eq!(world.whep_events, [WhepEvent::Closed(reason.clone())]);
    assert_eq!(world.whip_events, [PeerEvent::Closed(reason)]);
}

#[test]
fn a_publisher_without_media_is_closed() {
    let mut world = World::connected(Setup::default());
    world.media.clear();
    world.run(26_000);
    assert_eq!(world.whip_closed(), None);
    world.run(5_000);
    assert_eq!(world.whip_closed(), Some(CloseReason::NoMedia));
    let told = Some(CloseReason::Transport(transport::CloseReason::PeerClosed));
    assert_eq!(world.whep_closed(), told);
}

#[test]
fn a_silent_track_ends_and_begins_again_with_a_keyframe() {
    let mut world = World::connected(Setup::default());
    world.run(2_000);
    world.media = vec![Medium::Audio];
    world.run(12_000);
    assert_eq!(
        world.published.iter().filter(|it| is_end(it)).collect::<Vec<_>>(),
        [&Published::TrackEnded(VIDEO)]
    );
    world.media = vec![Medium::Audio, Medium::Video];
    world.run_out(4_000);
    let at = world.published.iter().position(is_end).unwrap();
    let mut after = world.published[at..].iter().filter(|it| is_video(it));
    assert!(matches!(after.next(), Some(Published::Track(_))));
    assert!(matches!(after.next(), Some(Published::Frame(_, frame)) if frame.keyframe));
    assert_eq!(tracks(&world).len(), 3);
}

fn is_end(published: &Published) -> bool {
    matches!(published, Published::TrackEnded(_))
}

fn is_video(published: &Published) -> bool {
    match published {
        Published::Track(track) => track.id == VIDEO,
        Published::Frame(id, _) => *id == VIDEO,
        Published::TrackEnded(_) => false,
    }
}

#[test]
fn events_wait_for_the_data_channel_and_the_oldest_go() {
    let mut world = World::new(Setup { has_data: true, ..Setup::default() });
    for number in 0..40 {
        world.whep.send_event(&[number], world.now);
    }
    assert_eq!(world.whep.stats(world.now).events_dropped, 8);
    world.run(3_000);
    // Had the channel not opened, these would displace others.
    for number in 0..32 {
        world.whep.send_event(&[number], world.now);
    }
    world.run(1_000);
    assert_eq!(world.whep.stats(world.now).events_dropped, 8);
    assert_eq!((world.whep_closed(), world.whip_closed()), (None, None));
}

#[test]
fn no_nonce_comes_twice_over_repairs_layer_switches_and_a_wrap() {
    // Small packets, so that many come: the first number is 32,767, so 32,769 lead over the wrap.
    let setup = Setup {
        loss: 3,
        layers: 2,
        video_bytes: 3_000,
        payload_bytes_max: 100,
        format: Format::Vp8,
        ..Setup::default()
    };
    let mut world = World::connected(setup);
    for turn in 0..25 {
        world.whep.choose_layer(Some(TrackId::Video(turn % 2)));
        world.run(2_000);
    }
    let switched = |it: &&WhepEvent| {
        matches!(it, WhepEvent::Viewer(ViewerEvent::Layer(LayerEvent::Switched(_))))
    };
    assert!(world.whep_events.iter().filter(switched).count() > 10);
    let newest = |ssrc| world.sent.indices.range((ssrc, 0)..(ssrc + 1, 0)).next_back().unwrap().1;
    assert!(newest(1_002) > 0x1_0000, "over the wrap");
    assert!(newest(1_003) > 0x7fff + 100, "with retransmissions");
    assert_eq!(world.whip.stats().refused, 0, "the peer guesses the rollover counter right");
    assert!(world.whip.stats().frames > 1_500);
}

#[test]
fn numbers_start_in_the_lower_half() {
    let numbers = Numbers::from_random([0xff; Numbers::RANDOM_BYTES]);
    let sequences = [numbers.audio_sequence, numbers.video_sequence, numbers.rtx_sequence];
    assert_eq!(sequences, [0x7fff; 3]);
    assert_eq!(numbers.picture_id, 0x7fff);
    let times = (numbers.audio_timestamp, numbers.video_timestamp);
    assert_eq!(times, (u32::MAX, u32::MAX), "timestamps wrap freely");
    let counting = Numbers::from_random(core::array::from_fn(|index| index as u8));
    assert_eq!((counting.audio_timestamp, counting.video_timestamp), (0x0809_0a0b, 0x0c0d_0e0f));
}

/// Takes datagrams and forgets them.
struct Sink([u8; 1_500], u64);

impl Outbox for Sink {
    fn push(&mut self, _: Path, bytes_max: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        self.1 += u64::from(write(&mut self.0[..bytes_max]) > 0);
    }
}

#[test]
fn packets_leave_without_allocation() {
    let mut world = World::connected(Setup { video_bytes: 30_000, ..Setup::default() });
    world.run(6_000);
    world.media.clear();
    world.run(500);
    let frames: Vec<_> = (0..20).map(|_| world.next_video(false)).collect();
    let (mut sink, mut now) = (Sink([0; 1_500], 0), world.now);
    let counted = allocation_counter::measure(|| {
        for frame in &frames {
            world.whep.write(frame, now);
            for _ in 0..8 {
                world.whep.send(0, now, &mut sink);
                now += Duration::from_millis(5);
            }
        }
    });
    assert!(sink.1 > 300, "{} packets", sink.1);
    assert!(counted.count_total < 20, "{} for {} packets", counted.count_total, sink.1);
}
