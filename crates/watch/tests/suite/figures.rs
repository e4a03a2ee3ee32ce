//! Single rules of the figures, by hand: what random shows do not single out.

use tally_watch::figures::{MINUTES_MAX, Person};
use tally_watch::{
    Applied, Attention, Attested, Basis, Delivered, DeliveryKind, Evidence, Fact, Figures, Ledger,
    PlaybackSession, SHOWS_MAX, SessionId, ShowId, Source, Verdict, ViewerKey,
};

use crate::scenario::{GO_LIVE, SHOW, interval};

/// A show of 100 s, and what is told of it; offsets are from go-live.
struct Show(Ledger);

impl Show {
    fn new() -> Self {
        let mut show = Self(Ledger::default());
        show.tell(Fact::Published { media: interval(GO_LIVE, GO_LIVE + 100_000) });
        show
    }

    fn tell(&mut self, fact: Fact) {
        assert_eq!(self.0.apply(&Evidence { show: SHOW, fact }), Applied::Whole);
    }

    fn session(&mut self, id: u64, viewer: Option<u128>) -> SessionId {
        let viewer = viewer.map(ViewerKey);
        let (id, started_at_ms) = (SessionId(id), GO_LIVE);
        let basis = Basis::Direct;
        self.tell(Fact::Session(PlaybackSession { id, viewer, started_at_ms, basis }));
        id
    }

    fn deliver(&mut self, session: SessionId, from_ms: i64, to_ms: i64) {
        let media = interval(GO_LIVE + from_ms, GO_LIVE + to_ms);
        self.tell(Fact::Delivered(Delivered { session, kind: DeliveryKind::Media, media }));
    }

    fn attest(&mut self, session: SessionId, source: Source, media: [i64; 2], wall: [i64; 2]) {
        let [media, wall] = [media, wall].map(|[a, b]| interval(GO_LIVE + a, GO_LIVE + b));
        let attention = Attention::Visible;
        self.tell(Fact::Attested(Attested { session, source, attention, media, wall }));
    }

    /// Delivers and attests the same stretch, live.
    fn watch(&mut self, session: SessionId, from_ms: i64, to_ms: i64) {
        self.deliver(session, from_ms, to_ms);
        self.attest(session, Source::Player, [from_ms, to_ms], [from_ms, to_ms]);
    }

    fn figures(&self) -> Figures {
        self.0.show(SHOW).unwrap().figures()
    }
}

#[test]
fn watching_counts_until_a_minute_after_the_end_and_the_end_lowers_nothing() {
    let mut show = Show::new();
    let session = show.session(1, Some(1));
    show.deliver(session, 0, 100_000);
    // The last media, watched ever later.
    show.attest(session, Source::Player, [0, 30_000], [140_000, 170_000]);
    assert_eq!(show.figures().counted_ms, 20_000, "until 60 s after the last media");
    show.tell(Fact::Ended { at_ms: GO_LIVE + 99_000 });
    assert_eq!(show.figures().counted_ms, 20_000);
    show.tell(Fact::Ended { at_ms: GO_LIVE + 105_000 });
    assert_eq!(show.figures().counted_ms, 25_000);
}

#[test]
fn nobody_watches_before_the_show_goes_live() {
    let mut show = Show::new();
    let session = show.session(1, Some(1));
    show.deliver(session, 0, 100_000);
    show.attest(session, Source::Player, [0, 10_000], [-5_000, 5_000]);
    assert_eq!(show.figures().counted_ms, 5_000);
    show.tell(Fact::WentLive { at_ms: GO_LIVE + 900 });
    assert_eq!(show.figures().counted_ms, 5_000, "media was there earlier");
    show.tell(Fact::WentLive { at_ms: GO_LIVE - 2_000 });
    assert_eq!(show.figures().counted_ms, 7_000);
}

#[test]
fn each_kind_of_evidence_has_its_grade() {
    let mut show = Show::new();
    let ours = show.session(1, Some(1));
    show.watch(ours, 0, 10_000);
    let stock = show.session(2, Some(2));
    show.deliver(stock, 0, 40_000);
    show.attest(stock, Source::Cmcd, [0, 20_000], [0, 20_000]);
    let forged = show.session(3, Some(3));
    show.attest(forged, Source::Player, [0, 5_000], [0, 5_000]);
    let stranger = show.session(4, None);
    show.watch(stranger, 0, 7_000);
    let it = show.figures();
    assert_eq!((it.assurance.a_ms, it.assurance.b_ms), (10_000, 0));
    assert_eq!(it.assurance.c_ms, 20_000 + 5_000 + 7_000);
    assert_eq!(it.assurance.d_ms, 20_000);
    assert_eq!((it.counted_ms, it.gross_ms, it.delivered_ms), (10_000, 42_000, 57_000));
    assert_eq!((it.peak, it.views), (1, 1), "who has counted nothing was not there");
}

#[test]
fn a_verdict_can_be_taken_back_and_nothing_is_deleted() {
    let mut show = Show::new();
    let session = show.session(1, Some(1));
    show.watch(session, 0, 60_000);
    let other_tab = show.session(2, Some(1));
    show.watch(other_tab, 50_000, 70_000);
    let judge = |show: &mut Show, revision, invalid| {
        let verdict = Verdict { revision, invalid, reason: 1 };
        show.tell(Fact::Judged { session, verdict });
        let it = show.figures();
        (it.counted_ms, it.valid_ms, it.unique_viewers, it.valid_unique_viewers, it.acv_milli)
    };
    assert_eq!(judge(&mut show, 1, true), (70_000, 20_000, 1, 0, 200));
    assert_eq!(judge(&mut show, 2, false), (70_000, 70_000, 1, 1, 700));
    assert_eq!(judge(&mut show, 1, true), (70_000, 70_000, 1, 1, 700), "an old verdict again");
}

#[test]
fn evidence_waits_for_its_session_record() {
    let mut show = Show::new();
    show.watch(SessionId(1), 0, 10_000);
    assert_eq!(show.figures().counted_ms, 0);
    assert_eq!(show.figures().gross_ms, 0);
    show.session(1, Some(1));
    assert_eq!(show.figures().counted_ms, 10_000);
    // A second record for the session takes the viewer away on every node, in either order.
    show.session(1, None);
    assert_eq!((show.figures().counted_ms, show.figures().gross_ms), (0, 10_000));
    show.session(1, Some(1));
    assert_eq!(show.figures().counted_ms, 0);
}

#[test]
fn views_and_unique_viewers_begin_at_their_bounds() {
    let mut show = Show::new();
    for (id, length_ms) in [(1, 1_999), (2, 2_000), (3, 59_999), (4, 60_000)] {
        let session = show.session(id, Some(u128::from(id)));
        show.watch(session, 0, length_ms);
    }
    // Two seconds in pieces are no view.
    let session = show.session(5, Some(5));
    show.watch(session, 0, 1_500);
    show.watch(session, 5_000, 6_500);
    let it = show.0.show(SHOW).unwrap().report();
    assert_eq!((it.figures.views, it.figures.unique_viewers, it.figures.peak), (3, 1, 5));
    assert_eq!(it.valid_unique_viewers, [ViewerKey(4)]);
    let person = show.0.show(SHOW).unwrap().person(Person::Viewer(ViewerKey(5))).unwrap();
    assert_eq!((person.counted_ms, person.longest_ms), (3_000, 1_500));
}

#[test]
fn one_who_goes_makes_room_for_the_next() {
    let mut show = Show::new();
    for (id, start_ms) in [(1, 0), (2, 10_000), (3, 20_000)] {
        let session = show.session(id, Some(u128::from(id)));
        show.watch(session, start_ms, start_ms + 10_000);
    }
    assert_eq!(show.figures().peak, 1);
    let session = show.session(4, Some(4));
    show.watch(session, 19_999, 20_001);
    assert_eq!(show.figures().peak, 2);
}

#[test]
fn a_series_is_bounded_and_the_totals_are_not() {
    let mut show = Show::new();
    let far_ms = (MINUTES_MAX + 60) * 60_000;
    show.tell(Fact::Published { media: interval(GO_LIVE + far_ms, GO_LIVE + far_ms + 100_000) });
    let report = show.0.show(SHOW).unwrap().report();
    assert_eq!(report.figures.live_ms, 200_000);
    assert_eq!(report.minutes.iter().map(|row| row.live_ms).sum::<u64>(), 100_000);
}

#[test]
fn bounds_refuse_and_say_so() {
    let mut ledger = Ledger::default();
    let live = |show| Evidence { show: ShowId(show), fact: Fact::WentLive { at_ms: 0 } };
    for show in 0..SHOWS_MAX as u64 {
        assert_eq!(ledger.apply(&live(show)), Applied::Whole);
    }
    assert_eq!(ledger.apply(&live(u64::MAX)), Applied::Refused);
    let mut one_more = Ledger::default();
    assert_eq!(one_more.apply(&live(u64::MAX)), Applied::Whole);
    assert_eq!(ledger.merge(&one_more), Applied::Refused);
    assert!(ledger.forget(ShowId(0)) && !ledger.forget(ShowId(0)));
    assert_eq!(ledger.apply(&live(u64::MAX)), Applied::Whole);

    let published = |start_ms| {
        let media = interval(start_ms, start_ms + 5);
        Evidence { show: ShowId(1), fact: Fact::Published { media } }
    };
    for number in 0..tally_watch::RANGES_MAX as i64 {
        assert_eq!(ledger.apply(&published(number * 10)), Applied::Whole);
    }
    let trimmed = Applied::Trimmed { dropped_ms: 5 };
    assert_eq!(ledger.apply(&published(1_000_000)), trimmed);
    assert_eq!(ledger.show(ShowId(1)).unwrap().figures().live_ms, 256 * 5);
}
