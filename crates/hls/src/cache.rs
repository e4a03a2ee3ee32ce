//! How long caches may keep an answer, and how urgently it is sent (PROTOCOLS 1.3).
//!
//! Lifetimes follow the low-latency profile's table, with one deviation: an answer that says "not
//! yet" or "not now" is never cached. The profile lets errors live for whole target durations, but
//! a cached 404 for a part that will exist a moment later would be served to every viewer behind
//! that cache, and anybody can ask for tomorrow's part today.
//!
//! Playlists live in shared caches only. A browser's own cache serves one viewer, who never needs
//! the same playlist twice, and does harm: video.js asks again with the directives it had when a
//! segment has ended, and a browser that answers from its cache keeps it standing for six target
//! durations; a page that is opened again would begin at the live edge of then.

use std::fmt;

/// What is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The multivariant playlist.
    Multivariant,
    /// A media playlist; `blocking` when the request had `_HLS_msn`.
    Playlist {
        /// Whether the request named what to wait for, so that its answer never changes meaning.
        blocking: bool,
    },
    /// An init segment.
    Init,
    /// A segment or a part of a rendition with pictures.
    Video,
    /// A segment or a part of a rendition with sound only.
    Audio,
}

/// How it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 200, 206 or 304.
    Ok,
    /// 404 or 410 for what was there once, or never will be.
    Gone,
    /// 400, 404 or 503 for what may be answered otherwise in a moment.
    NotNow,
}

/// A `Cache-Control` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheControl {
    /// `no-store`.
    NoStore,
    /// `max-age` in seconds.
    MaxAge(u32),
    /// `s-maxage` in seconds: for caches that many viewers share, while a viewer's own cache asks
    /// each time.
    SharedMaxAge(u32),
}

impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStore => f.write_str("no-store"),
            Self::MaxAge(seconds) => write!(f, "max-age={seconds}"),
            Self::SharedMaxAge(seconds) => write!(f, "max-age=0, s-maxage={seconds}"),
        }
    }
}

/// The `Cache-Control` of an answer in a show of this target duration (in seconds).
///
/// An origin must not send `Age` beside it: players measure their distance to live with the `Age`
/// that caches add.
#[must_use]
pub const fn cache_control(
    resource: Resource,
    outcome: Outcome,
    target_duration_s: u32,
) -> CacheControl {
    let target = target_duration_s;
    match (outcome, resource) {
        (Outcome::NotNow, _) => CacheControl::NoStore,
        (Outcome::Ok, Resource::Playlist { blocking: false } | Resource::Multivariant) => {
            CacheControl::SharedMaxAge(target / 2)
        }
        (Outcome::Ok, Resource::Playlist { blocking: true }) => {
            CacheControl::SharedMaxAge(target.saturating_mul(6))
        }
        (Outcome::Ok, _) => CacheControl::MaxAge(target.saturating_mul(6)),
        (Outcome::Gone, Resource::Playlist { blocking: true }) => {
            CacheControl::SharedMaxAge(target.saturating_mul(4))
        }
        (Outcome::Gone, Resource::Playlist { blocking: false } | Resource::Multivariant) => {
            CacheControl::SharedMaxAge(target)
        }
        (Outcome::Gone, _) => CacheControl::MaxAge(target),
    }
}

/// RFC 9218 urgency of an answer: 0 first, 7 last.
///
/// Playlists have 1 and media 2..=6, never better for a higher bit rate, as the profile demands.
/// Init segments and sound go ahead of pictures: they are small, and a player stalls without them.
/// Nothing is `incremental`: half of two parts plays worse than one whole part.
#[must_use]
pub const fn urgency(resource: Resource) -> u8 {
    match resource {
        Resource::Multivariant | Resource::Playlist { .. } => 1,
        Resource::Init | Resource::Audio => 2,
        Resource::Video => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: Resource = Resource::Playlist { blocking: false };
    const BLOCKING: Resource = Resource::Playlist { blocking: true };

    fn header(resource: Resource, outcome: Outcome) -> String {
        cache_control(resource, outcome, 4).to_string()
    }

    // PROTOCOLS 1.3, Cache-Control
    #[test]
    fn good_answers_live_as_long_as_the_profile_says() {
        assert_eq!(header(BLOCKING, Outcome::Ok), "max-age=0, s-maxage=24");
        assert_eq!(header(LIVE, Outcome::Ok), "max-age=0, s-maxage=2");
        assert_eq!(header(Resource::Multivariant, Outcome::Ok), "max-age=0, s-maxage=2");
        assert_eq!(header(Resource::Video, Outcome::Ok), "max-age=24");
        assert_eq!(header(Resource::Init, Outcome::Ok), "max-age=24");
    }

    // PROTOCOLS 1.3, Cache-Control
    #[test]
    fn lasting_errors_live_as_long_as_the_profile_says() {
        assert_eq!(header(BLOCKING, Outcome::Gone), "max-age=0, s-maxage=16");
        assert_eq!(header(LIVE, Outcome::Gone), "max-age=0, s-maxage=4");
        assert_eq!(header(Resource::Audio, Outcome::Gone), "max-age=4");
    }

    #[test]
    fn not_yet_is_never_cached() {
        for resource in [LIVE, BLOCKING, Resource::Video, Resource::Init, Resource::Multivariant] {
            assert_eq!(header(resource, Outcome::NotNow), "no-store");
        }
    }

    // PROTOCOLS 1.3, RFC 9218
    #[test]
    fn playlists_go_first_and_pictures_never_before_sound() {
        assert_eq!(urgency(LIVE), 1);
        assert_eq!(urgency(BLOCKING), 1);
        for media in [Resource::Init, Resource::Audio, Resource::Video] {
            assert!((2..=6).contains(&urgency(media)), "{media:?}");
        }
        assert!(urgency(Resource::Audio) <= urgency(Resource::Video));
    }
}
