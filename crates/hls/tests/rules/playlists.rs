//! What media playlists say (P1-P23, where a playlist can say it).

use tally_hls::{
    AttributeValue, DateRange, DateRangeError, Delivery, Encoding, Options, Position, PushError,
    RenditionReport, SEGMENTS_MIN,
};

use crate::feeder::{Feeder, SHOW_START_UNIX_MS, init, options, text};
use crate::parser::{Playlist, seconds};

// P1: the parser refuses a second tag of a kind; here, that it had tags to look at.
#[test]
fn p1_each_tag_once_in_a_long_show() {
    let mut feeder = Feeder::new(options());
    feeder.segments(40);
    feeder.parts(2);
    let playlist = feeder.playlist();
    assert!(playlist.segments.len() > 10);
    assert!(!feeder.text().contains("EXT-X-STREAM-INF"));
    assert!(!feeder.text().contains("EXT-X-INDEPENDENT-SEGMENTS"));
}

// P2
#[test]
fn p2_version_is_what_is_needed_and_no_more() {
    let mut feeder = Feeder::new(options());
    feeder.segments(12);
    let snapshot = feeder.snapshot();
    let version = |delivery| Playlist::parse(&text(&snapshot, delivery)).unwrap().version;
    assert_eq!(version(Delivery::Full), 6);
    assert_eq!(version(Delivery::Skip), 9);
    assert_eq!(version(Delivery::SkipV2), 10);
}

// P3
#[test]
fn p3_target_duration_never_changes_and_holds_every_segment() {
    let mut feeder = Feeder::new(options());
    for length_ms in [250, 100, 250, 33, 250] {
        feeder.parts(7);
        feeder.push(length_ms, false);
        feeder.close();
        let playlist = feeder.playlist();
        assert_eq!(playlist.target_s, 2);
        for segment in playlist.whole() {
            assert!((segment.duration() + 50_000) / 100_000 <= 2);
        }
    }
}

// P4
#[test]
fn p4_part_target_is_the_configured_maximum() {
    let mut feeder = Feeder::new(options());
    feeder.part();
    feeder.push(240, false);
    feeder.close();
    let playlist = feeder.playlist();
    assert_eq!(playlist.part_target, 25_000);
    let parts = playlist.segments.iter().flat_map(|segment| &segment.parts);
    assert!(parts.map(|part| part.duration).all(|duration| duration <= 25_000));
}

// P5 P6: which parts are exempt from the 85 % is told by these two attributes.
#[test]
fn p6_independent_and_gap_are_stated() {
    let mut feeder = Feeder::new(options());
    feeder.parts(2);
    feeder.gap();
    let parts = &feeder.playlist().segments[0].parts;
    let flags: Vec<_> = parts.iter().map(|part| (part.independent, part.gap)).collect();
    assert_eq!(flags, [(true, false), (false, false), (false, true)]);
}

// P7
#[test]
fn p7_server_control_keeps_the_distances() {
    for (part_target_ms, target_duration_s) in [(250, 2), (1_000, 10), (333, 1)] {
        let feeder = Feeder::new(Options { part_target_ms, target_duration_s, ..options() });
        let control = feeder.playlist().control;
        let target = u64::from(target_duration_s) * 100_000;
        assert!(seconds(&control["CAN-SKIP-UNTIL"]).unwrap() >= 6 * target);
        assert!(seconds(&control["HOLD-BACK"]).unwrap() >= 3 * target);
        let part_target = u64::from(part_target_ms) * 100;
        assert!(seconds(&control["PART-HOLD-BACK"]).unwrap() >= 3 * part_target);
        assert_eq!(control["CAN-BLOCK-RELOAD"], "YES");
        assert_eq!(control["CAN-SKIP-DATERANGES"], "YES");
    }
}

// P8
#[test]
fn p8_a_rendition_that_joins_later_agrees_with_the_others() {
    let mut early = Feeder::new(options());
    early.segments(3);
    early.change_parameters();
    early.segments(2);
    let mut late = Feeder::starting_at(options(), 3);
    late.at = 3 * 180_000;
    late.change_parameters();
    late.segments(2);
    let (early, late) = (early.playlist(), late.playlist());
    assert_eq!(late.media_sequence, 3);
    assert_eq!(early.control, late.control);
    assert_eq!(early.target_s, late.target_s);
    let sequence = |list: &Playlist, index: usize| {
        let crossed = list.segments[..=index].iter().filter(|s| s.discontinuity).count();
        list.discontinuity_sequence + crossed as u64
    };
    for (here, there) in [(3, 0), (4, 1)] {
        assert_eq!(early.segments[here].msn, late.segments[there].msn);
        assert_eq!(early.segments[here].date_unix_ms, late.segments[there].date_unix_ms);
        assert_eq!(sequence(&early, here), sequence(&late, there));
    }
}

// P9
#[test]
fn p9_every_segment_has_its_date_also_after_a_discontinuity() {
    let mut feeder = Feeder::new(options());
    feeder.segments(2);
    feeder.change_parameters();
    feeder.segments(1);
    feeder.part();
    let dates: Vec<_> = feeder.playlist().segments.iter().map(|s| s.date_unix_ms).collect();
    let at = |ms| Some(SHOW_START_UNIX_MS + ms);
    assert_eq!(dates, [at(0), at(2_000), at(4_000), at(6_000)]);
}

// P10: the parser refuses them after a part; here, that the growing segment has them already.
#[test]
fn p10_a_growing_segment_states_what_its_parts_inherit() {
    let mut feeder = Feeder::new(options());
    feeder.segments(1);
    feeder.change_parameters();
    feeder.part();
    let growing = feeder.playlist().segments.pop().unwrap();
    assert!(growing.complete.is_none());
    assert!(growing.discontinuity);
    assert_eq!(growing.map.as_deref(), Some("init1.mp4"));
    assert_eq!(growing.date_unix_ms, Some(SHOW_START_UNIX_MS + 2_000));
}

fn hints(feeder: &Feeder) -> Vec<(String, String)> {
    let hints = feeder.playlist().hints;
    assert!(hints.iter().all(|hint| hint.len() == 2), "no byte range: the length is not known");
    hints.into_iter().map(|hint| (hint["TYPE"].clone(), hint["URI"].clone())).collect()
}

fn part_hint(uri: &str) -> (String, String) {
    ("PART".into(), uri.into())
}

// P11
#[test]
fn p11_the_next_part_is_hinted_by_the_uri_it_gets() {
    let mut feeder = Feeder::new(options());
    feeder.segments(1);
    for index in 0..8 {
        let hinted = format!("1.{index}.m4s");
        assert_eq!(hints(&feeder), [part_hint(&hinted)]);
        feeder.part();
        assert_eq!(feeder.playlist().segments[1].parts[index].uri, hinted);
    }
    feeder.close();
    assert_eq!(hints(&feeder), [part_hint("2.0.m4s")]);
}

// P11
#[test]
fn p11_a_new_init_segment_is_hinted_until_it_is_used() {
    let mut feeder = Feeder::new(options());
    feeder.segments(1);
    feeder.change_parameters();
    let map = ("MAP".into(), "init1.mp4".into());
    assert_eq!(hints(&feeder), [map, part_hint("1.0.m4s")]);
    feeder.part();
    assert_eq!(hints(&feeder), [part_hint("1.1.m4s")]);
}

// P11 P19
#[test]
fn p19_the_end_is_declared_and_nothing_is_hinted_after_it() {
    let mut feeder = Feeder::new(options());
    feeder.segments(2);
    let before = feeder.snapshot().version();
    feeder.window.end();
    let snapshot = feeder.snapshot();
    assert!(snapshot.version() > before);
    assert!(snapshot.has_ended());
    let playlist = feeder.playlist();
    assert!(playlist.ended);
    assert!(playlist.hints.is_empty());
    assert_eq!(playlist.segments.len(), 2);
    // P19: what is listed stays fetchable for the playlist's duration and its own.
    assert!(snapshot.linger_ms() >= 6_000);
    feeder.window.end();
    assert_eq!(feeder.snapshot().version(), snapshot.version());
    let part = feeder.make_part(250, false);
    assert_eq!(feeder.window.push_part(part), Err(PushError::Ended));
}

// P12
#[test]
fn p12_every_other_rendition_is_reported_also_in_deltas() {
    let mut feeder = Feeder::new(options());
    feeder.segments(12);
    feeder.part();
    let last = Position { msn: 12, part: 0 };
    assert_eq!(feeder.snapshot().last(), Some(last));
    let report = |uri: &str| RenditionReport { uri: uri.into(), last };
    let reports = [report("../v1/playlist.m3u8"), report("../a1/playlist.m3u8")];
    for delivery in [Delivery::Full, Delivery::Skip, Delivery::SkipV2] {
        let snapshot = feeder.snapshot();
        let body = snapshot.playlist(delivery, &reports).body(Encoding::Identity);
        let playlist = Playlist::parse(std::str::from_utf8(&body).unwrap()).unwrap();
        assert_eq!(playlist.reports.len(), 2);
        assert_eq!(playlist.reports[1]["URI"], "../a1/playlist.m3u8");
        assert_eq!(playlist.reports[1]["LAST-MSN"], "12");
        assert_eq!(playlist.reports[1]["LAST-PART"], "0");
    }
}

// P12: right after a segment the last part is the segment's own last.
#[test]
fn p12_positions_follow_the_parts() {
    let mut feeder = Feeder::new(options());
    assert_eq!(feeder.snapshot().last(), None);
    feeder.segments(1);
    assert_eq!(feeder.snapshot().last(), Some(Position { msn: 0, part: 7 }));
    feeder.part();
    assert_eq!(feeder.snapshot().last(), Some(Position { msn: 1, part: 0 }));
}

// P13
#[test]
fn p13_parts_are_listed_near_the_end_only() {
    let with_parts = |feeder: &Feeder| -> Vec<u64> {
        let segments = feeder.playlist().segments;
        segments.iter().filter(|s| !s.parts.is_empty()).map(|s| s.msn).collect()
    };
    let mut feeder = Feeder::new(options());
    feeder.segments(10);
    assert_eq!(with_parts(&feeder), [8, 9]);
    feeder.parts(3);
    assert_eq!(with_parts(&feeder), [8, 9, 10]);
    // Segment 8 begins three target durations from the end, then farther.
    feeder.parts(5);
    assert_eq!(with_parts(&feeder), [8, 9, 10]);
    feeder.push(10, false);
    assert_eq!(with_parts(&feeder), [9, 10]);
}

// P14
#[test]
fn p14_sequences_count_what_left() {
    let mut feeder = Feeder::new(options());
    feeder.segments(3);
    feeder.change_parameters();
    feeder.segments(1);
    feeder.discontinue();
    let mut seen = Vec::new();
    for _ in 0..14 {
        feeder.segments(1);
        let playlist = feeder.playlist();
        seen.push((playlist.media_sequence, playlist.discontinuity_sequence));
    }
    // A window of 20 s is ten segments; discontinuities come before segments 3 and 4.
    let expected =
        [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].map(|first: u64| (first, first.clamp(3, 5) - 3));
    assert_eq!(seen, expected);
}

// P15
#[test]
fn p15_a_live_playlist_never_gets_too_short() {
    // Segments far shorter than the target, and a window that asks for next to nothing.
    let mut feeder = Feeder::new(Options { window_ms: 1, ..options() });
    for _ in 0..60 {
        feeder.part();
        feeder.close();
        let playlist = feeder.playlist();
        if playlist.media_sequence > 0 {
            assert!(playlist.whole().count() >= SEGMENTS_MIN);
            assert!(playlist.whole().map(|s| s.duration()).sum::<u64>() >= 3 * 200_000);
        }
    }
    assert_eq!(feeder.playlist().media_sequence, 60 - 24);
    // Segments of the target: the count decides.
    let mut feeder = Feeder::new(Options { window_ms: 1, ..options() });
    feeder.segments(20);
    assert_eq!(feeder.playlist().whole().count(), SEGMENTS_MIN);
}

// P15: memory is bounded first; what goes early is counted.
#[test]
fn p15_memory_is_bounded_and_says_so() {
    let mut feeder = Feeder::new(Options { window_bytes_max: 100 * 1_000, ..options() });
    feeder.part_bytes = 1_000;
    feeder.segments(10);
    assert_eq!(feeder.window.pressure(), tally_hls::Pressure::default());
    assert_eq!(feeder.window.len_bytes(), 80_000);
    feeder.segments(10);
    assert!(feeder.window.len_bytes() <= 100_000);
    let pressure = feeder.window.pressure();
    assert!(pressure.retained_dropped > 0);
    assert_eq!(pressure.listed_dropped, 0);
    feeder.part_bytes = 10_000;
    feeder.segments(10);
    assert!(feeder.window.pressure().listed_dropped > 0);
    // The bound bites below any other rule, down to the last complete segment.
    let playlist = feeder.playlist();
    assert_eq!(playlist.whole().count(), 1);
    assert_eq!(playlist.media_sequence, 29);
    assert!(feeder.window.len_bytes() <= 100_000);
}

// P16
#[test]
fn p16_one_version_has_one_text() {
    let mut feeder = Feeder::new(options());
    feeder.segments(1);
    let snapshot = feeder.snapshot();
    let one = snapshot.playlist(Delivery::Full, &[]);
    let late = RenditionReport { uri: "x".into(), last: Position::first_of(9) };
    let other = snapshot.playlist(Delivery::Full, &[late]);
    let bytes = |rendered: &tally_hls::Rendered| rendered.body(Encoding::Gzip);
    assert_eq!(bytes(one).as_ptr(), bytes(other).as_ptr());
    assert_eq!(one.etag(Encoding::Gzip), other.etag(Encoding::Gzip));
    feeder.part();
    let next = feeder.snapshot();
    let changed = next.playlist(Delivery::Full, &[]);
    assert_ne!(one.etag(Encoding::Gzip), changed.etag(Encoding::Gzip));
    assert_ne!(
        next.playlist(Delivery::Skip, &[]).etag(Encoding::Gzip),
        changed.etag(Encoding::Gzip)
    );
    assert!(!feeder.text().contains("EXT-X-PLAYLIST-TYPE"));
}

// P18
#[test]
fn p18_an_absent_encoder_leaves_gaps_and_no_discontinuity() {
    let mut feeder = Feeder::new(options());
    feeder.parts(4);
    feeder.gap();
    assert!(feeder.playlist().segments[0].parts[4].gap);
    feeder.close();
    feeder.gap();
    feeder.close();
    feeder.segments(1);
    let playlist = feeder.playlist();
    let gaps: Vec<_> = playlist.segments.iter().map(|segment| segment.gap).collect();
    assert_eq!(gaps, [false, true, false]);
    assert!(playlist.segments.iter().all(|segment| !segment.discontinuity));
}

// P20 P23
#[test]
fn p20_parts_add_up_to_their_segment() {
    let mut feeder = Feeder::new(options());
    for length_ms in [233, 250, 17, 241, 249] {
        feeder.parts(3);
        feeder.push(length_ms, false);
        // Off the millisecond grid, as 29.97 fps is.
        feeder.at += 7;
        feeder.part();
        feeder.close();
        let segment = feeder.playlist().segments.pop().unwrap();
        let parts: u64 = segment.parts.iter().map(|part| part.duration).sum();
        assert!(segment.duration().abs_diff(parts) <= 8, "only the 7 ticks between parts");
    }
}

// P21
#[test]
fn p21_every_segment_has_an_init_segment_in_force() {
    let mut feeder = Feeder::new(options());
    feeder.segments(2);
    feeder.change_parameters();
    feeder.segments(30);
    let playlist = feeder.playlist();
    assert!(playlist.media_sequence > 2, "the EXT-X-MAP lines first written have left");
    assert!(playlist.segments.iter().all(|s| s.map.as_deref() == Some("init1.mp4")));
    assert_eq!(feeder.text().matches("#EXT-X-MAP").count(), 1);
}

#[test]
fn a_date_range_stays_where_it_was_appended() {
    let mut feeder = Feeder::new(options());
    feeder.segments(1);
    feeder.parts(2);
    let range = DateRange {
        id: "moment".into(),
        start_unix_ms: SHOW_START_UNIX_MS,
        attributes: vec![("X-NOTE".into(), AttributeValue::Text("hello".into()))],
        ..DateRange::default()
    };
    feeder.window.date_range(range.clone()).unwrap();
    let before = feeder.text();
    let (kept, _) = before.split_once("#EXT-X-PRELOAD-HINT").unwrap();
    assert!(kept.ends_with("X-NOTE=\"hello\"\n"));
    feeder.parts(2);
    // P16: what was there is still there, in place.
    assert!(feeder.text().starts_with(kept));
    let moved = DateRange { start_unix_ms: SHOW_START_UNIX_MS + 1, ..range };
    assert!(matches!(feeder.window.date_range(moved), Err(DateRangeError::Changed(..))));
}

#[test]
fn what_does_not_follow_is_refused_and_changes_nothing() {
    let mut feeder = Feeder::new(options());
    feeder.parts(2);
    let version = feeder.snapshot().version();
    let mut skipping = (*feeder.make_part(250, false)).clone();
    skipping.index = 3;
    let refused = feeder.window.push_part(skipping.into());
    assert_eq!(refused, Err(PushError::OutOfOrder(Position { msn: 0, part: 3 })));
    let mut unknown = (*feeder.make_part(250, false)).clone();
    unknown.init = 9;
    assert_eq!(feeder.window.push_part(unknown.into()), Err(PushError::UnknownInit(9)));
    let mut other = (*feeder.make_segment()).clone();
    other.parts.pop();
    let refused = feeder.window.push_segment(other.into());
    assert_eq!(refused, Err(PushError::OutOfOrder(Position::first_of(0))));
    assert_eq!(feeder.snapshot().version(), version);
    feeder.close();
    let mut twice = Feeder::new(options());
    let late = twice.make_part(250, false);
    twice.part();
    assert!(twice.window.push_part(late).is_err());
}

#[test]
fn a_segment_has_a_largest_number_of_parts() {
    let mut feeder = Feeder::new(options());
    feeder.parts(tally_hls::SEGMENT_PARTS_MAX as usize);
    let part = feeder.make_part(250, false);
    assert_eq!(feeder.window.push_part(part), Err(PushError::TooManyParts));
}

#[test]
fn init_segments_go_with_the_last_segment_that_needs_them() {
    let mut feeder = Feeder::new(options());
    feeder.segments(1);
    feeder.change_parameters();
    feeder.segments(10);
    assert!(matches!(feeder.snapshot().init(0), tally_hls::Lookup::Found(_)));
    feeder.segments(30);
    assert_eq!(feeder.snapshot().init(0), tally_hls::Lookup::Gone);
    assert!(matches!(feeder.snapshot().init(1), tally_hls::Lookup::Found(_)));
    for id in 2..1_000 {
        feeder.window.push_init(init(id));
    }
    assert_eq!(feeder.snapshot().init(2), tally_hls::Lookup::Gone);
    assert!(matches!(feeder.snapshot().init(999), tally_hls::Lookup::Found(_)));
}

// P11: an init segment may come long before the first part that needs it.
#[test]
fn an_init_segment_waits_for_its_first_part() {
    let mut feeder = Feeder::new(options());
    feeder.part();
    feeder.window.push_init(init(1));
    feeder.parts(7);
    feeder.close();
    assert!(matches!(feeder.snapshot().init(1), tally_hls::Lookup::Found(_)));
    assert_eq!(feeder.playlist().hints.len(), 2);
}

// A8.24: Last-Modified is the end of the last part.
#[test]
fn a_playlist_knows_when_it_changed() {
    let mut feeder = Feeder::new(options());
    assert_eq!(feeder.snapshot().modified_unix_ms(), SHOW_START_UNIX_MS);
    feeder.segments(1);
    feeder.part();
    assert_eq!(feeder.snapshot().modified_unix_ms(), SHOW_START_UNIX_MS + 2_250);
}
