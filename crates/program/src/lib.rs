//! The program's rules as pure functions: levels, rights, decisions.
//!
//! # Owns
//! - [`Rules`]: `config/levels.toml`, read and checked.
//! - [`ShowRecord`] and [`Figures`]: what a creator's final shows come to over the window.
//! - [`evaluate()`] and [`Decision`]: up, down or as it stands, with everything it was decided from.
//! - [`explain()`]: what is missing, as numbers and as sentences.
//! - [`rights_at_go_live`]: what a show may do, fixed when it starts.
//! - [`what_if()`]: who would stand elsewhere under other rules.
//!
//! # Model
//! A creator's [`LevelState`] is handed from decision to decision. Figures come from final records
//! only, so nothing rises on numbers that can still change.
//!
//! ```text
//!   unlock ────────────  reached: up, at once, one level
//!           keep band    nothing moves, whichever way the figures came from
//!   keep   ────────────  below: the creator is told, the grace begins
//!                          back above within it: the grace is forgotten
//!                          still below when it ends: down, one level
//! ```
//!
//! More valid time never lowers a level: in two histories that differ only in that one has more of
//! it, that one is at no instant the lower.
//!
//! Three days of streaming, half an hour each, for twenty viewers who watch 25 hours between them:
//!
//! ```
//! use tally_program::{
//!     DAY_MS, Figures, Finality, Grant, Level, LevelState, Outcome, Rules, ShowId, ShowRecord,
//!     ViewerKey, evaluate, explain, rights_at_go_live,
//! };
//!
//! let rules = Rules::parse(include_str!("../../../config/levels.toml")).unwrap();
//! let mut shows: Vec<ShowRecord> = (0..3)
//!     .map(|day| ShowRecord {
//!         show: ShowId(day),
//!         finality: Some(Finality { number: 0, at_ms: (day as i64 + 2) * DAY_MS }),
//!         start_ms: day as i64 * DAY_MS,
//!         live_ms: 30 * 60_000,
//!         valid_ms: 25 * 3_600_000 / 3,
//!         unique_viewers: (0..20).map(ViewerKey).collect(),
//!     })
//!     .collect();
//! let state = LevelState::enrolled(0);
//!
//! // The third show is not final yet.
//! let now_ms = 4 * DAY_MS - 1;
//! let figures = Figures::over_window(&shows, now_ms, rules.window_days());
//! let early = evaluate(&rules, &state, &figures, now_ms);
//! assert_eq!(early.outcome, Outcome::Stays);
//! let missing = explain(&rules, &state, &figures, Level::Insider);
//! assert_eq!(
//!     missing.text,
//!     "To Insider: live time: 60 of 90 min, 30 missing; days with a show: 2 of 3, 1 missing; \
//!      watch time: 16 of 25 h, 9 missing",
//! );
//!
//! // Now it is.
//! let now_ms = 4 * DAY_MS;
//! let figures = Figures::over_window(&shows, now_ms, rules.window_days());
//! let decision = evaluate(&rules, &early.after, &figures, now_ms);
//! assert_eq!((decision.outcome, decision.after.level), (Outcome::Up, Level::Insider));
//! assert!(decision.is_reproduced_by(&rules));
//! assert!(rights_at_go_live(&rules, &decision.after).allow(Grant::ProductPage));
//! assert_eq!(rules.commission_basis_points(decision.after.level), 700);
//! ```
//!
//! # Must never
//! Know the server or SQL, read the clock, or use floats for money or time; decide on figures that
//! are not final; move a creator by more than one level, or below the first.

mod evaluate;
mod explain;
mod figures;
mod level;
mod rights;
pub mod rules;
mod what_if;

pub use evaluate::{Decision, Outcome, evaluate};
pub use explain::{Explanation, Goal, Progress, Requirement, explain};
pub use figures::{DAY_MS, Figures, Finality, Sales, ShowRecord};
pub use level::{Grace, Grant, Level, LevelState, Standing};
pub use rights::{Rights, rights_at_go_live};
pub use rules::{Rules, RulesError};
pub use tally_watch::{ShowId, ViewerKey};
pub use what_if::{History, Move, what_if};
