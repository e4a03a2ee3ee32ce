//! Playlist text, one file per tag family.
//!
//! Each function appends whole lines to a `String`. Lines that repeat from playlist to playlist
//! (parts, EXTINF, dates) are written once, when their part or segment arrives; rendering a
//! playlist then only concatenates, so the formatting here is never in a per-part loop.

pub(crate) mod basic;
pub(crate) mod date_range;
pub(crate) mod part;
pub(crate) mod preload_hint;
pub(crate) mod program_date_time;
pub(crate) mod rendition_report;
pub(crate) mod segment;
pub(crate) mod server_control;
pub(crate) mod skip;
pub(crate) mod uri;

/// `write!` to a `String`, which cannot fail.
macro_rules! append {
    ($out:expr, $($format:tt)*) => {
        std::fmt::Write::write_fmt($out, format_args!($($format)*))
            .expect("writing to a String cannot fail")
    };
}
pub(crate) use append;
