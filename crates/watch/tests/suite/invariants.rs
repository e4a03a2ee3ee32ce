//! The sixteen invariants of the definition, each a check that any subject can be held against, and
//! each a property test of the crate.

use std::collections::BTreeMap;

use proptest::prelude::{ProptestConfig, proptest};
use tally_watch::figures::{CreatorTotals, Minute, Person, Window, creator_totals};
use tally_watch::log::{Entry, Position, Record, Replay, compact, encode};
use tally_watch::{
    Applied, Basis, Fact, FinalRecord, Ledger, NodeId, PlaybackSession, SessionId, ShowId,
    ViewerKey,
};

use crate::chance::Chance;
use crate::oracle::{Oracle, believed, presence_ms};
use crate::scenario::{self, Event, GO_LIVE, SHOW, Scenario};
use crate::subject::{Outcome, Told, Variant, facts, fold, outcome};

pub(crate) type Check = fn(Variant, u64) -> Result<(), String>;

pub(crate) const ALL: [Check; 17] = [
    oracle_agrees,
    i01_counted_is_at_most_what_was_published,
    i02_counted_is_at_most_delivered_and_half_of_the_evidence_is_worth_nothing,
    i03_a_clone_adds_nothing,
    i04_counted_is_at_most_presence,
    i05_more_evidence_never_lowers_a_figure,
    i06_order_and_duplicates_do_not_matter,
    i07_any_partition_over_nodes_merges_to_the_same,
    i08_a_crash_never_overcounts_and_resending_restores,
    i09_presence_is_the_integral_of_concurrent_viewers,
    i10_attention_classes_partition_media,
    i11_valid_counted_delivered,
    i12_what_must_not_be_believed_changes_nothing,
    i13_finals_are_immutable_and_a_replay_reproduces_every_figure,
    i14_catch_up_is_tolerated_and_double_speed_refused,
    i15_ranges_and_renditions_never_double,
    i16_creator_totals_are_sums_over_shows,
];

macro_rules! ensure {
    ($holds:expr, $($said:tt)+) => {
        if !$holds {
            return Err(format!($($said)+));
        }
    };
}

fn made(variant: Variant, seed: u64) -> (Scenario, Vec<Told>, Outcome) {
    let scenario = Scenario::random(seed);
    let facts = facts(variant, &scenario);
    let outcome = outcome(variant, &facts);
    (scenario, facts, outcome)
}

/// The figures of every viewer, by millisecond flags.
fn oracle_agrees(variant: Variant, seed: u64) -> Result<(), String> {
    let (scenario, _, outcome) = made(variant, seed);
    let oracle = Oracle::new(&scenario);
    ensure!(outcome.report.figures.live_ms == oracle.published_ms, "live");
    ensure!(outcome.viewers.len() == oracle.viewers.len(), "viewers");
    for (viewer, truth) in &oracle.viewers {
        let of_viewer = &outcome.viewers[viewer];
        let said = [of_viewer.counted_ms, of_viewer.media_ms, of_viewer.wall_ms];
        let known = [truth.counted_ms, truth.media_ms, truth.wall_ms];
        ensure!(said == known, "{viewer:?}: {said:?} instead of {known:?}");
        ensure!(of_viewer.delivered_ms == truth.delivered_ms, "{viewer:?}: delivered");
    }
    Ok(())
}

fn i01_counted_is_at_most_what_was_published(variant: Variant, seed: u64) -> Result<(), String> {
    let (scenario, _, outcome) = made(variant, seed);
    let published_ms = Oracle::new(&scenario).published_ms;
    let live_ms = outcome.report.figures.live_ms;
    ensure!(live_ms == published_ms, "|P| {live_ms}, published {published_ms}");
    ensure!(live_ms <= scenario.duration_ms.unsigned_abs(), "|P| longer than the show");
    for (viewer, it) in &outcome.viewers {
        ensure!(it.counted_ms <= published_ms, "{viewer:?}: {} of {published_ms}", it.counted_ms);
    }
    Ok(())
}

fn i02_counted_is_at_most_delivered_and_half_of_the_evidence_is_worth_nothing(
    variant: Variant,
    seed: u64,
) -> Result<(), String> {
    let (scenario, _, outcome_of_all) = made(variant, seed);
    for (viewer, truth) in &Oracle::new(&scenario).viewers {
        let counted_ms = outcome_of_all.viewers[viewer].counted_ms;
        ensure!(counted_ms <= truth.delivered_ms, "{viewer:?}: {counted_ms} counted");
    }
    let halves: [fn(&Event) -> bool; 3] = [
        |event| !matches!(event, Event::Fetched { .. }),
        |event| !matches!(event, Event::Beat(_)),
        // HEAD requests deliver nothing, however many.
        |event| !matches!(event, Event::Fetched { fetch, .. } if fetch.is_get),
    ];
    for half in halves {
        let mut halved = scenario.clone();
        halved.events.retain(half);
        let outcome = outcome(variant, &facts(variant, &halved));
        for (viewer, it) in outcome.viewers {
            ensure!(it.counted_ms == 0, "{viewer:?}: {} for half the evidence", it.counted_ms);
        }
        ensure!(outcome.report.figures.peak == 0, "a viewer for half the evidence");
    }
    Ok(())
}

fn i03_a_clone_adds_nothing(variant: Variant, seed: u64) -> Result<(), String> {
    let (mut scenario, _, before) = made(variant, seed);
    let originals: Vec<PlaybackSession> = scenario.sessions().copied().collect();
    let chosen = originals[seed as usize % originals.len()];
    if chosen.viewer.is_none() {
        return Ok(());
    }
    let clone = SessionId(chosen.id.0 + 50);
    for mut event in scenario.events.clone() {
        let belongs = match &mut event {
            Event::Minted(record) => std::mem::replace(&mut record.id, clone) == chosen.id,
            Event::Fetched { session, .. } | Event::Judged { session, .. } => {
                std::mem::replace(session, clone) == chosen.id
            }
            Event::Beat(beat) => {
                if beat.credential.session == beat.session {
                    beat.credential.session = clone;
                }
                std::mem::replace(&mut beat.session, clone) == chosen.id
            }
            Event::Published(_) => false,
        };
        if belongs {
            scenario.events.push(event);
        }
    }
    let after = outcome(variant, &facts(variant, &scenario));
    ensure!(after.viewers == before.viewers, "{:?} and {:?}", before.viewers, after.viewers);
    ensure!(after.report == before.report, "the report changed");
    Ok(())
}

fn i04_counted_is_at_most_presence(variant: Variant, seed: u64) -> Result<(), String> {
    let (scenario, _, outcome) = made(variant, seed);
    for (&viewer, it) in &outcome.viewers {
        let presence_ms = presence_ms(&scenario, viewer);
        ensure!(it.counted_ms <= presence_ms, "{viewer:?}: {} of {presence_ms}", it.counted_ms);
    }
    Ok(())
}

fn i05_more_evidence_never_lowers_a_figure(variant: Variant, seed: u64) -> Result<(), String> {
    let (_, facts, _) = made(variant, seed);
    let mut chance = Chance::new(seed);
    let is_evidence = |told: &Told| !matches!(told.evidence.fact, Fact::Judged { .. });
    let more: Vec<Told> = facts.into_iter().filter(is_evidence).collect();
    let less: Vec<Told> = more.iter().copied().filter(|_| chance.percent(80)).collect();
    let [less, more] = [less, more].map(|facts| outcome(variant, &facts));
    let figures = |outcome: &Outcome| {
        let it = outcome.report.figures;
        let attended_ms = it.counted_ms + it.idle_ms;
        let times = [it.live_ms, it.delivered_ms, it.counted_ms, it.valid_ms, attended_ms];
        (times, [it.unique_viewers, it.views, it.peak])
    };
    let ((times, counts), (more_times, more_counts)) = (figures(&less), figures(&more));
    let lower = times.iter().zip(&more_times).any(|(less, more)| less > more);
    ensure!(!lower, "{times:?} fell to {more_times:?}");
    let lower = counts.iter().zip(&more_counts).any(|(less, more)| less > more);
    ensure!(!lower, "{counts:?} fell to {more_counts:?}");
    for (viewer, it) in &less.viewers {
        let now = &more.viewers[viewer];
        ensure!(it.counted_ms <= now.counted_ms, "{viewer:?} {} fell", it.counted_ms);
        ensure!(it.delivered_ms <= now.delivered_ms, "{viewer:?} delivered fell");
    }
    Ok(())
}

fn i06_order_and_duplicates_do_not_matter(variant: Variant, seed: u64) -> Result<(), String> {
    let (_, mut facts, once) = made(variant, seed);
    let mut chance = Chance::new(seed);
    for _ in 0..facts.len() / 3 {
        facts.push(facts[chance.between(0, facts.len() as i64) as usize]);
    }
    chance.shuffle(&mut facts);
    ensure!(outcome(variant, &facts) == once, "another state");
    Ok(())
}

fn i07_any_partition_over_nodes_merges_to_the_same(
    variant: Variant,
    seed: u64,
) -> Result<(), String> {
    let (_, facts, single) = made(variant, seed);
    let mut chance = Chance::new(seed);
    let nodes = chance.between(2, 6) as usize;
    let mut parts: Vec<Vec<Told>> = vec![Vec::new(); nodes];
    for told in facts {
        parts[chance.between(0, nodes as i64) as usize].push(told);
        if chance.percent(10) {
            parts[chance.between(0, nodes as i64) as usize].push(told);
        }
    }
    let mut ledgers: Vec<Ledger> = parts.iter().map(fold).collect();
    // Any tree: two of them become one, in either order, now and then twice.
    while ledgers.len() > 1 {
        chance.shuffle(&mut ledgers);
        let other = ledgers.pop().unwrap();
        let one = ledgers.last_mut().unwrap();
        for _ in 0..1 + u64::from(chance.percent(20)) {
            let _ = one.merge(&other);
        }
    }
    // Variants bend facts before they fold; only what all nodes share is compared for those.
    if variant == Variant::Right {
        ensure!(ledgers[0] == single.ledger, "another state");
        ensure!(ledgers[0].show(SHOW).unwrap().report() == single.report, "another report");
    }
    Ok(())
}

/// Appends facts to a log as one node's records.
pub(crate) fn write(facts: &[Told], epoch: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, told) in facts.iter().enumerate() {
        let sequence = number as u64 + 1;
        let position = Position { node: NodeId(1), epoch, sequence };
        let entry = Entry::Evidence(told.evidence);
        encode(&Record { position, at_ms: GO_LIVE, entry }, &mut out);
    }
    out
}

fn i08_a_crash_never_overcounts_and_resending_restores(
    variant: Variant,
    seed: u64,
) -> Result<(), String> {
    let (_, facts, truth) = made(variant, seed);
    let mut chance = Chance::new(seed);
    let log = write(&facts, 1);
    let cut = chance.between(0, log.len() as i64 + 1) as usize;
    let mut replay = Replay::default();
    let tail = replay.read(&log[..cut]);
    ensure!(tail.intact_bytes + tail.torn_bytes == cut, "bytes unaccounted for");
    let kept = replay.report().records as usize;
    let after_crash = outcome(variant, &facts[..kept]);
    let counted = |outcome: &Outcome, viewer: &ViewerKey| {
        outcome.viewers.get(viewer).map_or(0, |it| it.counted_ms)
    };
    for (viewer, it) in &truth.viewers {
        let after_ms = counted(&after_crash, viewer);
        ensure!(after_ms <= it.counted_ms, "{viewer:?}: over by the crash");
    }
    // Deliveries after the crash point are lost for good; everything else is sent again.
    let is_delivery = |told: &&Told| matches!(told.evidence.fact, Fact::Delivered(_));
    let lost = facts[kept..].iter().filter(is_delivery);
    let lost_ms: u64 = lost
        .map(|told| match told.evidence.fact {
            Fact::Delivered(delivered) => delivered.media.length_ms(),
            _ => 0,
        })
        .sum();
    let mut again: Vec<Told> = facts[..kept].to_vec();
    again.extend(facts.iter().filter(|told| !is_delivery(told)));
    let restored = outcome(variant, &again);
    for (viewer, it) in &truth.viewers {
        let now_ms = counted(&restored, viewer);
        ensure!(now_ms <= it.counted_ms, "{viewer:?}: over after resending");
        ensure!(now_ms + lost_ms >= it.counted_ms, "{viewer:?}: short by more than was lost");
    }
    if variant == Variant::Right {
        ensure!(replay.ledger() == &after_crash.ledger, "the replay is another state");
    }
    Ok(())
}

fn i09_presence_is_the_integral_of_concurrent_viewers(
    variant: Variant,
    seed: u64,
) -> Result<(), String> {
    let (scenario, _, outcome) = made(variant, seed);
    let oracle = Oracle::new(&scenario);
    let there = || oracle.viewers.values().filter(|it| it.counted_ms > 0);
    let length = there().map(|it| it.wall.len()).max().unwrap_or(0);
    let mut now = vec![0_u64; length];
    for truth in there() {
        now.iter_mut().zip(&truth.wall).for_each(|(now, &flag)| *now += u64::from(flag));
    }
    let mut rows: BTreeMap<i64, Minute> = BTreeMap::new();
    let mut at = 0;
    while at < length {
        let start_ms = (GO_LIVE + at as i64).div_euclid(60_000) * 60_000;
        let until = length.min((start_ms + 60_000 - GO_LIVE) as usize);
        let presence_ms = now[at..until].iter().sum();
        let peak = now[at..until].iter().copied().max().unwrap_or(0);
        rows.insert(start_ms, Minute { presence_ms, peak, ..Minute::default() });
        at = until;
    }
    let by_clock = rows.iter().map(|(start_ms, row)| (*start_ms, row.presence_ms, row.peak));
    let by_clock: Vec<_> = by_clock.filter(|&(_, presence_ms, _)| presence_ms > 0).collect();
    let minutes = &outcome.report.minutes;
    let said = minutes.iter().map(|row| (row.start_ms, row.presence_ms, row.peak));
    let said: Vec<_> = said.filter(|&(_, presence_ms, _)| presence_ms > 0).collect();
    ensure!(said == by_clock, "{said:?} instead of {by_clock:?}");
    let viewers = || outcome.viewers.values().filter(|it| it.counted_ms > 0);
    let presence_ms: u64 = viewers().map(|it| it.wall_ms).sum();
    let integral_ms: u64 = minutes.iter().map(|row| row.presence_ms).sum();
    ensure!(presence_ms == integral_ms, "{presence_ms} and {integral_ms}");
    let media_ms: u64 = viewers().map(|it| it.media_ms).sum();
    ensure!(media_ms == minutes.iter().map(|row| row.media_ms).sum::<u64>(), "media by minute");
    let live_ms: u64 = minutes.iter().map(|row| row.live_ms).sum();
    ensure!(live_ms == outcome.report.figures.live_ms, "live by minute");
    let peak = by_clock.iter().map(|&(.., peak)| peak).max().unwrap_or(0);
    ensure!(outcome.report.figures.peak == peak, "peak is {peak}");
    Ok(())
}

fn i10_attention_classes_partition_media(variant: Variant, seed: u64) -> Result<(), String> {
    let (scenario, _, outcome) = made(variant, seed);
    for (viewer, truth) in &Oracle::new(&scenario).viewers {
        let it = &outcome.viewers[viewer];
        let eligible_ms: u64 = it.attention_ms[..3].iter().sum();
        let attended_ms: u64 = it.attention_ms.iter().sum();
        ensure!(eligible_ms == it.media_ms, "{viewer:?}: classes of M sum to {eligible_ms}");
        ensure!(attended_ms == truth.attended_ms, "{viewer:?}: all classes sum to {attended_ms}");
        ensure!(it.counted_ms + it.idle_ms <= attended_ms, "{viewer:?}: idle counted twice");
    }
    Ok(())
}

fn i11_valid_counted_delivered(variant: Variant, seed: u64) -> Result<(), String> {
    let (scenario, _, outcome) = made(variant, seed);
    let of_show = outcome.report.figures;
    let mut levels = vec![(of_show.valid_ms, of_show.counted_ms, of_show.delivered_ms)];
    let viewers = outcome.viewers.values();
    levels.extend(viewers.map(|it| (it.valid_ms, it.counted_ms, it.delivered_ms)));
    let totals = totals(&[(GO_LIVE, &outcome)], Window { from_ms: 0, until_ms: i64::MAX });
    levels.push((totals.valid_ms, totals.counted_ms, totals.delivered_ms));
    for (valid_ms, counted_ms, delivered_ms) in levels {
        ensure!(valid_ms <= counted_ms, "{valid_ms} valid of {counted_ms}");
        ensure!(counted_ms <= delivered_ms, "{counted_ms} counted of {delivered_ms}");
    }
    let split = of_show.assurance;
    ensure!(split.a_ms + split.b_ms == of_show.counted_ms, "A and B are what counts");
    ensure!(of_show.counted_ms + split.c_ms == of_show.gross_ms, "C is what gross time adds");
    let valid = of_show.valid_assurance;
    ensure!(valid.a_ms + valid.b_ms == of_show.valid_ms, "A and B are what is valid");
    // Without the sessions that were judged invalid, what is left is what was valid.
    let mut cleared = scenario.clone();
    let invalid: Vec<SessionId> = scenario.events.iter().filter_map(judged_invalid).collect();
    cleared
        .events
        .retain(|event| !matches!(event, Event::Beat(it) if invalid.contains(&it.session)));
    let cleared = self::outcome(variant, &facts(variant, &cleared)).report.figures.counted_ms;
    ensure!(cleared == of_show.valid_ms, "{} valid instead of {cleared}", of_show.valid_ms);
    Ok(())
}

fn judged_invalid(event: &Event) -> Option<SessionId> {
    match event {
        Event::Judged { session, verdict } if verdict.invalid => Some(*session),
        _ => None,
    }
}

fn i12_what_must_not_be_believed_changes_nothing(
    variant: Variant,
    seed: u64,
) -> Result<(), String> {
    let (mut scenario, _, before) = made(variant, seed);
    let mut chance = Chance::new(seed);
    let records: BTreeMap<_, _> = scenario.sessions().map(|it| (it.id, *it)).collect();
    let mut bad = Vec::new();
    for event in &scenario.events {
        let Event::Beat(mut beat) = *event else { continue };
        scenario::spoil(&mut chance, &mut beat);
        beat.heartbeat.clock_ms = beat.heartbeat.clock_ms.map(|it| it + 1_000);
        if believed(&beat, records[&beat.session].started_at_ms).is_none() {
            bad.push(Event::Beat(beat));
        }
    }
    scenario.events.extend(bad);
    let after = outcome(variant, &facts(variant, &scenario));
    ensure!(after == before, "something was believed");
    Ok(())
}

fn i13_finals_are_immutable_and_a_replay_reproduces_every_figure(
    variant: Variant,
    seed: u64,
) -> Result<(), String> {
    let (_, facts, outcome) = made(variant, seed);
    let mut chance = Chance::new(seed);
    let (early, late) = facts.split_at(chance.between(0, facts.len() as i64 + 1) as usize);
    let mut ledger = fold(early);
    let figures = ledger.statement(SHOW).map(|it| it.figures).unwrap_or_default();
    let first = FinalRecord::first(figures, GO_LIVE);
    ledger.record_final(SHOW, first.clone()).map_err(|error| error.to_string())?;
    for told in late {
        ensure!(ledger.apply(&told.evidence) == Applied::Whole, "a bound");
    }
    let statement = ledger.statement(SHOW).ok_or("no statement")?;
    ensure!(!statement.provisional && statement.figures == figures, "a final figure moved");
    let rewritten = FinalRecord::first(outcome.report.figures, GO_LIVE + 1);
    ensure!(ledger.record_final(SHOW, rewritten).is_err(), "a final figure was written over");
    let now = ledger.show(SHOW).map(|show| show.figures()).unwrap_or_default();
    let second = FinalRecord::correction(&first, now, GO_LIVE, "late evidence").unwrap();
    ledger.record_final(SHOW, second.clone()).map_err(|error| error.to_string())?;
    ensure!(ledger.finals(SHOW) == [first.clone(), second.clone()], "a correction replaced");

    let mut log = write(&facts, 1);
    for (number, record) in [first, second].into_iter().enumerate() {
        let sequence = (facts.len() + number) as u64 + 1;
        let position = Position { node: NodeId(1), epoch: 1, sequence };
        let entry = Entry::Final { show: SHOW, record };
        encode(&Record { position, at_ms: GO_LIVE, entry }, &mut log);
    }
    let mut replay = Replay::default();
    replay.read(&log);
    ensure!(*replay.ledger() == ledger, "the replay is another ledger");
    let (snapshot, _) = compact(&[&log], NodeId(1), GO_LIVE);
    let mut from_snapshot = Replay::default();
    from_snapshot.read(&snapshot);
    ensure!(*from_snapshot.ledger() == ledger, "the snapshot is another ledger");
    ensure!(from_snapshot.positions() == replay.positions(), "other positions");
    ensure!(from_snapshot.report().whole_snapshots == 1, "the snapshot is not whole");
    // Records the snapshot took in already change nothing.
    from_snapshot.read(&log);
    ensure!(*from_snapshot.ledger() == ledger, "reading again changed the ledger");
    let (again, _) = compact(&[&snapshot, &log], NodeId(1), GO_LIVE);
    ensure!(again == snapshot, "compacting again gives other bytes");
    Ok(())
}

fn i14_catch_up_is_tolerated_and_double_speed_refused(
    variant: Variant,
    seed: u64,
) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let (rate, duration_ms) = (chance.between(950, 1_101), chance.between(20_000, 120_000));
    let viewer = |rate_permille| {
        let scenario = Scenario::steady(rate_permille, duration_ms);
        outcome(variant, &facts(variant, &scenario)).viewers[&ViewerKey(1)]
    };
    let it = viewer(rate);
    let apart_ms = it.media_ms.abs_diff(it.wall_ms);
    ensure!(it.media_ms == duration_ms.unsigned_abs(), "at {rate}: {} of media", it.media_ms);
    ensure!(apart_ms * 10 <= it.media_ms.max(it.wall_ms), "at {rate}: {apart_ms} ms apart");
    let it = viewer(2_000);
    // The last heartbeat may be short enough for the slack.
    ensure!(it.counted_ms <= 700, "{} at double speed", it.counted_ms);
    Ok(())
}

fn i15_ranges_and_renditions_never_double(variant: Variant, seed: u64) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let duration_ms = 20_000;
    let plain = Scenario::steady(1_000, duration_ms);
    let mut pieces = plain.clone();
    let session = SessionId(1);
    let whole = scenario::get(0, scenario::interval(GO_LIVE, GO_LIVE + duration_ms));
    pieces.events.retain(|event| !matches!(event, Event::Fetched { .. }));
    for rendition in 0..chance.number() % 3 + 1 {
        let object = whole.object + rendition;
        let mut first_byte = 0;
        while first_byte < whole.object_bytes {
            let written_bytes = 1 + chance.number() % (whole.object_bytes - first_byte);
            let fetch =
                tally_watch::Fetch { object, status: 206, first_byte, written_bytes, ..whole };
            pieces.events.push(scenario::fetched(session, rendition, fetch));
            first_byte += written_bytes - chance.number() % written_bytes;
        }
        let whole = tally_watch::Fetch { object, ..whole };
        pieces.events.push(scenario::fetched(session, rendition, whole));
    }
    let [plain, pieces] = [plain, pieces].map(|it| outcome(variant, &facts(variant, &it)));
    ensure!(plain.viewers == pieces.viewers, "{:?}, {:?}", plain.viewers, pieces.viewers);
    // A part of each of two renditions is none of either.
    let mut halves = Scenario::steady(1_000, duration_ms);
    halves.events.retain(|event| !matches!(event, Event::Fetched { .. }));
    for (rendition, first_byte) in [(0, 0), (1, 20)] {
        let object = whole.object + rendition;
        let fetch = tally_watch::Fetch { object, first_byte, written_bytes: 20, ..whole };
        halves.events.push(scenario::fetched(session, rendition, fetch));
    }
    let counted_ms = outcome(variant, &facts(variant, &halves)).viewers[&ViewerKey(1)].counted_ms;
    ensure!(counted_ms == 0, "{counted_ms} for two halves");
    Ok(())
}

fn totals(shows: &[(i64, &Outcome)], window: Window) -> CreatorTotals {
    let rows = shows.iter().map(|(went_live_ms, outcome)| {
        let report = &outcome.report;
        (*went_live_ms, &report.figures, report.valid_unique_viewers.as_slice())
    });
    creator_totals(rows, window)
}

fn i16_creator_totals_are_sums_over_shows(variant: Variant, seed: u64) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let window = Window { from_ms: GO_LIVE, until_ms: GO_LIVE + 1_000 };
    let shows: Vec<(i64, Outcome)> = (0..chance.between(1, 4))
        .map(|number| {
            let went_live_ms = GO_LIVE + chance.between(-2, 1_002);
            (went_live_ms, made(variant, seed ^ number.unsigned_abs()).2)
        })
        .collect();
    let rows: Vec<(i64, &Outcome)> = shows.iter().map(|(at_ms, it)| (*at_ms, it)).collect();
    let of_creator = totals(&rows, window);
    let inside = |at_ms: i64| (GO_LIVE..GO_LIVE + 1_000).contains(&at_ms);
    let mut sums = [0; 4];
    for (_, show) in shows.iter().filter(|(at_ms, _)| inside(*at_ms)) {
        // From the viewers up: a show's figures are sums too.
        for person in show.ledger.show(SHOW).unwrap().people().into_keys() {
            let it = show.ledger.show(SHOW).unwrap().person(person).unwrap();
            let counts = u64::from(matches!(person, Person::Viewer(_)));
            sums[0] += it.delivered_ms;
            sums[1] += it.counted_ms * counts;
            sums[2] += it.valid_ms * counts;
        }
        sums[3] += show.report.figures.live_ms;
    }
    let said = [of_creator.delivered_ms, of_creator.counted_ms, of_creator.valid_ms];
    ensure!(said == sums[..3] && of_creator.live_ms == sums[3], "{said:?} instead of {sums:?}");
    Ok(())
}

#[test]
fn sessions_from_caches_and_strangers_are_graded_lower() {
    let mut ledger = Ledger::default();
    let mut grade = |show, viewer, basis| {
        let mut scenario = Scenario::steady(1_000, 10_000);
        for event in &mut scenario.events {
            match event {
                Event::Minted(record) => (record.viewer, record.basis) = (viewer, basis),
                Event::Fetched { fetch, .. } if basis == Basis::Cached => {
                    let tally_watch::Content::Media(media) = fetch.content else { continue };
                    fetch.content = tally_watch::Content::Playlist(media);
                }
                _ => {}
            }
        }
        for mut told in facts(Variant::Right, &scenario) {
            told.evidence.show = show;
            assert_eq!(ledger.apply(&told.evidence), Applied::Whole);
        }
        let it = ledger.show(show).unwrap().figures();
        ([it.assurance.a_ms, it.assurance.b_ms, it.assurance.c_ms], it.counted_ms)
    };
    let viewer = Some(ViewerKey(1));
    assert_eq!(grade(ShowId(1), viewer, Basis::Direct), ([10_000, 0, 0], 10_000));
    assert_eq!(grade(ShowId(2), viewer, Basis::Cached), ([0, 10_000, 0], 10_000));
    assert_eq!(grade(ShowId(3), None, Basis::Direct), ([0, 0, 10_000], 0));
}

macro_rules! properties {
    ($cases:literal: $($name:ident = $check:ident;)+) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases($cases))]
            $(
                #[test]
                fn $name(seed: u64) {
                    let held = $check(Variant::Right, seed);
                    held.map_err(|error| format!("seed {seed}: {error}")).unwrap();
                }
            )+
        }
    };
}

// The oracle keeps a flag a millisecond, which takes its time.
properties! {
    80:
    the_oracle_agrees = oracle_agrees;
    invariant_01 = i01_counted_is_at_most_what_was_published;
    invariant_02 = i02_counted_is_at_most_delivered_and_half_of_the_evidence_is_worth_nothing;
    invariant_09 = i09_presence_is_the_integral_of_concurrent_viewers;
    invariant_10 = i10_attention_classes_partition_media;
}

properties! {
    600:
    invariant_03 = i03_a_clone_adds_nothing;
    invariant_04 = i04_counted_is_at_most_presence;
    invariant_05 = i05_more_evidence_never_lowers_a_figure;
    invariant_06 = i06_order_and_duplicates_do_not_matter;
    invariant_07 = i07_any_partition_over_nodes_merges_to_the_same;
    invariant_08 = i08_a_crash_never_overcounts_and_resending_restores;
    invariant_11 = i11_valid_counted_delivered;
    invariant_12 = i12_what_must_not_be_believed_changes_nothing;
    invariant_13 = i13_finals_are_immutable_and_a_replay_reproduces_every_figure;
    invariant_14 = i14_catch_up_is_tolerated_and_double_speed_refused;
    invariant_15 = i15_ranges_and_renditions_never_double;
    invariant_16 = i16_creator_totals_are_sums_over_shows;
}
