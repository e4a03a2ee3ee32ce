//! Stories: a creator rises, figures are corrected, a show keeps its rights.

use tally_program::rules::Assurance;
use tally_program::{
    DAY_MS, Figures, Finality, Grant, History, Level, LevelState, Move, Outcome, Rules, Sales,
    ShowId, ShowRecord, Standing, ViewerKey, evaluate, explain, rights_at_go_live, what_if,
};
use tally_watch::FinalRecord;
use tally_watch::figures::ValidAssurance;

use crate::rules::{LEVELS, committed};
use crate::simulation::{HOUR_MS, MINUTE_MS, START_MS};

/// Half an hour a day, twenty viewers, 25 viewer-hours in all; final the day after.
fn three_days() -> Vec<ShowRecord> {
    let hours = [8, 8, 9].into_iter().zip(0_i64..);
    let show = |(hours, day): (u64, i64)| ShowRecord {
        show: ShowId(day.unsigned_abs()),
        finality: Some(Finality { number: 0, at_ms: START_MS + (day + 1) * DAY_MS + 1 }),
        start_ms: START_MS + day * DAY_MS,
        live_ms: 30 * MINUTE_MS,
        valid_ms: hours * HOUR_MS,
        unique_viewers: (0..20).map(ViewerKey).collect(),
    };
    hours.map(show).collect()
}

#[test]
fn three_days_of_streaming_and_25_viewer_hours_unlock_insider() {
    let (rules, shows) = (committed(), three_days());
    let mut state = LevelState::enrolled(START_MS - 1);
    let mut outcomes = Vec::new();
    for show in &shows {
        let now_ms = show.finality.unwrap().at_ms;
        let decision = evaluate(&rules, &state, &Figures::over_window(&shows, now_ms, 30), now_ms);
        outcomes.push((decision.outcome, decision.after.level));
        state = decision.after;
    }
    let stays = (Outcome::Stays, Level::RisingStar);
    assert_eq!(outcomes, [stays, stays, (Outcome::Up, Level::Insider)]);
    // A month after, without another show, the first one has left the window.
    let now_ms = START_MS + 30 * DAY_MS + 1;
    let decision = evaluate(&rules, &state, &Figures::over_window(&shows, now_ms, 30), now_ms);
    assert_eq!(decision.outcome, Outcome::GraceBegins);
}

#[test]
fn days_are_those_of_the_calendar_and_viewers_are_people() {
    let mut shows = three_days();
    // A minute before and after midnight: two days, whatever the length of the shows.
    shows[1].start_ms = START_MS + 2 * DAY_MS - 60_000;
    let figures = |shows: &[ShowRecord]| Figures::over_window(shows, START_MS + 9 * DAY_MS, 30);
    assert_eq!((figures(&shows).days, figures(&shows).unique_viewers), (3, 20));
    shows[1].start_ms = START_MS + 3 * DAY_MS - 1;
    assert_eq!(figures(&shows).days, 2);
    shows[0].live_ms = 0;
    assert_eq!(figures(&shows).days, 1, "a show that published nothing is no day of streaming");
}

#[test]
fn a_show_is_in_the_window_by_its_start_alone() {
    let shows = &three_days()[..1];
    let valid_ms = |now_ms| Figures::over_window(shows, now_ms, 30).valid_ms;
    let ends_ms = START_MS + 30 * DAY_MS;
    assert_eq!(valid_ms(START_MS + DAY_MS), 0, "not final yet");
    assert_eq!((valid_ms(ends_ms), valid_ms(ends_ms + 1)), (8 * HOUR_MS, 0));
}

#[test]
fn a_correction_replaces_the_figures_from_when_it_was_written() {
    let mut shows = three_days();
    let at_ms = START_MS + 5 * DAY_MS;
    let finality = Some(Finality { number: 1, at_ms });
    shows.push(ShowRecord { finality, valid_ms: HOUR_MS, ..shows[0].clone() });
    let valid_ms = |now_ms| Figures::over_window(&shows, now_ms, 30).valid_ms;
    assert_eq!((valid_ms(at_ms - 1), valid_ms(at_ms)), (25 * HOUR_MS, 18 * HOUR_MS));
}

#[test]
fn watch_time_counts_with_the_evidence_the_rules_want() {
    let valid_assurance = ValidAssurance { a_ms: 6, b_ms: 4 };
    let figures = tally_watch::Figures {
        live_ms: 5,
        valid_ms: 10,
        valid_assurance,
        ..tally_watch::Figures::default()
    };
    let record = FinalRecord::first(figures, 77);
    let of = |assurance| ShowRecord::of_final(ShowId(1), 3, &record, Vec::new(), assurance);
    assert_eq!((of(Assurance::A).valid_ms, of(Assurance::AOrB).valid_ms), (6, 10));
    assert_eq!(of(Assurance::A).finality, Some(Finality { number: 0, at_ms: 77 }));
}

#[test]
fn sales_or_orders_are_enough_for_the_a_list() {
    let rules = committed();
    let state = LevelState { level: Level::Insider, ..LevelState::enrolled(START_MS) };
    let streamed = Figures {
        window_days: 30,
        live_ms: 1_000 * MINUTE_MS,
        days: 8,
        valid_ms: 500 * HOUR_MS,
        unique_viewers: 20,
        sales: Sales { settled_minor: 499_999, orders: 99 },
    };
    let explanation = explain(&rules, &state, &streamed, Level::AList);
    assert_eq!(
        explanation.text,
        "To A-List: settled sales: 4999.99 of 5000.00 USD, 0.01 missing, \
         or orders: 99 of 100, 1 missing"
    );
    assert_eq!(explanation.progress_basis_points, 9_999);
    for (sales, outcome) in [
        (streamed.sales, Outcome::Stays),
        (Sales { settled_minor: 500_000, orders: 0 }, Outcome::Up),
        (Sales { settled_minor: -1, orders: 100 }, Outcome::Up),
    ] {
        let decision = evaluate(&rules, &state, &streamed.with_sales(sales), START_MS + 1);
        assert_eq!(decision.outcome, outcome, "{sales:?}");
    }
}

#[test]
fn a_level_two_above_says_which_comes_first() {
    let (rules, state) = (committed(), LevelState::enrolled(START_MS));
    let nothing = Figures { window_days: 30, ..Figures::default() };
    let explanation = explain(&rules, &state, &nothing, Level::AList);
    assert!(explanation.text.starts_with("To A-List (Insider comes first): live time: 0 of 1000"));
    assert_eq!(explanation.progress_basis_points, 0);
    let first = explain(&rules, &state, &nothing, Level::RisingStar);
    assert_eq!(
        (first.text.as_str(), first.progress_basis_points),
        ("You keep Rising Star", 10_000)
    );
}

#[test]
fn who_is_suspended_reads_why_nothing_rises() {
    let (rules, shows) = (committed(), three_days());
    let figures = Figures::over_window(&shows, START_MS + 9 * DAY_MS, 30);
    let state = LevelState { standing: Standing::Suspended, ..LevelState::enrolled(START_MS) };
    let explanation = explain(&rules, &state, &figures, Level::Insider);
    assert_eq!(
        explanation.text,
        "Suspended, so there is no way up. Insider: all 4 requirements are met"
    );
    assert_eq!(explanation.standing, Standing::Suspended);
}

#[test]
fn a_show_has_the_rights_of_its_go_live() {
    let rules = committed();
    let mut state = LevelState { level: Level::Insider, ..LevelState::enrolled(START_MS) };
    let rights = rights_at_go_live(&rules, &state);
    assert!(rights.allow(Grant::LiveTop) && rights.allow(Grant::Stream));
    assert!(!rights.allow(Grant::HomePage));
    state.standing = Standing::Suspended;
    assert!(rights_at_go_live(&rules, &state).grants.is_empty());
}

#[test]
fn other_rules_name_who_would_move() {
    let (rules, shows) = (committed(), three_days());
    let now_ms = START_MS + 4 * DAY_MS;
    let figures = Figures::over_window(&shows, now_ms, 30);
    let decisions = [evaluate(&rules, &LevelState::enrolled(START_MS), &figures, now_ms)];
    let alice = History { creator: "alice", shows: &shows, decisions: &decisions };
    let bob = History { creator: "bob", shows: &[], decisions: &[] };
    let harder = Rules::parse(&LEVELS.replace("valid_h = 25\n", "valid_h = 26\n")).unwrap();
    let moved = Move { creator: "alice".into(), from: Level::Insider, to: Level::RisingStar };
    assert_eq!(what_if(&harder, &[alice, bob]), std::slice::from_ref(&moved));
    let shorter = Rules::parse(&LEVELS.replace("window_days = 30", "window_days = 10"));
    assert_eq!(what_if(&shorter.unwrap(), &[alice, bob]), []);
    let short = LEVELS.replace("window_days = 30", "window_days = 8");
    let later_ms = START_MS + 10 * DAY_MS + 1;
    let late = [evaluate(
        &rules,
        &LevelState::enrolled(START_MS),
        &Figures::over_window(&shows, later_ms, 30),
        later_ms,
    )];
    let alice = History { creator: "alice", shows: &shows, decisions: &late };
    assert_eq!(what_if(&Rules::parse(&short).unwrap(), &[alice]), [moved]);
}

#[test]
fn other_rules_do_not_lift_who_was_suspended() {
    let (rules, shows) = (committed(), three_days());
    let now_ms = START_MS + 4 * DAY_MS;
    let figures = Figures::over_window(&shows, now_ms, 30);
    let enrolled = LevelState::enrolled(START_MS);
    let suspended = LevelState { standing: Standing::Suspended, ..enrolled };
    let nothing = Figures { window_days: 30, ..Figures::default() };
    let decisions = [
        evaluate(&rules, &enrolled, &nothing, START_MS + 1),
        evaluate(&rules, &suspended, &figures, now_ms),
    ];
    let history = History { creator: "alice", shows: &shows, decisions: &decisions };
    assert_eq!(what_if(&rules, &[history]), []);
}
