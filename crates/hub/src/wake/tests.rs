//! Every operation on the tree is one step under one lock, so threads can only differ in the order of
//! the steps and in how late wakers are called after the lock is released. The property test below
//! draws both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Batch, FAN_OUT, Seat, WRITER_FAN_OUT, Wait, WakeTree};

#[derive(Default)]
struct Flag {
    woken: AtomicBool,
    times: AtomicUsize,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        self.times.fetch_add(1, Ordering::Relaxed);
    }
}

/// A reader as the tree sees it.
struct Reader {
    seat: Seat,
    flag: Arc<Flag>,
    /// The number of the entry it waits for; `None` while it does something else.
    wanted: Option<u64>,
}

impl Reader {
    fn join(tree: &WakeTree) -> Self {
        Self { seat: tree.join(), flag: Arc::default(), wanted: None }
    }

    fn wait(&mut self, tree: &WakeTree, written: u64) {
        let waker = Waker::from(Arc::clone(&self.flag));
        assert_eq!(tree.wait(self.seat, &waker, written), Wait::Waiting);
        self.wanted = Some(written);
    }

    fn is_woken(&self) -> bool {
        self.flag.woken.load(Ordering::Relaxed)
    }

    /// What `Consumer::stop_waiting` does.
    fn answer(&mut self, tree: &WakeTree) -> Option<Batch> {
        self.flag.woken.store(false, Ordering::Relaxed);
        self.wanted.take().map(|_| tree.answer(self.seat))
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish,
    /// A reader that does not wait begins to.
    Wait(usize),
    /// A reader is polled, woken or not; or drops its future.
    Answer(usize),
    /// A reader is dropped and another one comes.
    Replace(usize),
    /// Somebody who released the lock gets to call its wakers.
    Deliver(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Publish),
        8 => (0..READERS).prop_map(Step::Wait),
        3 => (0..READERS).prop_map(Step::Answer),
        2 => (0..READERS).prop_map(Step::Replace),
        4 => any::<usize>().prop_map(Step::Deliver),
    ]
}

/// Enough for three levels of the tree.
const READERS: usize = WRITER_FAN_OUT * (1 + FAN_OUT + FAN_OUT * 2);

struct Model {
    tree: WakeTree,
    written: u64,
    readers: Vec<Reader>,
    undelivered: Vec<Batch>,
}

impl Model {
    fn new() -> Self {
        let tree = WakeTree::default();
        let readers = (0..READERS).map(|_| Reader::join(&tree)).collect();
        Self { tree, written: 0, readers, undelivered: Vec::new() }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Publish => {
                self.written += 1;
                self.undelivered.push(self.tree.publish(self.written));
            }
            Step::Wait(at) if self.readers[at].wanted.is_none() => {
                self.readers[at].wait(&self.tree, self.written);
            }
            Step::Wait(_) => {}
            Step::Answer(at) => self.undelivered.extend(self.readers[at].answer(&self.tree)),
            Step::Replace(at) => {
                let old = std::mem::replace(&mut self.readers[at], Reader::join(&self.tree));
                self.undelivered.push(self.tree.leave(old.seat));
            }
            Step::Deliver(pick) if !self.undelivered.is_empty() => {
                let at = pick % self.undelivered.len();
                self.undelivered.swap_remove(at).wake();
            }
            Step::Deliver(_) => {}
        }
    }

    /// All wakers are called and every task that was woken runs, the last one first.
    fn settle(&mut self) {
        loop {
            if let Some(batch) = self.undelivered.pop() {
                batch.wake();
            } else if let Some(woken) = self.readers.iter_mut().rev().find(|r| r.is_woken()) {
                self.undelivered.extend(woken.answer(&self.tree));
            } else {
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_wake_up_is_lost_in_any_order_of_steps(steps in vec(step(), 0..400)) {
        let mut model = Model::new();
        for step in steps {
            model.run(step);
        }
        model.settle();
        for (at, reader) in model.readers.iter().enumerate() {
            if let Some(wanted) = reader.wanted {
                prop_assert!(wanted >= model.written, "reader {at} sleeps on entry {wanted}");
            }
        }
        prop_assert_eq!(model.tree.readers(), READERS);
    }
}

#[test]
fn the_writer_wakes_a_few_and_everybody_is_woken_once() {
    let mut model = Model::new();
    (0..READERS).for_each(|at| model.run(Step::Wait(at)));
    model.run(Step::Publish);
    model.run(Step::Deliver(0));
    assert_eq!(model.readers.iter().filter(|reader| reader.is_woken()).count(), WRITER_FAN_OUT);
    model.settle();
    assert!(model.readers.iter().all(|r| r.flag.times.load(Ordering::Relaxed) == 1));
}

#[test]
fn a_reader_that_was_woken_and_dropped_passes_its_share_on() {
    let mut model = Model::new();
    (0..READERS).for_each(|at| model.run(Step::Wait(at)));
    model.run(Step::Publish);
    model.run(Step::Deliver(0));
    let woken: Vec<usize> = (0..READERS).filter(|&at| model.readers[at].is_woken()).collect();
    for at in woken {
        model.run(Step::Replace(at));
    }
    model.settle();
    assert!(model.readers.iter().all(|reader| reader.wanted.is_none()));
}

#[test]
fn the_next_frame_helps_where_woken_tasks_never_run() {
    let mut model = Model::new();
    (0..READERS).for_each(|at| model.run(Step::Wait(at)));
    for _ in 0..READERS.div_ceil(WRITER_FAN_OUT) {
        model.run(Step::Publish);
        model.run(Step::Deliver(0));
    }
    assert!(model.readers.iter().all(Reader::is_woken));
}

#[test]
fn who_wants_what_is_written_does_not_wait() {
    let tree = WakeTree::default();
    let seat = tree.join();
    tree.publish(1).wake();
    assert_eq!(tree.wait(seat, Waker::noop(), 0), Wait::Written);
    assert_eq!(tree.wait(seat, Waker::noop(), 1), Wait::Waiting);
}

#[test]
fn seats_are_used_again() {
    let tree = WakeTree::default();
    for _ in 0..1_000 {
        let seat = tree.join();
        assert_eq!(tree.wait(seat, Waker::noop(), 0), Wait::Waiting);
        tree.leave(seat).wake();
    }
    assert_eq!(tree.lock().nodes.len(), 1);
    assert_eq!(tree.readers(), 0);
}

/// A waker whose dropping drops a reader of the same tree, as the last waker of a task does.
struct OwnsReader(Arc<WakeTree>, Seat);

impl Wake for OwnsReader {
    fn wake(self: Arc<Self>) {}
}

impl Drop for OwnsReader {
    fn drop(&mut self) {
        self.0.leave(self.1).wake();
    }
}

#[test]
fn dropping_a_waker_may_drop_a_reader() {
    let tree = Arc::new(WakeTree::default());
    let owned = tree.join();
    let seat = tree.join();
    let waker = Waker::from(Arc::new(OwnsReader(Arc::clone(&tree), owned)));
    assert_eq!(tree.wait(seat, &waker, 0), Wait::Waiting);
    drop(waker);
    // The tree holds the last one: this hangs if it drops it under its lock.
    tree.answer(seat).wake();
    assert_eq!(tree.readers(), 1);
}
