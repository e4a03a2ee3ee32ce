//! How far each node's log was read.

use std::collections::BTreeMap;

use super::Position;
use super::wire::{Body, put};
use crate::NodeId;

/// Nodes one log can hold records of: more than any cluster has.
pub const NODES_MAX: usize = 1_024;

/// The last record of each node that was taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    last: BTreeMap<NodeId, (u64, u64)>,
}

/// How a record's place relates to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next one, with this many missing in between.
    Forward { missing: u64 },
    /// Seen before, or older than that.
    Repeated,
    /// The [`NODES_MAX`]th node was seen already.
    Untracked,
}

impl Positions {
    /// The last record of a node: epoch and sequence.
    #[must_use]
    pub fn last(&self, node: NodeId) -> Option<Position> {
        let &(epoch, sequence) = self.last.get(&node)?;
        Some(Position { node, epoch, sequence })
    }

    /// Every node's last record.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Position> {
        self.last.iter().map(|(&node, &(epoch, sequence))| Position { node, epoch, sequence })
    }

    pub(super) fn step(&mut self, position: Position) -> Step {
        let Position { node, epoch, sequence } = position;
        if self.last.len() >= NODES_MAX && !self.last.contains_key(&node) {
            return Step::Untracked;
        }
        let last = self.last.entry(node).or_insert((epoch, 0));
        if (epoch, sequence) <= *last {
            return Step::Repeated;
        }
        let before = if last.0 == epoch { last.1 } else { 0 };
        *last = (epoch, sequence);
        // A number below 1 is no writer of ours; it must not stop a replay.
        Step::Forward { missing: (sequence - before).saturating_sub(1) }
    }

    /// Takes in what a snapshot has taken in.
    pub(super) fn advance(&mut self, other: &Self) {
        for position in other.iter() {
            self.step(position);
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.last.len() as u64);
        for position in self.iter() {
            put(out, u64::from(position.node.0));
            put(out, position.epoch);
            put(out, position.sequence);
        }
    }

    pub(super) fn decode(body: &mut Body<'_>) -> Option<Self> {
        let nodes = body.small().filter(|&nodes: &usize| nodes <= NODES_MAX)?;
        let mut last = BTreeMap::new();
        for _ in 0..nodes {
            let node = NodeId(body.small()?);
            if last.last_key_value().is_some_and(|(&before, _)| before >= node) {
                return None;
            }
            last.insert(node, (body.unsigned()?, body.unsigned()?));
        }
        Some(Self { last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_repeats_and_restarts_are_told_apart() {
        let mut positions = Positions::default();
        let mut step = |node, epoch, sequence| {
            positions.step(Position { node: NodeId(node), epoch, sequence })
        };
        assert_eq!(step(1, 5, 1), Step::Forward { missing: 0 });
        assert_eq!(step(1, 5, 2), Step::Forward { missing: 0 });
        assert_eq!(step(1, 5, 2), Step::Repeated);
        assert_eq!(step(2, 5, 1), Step::Forward { missing: 0 }, "another node");
        assert_eq!(step(1, 5, 6), Step::Forward { missing: 3 });
        assert_eq!(step(1, 6, 1), Step::Forward { missing: 0 }, "a restart");
        assert_eq!(step(1, 5, 7), Step::Repeated, "from before the restart");
        assert_eq!(step(1, 8, 3), Step::Forward { missing: 2 });
        assert_eq!(step(1, 9, 0), Step::Forward { missing: 0 }, "numbered from 0");
    }

    #[test]
    fn nodes_are_bounded() {
        let mut positions = Positions::default();
        for node in 0..NODES_MAX as u32 {
            positions.step(Position { node: NodeId(node), epoch: 1, sequence: 1 });
        }
        let one_more = Position { node: NodeId(u32::MAX), epoch: 1, sequence: 1 };
        assert_eq!(positions.step(one_more), Step::Untracked);
        assert_eq!(positions.iter().len(), NODES_MAX);
    }
}
