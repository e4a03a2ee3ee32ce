//! Events of shows and levels, as receivers of webhooks read them.

use serde_json::{Map, Value, json};
use tally_program::Decision;
use tally_store::{CreatorId, Handle, NewEvent};
use tally_watch::{Figures, FinalRecord};

/// A show went live.
pub(super) fn show_started(name: &str, handle: &Handle, at_ms: i64) -> NewEvent {
    let members = json!({ "show": name, "handle": handle.as_str() });
    event("show.started", name, at_ms, members)
}

/// A show has ended.
pub(super) fn show_ended(name: &str, handle: &Handle, at_ms: i64) -> NewEvent {
    let members = json!({ "show": name, "handle": handle.as_str() });
    event("show.ended", name, at_ms, members)
}

/// A show's figures became final, or were corrected.
pub(super) fn show_finalized(name: &str, handle: &Handle, record: &FinalRecord) -> NewEvent {
    let FinalRecord { number, at_ms, figures, reason } = record;
    let names = Figures::NAMES.into_iter().zip(figures.to_numbers());
    let figures: Map<String, Value> =
        names.map(|(name, number)| (name.to_owned(), number.into())).collect();
    let members = json!({
        "show": name,
        "handle": handle.as_str(),
        "number": number,
        "figures": figures,
        "reason": reason,
    });
    event("show.finalized", &format!("{name}/{number}"), *at_ms, members)
}

/// A creator's level changed, or the grace before it does began or ended.
pub(super) fn level_changed(creator: CreatorId, handle: &Handle, decision: &Decision) -> NewEvent {
    let members = json!({
        "handle": handle.as_str(),
        "outcome": decision.outcome,
        "before": decision.before.level,
        "level": decision.after.level,
        "grace_ends_ms": decision.after.grace.map(|grace| grace.ends_ms),
        "reason": decision.reason,
    });
    let what = format!("{}/{}", creator.0, decision.at_ms);
    event("level.changed", &what, decision.at_ms, members)
}

fn event(kind: &'static str, what: &str, at_ms: i64, mut members: Value) -> NewEvent {
    let key = format!("{kind}/{what}");
    members["event"] = kind.into();
    members["id"] = key.as_str().into();
    members["at_ms"] = at_ms.into();
    NewEvent { key, kind, body: members.to_string(), at_ms }
}
