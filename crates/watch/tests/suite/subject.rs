//! What the invariants are held against: the crate, or one of its wrong variants.

use std::collections::BTreeMap;

use tally_watch::figures::{Person, PersonFigures, Report};
use tally_watch::{
    Applied, Attested, Delivered, DeliveryKind, Evidence, Fact, Fetch, Fetches, Interval, Ledger,
    PlaybackSession, SessionId, Source, ViewerKey, admit,
};

use crate::scenario::{Beat, Event, SHOW, Scenario};

/// Ways to get watch time wrong that somebody has shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// None: the crate as it is.
    Right,
    /// Sessions are added up instead of united.
    SumOfSessions,
    /// Wall-clock spans are where the player's clock says.
    ClientClock,
    /// Only the wall clock counts.
    WallAxisOnly,
    /// Only the media counts.
    MediaAxisOnly,
    /// A HEAD request is a delivery.
    CountHead,
    /// An aborted body is a delivery.
    CountAborted,
    /// Every heartbeat is believed.
    NoAdmission,
    /// Each rendition is a timeline of its own.
    DoubleOnRenditionSwitch,
    /// Increments are added up as they come in.
    AddIncrements,
    /// Holes of the published media are watched too.
    IgnoreHoles,
    /// Verdicts are forgotten.
    IgnoreVerdicts,
}

impl Variant {
    pub(crate) const WRONG: [Self; 11] = [
        Self::SumOfSessions,
        Self::ClientClock,
        Self::WallAxisOnly,
        Self::MediaAxisOnly,
        Self::CountHead,
        Self::CountAborted,
        Self::NoAdmission,
        Self::DoubleOnRenditionSwitch,
        Self::AddIncrements,
        Self::IgnoreHoles,
        Self::IgnoreVerdicts,
    ];
}

/// A fact, and the rendition it was delivered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) evidence: Evidence,
    pub(crate) rendition: u64,
}

/// What a subject makes of facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ledger: Ledger,
    pub(crate) report: Report,
    pub(crate) viewers: BTreeMap<ViewerKey, PersonFigures>,
}

/// One show's facts as a server running this variant would write them.
pub(crate) fn facts(variant: Variant, scenario: &Scenario) -> Vec<Told> {
    let mut records: BTreeMap<SessionId, PlaybackSession> = BTreeMap::new();
    let mut fetches: BTreeMap<SessionId, Fetches> = BTreeMap::new();
    let mut told = Vec::new();
    let mut tell = |rendition, fact| {
        told.push(Told { evidence: Evidence { show: SHOW, fact }, rendition });
    };
    for event in &scenario.events {
        match event {
            Event::Published(media) => tell(0, Fact::Published { media: *media }),
            Event::Minted(record) => {
                records.insert(record.id, *record);
                tell(0, Fact::Session(*record));
            }
            Event::Fetched { session, rendition, fetch } => {
                let delivered = deliver(variant, fetches.entry(*session).or_default(), fetch);
                if let Some((kind, media)) = delivered {
                    let delivered = Delivered { session: *session, kind, media };
                    tell(*rendition, Fact::Delivered(delivered));
                }
            }
            Event::Beat(beat) => {
                if let Some(attested) = attest(variant, beat, &records[&beat.session]) {
                    tell(0, Fact::Attested(attested));
                }
            }
            Event::Judged { session, verdict } => {
                tell(0, Fact::Judged { session: *session, verdict: *verdict });
            }
        }
    }
    told
}

fn deliver(
    variant: Variant,
    fetches: &mut Fetches,
    fetch: &Fetch,
) -> Option<(DeliveryKind, Interval)> {
    let mut fetch = *fetch;
    if variant == Variant::CountHead {
        fetch.is_get = true;
    }
    if variant == Variant::CountAborted {
        (fetch.first_byte, fetch.written_bytes) = (0, fetch.object_bytes);
    }
    let kind = match fetch.content {
        tally_watch::Content::Playlist(_) => DeliveryKind::Playlist,
        _ => DeliveryKind::Media,
    };
    Some((kind, fetches.finished(&fetch)?))
}

fn attest(variant: Variant, beat: &Beat, record: &PlaybackSession) -> Option<Attested> {
    let heartbeat = &beat.heartbeat;
    if variant == Variant::NoAdmission {
        let [media, clock] = [heartbeat.media_ms, heartbeat.clock_ms];
        let wall = clock.map(|it| record.started_at_ms + it);
        return Some(Attested {
            session: beat.session,
            source: Source::Player,
            attention: heartbeat.attention(),
            media: Interval::new(media[0], media[1])?,
            wall: Interval::new(wall[0], wall[1])?,
        });
    }
    let mut attested = admit(heartbeat, &beat.credential, SHOW, record, beat.received_ms).ok()?;
    if variant == Variant::ClientClock {
        let [start_ms, end_ms] = [attested.wall.start_ms(), attested.wall.end_ms()];
        let skew_ms = beat.client_skew_ms;
        attested.wall = Interval::new(start_ms + skew_ms, end_ms + skew_ms)?;
    }
    Some(attested)
}

/// Folds facts.
pub(crate) fn fold<'a>(facts: impl IntoIterator<Item = &'a Told>) -> Ledger {
    let mut ledger = Ledger::default();
    for told in facts {
        assert_eq!(ledger.apply(&told.evidence), Applied::Whole, "no bound is near");
    }
    ledger
}

/// Computes figures.
pub(crate) fn outcome(variant: Variant, facts: &[Told]) -> Outcome {
    let facts: Vec<Told> = facts.iter().map(|told| bend(variant, *told)).collect();
    let ledger = fold(&facts);
    let report = ledger.show(SHOW).map(|show| show.report()).unwrap_or_default();
    let mut viewers = viewers(&ledger);
    match variant {
        Variant::WallAxisOnly => viewers.values_mut().for_each(|it| it.counted_ms = it.wall_ms),
        Variant::MediaAxisOnly => viewers.values_mut().for_each(|it| it.counted_ms = it.media_ms),
        Variant::SumOfSessions => {
            let mut sums: BTreeMap<ViewerKey, PersonFigures> = BTreeMap::new();
            for (ViewerKey(key), of_session) in viewers {
                let sum = sums.entry(ViewerKey(key & 0xff)).or_default();
                add(sum, &of_session);
            }
            viewers = sums;
        }
        Variant::DoubleOnRenditionSwitch => viewers = by_rendition(&facts),
        Variant::AddIncrements => add_increments(&facts, &ledger, &mut viewers),
        _ => {}
    }
    Outcome { ledger, report, viewers }
}

/// What a variant remembers of a fact.
fn bend(variant: Variant, mut told: Told) -> Told {
    match (&mut told.evidence.fact, variant) {
        (Fact::Session(record), Variant::SumOfSessions) => {
            let id = u128::from(record.id.0);
            record.viewer = record.viewer.map(|ViewerKey(key)| ViewerKey(key | id << 64));
        }
        (Fact::Published { media }, Variant::IgnoreHoles) => {
            *media = Interval::new(media.start_ms(), media.end_ms() + 4_000).unwrap();
        }
        (Fact::Judged { verdict, .. }, Variant::IgnoreVerdicts) => verdict.invalid = false,
        _ => {}
    }
    told
}

fn viewers(ledger: &Ledger) -> BTreeMap<ViewerKey, PersonFigures> {
    let Some(show) = ledger.show(SHOW) else { return BTreeMap::new() };
    let people = show.people().into_keys().filter_map(|person| match person {
        Person::Viewer(viewer) => Some((viewer, show.person(person)?)),
        Person::Stranger(_) => None,
    });
    people.collect()
}

fn add(sum: &mut PersonFigures, other: &PersonFigures) {
    sum.delivered_ms += other.delivered_ms;
    sum.counted_ms += other.counted_ms;
    sum.valid_ms += other.valid_ms;
    sum.media_ms += other.media_ms;
    sum.wall_ms += other.wall_ms;
    sum.idle_ms += other.idle_ms;
    for (sum_ms, other_ms) in sum.attention_ms.iter_mut().zip(other.attention_ms) {
        *sum_ms += other_ms;
    }
}

fn by_rendition(facts: &[Told]) -> BTreeMap<ViewerKey, PersonFigures> {
    let mut sums = BTreeMap::new();
    for rendition in 0..4 {
        let is_other = |told: &&Told| {
            matches!(told.evidence.fact, Fact::Delivered(_)) && told.rendition != rendition
        };
        for (viewer, figures) in viewers(&fold(facts.iter().filter(|told| !is_other(told)))) {
            add(sums.entry(viewer).or_insert_with(PersonFigures::default), &figures);
        }
    }
    sums
}

fn add_increments(
    facts: &[Told],
    ledger: &Ledger,
    viewers: &mut BTreeMap<ViewerKey, PersonFigures>,
) {
    let Some(show) = ledger.show(SHOW) else { return };
    viewers.values_mut().for_each(|viewer| viewer.counted_ms = 0);
    for told in facts {
        let Fact::Attested(attested) = told.evidence.fact else { continue };
        let Some(session) = show.session(attested.session) else { continue };
        let viewer = session.record().and_then(|record| record.viewer);
        let Some(viewer) = viewer.and_then(|viewer| viewers.get_mut(&viewer)) else { continue };
        if attested.attention.is_eligible() {
            let watched = session.delivered().intersection(show.published()).within(attested.media);
            viewer.counted_ms += watched.length_ms().min(attested.wall.length_ms());
        }
    }
}
