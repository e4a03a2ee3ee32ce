//! From sets to figures: the WT-1 rule, computed anew from the state each time it is asked.

mod concurrency;
mod creator;
mod numbers;
mod person;

pub use concurrency::{MINUTES_MAX, Minute};
pub use creator::{CreatorTotals, Window, creator_totals};
pub use person::PersonFigures;

use std::collections::BTreeMap;

use crate::{IntervalSet, SessionId, SessionState, ShowState, ViewerKey};

/// A viewer is unique to a show from this much counted time on.
pub const UNIQUE_MS_MIN: u64 = 60_000;

/// A viewer has viewed a show from this much unbroken counted media on.
pub const VIEW_MS_MIN: u64 = 2_000;

/// Who a session's time belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Person {
    /// A viewer with a key: all sessions together.
    Viewer(ViewerKey),
    /// A session without one: a stranger each time. Gross time only.
    Stranger(SessionId),
}

/// What is published of a show. All integers; times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figures {
    /// `|P|`: published media.
    pub live_ms: u64,
    /// Media that reached people: the union per person, summed.
    pub delivered_ms: u64,
    /// Everything attested, whoever and however: counted time plus what has weaker evidence or no
    /// viewer key.
    pub gross_ms: u64,
    /// Watch time: `min(|M|, |W|)` per viewer, summed. Delivered (or offered by a session's playlist)
    /// and attested.
    pub counted_ms: u64,
    /// The same without sessions under an invalid-traffic verdict.
    pub valid_ms: u64,
    /// Delivered and attested, but out of sight and silent.
    pub idle_ms: u64,
    /// Viewers with [`UNIQUE_MS_MIN`] of counted time.
    pub unique_viewers: u64,
    /// Viewers with [`UNIQUE_MS_MIN`] of valid time.
    pub valid_unique_viewers: u64,
    /// Viewers with [`VIEW_MS_MIN`] of unbroken counted media.
    pub views: u64,
    /// The most viewers at any one time.
    pub peak: u64,
    /// Average concurrent viewers in thousandths: `valid_ms / live_ms`, rounded down.
    pub acv_milli: u64,
    /// Where the time stands on the scale of evidence.
    pub assurance: Assurance,
    /// `valid_ms` split the same way: A and B only.
    pub valid_assurance: ValidAssurance,
}

/// Milliseconds by the best evidence there is for them. `a + b` is `counted_ms`, `a + b + c` is
/// `gross_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assurance {
    /// Delivery and attestation.
    pub a_ms: u64,
    /// Session playlist and attestation: the media came from a cache.
    pub b_ms: u64,
    /// Attestation only, or no viewer key.
    pub c_ms: u64,
    /// Delivery only: media nobody attested.
    pub d_ms: u64,
}

/// `valid_ms` by evidence, for rules that take A only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValidAssurance {
    /// Delivery and attestation.
    pub a_ms: u64,
    /// Session playlist and attestation.
    pub b_ms: u64,
}

/// Figures and everything they were summed from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The totals.
    pub figures: Figures,
    /// One row per minute of the wall clock in which something was live or watched, in order.
    pub minutes: Vec<Minute>,
    /// Viewers that are unique to the show, by valid time, sorted: what a creator's or a level's
    /// distinct viewers are counted from.
    pub valid_unique_viewers: Vec<ViewerKey>,
}

impl ShowState {
    /// The figures as the evidence stands.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.report().figures
    }

    /// The figures, the minutes and the unique viewers.
    ///
    /// Costs one pass over all sessions' intervals and a sort of the viewers' wall-clock spans.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut figures = Figures { live_ms: self.published().length_ms(), ..Figures::default() };
        let mut valid_unique_viewers = Vec::new();
        let mut presence: Vec<IntervalSet> = Vec::new();
        let mut media: Vec<IntervalSet> = Vec::new();
        for (person, sessions) in self.people() {
            let (of_person, sets) = PersonFigures::compute(self, &sessions);
            figures.add(person, &of_person);
            let Person::Viewer(viewer) = person else { continue };
            if of_person.valid_ms >= UNIQUE_MS_MIN {
                valid_unique_viewers.push(viewer);
            }
            // Who has counted nothing was not there: a beacon alone is nobody's presence.
            if of_person.counted_ms > 0 {
                presence.push(sets.wall);
                media.push(sets.media);
            }
        }
        if let Some(acv) = figures.valid_ms.saturating_mul(1_000).checked_div(figures.live_ms) {
            figures.acv_milli = acv;
        }
        figures.peak = concurrency::peak(&presence);
        let minutes = concurrency::minutes(self.published(), &presence, &media);
        Report { figures, minutes, valid_unique_viewers }
    }

    /// One person's figures; nothing if there is no session of theirs.
    #[must_use]
    pub fn person(&self, person: Person) -> Option<PersonFigures> {
        let mut sessions = Vec::new();
        for (id, session) in self.sessions() {
            if person_of(id, session) == Some(person) {
                sessions.push(session);
            }
        }
        (!sessions.is_empty()).then(|| PersonFigures::compute(self, &sessions).0)
    }

    /// Every person with a known session, and their sessions.
    #[must_use]
    pub fn people(&self) -> BTreeMap<Person, Vec<&SessionState>> {
        let mut people: BTreeMap<Person, Vec<&SessionState>> = BTreeMap::new();
        for (id, session) in self.sessions() {
            // Without its record a session belongs to nobody yet.
            if let Some(person) = person_of(id, session) {
                people.entry(person).or_default().push(session);
            }
        }
        people
    }
}

fn person_of(id: SessionId, session: &SessionState) -> Option<Person> {
    Some(session.record()?.viewer.map_or(Person::Stranger(id), Person::Viewer))
}

impl Figures {
    fn add(&mut self, person: Person, of_person: &PersonFigures) {
        let PersonFigures { delivered_ms, gross_ms, delivery_only_ms, .. } = *of_person;
        // Only a forged log can hold times that overflow; it must not stop a replay.
        let add = |sum: &mut u64, of_one: u64| *sum = sum.saturating_add(of_one);
        add(&mut self.delivered_ms, delivered_ms);
        add(&mut self.gross_ms, gross_ms);
        add(&mut self.assurance.d_ms, delivery_only_ms);
        if matches!(person, Person::Stranger(_)) {
            add(&mut self.assurance.c_ms, gross_ms);
            return;
        }
        add(&mut self.counted_ms, of_person.counted_ms);
        add(&mut self.valid_ms, of_person.valid_ms);
        add(&mut self.idle_ms, of_person.idle_ms);
        add(&mut self.assurance.a_ms, of_person.counted_a_ms);
        add(&mut self.assurance.b_ms, of_person.counted_ms - of_person.counted_a_ms);
        add(&mut self.assurance.c_ms, gross_ms - of_person.counted_ms);
        add(&mut self.valid_assurance.a_ms, of_person.valid_a_ms);
        add(&mut self.valid_assurance.b_ms, of_person.valid_ms - of_person.valid_a_ms);
        add(&mut self.unique_viewers, u64::from(of_person.counted_ms >= UNIQUE_MS_MIN));
        add(&mut self.valid_unique_viewers, u64::from(of_person.valid_ms >= UNIQUE_MS_MIN));
        add(&mut self.views, u64::from(of_person.longest_ms >= VIEW_MS_MIN));
    }
}
