//! Interval sets against one flag a millisecond.

use proptest::prelude::{ProptestConfig, Strategy, prop, proptest};
use tally_watch::{Interval, IntervalSet, RANGES_MAX};

const SPAN: usize = 200;

fn intervals() -> impl Strategy<Value = Vec<Interval>> {
    let one = (0..SPAN as i64 - 1, 1..30_i64).prop_map(|(start, length)| {
        Interval::new(start, (start + length).min(SPAN as i64)).unwrap()
    });
    prop::collection::vec(one, 0..40)
}

fn flags(intervals: &[Interval]) -> [bool; SPAN] {
    let mut flags = [false; SPAN];
    for interval in intervals {
        flags[interval.start_ms() as usize..interval.end_ms() as usize].fill(true);
    }
    flags
}

fn holds(set: &IntervalSet, flags: &[bool; SPAN]) {
    assert_eq!(self::flags(set.ranges()), *flags);
    assert_eq!(set.length_ms(), flags.iter().filter(|&&flag| flag).count() as u64);
    let runs = flags.split(|flag| !flag).map(<[bool]>::len);
    assert_eq!(set.longest_ms(), runs.max().unwrap_or(0) as u64);
    for pair in set.ranges().windows(2) {
        assert!(pair[0].end_ms() < pair[1].start_ms(), "{set:?} is not in its one form");
    }
}

fn kept(intervals: &[Interval]) -> IntervalSet {
    let mut set = IntervalSet::new();
    for &interval in intervals {
        assert_eq!(set.insert(interval), None);
    }
    set
}

proptest! {
    #[test]
    fn the_algebra_is_that_of_flags(left in intervals(), right in intervals(), cut in 0..260_u64) {
        let (a, b) = (flags(&left), flags(&right));
        let [one, other] = [&left, &right].map(|intervals| kept(intervals));
        holds(&one, &a);
        assert_eq!(one, left.iter().copied().collect::<IntervalSet>());
        holds(&one.union(&other), &std::array::from_fn(|at| a[at] || b[at]));
        holds(&one.intersection(&other), &std::array::from_fn(|at| a[at] && b[at]));
        holds(&one.difference(&other), &std::array::from_fn(|at| a[at] && !b[at]));
        let mut absorbed = one.clone();
        absorbed.absorb(&other);
        assert_eq!(absorbed, one.union(&other));
        for interval in &right {
            let range = interval.start_ms() as usize..interval.end_ms() as usize;
            assert_eq!(one.covers(*interval), a[range].iter().all(|&flag| flag));
        }
        let (first, rest) = one.split_after(cut);
        assert_eq!(first.length_ms(), cut.min(one.length_ms()));
        assert_eq!(first.union(&rest), one);
        assert!(first.intersection(&rest).is_empty());
    }

    #[test]
    fn insertions_give_one_set_in_any_order(intervals in intervals(), seed: u64) {
        let mut shuffled = intervals.clone();
        crate::chance::Chance::new(seed).shuffle(&mut shuffled);
        assert_eq!(kept(&intervals), kept(&shuffled));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn at_the_bound_a_set_only_loses(seed: u64) {
        let mut chance = crate::chance::Chance::new(seed);
        let mut set = IntervalSet::new();
        let mut all = Vec::new();
        for _ in 0..RANGES_MAX * 2 {
            let start_ms = chance.between(0, 100_000);
            let interval = Interval::new(start_ms, start_ms + chance.between(1, 30)).unwrap();
            all.push(interval);
            let before = set.length_ms();
            let dropped = set.insert(interval);
            assert!(set.ranges().len() <= RANGES_MAX);
            if let Some(dropped) = dropped {
                let shortest = set.ranges().iter().map(|range| range.length_ms()).min();
                assert!(dropped.length_ms() <= shortest.unwrap());
                assert!(set.length_ms() >= before, "the shortest goes");
            }
        }
        let whole: IntervalSet = all.into_iter().collect();
        assert!(set.difference(&whole).is_empty(), "a set holds nothing it was not given");
        let mut absorbed = set.clone();
        absorbed.absorb(&whole);
        assert!(absorbed.ranges().len() <= RANGES_MAX);
        assert!(absorbed.difference(&whole).is_empty());
    }
}
