//! What holds for every creator, whatever they do.

use proptest::collection::vec;
use proptest::prelude::*;
use tally_program::{
    DAY_MS, Decision, Figures, Finality, Goal, History, Level, LevelState, Outcome, Rules, Sales,
    Standing, evaluate, explain, what_if,
};

use crate::rules::{LEVELS, committed};
use crate::simulation::{HOUR_MS, MINUTE_MS, START_MS, decide, months};

/// Any figures, below and above everything the rules ask for.
fn any_figures() -> impl Strategy<Value = Figures> {
    let shows = (0..1_200 * MINUTE_MS, 0_u64..12, 0..600 * HOUR_MS, 0_u64..30);
    (shows, -1_i64..600_000, 0_u64..120).prop_map(|(shows, settled_minor, orders)| {
        let (live_ms, days, valid_ms, unique_viewers) = shows;
        let sales = Sales { settled_minor, orders };
        Figures { window_days: 30, live_ms, days, valid_ms, unique_viewers, sales }
    })
}

/// Figures that keep Insider and do not unlock it.
fn in_the_keep_band() -> impl Strategy<Value = Figures> {
    let (low, high) = (20 * HOUR_MS, 25 * HOUR_MS);
    (72 * MINUTE_MS..1_200 * MINUTE_MS, low..high, 16_u64..40).prop_map(
        |(live_ms, valid_ms, unique_viewers)| {
            let sales = Sales::default();
            Figures { window_days: 30, live_ms, days: 3, valid_ms, unique_viewers, sales }
        },
    )
}

fn at(level: Level) -> LevelState {
    LevelState { level, ..LevelState::enrolled(START_MS) }
}

fn levels(decisions: &[Decision]) -> Vec<Level> {
    decisions.iter().map(|decision| decision.after.level).collect()
}

/// Some simulations must rise and fall, or the properties would hold of nothing.
#[test]
fn the_simulations_visit_every_outcome() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let (mut runner, rules) = (TestRunner::deterministic(), committed());
    let mut seen = std::collections::HashSet::new();
    let mut reached = std::collections::HashSet::new();
    for _ in 0..24 {
        let months = months().new_tree(&mut runner).unwrap().current();
        for decision in decide(&rules, &months) {
            seen.insert(decision.outcome);
            reached.insert(decision.after.level);
        }
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert_eq!(reached.len(), 3, "{reached:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn each_decision_moves_one_level_and_goes_down_only_after_the_whole_grace(months in months()) {
        for decision in decide(&committed(), &months) {
            let (before, after) = (decision.before, decision.after);
            match decision.outcome {
                Outcome::Up => prop_assert_eq!(Some(after.level), before.level.above()),
                Outcome::Down => {
                    prop_assert_eq!(Some(after.level), before.level.below());
                    let grace = before.grace.unwrap();
                    prop_assert!(decision.at_ms - grace.since_ms >= 30 * DAY_MS);
                }
                _ => prop_assert_eq!(after.level, before.level),
            }
            prop_assert!(after.level >= Level::RisingStar);
            prop_assert!(after.level > Level::RisingStar || after.grace.is_none());
        }
    }

    #[test]
    fn the_order_and_repetition_of_records_do_not_matter(
        (months, shuffled) in months().prop_flat_map(|months| {
            let twice = [months.shows.clone(), months.shows.clone()].concat();
            (Just(months), Just(twice).prop_shuffle())
        }),
    ) {
        let mut other = months.clone();
        other.shows = shuffled;
        prop_assert_eq!(decide(&committed(), &months), decide(&committed(), &other));
    }

    #[test]
    fn more_valid_time_never_lowers_a_level(months in months(), more in vec(0..40 * HOUR_MS, 28)) {
        let mut richer = months.clone();
        for (show, more_ms) in richer.shows.iter_mut().zip(more.iter().cycle()) {
            show.valid_ms += more_ms;
        }
        let (less, more) = (decide(&committed(), &months), decide(&committed(), &richer));
        for (less, more) in less.iter().zip(&more) {
            prop_assert_eq!(less.at_ms, more.at_ms);
            prop_assert!(less.after.level <= more.after.level, "{:?} {:?}", less, more);
        }
    }

    #[test]
    fn provisional_figures_and_those_of_later_never_count(months in months()) {
        let mut more = months.clone();
        for show in &months.shows {
            for finality in [None, Some(Finality { number: 1, at_ms: i64::MAX })] {
                let mut record = show.clone();
                (record.finality, record.live_ms) = (finality, record.live_ms + 1_000 * MINUTE_MS);
                record.valid_ms += 1_000 * HOUR_MS;
                more.shows.push(record);
            }
        }
        let made = decide(&committed(), &months);
        let figures = |now_ms| crate::simulation::figures(&committed(), &more, now_ms);
        for decision in made {
            prop_assert_eq!(figures(decision.at_ms), decision.figures);
        }
    }

    #[test]
    fn decisions_are_replayed_from_their_records(months in months()) {
        let (rules, other) = (committed(), Rules::parse(&format!("{LEVELS}\n")).unwrap());
        for decision in decide(&rules, &months) {
            let kept = serde_json::to_string(&decision).unwrap();
            let read: Decision = serde_json::from_str(&kept).unwrap();
            prop_assert_eq!(&read, &decision);
            prop_assert!(read.is_reproduced_by(&rules));
            prop_assert!(!read.is_reproduced_by(&other));
        }
    }

    #[test]
    fn the_same_rules_move_nobody_and_easier_ones_nobody_down(months in months()) {
        let rules = committed();
        let decisions = decide(&rules, &months);
        let history = History { creator: "alice", shows: &months.shows, decisions: &decisions };
        prop_assert_eq!(what_if(&rules, &[history]), []);
        let easier = LEVELS.replace("valid_h = 25\n", "valid_h = 5\n");
        let easier = Rules::parse(&easier.replace("valid_h = 500", "valid_h = 50")).unwrap();
        for moved in what_if(&easier, &[history]) {
            prop_assert_eq!(moved.from, *levels(&decisions).last().unwrap());
            prop_assert!(moved.to > moved.from);
        }
    }
}

proptest! {
    #[test]
    fn nothing_moves_inside_the_keep_band(
        figures in vec(in_the_keep_band(), 1..100),
        level in prop_oneof![Just(Level::RisingStar), Just(Level::Insider)],
    ) {
        let mut state = at(level);
        for (day, figures) in (1..).zip(&figures) {
            let decision = evaluate(&committed(), &state, figures, START_MS + day * DAY_MS);
            prop_assert_eq!(decision.outcome, Outcome::Stays);
            state = decision.after;
        }
    }

    #[test]
    fn a_decision_that_is_asked_for_twice_is_made_once(
        figures in any_figures(),
        level in 0_usize..3,
        grace_days in 0_i64..60,
    ) {
        let mut state = at(Level::ALL[level]);
        for now_ms in [START_MS + DAY_MS, START_MS + (1 + grace_days) * DAY_MS] {
            let first = evaluate(&committed(), &state, &figures, now_ms);
            let second = evaluate(&committed(), &first.after, &figures, now_ms);
            prop_assert_eq!(second.after, first.after);
            state = first.after;
        }
    }

    #[test]
    fn what_is_explained_is_what_is_decided(figures in any_figures(), level in 0_usize..3) {
        let (rules, state) = (committed(), at(Level::ALL[level]));
        let decision = evaluate(&rules, &state, &figures, START_MS + 1);
        for wanted in Level::ALL {
            let it = explain(&rules, &state, &figures, wanted);
            let all_met = it.requirements.iter().all(|requirement| requirement.is_met);
            prop_assert_eq!(it.progress_basis_points == 10_000, all_met);
            for progress in it.requirements.iter().flat_map(|requirement| &requirement.any_of) {
                prop_assert_eq!(progress.missing == 0, progress.have >= progress.need);
                let whole = progress.progress_basis_points == 10_000;
                prop_assert_eq!(whole, progress.missing == 0);
                prop_assert_eq!(it.text.contains('\n'), false);
            }
            if state.level.above() == Some(wanted) {
                prop_assert_eq!(it.goal, Goal::Unlock);
                prop_assert_eq!(all_met, decision.outcome == Outcome::Up);
            }
            if state.level == wanted && decision.outcome != Outcome::Up {
                prop_assert_eq!(it.goal, Goal::Keep);
                prop_assert_eq!(!all_met, decision.outcome == Outcome::GraceBegins);
            }
        }
    }

    #[test]
    fn without_good_standing_there_is_no_way_up(figures in any_figures(), level in 0_usize..3) {
        for standing in [Standing::Suspended, Standing::NotEnrolled] {
            let state = LevelState { standing, ..at(Level::ALL[level]) };
            let decision = evaluate(&committed(), &state, &figures, START_MS + 1);
            prop_assert_ne!(decision.outcome, Outcome::Up);
            prop_assert_eq!(decision.after.standing, standing);
        }
    }
}
