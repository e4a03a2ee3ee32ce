//! The rule for one person: unions over their sessions, then the smaller of two lengths.

use crate::{Attention, Basis, Interval, IntervalSet, SessionState, ShowState, Source};

/// One person's figures of one show. For a stranger, `counted_ms` and `valid_ms` are what would count
/// if they had a key; the show's totals leave them out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersonFigures {
    /// Media that reached them.
    pub delivered_ms: u64,
    /// Attested by whatever source, delivered or not.
    pub gross_ms: u64,
    /// `min(|M|, |W|)`.
    pub counted_ms: u64,
    /// `|M|`: delivered, attested and published media.
    pub media_ms: u64,
    /// `|W|`: the wall clock they attested it over.
    pub wall_ms: u64,
    /// The share of `counted_ms` that has assurance A.
    pub counted_a_ms: u64,
    /// `counted_ms` without sessions under a verdict.
    pub valid_ms: u64,
    /// The share of `valid_ms` that has assurance A.
    pub valid_a_ms: u64,
    /// What hidden attention adds to `counted_ms` when it is let in.
    pub idle_ms: u64,
    /// Delivered media that nobody attested in any way.
    pub delivery_only_ms: u64,
    /// The longest unbroken stretch of `M`, at most `counted_ms`.
    pub longest_ms: u64,
    /// Attested and delivered media by the best attention it had, in the order of
    /// [`Attention::ALL`]. The first three sum to `media_ms`; the four are disjoint.
    pub attention_ms: [u64; 4],
}

/// The two axes of one person's counted time.
#[derive(Clone, Debug, Default)]
pub(super) struct Axes {
    /// `M`.
    pub(super) media: IntervalSet,
    /// `W`.
    pub(super) wall: IntervalSet,
}

/// How weak the evidence may be; each takes in what the ones before it do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    /// Delivery and attestation.
    A,
    /// Session playlist and attestation too.
    B,
    /// Attestation alone too.
    C,
}

impl PersonFigures {
    pub(super) fn compute(show: &ShowState, sessions: &[&SessionState]) -> (Self, Axes) {
        let Some(window) = show.window() else { return Default::default() };
        let rule = Rule { published: show.published(), window };
        let counted = rule.axes(sessions, Grade::B, Attention::is_eligible);
        let gross = rule.axes(sessions, Grade::C, Attention::is_eligible);
        // What follows equals one of these for most people; then it is not computed again.
        let is_cached =
            |it: &&SessionState| it.record().is_some_and(|it| it.basis == Basis::Cached);
        let counted_a_ms = if sessions.iter().any(is_cached) {
            rule.axes(sessions, Grade::A, Attention::is_eligible).smaller_ms()
        } else {
            counted.smaller_ms()
        };
        let (all_ms, attested) = if attests(sessions, Attention::Hidden) {
            let all_ms = rule.axes(sessions, Grade::B, |_| true).smaller_ms();
            (all_ms, rule.axes(sessions, Grade::C, |_| true).media)
        } else {
            (counted.smaller_ms(), gross.media.clone())
        };
        let delivered = rule.delivered(sessions);
        let counted_ms = counted.smaller_ms();
        let mut of_person = Self {
            delivered_ms: delivered.length_ms(),
            gross_ms: gross.smaller_ms(),
            counted_ms,
            media_ms: counted.media.length_ms(),
            wall_ms: counted.wall.length_ms(),
            counted_a_ms,
            valid_ms: counted_ms,
            valid_a_ms: counted_a_ms,
            idle_ms: all_ms - counted_ms,
            delivery_only_ms: delivered.difference(&attested).length_ms(),
            longest_ms: counted.media.longest_ms().min(counted_ms),
            attention_ms: rule.attention_ms(sessions),
        };
        if sessions.iter().any(|session| session.is_invalid()) {
            let mut valid = sessions.to_vec();
            valid.retain(|session| !session.is_invalid());
            let eligible = Attention::is_eligible;
            of_person.valid_ms = rule.axes(&valid, Grade::B, eligible).smaller_ms();
            of_person.valid_a_ms = rule.axes(&valid, Grade::A, eligible).smaller_ms();
        }
        (of_person, counted)
    }
}

impl Axes {
    fn smaller_ms(&self) -> u64 {
        self.media.length_ms().min(self.wall.length_ms())
    }
}

struct Rule<'a> {
    published: &'a IntervalSet,
    window: Interval,
}

impl Rule<'_> {
    /// `M` and `W` over these sessions, of evidence up to `grade`, with the attention asked for.
    fn axes(
        &self,
        sessions: &[&SessionState],
        grade: Grade,
        attention: impl Fn(Attention) -> bool,
    ) -> Axes {
        // Collected first and united at once: a viewer with very many sessions costs a sort, not a
        // square.
        let (mut media, mut wall) = (Vec::new(), Vec::new());
        for session in sessions {
            let Some(record) = session.record() else { continue };
            for attested in session.attested().iter().filter(|it| attention(it.attention)) {
                let delivered = match (attested.source, record.basis) {
                    (_, _) if grade == Grade::C => None,
                    (Source::Cmcd, _) => continue,
                    (Source::Player, Basis::Direct) => Some(session.delivered()),
                    (Source::Player, Basis::Cached) if grade == Grade::A => continue,
                    (Source::Player, Basis::Cached) => Some(session.offered()),
                };
                match delivered {
                    Some(delivered) => {
                        media.extend_from_slice(attested.media.intersection(delivered).ranges());
                    }
                    None => media.extend_from_slice(attested.media.ranges()),
                }
                wall.extend_from_slice(attested.wall.ranges());
            }
        }
        let [media, wall] = [media, wall].map(|ranges| ranges.into_iter().collect::<IntervalSet>());
        Axes { media: media.intersection(self.published), wall: wall.within(self.window) }
    }

    /// Published media that reached these sessions. From a cache nobody sees what was fetched, so there
    /// what was offered counts as delivered as far as somebody attested it.
    fn delivered(&self, sessions: &[&SessionState]) -> IntervalSet {
        let mut all = Vec::new();
        for session in sessions {
            all.extend_from_slice(session.delivered().ranges());
            if session.record().is_some_and(|record| record.basis == Basis::Cached) {
                for attested in session.attested() {
                    let taken = attested.media.intersection(session.offered());
                    all.extend_from_slice(taken.ranges());
                }
            }
        }
        all.into_iter().collect::<IntervalSet>().intersection(self.published)
    }

    /// Each class gets what it adds to the better ones.
    fn attention_ms(&self, sessions: &[&SessionState]) -> [u64; 4] {
        let mut better_ms = 0;
        Attention::ALL.map(|class| {
            if !attests(sessions, class) {
                return 0;
            }
            let up_to = |it| it <= class;
            let length_ms = self.axes(sessions, Grade::B, up_to).media.length_ms();
            length_ms - std::mem::replace(&mut better_ms, length_ms)
        })
    }
}

fn attests(sessions: &[&SessionState], class: Attention) -> bool {
    sessions.iter().flat_map(|it| it.attested()).any(|it| it.attention == class)
}
