//! The numbered playlist and media rules (PROTOCOLS), held against what a server served.
//!
//! Each function checks the rules its name or doc gives; an error begins with the rule's number.

pub mod media;
pub mod multivariant;
pub mod playlist;
pub mod step;

use crate::record::Recording;

/// Every rule that one rendition's recording can show.
///
/// # Errors
/// The first breach, with the playlist it is in.
pub fn check(recording: &Recording) -> anyhow::Result<()> {
    use anyhow::Context;
    for version in &recording.versions {
        playlist::check(&version.playlist).with_context(|| version.text.clone())?;
    }
    for pair in recording.versions.windows(2) {
        step::check(&pair[0], &pair[1])
            .with_context(|| format!("{}\nthen\n{}", pair[0].text, pair[1].text))?;
    }
    media::check(recording)
}
