//! Who may play, and in whose name: what every way of watching asks before it answers.

use std::sync::Arc;

use http::StatusCode;
use tally_watch::{Basis, SessionId};

use crate::identity::show_id;
use crate::leases::Leases;
use crate::{Outside, Problem, SessionGrant, SessionKind, Sessions, SigningKeys};

/// Who may watch (`auth.playback`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaybackAuth {
    /// Everybody.
    Open,
    /// Viewers the shop has signed: a session is asked for with such a token, and everything that is
    /// played belongs to a session.
    Token,
}

/// How shows are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaybackOptions {
    /// Who may watch.
    pub auth: PlaybackAuth,
    /// What proves delivery to sessions (`hls.delivery`).
    pub basis: Basis,
}

/// Sessions of every way of watching. Clones share them.
#[derive(Clone, Debug)]
pub struct Playback {
    sessions: Sessions,
    options: PlaybackOptions,
    pub(crate) leases: Arc<Leases>,
    pub(crate) outside: Outside,
}

impl Playback {
    /// No session yet.
    #[must_use]
    pub fn new(keys: Arc<SigningKeys>, options: PlaybackOptions, outside: Outside) -> Self {
        let sessions = Sessions::new(keys, &outside);
        Self { sessions, options, leases: Arc::default(), outside }
    }

    /// How shows are played.
    #[must_use]
    pub const fn options(&self) -> PlaybackOptions {
        self.options
    }

    /// The session that a request for media of `show` names, if it names one.
    ///
    /// # Errors
    /// 401 where playing needs a session; 404 for a name this server never gave out for this show; 403
    /// when the session's token is in use elsewhere and only tokens play.
    pub fn admit(&self, show: &str, session: Option<&str>) -> Result<Option<SessionId>, Problem> {
        let is_open = self.options.auth == PlaybackAuth::Open;
        let Some(name) = session else {
            let needed = "playing needs a session: ask for one at /api/v1/live/{handle}/sessions";
            return if is_open { Ok(None) } else { Err(Problem::unauthorized(needed)) };
        };
        let unknown = || Problem::not_found("there is no such playback session of this show");
        let session = match self.sessions.read(name) {
            Some((of, session)) if of == show_id(show) => session,
            _ => return Err(unknown()),
        };
        if !is_open && self.leases.has_lost(session) {
            return Err(Problem::new(StatusCode::FORBIDDEN, TAKEN_OVER));
        }
        Ok(Some(session))
    }

    /// The name of a new session for a player that came to `show` without one.
    ///
    /// # Errors
    /// 401 where only asked-for sessions play.
    pub fn stranger(&self, show: &str) -> Result<String, Problem> {
        self.admit(show, None)?;
        let session = self.sessions.mint(SessionKind::Stranger, self.outside.now_ms());
        Ok(self.sessions.name(show_id(show), session))
    }

    /// Whether what reaches the session still counts: nobody else plays under its token.
    #[must_use]
    pub fn earns(&self, session: SessionId) -> bool {
        !self.leases.has_lost(session)
    }

    /// Whether the holder of a session's token may still speak for it: nobody else plays under the
    /// lease it was opened with.
    #[must_use]
    pub fn keeps_lease(&self, grant: &SessionGrant) -> bool {
        let session = grant.session.id;
        grant.lease.is_none_or(|lease| self.leases.keeps(lease, session, self.outside.now_ms()))
    }

    pub(crate) const fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

/// Said to a player whose session lost its lease.
pub(crate) const TAKEN_OVER: &str = "this viewer's token is in use in a newer session";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::tests::outside_at;

    const NOW_MS: i64 = 1_795_000_000_000;

    fn playback(auth: PlaybackAuth) -> Playback {
        let outside = outside_at(NOW_MS);
        let keys = Arc::new(SigningKeys::ephemeral(&outside));
        Playback::new(keys, PlaybackOptions { auth, basis: Basis::Direct }, outside)
    }

    fn status(refused: Result<Option<SessionId>, Problem>) -> u16 {
        use axum::response::IntoResponse as _;
        refused.unwrap_err().into_response().status().as_u16()
    }

    #[test]
    fn an_open_server_plays_without_a_session_but_not_with_a_wrong_one() {
        let playback = playback(PlaybackAuth::Open);
        assert_eq!(playback.admit("show", None).unwrap(), None);
        let name = playback.stranger("show").unwrap();
        let session = playback.admit("show", Some(&name)).unwrap().unwrap();
        assert_eq!(SessionKind::of(session), SessionKind::Stranger);
        assert_eq!(status(playback.admit("other", Some(&name))), 404);
        playback.leases.take(1, session, NOW_MS).unwrap();
        playback.leases.take(1, SessionId(0), NOW_MS).unwrap();
        assert!(playback.admit("show", Some(&name)).is_ok() && !playback.earns(session));
    }

    #[test]
    fn a_server_for_tokens_plays_to_asked_for_sessions_only() {
        let playback = playback(PlaybackAuth::Token);
        assert_eq!(status(playback.admit("show", None)), 401);
        assert!(playback.stranger("show").is_err());
        let session = playback.sessions().mint(SessionKind::Asked, NOW_MS);
        let name = playback.sessions().name(show_id("show"), session);
        assert_eq!(playback.admit("show", Some(&name)).unwrap(), Some(session));
        playback.leases.take(1, session, NOW_MS).unwrap();
        playback.leases.take(1, SessionId(0), NOW_MS).unwrap();
        assert_eq!(status(playback.admit("show", Some(&name))), 403);
    }
}
