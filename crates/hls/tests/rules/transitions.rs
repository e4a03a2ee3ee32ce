//! P16: from version to version a playlist changes only as the rules allow, and every promise about
//! fetching is kept, over random shows.

use std::collections::HashMap;

use proptest::prelude::*;
use tally_hls::{DateRange, Delivery, Lookup, Options, Snapshot};

use crate::feeder::{Feeder, SHOW_START_UNIX_MS, options, text};
use crate::parser::{Attributes, Playlist, Segment, skipped};

/// One thing that happens in a show.
#[derive(Clone, Debug)]
enum Event {
    /// A segment of this many parts, the last of this length.
    Segment { parts: usize, last_ms: u32 },
    /// A segment without media.
    Gap { parts: usize },
    /// The encoder is gone in the middle of a segment.
    Cut { parts: usize, gaps: usize },
    /// New parameters, or only a break in time.
    Discontinuity { parameters: bool },
    /// The operator marks the last or the next few seconds.
    Mark { start_ms: i64, duration_ms: Option<u32> },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1..9_usize, 1..=250_u32).prop_map(|(parts, last_ms)| Event::Segment { parts, last_ms }),
        1 => (1..9_usize).prop_map(|parts| Event::Gap { parts }),
        1 => (1..5_usize, 1..4_usize).prop_map(|(parts, gaps)| Event::Cut { parts, gaps }),
        1 => any::<bool>().prop_map(|parameters| Event::Discontinuity { parameters }),
        1 => (-30_000..5_000_i64, proptest::option::of(0..20_000_u32))
            .prop_map(|(start_ms, duration_ms)| Event::Mark { start_ms, duration_ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p16_every_version_follows_from_the_one_before(
        window_ms in prop_oneof![Just(1), Just(8_000), Just(20_000)],
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let mut watcher = Watcher::new(Options { window_ms, ..options() });
        for (number, event) in events.iter().enumerate() {
            watcher.play(number, event);
        }
        watcher.feeder.window.end();
        watcher.look();
        let last = watcher.seen.last().unwrap();
        prop_assert!(last.ended);
    }
}

/// Feeds a show and looks at every version.
struct Watcher {
    feeder: Feeder,
    /// Every version's whole playlist.
    seen: Vec<Playlist>,
    /// By address: until which show end (90 kHz) it is promised.
    promised: HashMap<String, i64>,
    longest: u64,
}

impl Watcher {
    fn new(options: Options) -> Self {
        let feeder = Feeder::new(options);
        Self { feeder, seen: Vec::new(), promised: HashMap::new(), longest: 0 }
    }

    fn play(&mut self, number: usize, event: &Event) {
        match *event {
            Event::Segment { parts, last_ms } => {
                self.segment(parts - 1, &[(last_ms, false)]);
            }
            Event::Gap { parts } => self.segment(0, &vec![(250, true); parts]),
            Event::Cut { parts, gaps } => self.segment(parts, &vec![(250, true); gaps]),
            Event::Discontinuity { parameters: true } => self.feeder.change_parameters(),
            Event::Discontinuity { parameters: false } => self.feeder.discontinue(),
            Event::Mark { start_ms, duration_ms } => {
                let range = DateRange {
                    id: format!("mark-{number}"),
                    start_unix_ms: SHOW_START_UNIX_MS + self.feeder.at / 90 + start_ms,
                    duration_ms,
                    ..DateRange::default()
                };
                self.feeder.window.date_range(range).unwrap();
            }
        }
        self.look();
    }

    fn segment(&mut self, whole_parts: usize, rest: &[(u32, bool)]) {
        let whole = std::iter::repeat_n((250, false), whole_parts);
        let parts: Vec<_> = whole.chain(rest.iter().copied()).collect();
        for (index, (length_ms, gap)) in parts.iter().enumerate() {
            self.feeder.push(*length_ms, *gap);
            if index + 1 < parts.len() {
                self.look();
            }
        }
        self.feeder.close();
        self.look();
    }

    fn look(&mut self) {
        let snapshot = self.feeder.snapshot();
        let next = Playlist::parse(&text(&snapshot, Delivery::Full)).unwrap();
        check_alone(&next);
        if let Some(before) = self.seen.last() {
            check_step(before, &next);
        }
        self.check_deltas(&snapshot, &next);
        self.check_promises(&snapshot, &next);
        self.seen.push(next);
    }

    /// A delta on top of any version a player may still hold gives the whole playlist. // D9
    fn check_deltas(&self, snapshot: &Snapshot, whole: &Playlist) {
        let [skip, v2] = [Delivery::Skip, Delivery::SkipV2]
            .map(|delivery| Playlist::parse(&text(snapshot, delivery)).unwrap());
        if skip.skip.as_ref().is_none_or(|skip| skipped(skip) == 0) {
            return;
        }
        for held in self.seen.iter().rev().take(12) {
            assert_eq!(&patch(held, &skip, whole), whole);
            assert_eq!(&patch(held, &v2, whole), whole);
        }
    }

    /// P13, P15, D10
    fn check_promises(&mut self, snapshot: &Snapshot, list: &Playlist) {
        let now = self.feeder.at;
        self.longest = self.longest.max(list.whole().map(Segment::duration).sum());
        for segment in &list.segments {
            for part in segment.parts.iter().filter(|part| !part.gap) {
                self.promised.insert(part.uri.clone(), now + 3 * 180_000);
            }
            if let Some((duration, uri)) = segment.complete.as_ref().filter(|_| !segment.gap) {
                let ticks = i64::try_from((duration + self.longest) * 9 / 10).unwrap();
                self.promised.insert(uri.clone(), now + ticks - 1);
            }
        }
        for uri in self.promised.iter().filter(|(_, until)| **until > now).map(|(uri, _)| uri) {
            let numbers: Vec<u64> = uri.split('.').map_while(|n| n.parse().ok()).collect();
            let found = match numbers[..] {
                [msn] => matches!(snapshot.segment(msn), Lookup::Found(_)),
                [msn, index] => {
                    let index = u32::try_from(index).unwrap();
                    matches!(snapshot.part(msn, index), Lookup::Found(_))
                }
                _ => panic!("{uri} is no address"),
            };
            assert!(found, "{uri} is promised");
        }
        let maps: Vec<_> = list.segments.iter().map(|segment| segment.map.clone()).collect();
        for map in maps.into_iter().flatten() {
            let id = map.trim_start_matches("init").trim_end_matches(".mp4").parse().unwrap();
            assert!(matches!(snapshot.init(id), Lookup::Found(_)), "{map} is in force");
        }
    }
}

/// What holds in every playlist.
fn check_alone(list: &Playlist) {
    assert_eq!((list.version, list.target_s, list.part_target), (6, 2, 25_000)); // P2 P3 P4
    let growing = list.segments.iter().rposition(|segment| segment.complete.is_none());
    assert!(growing.is_none_or(|at| at + 1 == list.segments.len()), "only the last one grows");
    let mut from_end = 0;
    for segment in list.segments.iter().rev() {
        from_end += segment.duration();
        assert!(segment.map.is_some() && segment.date_unix_ms.is_some()); // P9 P21
        assert!(segment.parts.iter().all(|part| part.duration <= list.part_target)); // P4
        let parts: u64 = segment.parts.iter().map(|part| part.duration).sum();
        assert!(segment.parts.is_empty() || parts == segment.duration()); // P20
        assert!(segment.parts.is_empty() || from_end <= 3 * 200_000, "too old for parts"); // P13
    }
    for pair in list.segments.windows(2) {
        let [before, after] = pair else { unreachable!("windows of two") };
        let passed = after.date_unix_ms.unwrap() - before.date_unix_ms.unwrap();
        let lasted = i64::try_from(before.duration() / 100).unwrap();
        assert!((passed - lasted).abs() <= 1, "dates and durations agree"); // P9
    }
    let parts = list.hints.iter().filter(|hint| hint["TYPE"] == "PART").count();
    let running = !list.ended && !list.segments.is_empty();
    assert_eq!(parts, usize::from(running)); // P11
}

/// P16, P14, P15: what may happen from one version to the next.
fn check_step(before: &Playlist, after: &Playlist) {
    assert!(!before.ended, "nothing follows the end");
    assert_eq!(before.control, after.control);
    let removed = usize::try_from(after.media_sequence - before.media_sequence).unwrap();
    let (gone, kept) = before.segments.split_at(removed);
    let discontinuities = gone.iter().filter(|segment| segment.discontinuity).count() as u64;
    let counted = after.discontinuity_sequence - before.discontinuity_sequence;
    if !before.segments.is_empty() {
        assert_eq!(counted, discontinuities);
    }
    if removed > 0 {
        assert!(after.whole().count() >= 6);
        assert!(after.duration() >= 3 * 200_000);
    }
    assert!(kept.len() <= after.segments.len(), "segments leave in order only");
    for (old, new) in kept.iter().zip(&after.segments) {
        check_segment(old, new);
    }
    for range in &before.date_ranges {
        // Checked against the end it states: what is not over stays.
        let open = !range.contains_key("DURATION");
        assert!(!open || after.date_ranges.contains(range), "{range:?} went");
    }
}

fn check_segment(old: &Segment, new: &Segment) {
    let head = |segment: &Segment| {
        (segment.msn, segment.discontinuity, segment.map.clone(), segment.date_unix_ms)
    };
    assert_eq!(head(old), head(new));
    if old.complete.is_some() {
        assert_eq!((&old.complete, old.gap), (&new.complete, new.gap));
        assert!(new.parts.is_empty() || new.parts == old.parts, "parts leave together");
    } else {
        assert!(new.parts.starts_with(&old.parts), "parts are appended");
    }
}

/// What a player makes of a delta and the playlist it has. Parts of segments it keeps are not
/// compared: it may still have some that the server no longer lists.
fn patch(held: &Playlist, delta: &Playlist, whole: &Playlist) -> Playlist {
    let count = skipped(delta.skip.as_ref().unwrap());
    let first = delta.media_sequence;
    let kept = held.segments.iter().filter(|s| (first..first + count).contains(&s.msn));
    let mut segments: Vec<Segment> = kept.cloned().collect();
    assert_eq!(segments.len() as u64, count, "the player has what is skipped");
    for segment in &mut segments {
        segment.parts.clear();
    }
    let mut map = segments.last().and_then(|segment| segment.map.clone());
    for segment in &delta.segments {
        map = segment.map.clone().or(map);
        segments.push(Segment { map: map.clone(), ..segment.clone() });
    }
    let skip = delta.skip.as_ref().unwrap();
    let date_ranges = match skip.get("RECENTLY-REMOVED-DATERANGES") {
        None => delta.date_ranges.clone(),
        Some(removed) => merge(&held.date_ranges, &delta.date_ranges, removed),
    };
    let (skip, version) = (None, whole.version);
    Playlist { segments, date_ranges, skip, version, ..delta.clone() }
}

fn merge(held: &[Attributes], new: &[Attributes], removed: &str) -> Vec<Attributes> {
    let removed: Vec<&str> = removed.split('\t').collect();
    let kept = held.iter().filter(|range| !removed.contains(&range["ID"].as_str()));
    let added = new.iter().filter(|range| !held.contains(range));
    kept.chain(added).cloned().collect()
}
