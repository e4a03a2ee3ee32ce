//! EXT-X-PRELOAD-HINT: what a player may ask for before it exists.

use super::append;
use super::uri::{InitUri, PartUri};
use crate::Position;

/// The next part, by the URI it will have; its length is not known, so no byte range. // P11
pub(crate) fn part(out: &mut String, next: Position) {
    append!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"\n", PartUri(next));
}

/// The init segment the next part needs, when it is not the one in force. // P11
pub(crate) fn map(out: &mut String, init: u32) {
    append!(out, "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"{}\"\n", InitUri(init));
}
