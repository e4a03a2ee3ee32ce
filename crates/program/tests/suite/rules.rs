//! Reading `config/levels.toml`, and what is said about one that is wrong.

use std::sync::LazyLock;

use tally_program::rules::{Assurance, Measure, RULES_BYTES_MAX};
use tally_program::{Grant, Level, Rules};

/// The committed rules.
pub(crate) const LEVELS: &str = include_str!("../../../../config/levels.toml");

pub(crate) fn committed() -> Rules {
    static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::parse(LEVELS).expect("they are read"));
    RULES.clone()
}

#[test]
fn the_committed_rules_are_those_of_the_program() {
    let rules = committed();
    assert_eq!((rules.window_days(), rules.grace_days()), (30, 30));
    assert_eq!((rules.id().version, rules.id().sha256.len()), (1, 64));
    assert_eq!(rules.assurance(), Assurance::A);
    let unlock = |level| {
        let of_one = |it: &tally_program::rules::Threshold| (it.measure, it.at_least);
        let conditions = rules.unlock(level).iter();
        conditions.map(|it| it.any_of.iter().map(of_one).collect()).collect::<Vec<Vec<_>>>()
    };
    assert!(unlock(Level::RisingStar).is_empty());
    let insider = [
        vec![(Measure::LiveMs, 5_400_000)],
        vec![(Measure::Days, 3)],
        vec![(Measure::ValidMs, 90_000_000)],
        vec![(Measure::UniqueViewers, 20)],
    ];
    assert_eq!(unlock(Level::Insider), insider);
    let a_list = [
        vec![(Measure::LiveMs, 60_000_000)],
        vec![(Measure::Days, 8)],
        vec![(Measure::ValidMs, 1_800_000_000)],
        vec![(Measure::SettledSalesMinor, 500_000), (Measure::Orders, 100)],
    ];
    assert_eq!(unlock(Level::AList), a_list);
    let kept: Vec<_> = rules.keep(Level::Insider).iter().map(|it| it.any_of[0].at_least).collect();
    assert_eq!(kept, [4_320_000, 3, 72_000_000, 16], "80 % of 3 days is 3 days");
}

#[test]
fn grants_are_added_and_commission_grows() {
    let rules = committed();
    let counts = Level::ALL.map(|level| rules.grants(level).len());
    assert_eq!(counts, [4, 6, 9]);
    assert!(rules.grants(Level::Insider).contains(&Grant::Stream));
    assert!(!rules.grants(Level::Insider).contains(&Grant::HomePage));
    let pays = Level::ALL.map(|level| rules.commission_basis_points(level));
    assert_eq!(pays, [500, 700, 1000]);
}

#[test]
fn any_change_of_the_text_makes_other_rules() {
    let other = Rules::parse(&format!("{LEVELS}# \n")).unwrap();
    assert_ne!(other.id(), committed().id());
    assert_eq!(other.id().version, committed().id().version);
}

#[test]
fn what_is_wrong_is_named_with_its_remedy() {
    let long = "#".repeat(RULES_BYTES_MAX + 1);
    for (was, is, message) in [
        ("window_days", "window_day", "unknown key window_day; did you mean window_days?"),
        (
            "live_min = 90",
            "live_mins = 90",
            "unknown key insider.unlock.live_mins; did you mean insider.unlock.live_min?",
        ),
        ("[insider]", "[insidr]", "unknown key insidr; did you mean insider?"),
        (
            "orders = 100",
            "order = 100",
            "unknown key a_list.unlock.any.order; did you mean a_list.unlock.any.orders?",
        ),
        ("grace_days = 30", "", "grace_days is missing; give it a whole number from 1 to 366"),
        (
            "keep_percent = 80",
            "keep_percent = 101",
            "keep_percent = 101: give it a whole number from 1 to 100",
        ),
        (
            "keep_percent = 80",
            "keep_percent = 0.8",
            "keep_percent = 0.8: give it a whole number from 1 to 100",
        ),
        (
            "days = 3\n",
            "days = 31\n",
            "insider.unlock.days = 31: the window has 30; lower it or raise window_days",
        ),
        ("days = 8", "days = 2", "a_list.unlock.days = 2 is less than the 3 of insider; raise it"),
        (
            "= 1000\n\n[a_list.unlock]",
            "= 600\n\n[a_list.unlock]",
            "a_list.commission_basis_points = 600 is less than the 700 of insider; raise it",
        ),
        (
            "\"live_top\"]",
            "\"live_page\"]",
            "insider.grants: \"live_page\" is granted by rising_star already; leave it out here",
        ),
        (
            "\"live_top\"]",
            "\"product_page\"]",
            "insider.grants: \"product_page\" is granted by insider already; leave it out here",
        ),
        ("assurance = \"A\"", "assurance = \"B\"", "assurance = \"B\": give it \"A\" or \"A+B\""),
        ("\"USD\"", "\"usd\"", "currency = \"usd\": give it three capital letters such as \"USD\""),
        (
            "orders = 100",
            "orders = 0",
            "a_list.unlock.any.orders = 0: give it a whole number from 1 to 1000000000",
        ),
        ("version = 1", "version =", "line 9: not valid TOML: "),
        ("# The rules", &long, "the rules have 6"),
    ] {
        assert!(LEVELS.contains(was), "{was}");
        let error =
            Rules::parse(&LEVELS.replacen(was, is, if was == "window_days" { 2 } else { 1 }));
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(message), "{was} -> {is:.40}: {error}");
    }
}

#[test]
fn a_level_must_ask_for_something_and_the_first_for_nothing() {
    let without_any = LEVELS.replace("settled_sales_minor = 500000\norders = 100\n", "");
    let error = Rules::parse(&without_any).unwrap_err().to_string();
    assert!(error.starts_with("a_list.unlock.any is missing; give it a table"), "{error}");
    let (start, _) = LEVELS.split_once("live_min = 90").unwrap();
    let (_, end) = LEVELS.split_once("unique_viewers = 20").unwrap();
    let error = Rules::parse(&format!("{start}{end}")).unwrap_err().to_string();
    assert!(error.starts_with("insider.unlock is missing; give it a table"), "{error}");
    let first = LEVELS.replace("[insider]\n", "[rising_star.unlock]\ndays = 1\n[insider]\n");
    let error = Rules::parse(&first).unwrap_err().to_string();
    assert!(error.starts_with("unknown key rising_star.unlock;"), "{error}");
}
