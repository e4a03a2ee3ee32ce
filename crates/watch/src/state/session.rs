//! One playback session's evidence.

use super::Applied;
use crate::{
    Attention, Attested, DeliveryKind, Interval, IntervalSet, PlaybackSession, Source, Verdict,
};

/// What is known of one session: its record, `D`, `A` by attention class, and the verdict.
///
/// Evidence may be here before the record is: deliveries reach one node, the session was minted on
/// another. It counts once the record is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    record: Option<PlaybackSession>,
    delivered: IntervalSet,
    offered: IntervalSet,
    attested: Vec<AttestedSets>,
    verdict: Option<Verdict>,
}

/// What a session attested from one source with one class of attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedSets {
    /// Who said so.
    pub source: Source,
    /// With how much attention.
    pub attention: Attention,
    /// What was rendered.
    pub media: IntervalSet,
    /// When.
    pub wall: IntervalSet,
}

impl SessionState {
    /// The server's record, once it is known here.
    #[must_use]
    pub fn record(&self) -> Option<&PlaybackSession> {
        self.record.as_ref()
    }

    /// `D`: media completely delivered.
    #[must_use]
    pub fn delivered(&self) -> &IntervalSet {
        &self.delivered
    }

    /// Media that completely delivered playlists listed.
    #[must_use]
    pub fn offered(&self) -> &IntervalSet {
        &self.offered
    }

    /// `A`, sorted by source and attention; each pair at most once.
    #[must_use]
    pub fn attested(&self) -> &[AttestedSets] {
        &self.attested
    }

    /// The verdict that holds.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// Whether its time is under a verdict of invalid traffic.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.verdict.is_some_and(|verdict| verdict.invalid)
    }

    /// Bytes it takes, with what lies on the heap.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let sets = self.attested.iter().map(|it| it.media.heap_bytes() + it.wall.heap_bytes());
        size_of::<Self>()
            + self.delivered.heap_bytes()
            + self.offered.heap_bytes()
            + self.attested.capacity() * size_of::<AttestedSets>()
            + sets.sum::<usize>()
    }

    pub(super) fn mint(&mut self, record: PlaybackSession) {
        // Two records of one session are a bug or a lie; all nodes settle on the same one, and on the
        // one with fewer rights to time: no viewer sorts first.
        self.record = Some(self.record.map_or(record, |known| known.min(record)));
    }

    pub(super) fn deliver(&mut self, kind: DeliveryKind, media: Interval) -> Applied {
        trimmed(match kind {
            DeliveryKind::Media => self.delivered.insert(media),
            DeliveryKind::Playlist => self.offered.insert(media),
        })
    }

    pub(super) fn attest(&mut self, attested: &Attested) -> Applied {
        let sets = self.attested_mut(attested.source, attested.attention);
        let dropped = [sets.media.insert(attested.media), sets.wall.insert(attested.wall)];
        trimmed(dropped.into_iter().flatten().max_by_key(|range| range.length_ms()))
    }

    pub(super) fn judge(&mut self, verdict: Verdict) {
        self.verdict = self.verdict.max(Some(verdict));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if let Some(record) = other.record {
            self.mint(record);
        }
        self.delivered.absorb(&other.delivered);
        self.offered.absorb(&other.offered);
        for theirs in &other.attested {
            let ours = self.attested_mut(theirs.source, theirs.attention);
            ours.media.absorb(&theirs.media);
            ours.wall.absorb(&theirs.wall);
        }
        self.verdict = self.verdict.max(other.verdict);
    }

    fn attested_mut(&mut self, source: Source, attention: Attention) -> &mut AttestedSets {
        let key = (source, attention);
        let found = self.attested.binary_search_by_key(&key, |it| (it.source, it.attention));
        let at = found.unwrap_or_else(|at| {
            let (media, wall) = Default::default();
            // One or two classes are usual, so room is made one at a time.
            self.attested.reserve_exact(1);
            self.attested.insert(at, AttestedSets { source, attention, media, wall });
            at
        });
        &mut self.attested[at]
    }
}

fn trimmed(dropped: Option<Interval>) -> Applied {
    dropped.map_or(Applied::Whole, |range| Applied::Trimmed { dropped_ms: range.length_ms() })
}
