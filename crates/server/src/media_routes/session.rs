//! The playback session of a request: a segment of its path, or an argument of a playlist's query.
//!
//! With `hls.delivery = "direct"` everything of a session lies below `s/{session}/`, and as URIs inside
//! playlists are relative, one rendered playlist serves every session. With `"cached"` only playlists
//! name the session, in their query: media URIs are relative to the path, which is the same for all, so
//! that any cache in front gets its hits.
//!
//! A player that starts at `index.m3u8` is given a session by the URIs in it, without a redirect and
//! without a cookie.

use tally_watch::{Basis, SessionId};

use super::MediaRoutes;
use super::file::File;
use crate::http::problem::Problem;
use crate::shows::Show;

/// The argument that names the session: as in the play URL of WHEP.
const ARGUMENT: &str = "session=";

/// The multivariant playlist's text for a player that has no session yet, or whose playlists name it in
/// their query. `text` lists playlists as `{show}/...`, relative to `index.m3u8`.
pub(super) fn rewrite(
    text: &str,
    show: &str,
    session: &str,
    basis: Basis,
    is_below: bool,
) -> String {
    match basis {
        Basis::Direct => text.replace(&format!("{show}/"), &format!("s/{session}/{show}/")),
        Basis::Cached => {
            let above = if is_below { "../../" } else { "" };
            let named = format!("/playlist.m3u8?{ARGUMENT}{session}");
            text.replace(&format!("{show}/"), &format!("{above}{show}/"))
                .replace("/playlist.m3u8", &named)
        }
    }
}

/// The session that a request for `file` names, if it has to or does.
///
/// # Errors
/// When it must not have what it asks for: see [`tally_api::Playback::admit`].
pub(super) fn admit(
    routes: &MediaRoutes,
    show: &Show,
    file: File,
    in_path: Option<&str>,
    query: &str,
) -> Result<Option<SessionId>, Problem> {
    let in_query = || query.split('&').find_map(|argument| argument.strip_prefix(ARGUMENT));
    let named = match file {
        File::Playlist => in_path.or_else(in_query),
        _ => in_path,
    };
    let is_for_all = file != File::Playlist && routes.playback.options().basis == Basis::Cached;
    if named.is_none() && is_for_all {
        // A cache that holds it would not ask either: who may play is decided at the playlists.
        return Ok(None);
    }
    routes.playback.admit(show.id(), named)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"abc/a1/playlist.m3u8\"\n\
                        #EXT-X-STREAM-INF:BANDWIDTH=1\nabc/v0/playlist.m3u8\n";

    #[test]
    fn every_playlist_gets_the_session() {
        let direct = rewrite(TEXT, "abc", "S", Basis::Direct, false);
        assert_eq!(
            direct,
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"s/S/abc/a1/playlist.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1\ns/S/abc/v0/playlist.m3u8\n"
        );
        let cached = rewrite(TEXT, "abc", "S", Basis::Cached, false);
        assert!(cached.ends_with("\nabc/v0/playlist.m3u8?session=S\n"), "{cached}");
        assert!(cached.contains("\"abc/a1/playlist.m3u8?session=S\""), "{cached}");
        let below = rewrite(TEXT, "abc", "S", Basis::Cached, true);
        assert!(below.ends_with("\n../../abc/v0/playlist.m3u8?session=S\n"), "{below}");
    }
}
