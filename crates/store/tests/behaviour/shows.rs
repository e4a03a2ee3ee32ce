//! Shows, their figures, and the levels of who made them.

use tally_program::rules::Assurance;
use tally_program::{LevelState, Rules, evaluate, rights_at_go_live};
use tally_store::{CreatorId, NewEvent, NewShow, Store};
use tally_watch::figures::{Minute, Report, Window};
use tally_watch::log::Position;
use tally_watch::{Figures, FinalRecord, NodeId, ShowId, ViewerKey};

use crate::{Place, handle, open};

/// Half of all numbers of shows have their highest bit set.
const SHOW: ShowId = ShowId(u64::MAX - 7);
const ALWAYS: Window = Window { from_ms: i64::MIN, until_ms: i64::MAX };

fn position(epoch: u64, sequence: u64) -> Position {
    Position { node: NodeId(1), epoch, sequence }
}

fn figures(from: u64) -> Figures {
    Figures::from_numbers(std::array::from_fn(|at| from + at as u64))
}

fn report() -> Report {
    let minute = |start_ms| Minute { start_ms, live_ms: 1, media_ms: 2, presence_ms: 3, peak: 4 };
    Report {
        figures: figures(100),
        minutes: vec![minute(0), minute(60_000)],
        valid_unique_viewers: vec![ViewerKey(1), ViewerKey(u128::MAX)],
    }
}

fn rules() -> Rules {
    Rules::parse(include_str!("../../../../config/levels.toml")).unwrap()
}

async fn creator(store: &Store) -> CreatorId {
    store.ensure_creator(&handle("alice")).await.unwrap().id
}

fn new(creator: CreatorId, went_live_at_ms: i64) -> NewShow<'static> {
    NewShow { id: SHOW, name: "abc", creator, went_live_at_ms, rights: None }
}

fn event(key: &str, at_ms: i64) -> NewEvent {
    NewEvent {
        key: key.to_owned(),
        kind: "show.started",
        body: format!("{{\"at\":{at_ms}}}"),
        at_ms,
    }
}

#[tokio::test]
async fn an_event_is_kept_once_and_told_until_it_is_received_or_given_up() {
    let Place { store, directory: _directory } = Place::new().await;
    let creator = creator(&store).await;
    store.shows().begin(&new(creator, 0), Some(&event("begin", 10))).await.unwrap();
    store.shows().begin(&new(creator, 0), Some(&event("begin", 11))).await.unwrap();
    store.shows().end(SHOW, 5, Some(&event("end", 20))).await.unwrap();
    let events = store.events();
    assert_eq!(events.due(9, 10).await.unwrap(), []);
    let due = events.due(20, 10).await.unwrap();
    let keys: Vec<_> = due.iter().map(|it| (it.key.as_str(), it.created_at_ms)).collect();
    assert_eq!(keys, [("begin", 10), ("end", 20)]);
    assert_eq!((due[0].kind.as_str(), due[0].body.as_str()), ("show.started", "{\"at\":10}"));
    events.sent(due[0].id, 21).await.unwrap();
    events.failed(due[1].id, "connection refused", Some(30)).await.unwrap();
    assert_eq!(events.due(29, 10).await.unwrap(), []);
    let again = events.due(30, 10).await.unwrap();
    assert_eq!((again.len(), again[0].attempts), (1, 1));
    assert_eq!(again[0].problem.as_deref(), Some("connection refused"));
    assert!(!events.replay(due[1].id, 31).await.unwrap(), "not given up yet");
    events.failed(due[1].id, "gone", None).await.unwrap();
    assert_eq!(events.due(i64::MAX, 10).await.unwrap(), []);
    assert_eq!(events.given_up(10).await.unwrap()[0].attempts, 2);
    assert!(events.replay(due[1].id, 40).await.unwrap());
    assert!(!events.replay(due[0].id, 40).await.unwrap(), "received");
    assert_eq!(events.due(40, 10).await.unwrap().len(), 1);
    assert_eq!(events.forget_before(20).await.unwrap(), 1);
    assert_eq!(events.forget_before(21).await.unwrap(), 1);
}

#[tokio::test]
async fn no_event_tells_of_what_was_not_kept() {
    let Place { store, directory: _directory } = Place::new().await;
    let unknown = NewShow { creator: CreatorId(99), ..new(CreatorId(99), 0) };
    assert!(store.shows().begin(&unknown, Some(&event("begin", 1))).await.is_err());
    let (report, record) = (report(), FinalRecord::first(figures(1), 1));
    let told = event("final", 1);
    let totals = store.watch_totals();
    let kept = totals.put_final(position(1, 1), SHOW, &record, &report, Some(&told)).await;
    assert!(!kept.unwrap());
    let rules = rules();
    let figures = tally_program::Figures::over_window(&[], 9, rules.window_days());
    let decision = evaluate(&rules, &LevelState::enrolled(5), &figures, 10);
    let creator = creator(&store).await;
    assert!(!store.levels().decide(creator, &decision, Some(&event("level", 1))).await.unwrap());
    assert_eq!(store.events().due(i64::MAX, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_show_is_kept_with_its_rights_and_its_later_end() {
    let Place { store, directory } = Place::new().await;
    let creator = creator(&store).await;
    let rights = rights_at_go_live(&rules(), &LevelState::enrolled(0));
    store
        .shows()
        .begin(&NewShow { rights: Some(&rights), ..new(creator, 1_000) }, None)
        .await
        .unwrap();
    store.shows().begin(&new(creator, 5_000), None).await.unwrap();
    for ended_at_ms in [9_000, 8_000] {
        store.shows().end(SHOW, ended_at_ms, None).await.unwrap();
    }
    store.close().await;
    let store = open(&directory).await;
    let show = store.shows().get(SHOW).await.unwrap().unwrap();
    assert_eq!((show.id, show.name.as_str(), show.creator), (SHOW, "abc", creator));
    assert_eq!(show.handle.as_str(), "alice");
    assert_eq!((show.went_live_at_ms, show.ended_at_ms), (1_000, Some(9_000)));
    assert_eq!((show.final_at_ms, &show.rights), (None, &Some(rights)));
    assert_eq!(store.shows().not_final().await.unwrap(), std::slice::from_ref(&show));
    assert_eq!(store.shows().of_creator(creator, ALWAYS).await.unwrap(), [show]);
    let after = Window { from_ms: 1_001, until_ms: 2_000 };
    assert_eq!(store.shows().of_creator(creator, after).await.unwrap(), []);
    assert_eq!(store.shows().get(ShowId(1)).await.unwrap(), None);
}

#[tokio::test]
async fn totals_come_with_their_position_which_only_goes_forward() {
    let Place { store, directory: _directory } = Place::new().await;
    let creator = creator(&store).await;
    store.shows().begin(&new(creator, 0), None).await.unwrap();
    let totals = store.watch_totals();
    assert_eq!(totals.position(NodeId(1)).await.unwrap(), None);
    let unknown = (ShowId(5), figures(7));
    for (at, expected) in [((1, 9), (1, 9)), ((1, 8), (1, 9)), ((2, 1), (2, 1)), ((1, 99), (2, 1))]
    {
        totals.put(position(at.0, at.1), 1, &[(SHOW, figures(at.1)), unknown]).await.unwrap();
        let kept = totals.position(NodeId(1)).await.unwrap();
        assert_eq!(kept, Some(position(expected.0, expected.1)));
        assert_eq!(totals.provisional(SHOW).await.unwrap(), Some(figures(at.1)));
    }
    assert_eq!(totals.provisional(ShowId(5)).await.unwrap(), None);
}

#[tokio::test]
async fn final_figures_are_written_once_and_only_corrected() {
    let Place { store, directory: _directory } = Place::new().await;
    let creator = creator(&store).await;
    store.shows().begin(&new(creator, 10), None).await.unwrap();
    let totals = store.watch_totals();
    totals.put(position(1, 1), 1, &[(SHOW, figures(1))]).await.unwrap();
    let report = report();
    let first = FinalRecord::first(report.figures, 50);
    assert!(totals.put_final(position(1, 2), SHOW, &first, &report, None).await.unwrap());
    let unknown = totals.put_final(position(1, 2), ShowId(5), &first, &report, None).await.unwrap();
    assert!(!unknown, "a show that is not in the store");
    let other = FinalRecord::first(figures(1), 60);
    totals.put_final(position(1, 3), SHOW, &other, &Report::default(), None).await.unwrap();
    assert_eq!(totals.finals(SHOW).await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(totals.minutes(SHOW).await.unwrap(), report.minutes);
    assert_eq!(totals.provisional(SHOW).await.unwrap(), None);
    totals.put(position(1, 4), 70, &[(SHOW, figures(1))]).await.unwrap();
    assert_eq!(totals.provisional(SHOW).await.unwrap(), None, "nothing provisional after that");
    store.shows().end(SHOW, 9_000, None).await.unwrap();
    let show = store.shows().get(SHOW).await.unwrap().unwrap();
    assert_eq!((show.final_at_ms, show.ended_at_ms), (Some(50), None));
    assert_eq!(store.shows().not_final().await.unwrap(), []);

    let second = FinalRecord::correction(&first, figures(3), 80, "bots").unwrap();
    totals.put_final(position(1, 5), SHOW, &second, &report, None).await.unwrap();
    assert_eq!(totals.finals(SHOW).await.unwrap(), [first, second]);
    let records = totals.records(creator, ALWAYS, Assurance::AOrB).await.unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[1].finality.map(|it| (it.number, it.at_ms)), Some((1, 80)));
    assert_eq!((records[0].start_ms, records[0].live_ms, records[0].valid_ms), (10, 100, 104));
    assert_eq!(records[0].unique_viewers, report.valid_unique_viewers);
    let records = totals.records(creator, ALWAYS, Assurance::A).await.unwrap();
    assert_eq!(records[0].valid_ms, 115, "only what has evidence A");
}

#[tokio::test]
async fn a_decision_is_kept_once_and_replays() {
    let Place { store, directory: _directory } = Place::new().await;
    let creator = creator(&store).await;
    let (levels, rules) = (store.levels(), rules());
    let figures = tally_program::Figures::over_window(&[], 9, rules.window_days());
    let state = LevelState::enrolled(5);
    let decision = evaluate(&rules, &state, &figures, 10);
    assert!(!levels.decide(creator, &decision, None).await.unwrap(), "not enrolled");
    levels.set(creator, &state).await.unwrap();
    assert_eq!(levels.enrolled().await.unwrap(), [creator]);
    assert!(levels.decide(creator, &decision, None).await.unwrap());
    let risen = LevelState { since_ms: 11, ..state };
    levels.set(creator, &risen).await.unwrap();
    assert!(
        !levels.decide(creator, &decision, None).await.unwrap(),
        "the creator stands elsewhere"
    );
    assert_eq!(levels.state(creator).await.unwrap(), Some(risen));
    let kept = levels.decisions(creator, 10).await.unwrap();
    assert_eq!(kept, [decision]);
    assert!(kept[0].is_reproduced_by(&rules));
}
