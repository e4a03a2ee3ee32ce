//! The names of what a rendition serves. Only canonical spellings are names, so that a cache holds
//! each object once.

use std::fmt;
use std::str::FromStr;

/// A file below a rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// The media playlist.
    Playlist,
    /// An init segment by its id.
    Init(u32),
    /// A segment by its media sequence number.
    Segment(u64),
    /// A part by its segment and its number in it.
    Part(u64, u32),
}

/// No such name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAFile;

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Playlist => f.write_str("playlist.m3u8"),
            Self::Init(id) => write!(f, "init{id}.mp4"),
            Self::Segment(msn) => write!(f, "{msn}.m4s"),
            Self::Part(msn, part) => write!(f, "{msn}.{part}.m4s"),
        }
    }
}

impl FromStr for File {
    type Err = NotAFile;

    fn from_str(name: &str) -> Result<Self, NotAFile> {
        let file = if name == "playlist.m3u8" {
            Some(Self::Playlist)
        } else if let Some(id) = name.strip_prefix("init").and_then(|n| n.strip_suffix(".mp4")) {
            id.parse().ok().map(Self::Init)
        } else if let Some(numbers) = name.strip_suffix(".m4s") {
            match numbers.split_once('.') {
                None => numbers.parse().ok().map(Self::Segment),
                Some((msn, part)) => {
                    msn.parse().ok().zip(part.parse().ok()).map(|(msn, part)| Self::Part(msn, part))
                }
            }
        } else {
            None
        };
        file.filter(|file| file.to_string() == name).ok_or(NotAFile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for file in [File::Playlist, File::Init(3), File::Segment(0), File::Part(12, 7)] {
            assert_eq!(file.to_string().parse(), Ok(file));
        }
    }

    #[test]
    fn only_canonical_names_are_names() {
        for name in ["", "01.m4s", "+1.m4s", "1.02.m4s", "1..m4s", "1.2.3.m4s", "init.mp4", "1.mp4"]
        {
            assert_eq!(name.parse::<File>(), Err(NotAFile), "{name}");
        }
    }
}
