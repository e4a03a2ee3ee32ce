//! The grace: told when it begins, over when the figures are back, the level lost when it ends.

use tally_program::{DAY_MS, Figures, Grace, Level, LevelState, Outcome, Sales, evaluate};

use crate::rules::committed;
use crate::simulation::{HOUR_MS, MINUTE_MS, START_MS};

fn insider() -> LevelState {
    LevelState { level: Level::Insider, ..LevelState::enrolled(START_MS) }
}

fn keeps_insider() -> Figures {
    Figures {
        window_days: 30,
        live_ms: 72 * MINUTE_MS,
        days: 3,
        valid_ms: 20 * HOUR_MS,
        unique_viewers: 16,
        sales: Sales::default(),
    }
}

fn one_ms_short() -> Figures {
    Figures { valid_ms: 20 * HOUR_MS - 1, ..keeps_insider() }
}

const NOTICE_MS: i64 = START_MS + 50 * DAY_MS;
const END_MS: i64 = NOTICE_MS + 30 * DAY_MS;

fn in_grace() -> LevelState {
    let decision = evaluate(&committed(), &insider(), &one_ms_short(), NOTICE_MS);
    assert_eq!(decision.outcome, Outcome::GraceBegins);
    assert!(decision.outcome.is_notice());
    assert_eq!(decision.after.grace, Some(Grace { since_ms: NOTICE_MS, ends_ms: END_MS }));
    assert_eq!(
        decision.reason,
        "Insider is kept for 30 more days; to keep it: watch time: 19 of 20 h, 1 missing"
    );
    decision.after
}

#[test]
fn it_ends_after_thirty_days_to_the_millisecond() {
    let (rules, state) = (committed(), in_grace());
    let before = evaluate(&rules, &state, &one_ms_short(), END_MS - 1);
    assert_eq!((before.outcome, before.after), (Outcome::InGrace, state));
    let at_end = evaluate(&rules, &state, &one_ms_short(), END_MS);
    assert_eq!(at_end.outcome, Outcome::Down);
    let fallen = LevelState { since_ms: END_MS, ..LevelState::enrolled(START_MS) };
    assert_eq!(at_end.after, fallen);
}

#[test]
fn recovery_within_it_cancels_it_and_the_next_one_is_whole() {
    let (rules, state) = (committed(), in_grace());
    let back = evaluate(&rules, &state, &keeps_insider(), END_MS - 1);
    assert_eq!((back.outcome, back.after), (Outcome::Recovered, insider()));
    let again = evaluate(&rules, &back.after, &one_ms_short(), END_MS);
    assert_eq!(again.outcome, Outcome::GraceBegins);
    assert_eq!(again.after.grace.unwrap().ends_ms, END_MS + 30 * DAY_MS);
}

#[test]
fn one_level_is_lost_at_a_time_each_with_its_own_grace() {
    let rules = committed();
    let mut state = LevelState { level: Level::AList, ..insider() };
    let mut lost = Vec::new();
    for day in 1..=100 {
        let nothing = Figures { window_days: 30, ..Figures::default() };
        let decision = evaluate(&rules, &state, &nothing, START_MS + day * DAY_MS);
        state = decision.after;
        if decision.outcome == Outcome::Down {
            lost.push((day, state.level));
        }
    }
    // The second grace begins with the first decision after the first fall.
    assert_eq!(lost, [(31, Level::Insider), (62, Level::RisingStar)]);
}

#[test]
fn a_fall_and_a_rise_are_decided_at_most_once_per_instant() {
    let (rules, everything) = (
        committed(),
        Figures {
            live_ms: 2_000 * MINUTE_MS,
            days: 10,
            valid_ms: 600 * HOUR_MS,
            unique_viewers: 50,
            sales: Sales { settled_minor: 0, orders: 100 },
            window_days: 30,
        },
    );
    let start = LevelState::enrolled(START_MS);
    let first = evaluate(&rules, &start, &everything, START_MS + 1);
    let repeated = evaluate(&rules, &first.after, &everything, START_MS + 1);
    let next = evaluate(&rules, &repeated.after, &everything, START_MS + 2);
    let levels = [first, repeated, next].map(|decision| decision.after.level);
    assert_eq!(levels, [Level::Insider, Level::Insider, Level::AList]);
}
