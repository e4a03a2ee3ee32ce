//! Waking any number of waiting readers at a constant cost for the writer.
//!
//! Waiting readers stand in a list. The writer moves that whole list to the list of those to be
//! woken, which is a change of two links, and wakes the first [`WRITER_FAN_OUT`] of it. Whoever is woken
//! owes as much and more: when it is next polled, gives up waiting or is dropped, it takes the next
//! [`FAN_OUT`] off the list and wakes them.
//!
//! No wake-up is lost, because of one invariant that every operation keeps under the one lock:
//! *while somebody is to be woken, somebody who was woken has not yet answered*. A woken reader always
//! answers: its task is polled, or it drops [`crate::Next`], or it drops its [`crate::Consumer`].
//! The next frame written also wakes a few more, so even a task that is never polled again cannot
//! hold up the others for good.

use std::array;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// How many readers each woken reader wakes.
///
/// Eight: ten thousand readers are six steps away, and the lock is held for eight unlinks at most.
pub const FAN_OUT: usize = 8;

/// How many readers the writer wakes with each entry.
///
/// Two: calling a waker costs the writer more than writing the entry does, and the memory of a reader
/// that waits is cold. Not one, so that no single task that is late holds up all others.
pub const WRITER_FAN_OUT: usize = 2;

/// Names a reader within a [`WakeTree`] from `join` to `leave`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat(usize);

/// Wakers taken off the list; to be woken after the lock is released.
#[must_use = "these readers sleep on until woken"]
#[derive(Debug)]
pub(crate) struct Batch {
    wakers: [Option<Waker>; FAN_OUT],
    /// A waker that is not needed any more. Dropping one can end a task and so a reader of this very
    /// stream, which takes the lock: it must not happen under the lock.
    _unused: Option<Waker>,
}

impl Batch {
    pub(crate) fn wake(self) {
        self.wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// What became of a reader's wish to wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It will be woken.
    Waiting,
    /// What it wants was written meanwhile; it need not wait.
    Written,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct WakeTree(Mutex<Lists>);

impl WakeTree {
    /// A seat for a new reader.
    pub(crate) fn join(&self) -> Seat {
        self.lock().join()
    }

    /// The reader is gone; its seat is free for another.
    pub(crate) fn leave(&self, seat: Seat) -> Batch {
        let mut lists = self.lock();
        let batch = lists.answer(seat);
        lists.free.push(seat.0);
        batch
    }

    /// The reader waits for the entry numbered `wanted` and everything after it.
    pub(crate) fn wait(&self, seat: Seat, waker: &Waker, wanted: u64) -> Wait {
        let waker = waker.clone();
        let mut lists = self.lock();
        if lists.written > wanted {
            return Wait::Written;
        }
        lists.link_waiting(seat, waker);
        Wait::Waiting
    }

    /// The reader, which had been told [`Wait::Waiting`], was polled or no longer waits.
    pub(crate) fn answer(&self, seat: Seat) -> Batch {
        self.lock().answer(seat)
    }

    /// The writer has written every entry below the number `written`.
    pub(crate) fn publish(&self, written: u64) -> Batch {
        let mut lists = self.lock();
        lists.written = written;
        lists.move_waiting_to_waking();
        lists.take_batch(WRITER_FAN_OUT, None)
    }

    /// How many readers there are.
    pub(crate) fn readers(&self) -> usize {
        let lists = self.lock();
        lists.nodes.len() - lists.free.len()
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        // Nothing under this lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// In no list.
    #[default]
    Idle,
    /// In the list `waiting`, or moved with it as a whole into `waking`.
    Linked,
    /// Was woken and has not answered: it owes a batch.
    Woken,
}

#[derive(Debug, Default)]
struct Node {
    place: Place,
    waker: Option<Waker>,
    previous: Option<usize>,
    next: Option<usize>,
    /// Which list a linked node is in: `waiting` if it equals `Lists::generation`, else `waking`.
    generation: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct List {
    first: Option<usize>,
    last: Option<usize>,
}

/// One node per reader, so its size is bounded by the number of readers alive at once.
#[derive(Debug, Default)]
struct Lists {
    nodes: Vec<Node>,
    free: Vec<usize>,
    waiting: List,
    waking: List,
    /// Goes up when `waiting` moves into `waking`.
    generation: u64,
    /// Entries written so far.
    written: u64,
}

impl Lists {
    fn join(&mut self) -> Seat {
        Seat(self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            self.nodes.len() - 1
        }))
    }

    fn link_waiting(&mut self, Seat(at): Seat, waker: Waker) {
        debug_assert_eq!(self.nodes[at].place, Place::Idle, "a reader waits once at a time");
        let previous = self.waiting.last.replace(at);
        match previous {
            Some(last) => self.nodes[last].next = Some(at),
            None => self.waiting.first = Some(at),
        }
        self.nodes[at] = Node {
            place: Place::Linked,
            waker: Some(waker),
            previous,
            next: None,
            generation: self.generation,
        };
    }

    /// Appends the whole list of the waiting to the list of those to be woken: O(1).
    fn move_waiting_to_waking(&mut self) {
        let List { first: Some(first), last } = std::mem::take(&mut self.waiting) else { return };
        self.generation += 1;
        self.nodes[first].previous = self.waking.last;
        match self.waking.last {
            Some(tail) => self.nodes[tail].next = Some(first),
            None => self.waking.first = Some(first),
        }
        self.waking.last = last;
    }

    fn take_batch(&mut self, count: usize, unused: Option<Waker>) -> Batch {
        let wakers = array::from_fn(|index| {
            let at = self.waking.first.filter(|_| index < count)?;
            self.unlink(at);
            self.nodes[at].place = Place::Woken;
            self.nodes[at].waker.take()
        });
        Batch { wakers, _unused: unused }
    }

    fn answer(&mut self, Seat(at): Seat) -> Batch {
        let place = std::mem::take(&mut self.nodes[at].place);
        if place == Place::Linked {
            self.unlink(at);
        }
        let unused = self.nodes[at].waker.take();
        match place {
            Place::Woken => self.take_batch(FAN_OUT, unused),
            Place::Idle | Place::Linked => {
                Batch { wakers: [const { None }; FAN_OUT], _unused: unused }
            }
        }
    }

    fn unlink(&mut self, at: usize) {
        let Node { previous, next, generation, .. } = self.nodes[at];
        let list = if generation == self.generation { &mut self.waiting } else { &mut self.waking };
        match previous {
            Some(before) => self.nodes[before].next = next,
            None => list.first = next,
        }
        match next {
            Some(after) => self.nodes[after].previous = previous,
            None => list.last = previous,
        }
    }
}

#[cfg(test)]
mod tests;
