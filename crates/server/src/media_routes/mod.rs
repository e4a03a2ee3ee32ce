//! What viewers ask of a show over HTTP: playlists, init segments, parts and segments.
//!
//! | path | what |
//! |---|---|
//! | `/live/{handle}/index.m3u8` | multivariant playlist of the creator's newest show |
//! | `/live/{handle}/{show}/{rendition}/playlist.m3u8` | media playlist, blocking reload and deltas |
//! | `/live/{handle}/{show}/{rendition}/init{id}.mp4` | init segment |
//! | `/live/{handle}/{show}/{rendition}/{msn}.m4s` | segment |
//! | `/live/{handle}/{show}/{rendition}/{msn}.{part}.m4s` | part; waits if it is the next one |
//!
//! The show's id in the path makes every URI below it unique for ever, so caches may keep it.
//! Everything is there below `/live/{handle}/s/{session}/` too (`session.rs`).

mod body;
mod file;
mod media;
mod pieces;
mod playlist;
mod reply;
mod session;
mod waiting;
mod wish;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::routing::get;
use serde::Deserialize;
use tally_api::Playback;
use tally_hls::Lookup;
use tally_watch::SessionId;
use tokio::time::{Instant, timeout_at};

use crate::egress::{RenditionOrigin, Version};
use crate::http::connection::ConnectionContext;
use crate::http::problem::Problem;
use crate::metrics::HlsMetrics;
use crate::shows::{Show, Shows};
use file::File;
use pieces::Pieces;
pub use waiting::{WaitLimits, WaitingRoom};
use wish::Wish;

/// What the routes share.
#[derive(Debug)]
pub struct MediaRoutes {
    shows: Shows,
    playback: Playback,
    waiting: WaitingRoom,
    metrics: HlsMetrics,
    pieces: Pieces,
}

impl MediaRoutes {
    /// Routes to the media of `shows`, for whom `playback` lets in. `waiting` bounds who waits for what
    /// comes next.
    pub fn new(
        shows: Shows,
        playback: Playback,
        waiting: WaitingRoom,
        metrics: HlsMetrics,
    ) -> Self {
        Self { shows, playback, waiting, metrics, pieces: Pieces::default() }
    }
}

/// The routes. HEAD is answered as GET without the body.
pub fn router(routes: MediaRoutes) -> Router {
    Router::new()
        .route("/live/{handle}/index.m3u8", get(multivariant))
        .route("/live/{handle}/s/{session}/index.m3u8", get(multivariant))
        .route("/live/{handle}/{show}/{rendition}/{file}", get(rendition_file))
        .route("/live/{handle}/s/{session}/{show}/{rendition}/{file}", get(rendition_file))
        .with_state(Arc::new(routes))
}

/// What stands in the path of a multivariant playlist.
#[derive(Debug, Deserialize)]
struct MultivariantPath {
    handle: String,
    #[serde(default)]
    session: Option<String>,
}

/// What stands in the path of a rendition's file.
#[derive(Debug, Deserialize)]
struct FilePath {
    handle: String,
    #[serde(default)]
    session: Option<String>,
    show: String,
    rendition: String,
    file: String,
}

async fn multivariant(
    State(routes): State<Arc<MediaRoutes>>,
    Extension(connection): Extension<ConnectionContext>,
    Path(path): Path<MultivariantPath>,
    wish: Wish,
) -> Result<reply::Response, Problem> {
    playlist::multivariant(&routes, &connection, &path, &wish).await
}

async fn rendition_file(
    State(routes): State<Arc<MediaRoutes>>,
    Extension(connection): Extension<ConnectionContext>,
    Path(path): Path<FilePath>,
    RawQuery(query): RawQuery,
    wish: Wish,
) -> Result<reply::Response, Problem> {
    let query = query.unwrap_or_default();
    let file: File = path.file.parse().map_err(|_| gone())?;
    let show = routes.shows.by_id(&path.show).filter(|show| show.handle() == path.handle);
    let show = show.ok_or_else(gone)?;
    let session = session::admit(&routes, &show, file, path.session.as_deref(), &query)?;
    let presentation = show.hls().presentation().ok_or_else(gone)?;
    let origin = presentation.rendition(&path.rendition).ok_or_else(gone)?;
    let (routes, connection) = (&*routes, &connection);
    let asked = Asked { routes, connection, show: &show, session, origin, wish };
    match file {
        File::Playlist => playlist::media(&asked, &query).await,
        File::Init(id) => media::init(&asked, id),
        File::Segment(msn) => media::segment(&asked, msn),
        File::Part(msn, part) => media::part(&asked, msn, part).await,
    }
}

/// A request for something of a rendition that exists.
struct Asked<'a> {
    routes: &'a MediaRoutes,
    connection: &'a ConnectionContext,
    show: &'a Show,
    /// Whom the answer is for, when that is known.
    session: Option<SessionId>,
    origin: &'a RenditionOrigin,
    wish: Wish,
}

impl Asked<'_> {
    /// Passes on what the player said of itself with a request for a stretch of the show's timeline.
    fn observe(&self, stretch_ms: Option<(i64, i64)>) {
        if let (Some(session), Some(evidence)) = (self.session, self.show.evidence())
            && let Some(said) = &self.wish.said
        {
            evidence.observed(session, &said.record, stretch_ms, said.received_ms);
        }
    }

    /// Looks at version after version of the rendition until `look` finds what it wants, fails, or
    /// has waited as long as it may (D6). Waiting requests are counted and capped.
    async fn wait<T>(
        &self,
        look: impl Fn(&Version) -> Result<Option<T>, Problem>,
    ) -> Result<(Version, T), Problem> {
        let version = self.origin.current();
        if let Some(found) = look(&version)? {
            return Ok((version, found));
        }
        let _waiting = self.routes.waiting.enter(self.connection)?;
        let deadline = Instant::now() + self.origin.hold_max();
        let mut versions = self.origin.follow();
        loop {
            let version = versions.borrow_and_update().clone();
            if let Some(found) = look(&version)? {
                return Ok((version, found));
            }
            if !matches!(timeout_at(deadline, versions.changed()).await, Ok(Ok(()))) {
                return Err(too_late());
            }
        }
    }
}

/// What is asked for cannot be had: not any more, or never (D11).
fn gone() -> Problem {
    Problem::not_found("there is no such media (any more)")
}

/// The wait has taken as long as it may (D6).
fn too_late() -> Problem {
    Problem::unavailable("the media did not come in time")
}

/// What was looked up, if it is there; `None` if it is the next to come.
fn found<T>(lookup: Lookup<T>) -> Result<Option<T>, Problem> {
    match lookup {
        Lookup::Found(found) => Ok(Some(found)),
        Lookup::Hinted => Ok(None),
        Lookup::Gap | Lookup::Gone | Lookup::NotFound => Err(gone()),
    }
}
