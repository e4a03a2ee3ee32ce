//! Which media a request finds (D10, D11, P13, P15, P18).

use tally_hls::{Lookup, Snapshot};

use crate::feeder::{Feeder, options};

fn part(snapshot: &Snapshot, msn: u64, index: u32) -> &'static str {
    name(&snapshot.part(msn, index))
}

fn segment(snapshot: &Snapshot, msn: u64) -> &'static str {
    name(&snapshot.segment(msn))
}

fn name<T>(found: &Lookup<T>) -> &'static str {
    match found {
        Lookup::Found(_) => "found",
        Lookup::Hinted => "hinted",
        Lookup::Gap => "gap",
        Lookup::Gone => "gone",
        Lookup::NotFound => "not found",
    }
}

// D10
#[test]
fn d10_the_hinted_part_can_be_asked_for_at_once() {
    let mut feeder = Feeder::new(options());
    feeder.segments(1);
    assert_eq!(part(&feeder.snapshot(), 1, 0), "hinted");
    feeder.part();
    let snapshot = feeder.snapshot();
    assert_eq!(part(&snapshot, 1, 0), "found");
    assert_eq!(part(&snapshot, 1, 1), "hinted");
    let Lookup::Found(found) = snapshot.part(0, 7) else { panic!("part 7 of segment 0") };
    assert_eq!((found.msn, found.index), (0, 7));
    let Lookup::Found(found) = snapshot.segment(0) else { panic!("segment 0") };
    assert_eq!((found.msn, found.parts.len()), (0, 8));
}

// D10: an init segment is there before the playlist that hints at it.
#[test]
fn d10_a_hinted_init_segment_is_there() {
    let mut feeder = Feeder::new(options());
    feeder.segments(1);
    assert_eq!(name(&feeder.snapshot().init(1)), "not found");
    feeder.change_parameters();
    assert_eq!(name(&feeder.snapshot().init(1)), "found");
    assert_eq!(name(&feeder.snapshot().init(0)), "found");
}

// D11
#[test]
fn d11_neither_there_nor_hinted_is_not_found() {
    let mut feeder = Feeder::new(options());
    assert_eq!(part(&feeder.snapshot(), 0, 0), "not found", "nothing is hinted before the start");
    feeder.segments(1);
    feeder.parts(2);
    let snapshot = feeder.snapshot();
    assert_eq!(part(&snapshot, 1, 3), "not found");
    assert_eq!(part(&snapshot, 2, 0), "not found");
    assert_eq!(part(&snapshot, u64::MAX, u32::MAX), "not found");
    assert_eq!(segment(&snapshot, 1), "not found", "it still grows");
    assert_eq!(segment(&snapshot, u64::MAX), "not found");
}

// D11
#[test]
fn d11_a_dropped_hint_is_not_found() {
    let mut feeder = Feeder::new(options());
    feeder.parts(3);
    assert_eq!(part(&feeder.snapshot(), 0, 3), "hinted");
    feeder.close();
    assert_eq!(part(&feeder.snapshot(), 0, 3), "not found");
    assert_eq!(part(&feeder.snapshot(), 1, 0), "hinted");
    feeder.window.end();
    assert_eq!(part(&feeder.snapshot(), 1, 0), "not found");
}

// P18
#[test]
fn p18_a_gap_has_no_bytes() {
    let mut feeder = Feeder::new(options());
    feeder.part();
    feeder.gap();
    feeder.close();
    feeder.gap();
    feeder.close();
    let snapshot = feeder.snapshot();
    assert_eq!(part(&snapshot, 0, 0), "found");
    assert_eq!(part(&snapshot, 0, 1), "gap");
    assert_eq!(segment(&snapshot, 0), "found");
    assert_eq!(part(&snapshot, 1, 0), "gap");
    assert_eq!(segment(&snapshot, 1), "gap");
}

// P15: a window of ten 2 s segments; the eleventh pushes segment 0 off the list at 22 s, and it
// stays for its own 2 s and the 22 s of the longest playlist it was in.
#[test]
fn p15_a_segment_that_left_the_list_stays_fetchable_for_a_while() {
    let mut feeder = Feeder::new(options());
    feeder.segments(11);
    assert_eq!(feeder.playlist().media_sequence, 1);
    feeder.segments(11);
    feeder.parts(7);
    assert_eq!(segment(&feeder.snapshot(), 0), "found");
    assert_eq!(part(&feeder.snapshot(), 0, 0), "found");
    feeder.part();
    assert_eq!(segment(&feeder.snapshot(), 0), "gone");
    assert_eq!(part(&feeder.snapshot(), 0, 0), "gone");
    assert_eq!(segment(&feeder.snapshot(), 1), "found");
}
