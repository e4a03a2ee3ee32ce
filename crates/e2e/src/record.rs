//! Following a show as the most eager viewer does, and keeping everything that was served.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::http::{Request, Response};
use crate::playlist::{MediaPlaylist, Segment};
use crate::wait;

/// One answer to a blocking reload.
#[derive(Debug, Clone)]
pub struct Version {
    /// When it was whole, in milliseconds since 1970.
    pub at_ms: i64,
    /// The text as served.
    pub text: String,
    /// The same, read.
    pub playlist: MediaPlaylist,
}

/// A rendition from the first reload to the last.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// The playlists, oldest first.
    pub versions: Vec<Version>,
    /// Init segments, parts and segments by their URI in the playlist.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Segments that have been listed, by media sequence number.
    pub segments: BTreeMap<u64, Segment>,
}

impl Recording {
    /// Follows the media playlist at `target` until it ends or `enough` says so, asking for each
    /// next part before it exists and fetching every file as soon as it is listed.
    ///
    /// # Errors
    /// When an answer is not what a live show owes its viewers.
    pub fn follow(
        address: SocketAddr,
        target: &str,
        mut enough: impl FnMut(&MediaPlaylist) -> bool,
    ) -> anyhow::Result<Self> {
        let mut recording = Self::default();
        let mut query = String::new();
        loop {
            let response = Request::get(address, &format!("{target}{query}")).send()?;
            ensure!(response.status == 200, "{target}{query}: {}", describe(&response));
            let text = response.text().to_owned();
            let playlist = MediaPlaylist::parse(&text).with_context(|| text.clone())?;
            recording.fetch_listed(address, target, &playlist)?;
            let done = playlist.ended || enough(&playlist);
            let (msn, part) = playlist.next();
            query = format!("?_HLS_msn={msn}&_HLS_part={part}");
            recording.versions.push(Version { at_ms: wait::unix_ms(), text, playlist });
            if done {
                return Ok(recording);
            }
        }
    }

    fn fetch_listed(
        &mut self,
        address: SocketAddr,
        target: &str,
        playlist: &MediaPlaylist,
    ) -> anyhow::Result<()> {
        let listed = playlist.segments.iter().chain([&playlist.open]);
        for segment in listed {
            let gap = segment.gap;
            let parts = segment.parts.iter().filter(|part| !part.gap).map(|part| &part.uri);
            let whole = Some(&segment.uri).filter(|uri| !uri.is_empty() && !gap);
            for uri in segment.map.iter().chain(parts).chain(whole) {
                self.fetch(address, target, uri)?;
            }
            if !segment.uri.is_empty() {
                let parts = |segment: &Segment| segment.parts.len();
                let known = self.segments.get(&segment.msn).map_or(0, parts);
                if known == 0 || parts(segment) >= known {
                    self.segments.insert(segment.msn, segment.clone());
                }
            }
        }
        Ok(())
    }

    fn fetch(&mut self, address: SocketAddr, target: &str, uri: &str) -> anyhow::Result<()> {
        if !self.files.contains_key(uri) {
            let response = Request::get(address, &resolve(target, uri)).send()?;
            ensure!(response.status == 200, "{uri}: {}", describe(&response));
            self.files.insert(uri.to_owned(), response.body);
        }
        Ok(())
    }

    /// The newest playlist.
    ///
    /// # Panics
    /// When nothing was recorded.
    pub fn last(&self) -> &MediaPlaylist {
        &self.versions.last().expect("a recording has versions").playlist
    }

    /// Writes the playlists as `0000.m3u8`, `0001.m3u8`... and the media files beside them.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        for (index, version) in self.versions.iter().enumerate() {
            std::fs::write(folder.join(format!("{index:04}.m3u8")), &version.text)?;
        }
        for (uri, bytes) in &self.files {
            std::fs::write(folder.join(uri), bytes)?;
        }
        Ok(())
    }
}

/// A relative URI as seen from the playlist that names it.
pub fn resolve(target: &str, uri: &str) -> String {
    let (mut folder, _) = target.rsplit_once('/').unwrap_or(("", target));
    let mut rest = uri;
    while let Some(up) = rest.strip_prefix("../") {
        rest = up;
        folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    format!("{folder}/{rest}")
}

/// An unexpected answer in words.
fn describe(response: &Response) -> String {
    format!("{} {}", response.status, String::from_utf8_lossy(&response.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_uris_are_resolved() {
        assert_eq!(resolve("/live/a/s/v0/playlist.m3u8", "7.m4s"), "/live/a/s/v0/7.m4s");
        assert_eq!(
            resolve("/live/a/s/v0/playlist.m3u8", "../v1/playlist.m3u8"),
            "/live/a/s/v1/playlist.m3u8"
        );
    }
}
