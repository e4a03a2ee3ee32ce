//! Common Media Client Data, version 1 (CTA-5004) and 2 (CTA-5004-A and -B), as evidence of the lowest
//! kind: what stock players say about themselves.
//!
//! Text comes in, [`CmcdRecord`]s go out ([`parse()`], [`parse_query`], [`parse_headers`],
//! [`parse_events`]); successive records of one session become heartbeats ([`Observer`]), which are
//! admitted under the same rule as our own players' and never count for more than assurance C.

mod observe;
mod parse;
mod record;

pub use observe::{Observation, Observer};
pub use parse::{
    EVENTS_MAX, KEYS_MAX, TEXT_BYTES_MAX, parse, parse_events, parse_headers, parse_query,
};
pub use record::{CmcdRecord, EventKind, ObjectType, Parsed, PlayState};
