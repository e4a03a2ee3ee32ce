//! Live window, blocking reload decisions and playlist text for LL-HLS.
//!
//! # Owns
//! - [`Window`]: the mutable window of one rendition, fed with what the segmenter puts out. It
//!   applies the rules of what is listed, what stays fetchable and what goes.
//! - [`Snapshot`]: the window at one moment, immutable and shared: it answers playlist requests
//!   ([`Snapshot::decide`], [`Snapshot::playlist`]) and finds media ([`Snapshot::part`], ...). A
//!   playlist is rendered and compressed once per version, however many viewers wait for it.
//! - [`Directives`]: the `_HLS_*` query parameters.
//! - [`multivariant`]: the playlist that names the others.
//! - [`cache`]: how long caches keep answers, and how urgent they are.
//!
//! # Calling order
//! For each output of the segmenter call [`Window::push_init`], [`Window::push_part`],
//! [`Window::push_segment`] in the order they come; after *all* outputs of one step, for all
//! renditions, publish a [`Window::snapshot`] of each. (A snapshot between a segment's last part
//! and the segment would hint at a part that never comes; one between two renditions would report
//! positions a part apart.) [`Window::end`] last.
//!
//! A playlist request: [`Directives::parse`] (an error is 400), then [`Snapshot::decide`] on each
//! version until it is not [`Decision::Wait`], for at most [`Options::hold_ms_max`]; then 503. A
//! media request: [`Snapshot::part`] on each version until it is not [`Lookup::Hinted`].
//!
//! # Must never
//! Read a clock, hold a task or a socket, know HTTP beyond header values, or look into media bytes.
//! Rule numbers (`// P7`, `// D5`) are those of the project's protocol requirements, which condense
//! draft-pantos-hls-rfc8216bis-22 and Apple's authoring specification ("A").

mod compress;
mod date_range;
mod directives;
mod options;
mod position;
mod seconds;
mod snapshot;
mod tags;
mod window;

pub mod cache;
pub mod multivariant;

pub use compress::{Encoding, Rendered};
pub use date_range::{
    AttributeValue, DATE_RANGE_BYTES_MAX, DATE_RANGES_MAX, DateRange, DateRangeError,
};
pub use directives::{DirectiveError, Directives, QUERY_BYTES_MAX, Skip};
pub use options::{
    HOLD_BACK_TARGETS, HOLD_TARGETS, Options, PART_HOLD_BACK_TARGETS, PARTS_SEGMENTS_MAX,
    PARTS_TARGETS, SEGMENTS_MIN, SKIP_TARGETS, WINDOW_BYTES_MAX, WINDOW_MS, WINDOW_TARGETS_MIN,
};
pub use position::Position;
pub use snapshot::{Decision, Delivery, Lookup, Rejection, Snapshot};
pub use tags::rendition_report::RenditionReport;
pub use window::{INITS_MAX, Pressure, PushError, SEGMENT_PARTS_MAX, Window};
