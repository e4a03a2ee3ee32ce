//! Sound and pictures on one timeline.

use std::time::Instant;

use tally_media::{Timescale, TrackId};

use super::peer::{Random, ms, start};
use crate::ingest::clock::Timeline;

const VIDEO: TrackId = TrackId::Video(0);
const AUDIO: TrackId = TrackId::Audio(0);
const SOUND: Timescale = Timescale::new(48_000);

/// One track of a publisher: when things were captured (microseconds of true time) and what its
/// clocks say of it.
struct Source {
    id: TrackId,
    timescale: Timescale,
    first_ticks: i64,
    /// How fast its media clock runs, in millionths too fast.
    drift_ppm: i64,
    /// From capture to arrival.
    delay_ms: u64,
    every_us: i64,
}

impl Source {
    fn ticks(&self, captured_us: i64) -> i64 {
        let media_us = captured_us + captured_us * self.drift_ppm / 1_000_000;
        self.first_ticks + media_us * i64::from(self.timescale.per_second()) / 1_000_000
    }

    #[expect(clippy::cast_possible_truncation, reason = "RTP has the low bits")]
    fn rtp(&self, captured_us: i64) -> u32 {
        self.ticks(captured_us).cast_unsigned() as u32
    }
}

/// 32.32 bits of the publisher's wall clock.
fn ntp(captured_us: i64) -> u64 {
    let us = u128::try_from(captured_us + 3_900_000_000_000_000).unwrap();
    u64::try_from((us << 32) / 1_000_000).unwrap()
}

/// Both tracks in the order of capture for `length_us`, reports each five seconds with the wall clock
/// that `wall_us` makes of the true time; gives the largest difference between sound and pictures
/// captured together, in microseconds, from `settled_us` on.
fn run(
    sources: &[Source; 2],
    length_us: i64,
    settled_us: i64,
    wall_us: impl Fn(TrackId, i64) -> Option<i64>,
) -> i64 {
    let zero: Instant = start();
    let mut random = Random(9);
    let mut timeline = Timeline::new();
    let mut next = [0_i64; 2];
    let mut before: [Option<i64>; 2] = [None; 2];
    // What the timeline says minus when it was captured, newest of each.
    let mut offsets: [Option<i64>; 2] = [None; 2];
    let mut report_due = 3_000_000;
    let mut worst = 0;
    while next[0].min(next[1]) < length_us {
        let n = usize::from(next[1] < next[0]);
        let source = &sources[n];
        let captured = next[n];
        next[n] += source.every_us;
        let at = zero + ms(captured.unsigned_abs() / 1_000 + source.delay_ms + random.below(10));
        let time = timeline.place(source.id, source.timescale, source.ticks(captured), at);
        let us = time.ticks * 1_000_000 / i64::from(source.timescale.per_second());
        if let Some(before) = before[n] {
            let step = us - before;
            let bound = source.every_us * 3 / 100 + 50;
            assert!((step - source.every_us).abs() <= bound, "a step of {step} us");
        }
        before[n] = Some(us);
        offsets[n] = Some(us - captured);
        if let [Some(a), Some(b)] = offsets
            && captured >= settled_us
        {
            worst = worst.max((a - b).abs());
        }
        if captured >= report_due {
            report_due += 5_000_000;
            for source in sources {
                if let Some(wall_us) = wall_us(source.id, captured) {
                    timeline.handle_sender_report(source.id, ntp(wall_us), source.rtp(captured));
                }
            }
        }
    }
    worst
}

/// A wall clock that is right.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a wall clock")]
fn right(_: TrackId, captured_us: i64) -> Option<i64> {
    Some(captured_us)
}

fn sources(video_ppm: i64, audio_ppm: i64, video_delay_ms: u64) -> [Source; 2] {
    let video = Source {
        id: VIDEO,
        timescale: Timescale::VIDEO,
        first_ticks: 4_294_000_000,
        drift_ppm: video_ppm,
        delay_ms: video_delay_ms,
        every_us: 40_000,
    };
    let audio = Source {
        id: AUDIO,
        timescale: SOUND,
        first_ticks: 77,
        drift_ppm: audio_ppm,
        delay_ms: 20,
        every_us: 20_000,
    };
    [video, audio]
}

#[test]
fn an_hour_of_drift_stays_within_five_milliseconds() {
    for (video, audio) in [(0, 200), (200, -200), (-200, 0)] {
        let worst = run(&sources(video, audio, 20), 3_600_000_000, 30_000_000, right);
        assert!(worst <= 5_000, "{video} and {audio} ppm: {worst} us");
    }
    // The control: without reports the clocks part.
    let parted = run(&sources(200, -200, 20), 3_600_000_000, 30_000_000, |_, _| None);
    assert!(parted > 1_000_000, "{parted} us");
}

#[test]
fn a_track_that_came_late_is_brought_in_line_without_a_jump() {
    // Pictures took 150 ms longer than sound; the steps are checked on the way.
    let worst = run(&sources(0, 0, 170), 60_000_000, 15_000_000, right);
    assert!(worst <= 5_000, "{worst} us");
}

#[test]
fn a_wall_clock_that_is_set_moves_nothing() {
    // Set an hour ahead after a minute, and back after two; the steps are checked on the way.
    let wall = |_: TrackId, captured_us: i64| {
        let is_ahead = (60_000_000..120_000_000).contains(&captured_us);
        Some(captured_us + if is_ahead { 3_600_000_000 } else { 0 })
    };
    let worst = run(&sources(100, -100, 20), 600_000_000, 30_000_000, wall);
    assert!(worst <= 5_000, "{worst} us");
}

#[test]
fn wall_clocks_that_are_not_common_leave_arrival_to_decide() {
    let wall = |id: TrackId, captured_us: i64| match id {
        TrackId::Video(_) => Some(captured_us),
        TrackId::Audio(_) => Some(captured_us + 86_400_000_000),
    };
    let worst = run(&sources(0, 0, 20), 600_000_000, 0, wall);
    assert!(worst <= 25_000, "{worst} us");
}

#[test]
fn reports_on_one_track_alone_move_nothing() {
    let wall = |id: TrackId, captured_us: i64| (id == VIDEO).then_some(captured_us);
    let worst = run(&sources(0, 0, 20), 60_000_000, 0, wall);
    assert!(worst <= 25_000, "{worst} us");
}

#[test]
fn before_reports_arrival_decides() {
    let now = start();
    let mut timeline = Timeline::new();
    assert_eq!(timeline.place(VIDEO, Timescale::VIDEO, 5_000, now).ticks, 0);
    let sound = timeline.place(AUDIO, SOUND, 999_999, now + ms(30));
    assert_eq!(sound.as_ms(), 30);
}

#[test]
fn nonsense_reports_move_nothing() {
    let mut now = start();
    let mut timeline = Timeline::new();
    let mut video_ticks = 0;
    let mut place = |timeline: &mut Timeline, now: Instant| {
        video_ticks += 3_600;
        timeline.place(VIDEO, Timescale::VIDEO, video_ticks, now).ticks - video_ticks
    };
    let offset = place(&mut timeline, now);
    timeline.handle_sender_report(VIDEO, ntp(1_000_000), 0);
    for (ntp, rtp) in [(0, 0), (ntp(9_000_000_000), 0), (ntp(1_000_000), u32::MAX / 2), (1, 1)] {
        timeline.handle_sender_report(VIDEO, ntp, rtp);
        for _ in 0..50 {
            now += ms(40);
            assert_eq!(place(&mut timeline, now), offset);
        }
    }
    assert_eq!(timeline.reports_ignored(), 4);
}

#[test]
fn timestamps_that_begin_anew_go_on_where_they_were() {
    let now = start();
    let mut timeline = Timeline::new();
    timeline.place(VIDEO, Timescale::VIDEO, 0, now);
    timeline.place(VIDEO, Timescale::VIDEO, 3_600, now + ms(40));
    let time = timeline.place(VIDEO, Timescale::VIDEO, 50_000_000, now + ms(80));
    assert_eq!(time.as_ms(), 80);
    timeline.restart(VIDEO);
    let time = timeline.place(VIDEO, Timescale::VIDEO, 12, now + ms(120));
    assert_eq!(time.as_ms(), 120);
}

#[test]
fn extreme_timestamps_saturate() {
    let now = start();
    let mut timeline = Timeline::new();
    for ticks in [i64::MAX, i64::MIN, 0, i64::MAX] {
        timeline.place(VIDEO, Timescale::VIDEO, ticks, now);
        timeline.handle_sender_report(VIDEO, u64::MAX, u32::MAX);
    }
}
