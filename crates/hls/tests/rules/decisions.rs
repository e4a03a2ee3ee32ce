//! What playlist requests get (D1-D9).

use tally_hls::{DateRange, Decision, Delivery, Directives, Rejection, Skip};

use crate::feeder::{Feeder, options, text};
use crate::parser::{Playlist, skipped};

const FULL: Decision = Decision::Now(Delivery::Full);
const TOO_FAR: Decision = Decision::Reject(Rejection::SegmentTooFarAhead);
const PART_TOO_FAR: Decision = Decision::Reject(Rejection::PartTooFarAhead);

fn ask(feeder: &Feeder, query: &str) -> Decision {
    feeder.snapshot().decide(&Directives::parse(query).unwrap())
}

/// Four segments of eight parts, then three parts of segment 4.
fn show() -> Feeder {
    let mut feeder = Feeder::new(options());
    feeder.segments(4);
    feeder.parts(3);
    feeder
}

// D1
#[test]
fn d1_msn_waits_for_the_whole_segment() {
    let mut feeder = show();
    assert_eq!(ask(&feeder, "_HLS_msn=3"), FULL);
    assert_eq!(ask(&feeder, "_HLS_msn=4"), Decision::Wait);
    feeder.parts(5);
    assert_eq!(ask(&feeder, "_HLS_msn=4"), Decision::Wait);
    feeder.close();
    assert_eq!(ask(&feeder, "_HLS_msn=4"), FULL);
}

// D2
#[test]
fn d2_part_waits_for_that_part_or_anything_later() {
    let mut feeder = show();
    assert_eq!(ask(&feeder, "_HLS_msn=4&_HLS_part=2"), FULL);
    assert_eq!(ask(&feeder, "_HLS_msn=4&_HLS_part=3"), Decision::Wait);
    assert_eq!(ask(&feeder, "_HLS_msn=5&_HLS_part=0"), Decision::Wait);
    assert_eq!(ask(&feeder, "_HLS_msn=3&_HLS_part=7"), FULL);
    feeder.part();
    assert_eq!(ask(&feeder, "_HLS_msn=4&_HLS_part=3"), FULL);
    feeder.close();
    feeder.part();
    assert_eq!(ask(&feeder, "_HLS_msn=4&_HLS_part=3"), FULL);
}

// D3
#[test]
fn d3_a_part_beyond_a_finished_segment_is_the_first_of_the_next() {
    let mut feeder = Feeder::new(options());
    feeder.segments(4);
    assert_eq!(ask(&feeder, "_HLS_msn=3&_HLS_part=7"), FULL);
    assert_eq!(ask(&feeder, "_HLS_msn=3&_HLS_part=8"), Decision::Wait);
    assert_eq!(ask(&feeder, "_HLS_msn=3&_HLS_part=4294967295"), Decision::Wait);
    feeder.part();
    assert_eq!(ask(&feeder, "_HLS_msn=3&_HLS_part=8"), FULL);
    assert_eq!(ask(&feeder, "_HLS_msn=3&_HLS_part=4294967295"), FULL);
    // While the segment grows nobody knows where it ends.
    assert_eq!(ask(&feeder, "_HLS_msn=4&_HLS_part=8"), Decision::Wait);
}

// D4
#[test]
fn d4_a_part_without_a_segment_is_refused() {
    assert!(Directives::parse("_HLS_part=1").is_err());
}

// D5
#[test]
fn d5_what_is_too_far_ahead_is_refused_at_once() {
    let feeder = show();
    assert_eq!(ask(&feeder, "_HLS_msn=6"), Decision::Wait);
    assert_eq!(ask(&feeder, "_HLS_msn=7"), TOO_FAR);
    assert_eq!(ask(&feeder, "_HLS_msn=18446744073709551615&_HLS_part=0"), TOO_FAR);
    // The Advance Part Limit is 3 s of 250 ms parts; the last part is number 2.
    assert_eq!(ask(&feeder, "_HLS_msn=4&_HLS_part=14"), Decision::Wait);
    assert_eq!(ask(&feeder, "_HLS_msn=4&_HLS_part=15"), PART_TOO_FAR);
    assert_eq!(ask(&feeder, "_HLS_msn=5&_HLS_part=11"), Decision::Wait);
    assert_eq!(ask(&feeder, "_HLS_msn=5&_HLS_part=12"), PART_TOO_FAR);
    for refused in [Rejection::SegmentTooFarAhead, Rejection::PartTooFarAhead] {
        assert_eq!(refused.status(), 400);
    }
}

// D6
#[test]
fn d6_the_longest_wait_is_told() {
    assert_eq!(show().snapshot().options().hold_ms_max(), 6_000);
}

// D7
#[test]
fn d7_a_segment_that_left_is_answered_with_the_whole_playlist() {
    let mut feeder = Feeder::new(options());
    feeder.segments(30);
    assert_eq!(feeder.playlist().media_sequence, 20);
    assert_eq!(ask(&feeder, "_HLS_msn=19"), FULL);
    assert_eq!(ask(&feeder, "_HLS_msn=0&_HLS_part=99&_HLS_skip=YES"), FULL);
    assert_eq!(ask(&feeder, "_HLS_msn=20&_HLS_skip=YES"), Decision::Now(Delivery::Skip));
}

// D8
#[test]
fn d8_after_the_end_nothing_is_waited_for_and_nothing_skipped() {
    let mut feeder = Feeder::new(options());
    feeder.segments(12);
    feeder.window.end();
    for query in ["", "_HLS_msn=12", "_HLS_msn=99&_HLS_part=99", "_HLS_skip=YES", "_HLS_skip=v2"] {
        assert_eq!(ask(&feeder, query), FULL, "{query}");
    }
}

// D9
#[test]
fn d9_a_delta_skips_what_lies_beyond_the_boundary() {
    let mut feeder = Feeder::new(options());
    // The boundary is 12 s: six segments from the end of the last whole one.
    feeder.segments(6);
    assert_eq!(ask(&feeder, "_HLS_skip=YES"), FULL, "nothing to skip");
    feeder.segments(1);
    // Segment 0 ends exactly on the boundary, which is not farther than it.
    assert_eq!(ask(&feeder, "_HLS_skip=YES"), FULL);
    // Parts of a growing segment do not move the boundary.
    feeder.parts(4);
    assert_eq!(ask(&feeder, "_HLS_skip=YES"), FULL);
    feeder.parts(4);
    feeder.close();
    assert_eq!(ask(&feeder, "_HLS_skip=YES"), Decision::Now(Delivery::Skip));
    assert_eq!(ask(&feeder, "_HLS_skip=v2"), Decision::Now(Delivery::SkipV2));
    let delta = Playlist::parse(&text(&feeder.snapshot(), Delivery::Skip)).unwrap();
    assert_eq!(skipped(delta.skip.as_ref().unwrap()), 1);
    assert_eq!(delta.segments[0].msn, 1);
    assert_eq!(delta.media_sequence, 0);
    // One step of the shortest segment past it.
    feeder.push(10, false);
    feeder.close();
    let delta = Playlist::parse(&text(&feeder.snapshot(), Delivery::Skip)).unwrap();
    assert_eq!(skipped(delta.skip.as_ref().unwrap()), 2);
}

// D9
#[test]
fn d9_v2_leaves_out_the_date_ranges_of_what_it_skips() {
    let mut feeder = Feeder::new(options());
    let mark = |feeder: &mut Feeder, id: &str| {
        let range = DateRange { id: id.into(), ..DateRange::default() };
        feeder.window.date_range(range).unwrap();
    };
    mark(&mut feeder, "before segment 0");
    feeder.part();
    mark(&mut feeder, "within segment 0");
    feeder.parts(7);
    feeder.close();
    mark(&mut feeder, "before segment 1");
    feeder.segments(7);
    let listed = |delivery| {
        let delta = Playlist::parse(&text(&feeder.snapshot(), delivery)).unwrap();
        assert_eq!(skipped(delta.skip.as_ref().unwrap()), 1);
        delta.date_ranges.iter().map(|range| range["ID"].clone()).collect::<Vec<_>>()
    };
    let all = ["before segment 0", "within segment 0", "before segment 1"];
    assert_eq!(listed(Delivery::Skip), all);
    assert_eq!(listed(Delivery::SkipV2), all[2..]);
}

// D9
#[test]
fn d9_a_delta_waits_like_a_whole_playlist() {
    let mut feeder = Feeder::new(options());
    feeder.segments(12);
    assert_eq!(ask(&feeder, "_HLS_msn=12&_HLS_part=0&_HLS_skip=YES"), Decision::Wait);
    feeder.part();
    let delta = Decision::Now(Delivery::Skip);
    assert_eq!(ask(&feeder, "_HLS_msn=12&_HLS_part=0&_HLS_skip=YES"), delta);
}

#[test]
fn before_the_first_whole_segment_every_request_waits() {
    let mut feeder = Feeder::new(options());
    for _ in 0..2 {
        for query in ["", "_HLS_msn=0", "_HLS_msn=0&_HLS_part=0", "_HLS_skip=YES"] {
            assert_eq!(ask(&feeder, query), Decision::Wait, "{query}");
        }
        feeder.part();
    }
    feeder.close();
    assert_eq!(feeder.snapshot().decide(&Directives::default()), FULL);
    assert_eq!(Directives::default().skip, Skip::No);
}
