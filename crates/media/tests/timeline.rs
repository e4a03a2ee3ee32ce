//! What the timeline promises, in virtual time.

#![expect(clippy::unwrap_used, reason = "in helpers of tests a panic is the failure")]

use bytes::Bytes;
use proptest::prelude::*;
use tally_media::codec::{aac, h264, opus};
use tally_media::nal::LengthSize;
use tally_media::timeline::grid::{GAP_NS, SLEW_START_NS};
use tally_media::timeline::{Misplaced, Timeline};
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};

const MS: i64 = 1_000_000;
/// Video is at 25 fps in these tests: a whole number of milliseconds.
const VIDEO_STEP_MS: i64 = 40;

fn video() -> Track {
    let avcc = h264::avcc(&[&SPS], &[&[0x68, 0xCE, 0x3C, 0x80]], LengthSize::Four).unwrap();
    track(TrackId::Video(0), h264::from_avcc(avcc).unwrap(), Timescale::VIDEO)
}

/// Baseline, level 1, 16x16.
const SPS: [u8; 7] = [0x67, 0x42, 0x00, 0x0A, 0xF8, 0x76, 0x20];

fn audio(asc: [u8; 2]) -> Track {
    let codec = aac::from_asc(Bytes::copy_from_slice(&asc)).unwrap();
    let rate = codec.audio().unwrap().sample_rate;
    track(TrackId::Audio(0), codec, Timescale::new(rate))
}

fn audio_48k() -> Track {
    audio([0x11, 0x90])
}

fn track(id: TrackId, codec: Codec, timescale: Timescale) -> Track {
    Track { id, codec, timescale, language: None, color: None }
}

fn frame_ns(ns: i64) -> Frame {
    let at = Timestamp::new(ns, Timescale::NANOS);
    let payload = Bytes::from_static(b"payload");
    Frame { dts: at, pts: at, duration_ticks: None, keyframe: true, payload }
}

fn frame_ms(ms: i64) -> Frame {
    frame_ns(ms * MS)
}

fn distance_ms(left: Timestamp, right: Timestamp) -> i64 {
    (left.as_ms() - right.as_ms()).abs()
}

/// Places one frame and gives its decode time.
fn place(line: &mut Timeline, track: &Track, wire_ms: i64, elapsed_ms: i64) -> Timestamp {
    line.place(track, frame_ms(wire_ms), elapsed_ms).unwrap().dts
}

fn whole_day_keeps_the_grid(asc: [u8; 2], samples: i64) {
    let track = audio(asc);
    let rate = i64::from(track.timescale.per_second());
    let mut line = Timeline::new();
    line.resume(0);
    let frames = 24 * 3_600 * rate / samples;
    for index in 0..frames {
        let wire_ms = index * samples * 1_000 / rate; // cut, as encoders do
        let frame = line.place(&track, frame_ms(wire_ms), wire_ms).unwrap();
        assert_eq!(frame.dts.ticks, index * samples);
        assert_eq!(frame.pts, frame.dts);
        assert_eq!(frame.duration_ticks, Some(u32::try_from(samples).unwrap()));
    }
    assert_eq!(line.end().ticks_in(track.timescale), frames * samples);
}

#[test]
fn a_day_of_aac_at_44100_hz_has_no_drift() {
    whole_day_keeps_the_grid([0x12, 0x10], 1_024);
}

#[test]
fn a_day_of_aac_at_48000_hz_has_no_drift() {
    whole_day_keeps_the_grid([0x11, 0x90], 1_024);
}

#[test]
fn two_hours_of_he_aac_have_no_drift() {
    // Object type 5: core at 24 kHz, output at 48 kHz, core type 2.
    let asc = Bytes::from_static(&[0x2B, 0x11, 0x88, 0x00]);
    let codec = aac::from_asc(asc).unwrap();
    let track = track(TrackId::Audio(0), codec, Timescale::new(48_000));
    let mut line = Timeline::new();
    for index in 0..2 * 3_600 * 48_000 / 2_048 {
        let wire_ms = index * 2_048 / 48;
        assert_eq!(place(&mut line, &track, wire_ms, wire_ms).ticks, index * 2_048);
    }
}

#[test]
fn opus_packets_follow_each_other_by_their_own_length() {
    let head = b"OpusHead\x01\x02\x38\x01\x80\xBB\x00\x00\x00\x00\x00";
    let codec = opus::from_opus_head(head).unwrap();
    let track = track(TrackId::Audio(0), codec, Timescale::new(48_000));
    let mut line = Timeline::new();
    // 20 ms and 2.5 ms packets in turn: the wire's milliseconds cannot even name the latter.
    let mut samples = 0;
    for index in 0..1_000 {
        let (toc, length) = if index % 2 == 0 { (0xF8, 960) } else { (0xE0, 120) };
        let mut frame = frame_ms(samples / 48);
        frame.payload = Bytes::from(vec![toc, 0]);
        let placed = line.place(&track, frame, 0).unwrap();
        assert_eq!(placed.dts.ticks, samples);
        assert_eq!(placed.duration_ticks, Some(u32::try_from(length).unwrap()));
        samples += length;
    }
}

/// An Opus packet of an RTP publisher: times count samples, the TOC byte tells its length.
fn rtp_packet(samples: i64, toc: u8) -> Frame {
    let at = Timestamp::new(samples, Timescale::new(48_000));
    let payload = Bytes::from(vec![toc, 0]);
    Frame { dts: at, pts: at, duration_ticks: None, keyframe: true, payload }
}

fn opus_track() -> Track {
    let head = b"OpusHead\x01\x02\x38\x01\x80\xBB\x00\x00\x00\x00\x00";
    track(TrackId::Audio(0), opus::from_opus_head(head).unwrap(), Timescale::new(48_000))
}

/// One frame of 10, 20 and 60 ms.
const OPUS_LENGTHS: [(u8, i64); 3] = [(0xF0, 480), (0xF8, 960), (0x18, 2_880)];

#[test]
fn rtp_packets_of_every_length_lie_where_their_samples_are() {
    let (track, mut line, mut samples) = (opus_track(), Timeline::new(), 0);
    for index in 0..3_000 {
        let (toc, length) = OPUS_LENGTHS[index / 10 % 3];
        let placed = line.place(&track, rtp_packet(7_777 + samples, toc), 0).unwrap();
        assert_eq!(
            (placed.dts.ticks, placed.duration_ticks),
            (samples, u32::try_from(length).ok())
        );
        samples += length;
    }
}

#[test]
fn lost_packets_and_pauses_of_dtx_leave_sound_in_sync() {
    let (track, mut line) = (opus_track(), Timeline::new());
    let mut sent = 0;
    for index in 0..6_000 {
        // One of fifty is lost; then whole minutes in which one packet in 400 ms says "still silent".
        let samples = if index < 3_000 { index * 960 } else { (index - 2_850) * 19_200 };
        if index < 3_000 && index % 50 == 49 {
            continue;
        }
        let placed = line.place(&track, rtp_packet(samples, 0xF8), 0).unwrap();
        assert_eq!(placed.dts.ticks, samples, "packet {index}");
        sent += 1;
    }
    assert_eq!(sent, 5_940);
}

#[test]
fn sender_reports_that_waver_tear_no_hole_into_the_sound() {
    let (track, mut line) = (opus_track(), Timeline::new());
    for index in 0..10_000_i64 {
        // Reports every five seconds, off by 10 ms either way; times run 2 % faster or slower until
        // they are where the report wants them.
        let (report, since) = (index / 250, index % 250);
        let wanted = if report % 2 == 0 { 480 } else { -480 };
        let off = if report == 0 { 0 } else { (since * 19 - 480).min(480) * wanted / 480 };
        let placed = line.place(&track, rtp_packet(48_000 + index * 960 + off, 0xF8), 0).unwrap();
        assert_eq!(placed.dts.ticks, index * 960, "packet {index}");
    }
}

#[test]
fn pictures_of_rtp_are_where_the_camera_says() {
    let (track, mut line) = (video(), Timeline::new());
    for index in 0..10_000_i64 {
        // 30 pictures a second by a camera that is off by 8 ms now and then.
        let ticks = index * 3_000 + index * 7 % 13 * 60;
        let at = Timestamp::new(1_000_000 + ticks, Timescale::VIDEO);
        let payload = Bytes::from_static(&[0]);
        let frame = Frame { dts: at, pts: at, duration_ticks: None, keyframe: false, payload };
        let placed = line.place(&track, frame, index * 1_000 / 30).unwrap();
        assert_eq!((placed.dts.ticks, placed.pts.ticks), (ticks, ticks));
    }
}

#[test]
fn the_first_frame_is_at_zero_and_composition_is_kept() {
    let mut line = Timeline::new();
    line.resume(0);
    let mut frame = frame_ms(7_000);
    frame.pts = Timestamp::from_ms(7_080);
    let placed = line.place(&video(), frame, 300).unwrap();
    assert_eq!((placed.dts.ticks, placed.pts.ticks), (0, 80 * 90));
    assert_eq!(placed.duration_ticks, None);
}

#[test]
fn a_drifting_encoder_is_followed_smoothly() {
    // The sound card is 200 ppm slower than the clock that stamps the frames.
    let track = audio_48k();
    let mut line = Timeline::new();
    let mut last = None;
    for index in 0..400_000i64 {
        let wire_ns = index * 1_024 * 1_000_200 / 48;
        let dts = line.place(&track, frame_ns(wire_ns / MS * MS), 0).unwrap().dts;
        if let Some(last) = last {
            assert!((1_022..=1_026).contains(&(dts.ticks - last)), "step {}", dts.ticks - last);
        }
        last = Some(dts.ticks);
        let error_ns = (dts.ticks_in(Timescale::NANOS) - wire_ns).abs();
        assert!(error_ns < SLEW_START_NS + 3 * MS, "{error_ns} ns off at frame {index}");
    }
}

#[test]
fn a_hole_in_the_sound_stays_a_hole() {
    let track = audio_48k();
    let mut line = Timeline::new();
    for index in 0..100 {
        place(&mut line, &track, index * 1_024 / 48, 0);
    }
    assert_eq!(place(&mut line, &track, 3_000, 0), Timestamp::from_ms(3_000));
}

#[test]
fn surplus_sound_is_refused_and_sync_is_kept() {
    // Frames stamped every 10 ms that each last 21.3 ms: half of them have no room.
    let track = audio_48k();
    let mut line = Timeline::new();
    let mut refused = 0;
    for index in 0..2_000 {
        match line.place(&track, frame_ms(index * 10), index * 10) {
            Ok(frame) => assert!(distance_ms(frame.dts, Timestamp::from_ms(index * 10)) <= 101),
            Err(Misplaced::Overlap { overlap_ms }) => {
                assert!(overlap_ms >= 100);
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!((1_000..1_100).contains(&refused), "{refused} refused");
}

#[test]
fn equal_decode_times_rise_by_one_tick() {
    let mut line = Timeline::new();
    let track = video();
    let ticks: Vec<i64> =
        [0, 40, 40, 40, 80].map(|ms| place(&mut line, &track, ms, 0).ticks).to_vec();
    assert_eq!(ticks, [0, 3_600, 3_601, 3_602, 7_200]);
}

/// A publisher of both media, with one wire clock each.
struct Publisher {
    video: Track,
    audio: Track,
    video_frames: i64,
    audio_frames: i64,
    /// Difference of each wire clock to the content's true time.
    video_clock_ms: i64,
    audio_clock_ms: i64,
}

/// True time of the content and where it was placed.
struct Placed {
    id: TrackId,
    true_ms: i64,
    show_ms: i64,
}

impl Publisher {
    fn new(clock_ms: i64) -> Self {
        Self {
            video: video(),
            audio: audio_48k(),
            video_frames: 0,
            audio_frames: 0,
            video_clock_ms: clock_ms,
            audio_clock_ms: clock_ms,
        }
    }

    /// Sends everything up to `until_ms` of content, interleaved; elapsed time is content time.
    fn send(&mut self, line: &mut Timeline, until_ms: i64) -> Vec<Placed> {
        let mut placed = Vec::new();
        loop {
            let video_ms = self.video_frames * VIDEO_STEP_MS;
            let audio_ms = self.audio_frames * 1_024 / 48;
            let (track, true_ms, clock_ms) = if video_ms <= audio_ms {
                self.video_frames += 1;
                (&self.video, video_ms, self.video_clock_ms)
            } else {
                self.audio_frames += 1;
                (&self.audio, audio_ms, self.audio_clock_ms)
            };
            if true_ms > until_ms {
                return placed;
            }
            let frame = line.place(track, frame_ms(true_ms + clock_ms), true_ms).unwrap();
            placed.push(Placed { id: track.id, true_ms, show_ms: frame.dts.as_ms() });
        }
    }
}

/// Largest difference between the delays of sound and picture, in milliseconds.
fn skew_ms(placed: &[Placed]) -> i64 {
    let delays = |id| {
        placed.iter().filter(move |frame| frame.id == id).map(|frame| frame.show_ms - frame.true_ms)
    };
    let (video, audio) = (TrackId::Video(0), TrackId::Audio(0));
    let early = delays(video).min().unwrap() - delays(audio).max().unwrap();
    let late = delays(video).max().unwrap() - delays(audio).min().unwrap();
    early.abs().max(late.abs())
}

#[test]
fn both_clocks_jump_together_and_sync_is_kept() {
    for jump_ms in [-500, -30_000, 11_000, 3_600_000, -3_600_000] {
        let mut line = Timeline::new();
        let mut publisher = Publisher::new(5_000);
        assert!(skew_ms(&publisher.send(&mut line, 20_000)) <= 1);
        let end_ms = line.end().as_ms();
        publisher.video_clock_ms += jump_ms;
        publisher.audio_clock_ms += jump_ms;
        let after = publisher.send(&mut line, 40_000);
        assert!(after.iter().all(|frame| frame.show_ms >= end_ms - VIDEO_STEP_MS), "{jump_ms}");
        assert!(skew_ms(&after[4..]) <= 25, "jump {jump_ms}: {} ms", skew_ms(&after[4..]));
        let last = after.last().unwrap();
        let lag_ms = last.show_ms - last.true_ms;
        assert!((0..=100).contains(&lag_ms), "jump {jump_ms}: the show is {lag_ms} ms off");
    }
}

#[test]
fn a_pause_below_the_forward_bound_stays_a_pause() {
    let mut line = Timeline::new();
    let mut publisher = Publisher::new(0);
    publisher.send(&mut line, 1_000);
    publisher.video_clock_ms += 9_000;
    publisher.audio_clock_ms += 9_000;
    let after = publisher.send(&mut line, 3_000);
    assert!(after.iter().all(|frame| (frame.show_ms - frame.true_ms - 9_000).abs() <= 1));
}

#[test]
fn a_track_that_jumps_alone_leaves_the_other_where_it_is() {
    let mut line = Timeline::new();
    let mut publisher = Publisher::new(0);
    publisher.send(&mut line, 5_000);
    publisher.audio_clock_ms -= 4_000;
    let after = publisher.send(&mut line, 10_000);
    let video = after.iter().filter(|frame| frame.id == TrackId::Video(0));
    assert!(video.clone().count() > 100);
    assert!(video.clone().all(|frame| frame.show_ms == frame.true_ms));
    assert!(skew_ms(&after) <= 60, "{} ms", skew_ms(&after));
}

#[test]
fn a_real_pause_with_a_new_clock_lasts_as_long_as_it_did() {
    let mut line = Timeline::new();
    let track = video();
    for index in 0..25 {
        place(&mut line, &track, 90_000 + index * 40, index * 40);
    }
    let after = place(&mut line, &track, 0, 960 + 7_000);
    assert_eq!(after, Timestamp::from_ms(960 + 7_000));
}

#[test]
fn an_encoder_that_returns_lands_where_the_server_clock_is() {
    let mut line = Timeline::new();
    let mut publisher = Publisher::new(123_456);
    publisher.send(&mut line, 10_000);
    line.resume(25_000);
    let first = place(&mut line, &video(), 77, 25_400);
    assert_eq!(first, Timestamp::from_ms(25_400));
    let sound = place(&mut line, &audio_48k(), 97, 25_410);
    assert_eq!(sound, Timestamp::from_ms(25_420));
}

#[test]
fn a_burst_that_ran_ahead_is_not_overlapped_after_a_reconnect() {
    let mut line = Timeline::new();
    let track = video();
    for index in 0..250 {
        place(&mut line, &track, index * 40, 100); // ten seconds at once
    }
    assert_eq!(line.end(), Timestamp::from_ms(10_000));
    line.resume(3_000);
    // 2,950 ms after the last frame, as viewers saw it.
    assert_eq!(place(&mut line, &track, 5, 3_050), Timestamp::from_ms(9_960 + 2_950));
    assert_eq!(place(&mut line, &track, 45, 3_050), Timestamp::from_ms(12_950));
}

#[test]
fn reconnects_do_not_add_up() {
    let mut line = Timeline::new();
    let track = video();
    for connection in 0..100 {
        line.resume(connection * 10_000);
        for index in 0..25 {
            let elapsed_ms = connection * 10_000 + index * 40;
            let placed = place(&mut line, &track, index * 40, elapsed_ms);
            assert_eq!(placed, Timestamp::from_ms(elapsed_ms));
        }
    }
}

#[test]
fn a_track_that_starts_late_is_in_sync() {
    let mut line = Timeline::new();
    let track = video();
    for index in 0..100 {
        place(&mut line, &track, 1_000 + index * 40, index * 40);
    }
    assert_eq!(place(&mut line, &audio_48k(), 4_900, 3_960), Timestamp::from_ms(3_900));
}

#[test]
fn a_late_track_on_another_clock_starts_at_the_shows_end() {
    let mut line = Timeline::new();
    let track = video();
    for index in 0..100 {
        place(&mut line, &track, 100_000 + index * 40, index * 40);
    }
    assert_eq!(place(&mut line, &audio_48k(), 0, 3_960), Timestamp::from_ms(4_000));
    assert_eq!(place(&mut line, &track, 104_000, 4_000), Timestamp::from_ms(4_000));
}

#[test]
fn a_second_track_that_is_earlier_pushes_the_show_and_loses_nothing() {
    let mut line = Timeline::new();
    assert_eq!(place(&mut line, &audio_48k(), 500, 0).ticks, 0);
    let picture = place(&mut line, &video(), 420, 0);
    assert_eq!(picture, Timestamp::from_ms(0));
    // 500 is 80 ms after 420 on the wire, and so from now on.
    assert_eq!(place(&mut line, &video(), 500, 0), Timestamp::from_ms(80));
}

#[test]
fn a_new_sample_rate_goes_on_after_the_old_one() {
    let mut line = Timeline::new();
    let old = audio([0x12, 0x10]);
    let last = (0..50).map(|index| place(&mut line, &old, index * 10_240 / 441, 0)).last().unwrap();
    let new = place(&mut line, &audio_48k(), 50 * 10_240 / 441, 0);
    assert_eq!(new.timescale, Timescale::new(48_000));
    assert!(new > last && distance_ms(new, last) <= 25);
}

#[test]
fn hostile_times_are_refused_by_name() {
    let mut line = Timeline::new();
    let far = line.place(&video(), frame_ns(i64::MIN), 0);
    assert_eq!(far, Err(Misplaced::OutOfRange));
    let mut frame = frame_ms(0);
    frame.pts = Timestamp::from_ms(9_000);
    assert_eq!(line.place(&video(), frame, 0), Err(Misplaced::Composition { offset_ms: 9_000 }));
    assert_eq!(line.end().ticks, 0);
}

/// One step of an encoder that does anything.
#[derive(Clone, Debug)]
enum Step {
    Video { ahead_ms: i64 },
    Audio { ahead_ms: i64 },
    Resume,
    Pass { ms: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let ahead = prop_oneof![
        6 => -2i64..=60,
        2 => -300i64..=300,
        1 => -20_000i64..=20_000,
        1 => -1_000_000_000_000i64..=1_000_000_000_000,
    ];
    prop_oneof![
        5 => ahead.clone().prop_map(|ahead_ms| Step::Video { ahead_ms }),
        5 => ahead.prop_map(|ahead_ms| Step::Audio { ahead_ms }),
        1 => Just(Step::Resume),
        2 => (0i64..5_000).prop_map(|ms| Step::Pass { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn decode_times_rise_whatever_the_wire_says(steps in prop::collection::vec(step(), 1..200)) {
        let (video, audio) = (video(), audio_48k());
        let mut line = Timeline::new();
        let (mut video_ms, mut audio_ms, mut elapsed_ms) = (0i64, 0i64, 0i64);
        let mut last: [Option<Timestamp>; 2] = [None, None];
        let mut not_before = Timestamp::from_ms(0);
        for step in steps {
            let (track, wire_ms, index) = match step {
                Step::Video { ahead_ms } => {
                    video_ms += ahead_ms;
                    (&video, video_ms, 0)
                }
                Step::Audio { ahead_ms } => {
                    audio_ms += ahead_ms;
                    (&audio, audio_ms, 1)
                }
                Step::Resume => {
                    not_before = line.end();
                    line.resume(elapsed_ms);
                    continue;
                }
                Step::Pass { ms } => {
                    elapsed_ms += ms;
                    continue;
                }
            };
            let before = line.end();
            let Ok(frame) = line.place(track, frame_ms(wire_ms), elapsed_ms) else { continue };
            // Rounding from nanoseconds to ticks may lose half a tick.
            prop_assert!(frame.dts.offset(1) > not_before, "{:?} {not_before:?}", frame.dts);
            if let Some(last) = last[index] {
                prop_assert!(frame.dts > last, "{:?} after {last:?}", frame.dts);
            }
            prop_assert!(line.end() >= before && line.end() >= frame.dts);
            last[index] = Some(frame.dts);
        }
    }

    #[test]
    fn jitter_never_breaks_sync(jitter in prop::collection::vec(-40i64..=40, 500)) {
        let track = audio_48k();
        let mut line = Timeline::new();
        for (index, jitter_ms) in jitter.iter().enumerate() {
            let true_ns = i64::try_from(index).unwrap() * 1_024 * 1_000_000 / 48;
            let wire_ns = true_ns + jitter_ms * MS;
            let Ok(frame) = line.place(&track, frame_ns(wire_ns), 0) else {
                return Err(TestCaseError::fail("refused"));
            };
            let place_ns = frame.dts.ticks_in(Timescale::NANOS);
            // The first frame, at zero, has a jitter of its own.
            let first_ns = jitter[0] * MS;
            prop_assert!((place_ns - (wire_ns - first_ns)).abs() <= GAP_NS + MS);
        }
    }
}
