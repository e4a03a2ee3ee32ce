//! The API and everybody's right to play, put together from the configuration.

use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use tally_api::books::{BooksOptions, Levels};
use tally_api::{
    Api, Books, Evidence, LiveShow, LiveShows, LiveState, Outside, Peer, Playback, PlaybackOptions,
    SigningKeys, Tokens,
};
use tally_program::Rules;
use tally_store::Store;
use tally_store::watch_log::SYNC_EVERY;
use tally_watch::NodeId;

use crate::config::Config;
use crate::http::connection::ConnectionContext;
use crate::metrics::Metrics;
use crate::shows::{Show, ShowState, Shows};
use crate::{clock, random};

/// Where the keys of sessions and tokens are, in `server.data_dir`.
const KEYS_FILE: &str = "playback.keys";

/// The one node there is.
const NODE: NodeId = NodeId(1);

/// Shortest secret that signs viewers: the length of the hash (RFC 7518 section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// Who may play, and the tokens that say so.
#[derive(Debug)]
pub struct Service {
    /// For every way of watching.
    pub playback: Playback,
    /// Where what is known of viewers goes.
    pub evidence: Evidence,
    tokens: Tokens,
}

impl Service {
    /// Reads the keys, or makes them, and opens the books.
    ///
    /// # Errors
    /// With the config key that says where the file is that cannot be used.
    pub async fn open(config: &Config, store: &Store) -> anyhow::Result<Self> {
        let outside = outside();
        let folder = &config.server.data_dir;
        fs::create_dir_all(folder)
            .with_context(|| format!("server.data_dir: cannot make {}", folder.display()))?;
        let keys = SigningKeys::open(&folder.join(KEYS_FILE), &outside);
        let keys = Arc::new(keys.context("server.data_dir")?);
        let secret = viewer_secret(config).context("auth.viewer_key_file")?;
        let options = PlaybackOptions { auth: config.auth.playback, basis: config.hls.delivery };
        let tokens = Tokens::new(Arc::clone(&keys), secret.as_deref());
        let books = books(config, store, outside.clone()).await?;
        let playback = Playback::new(keys, options, outside);
        let evidence = Evidence::new(books, playback.clone());
        Ok(Self { playback, evidence, tokens })
    }

    /// The routes of the API, whose numbers and those of the books go to `metrics`. Called once.
    pub fn routes(&self, shows: &Shows, config: &Config, metrics: &Metrics) -> Router {
        let api = Api::new(
            Arc::new(shows.clone()),
            self.evidence.clone(),
            self.tokens.clone(),
            config.watch.requests_per_second_max,
        );
        metrics.add_watch(self.evidence.books().clone(), api.clone());
        api.routes().layer(middleware::from_fn(name_peer))
    }
}

async fn books(config: &Config, store: &Store, outside: Outside) -> anyhow::Result<Books> {
    let options = BooksOptions {
        directory: config.server.watch_log_dir(),
        node: NODE,
        final_after_ms: i64::try_from(config.watch.final_after.as_millis()).unwrap_or(i64::MAX),
        basis: config.hls.delivery,
        sync_every: SYNC_EVERY,
        outside: outside.clone(),
    };
    let rules = level_rules(config).context("watch.levels_file")?;
    let (books, report) = Books::open(options, store.clone()).await.context("server.data_dir")?;
    tracing::info!(?report, "watch log read");
    let levels = Levels::new(store.clone(), Arc::new(rules), outside);
    // Ends with the books.
    tokio::spawn(levels.clone().run(books.finalized()?));
    Ok(books.with_levels(levels))
}

fn level_rules(config: &Config) -> anyhow::Result<Rules> {
    let Some(file) = &config.watch.levels_file else {
        return Ok(Rules::parse(include_str!("../../../config/levels.toml"))?);
    };
    let text = fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    Rules::parse(&text).with_context(|| file.display().to_string())
}

/// The API's word for whom a request came from.
async fn name_peer(mut request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<ConnectionContext>();
    if let Some(address) = connection.map(|connection| connection.peer().ip()) {
        request.extensions_mut().insert(Peer(address));
    }
    next.run(request).await
}

fn outside() -> Outside {
    Outside { unix_ms: Arc::new(clock::unix_ms), random: random::fill }
}

/// What the shop signs its viewers with, without white space at its ends: editors add a line end.
fn viewer_secret(config: &Config) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(file) = &config.auth.viewer_key_file else { return Ok(None) };
    let secret = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let secret = secret.trim_ascii().to_vec();
    anyhow::ensure!(
        secret.len() >= SECRET_BYTES_MIN,
        "{} holds {} bytes; a secret needs {SECRET_BYTES_MIN} or more",
        file.display(),
        secret.len()
    );
    Ok(Some(secret))
}

impl LiveShows for Shows {
    fn by_handle(&self, handle: &str) -> Option<LiveShow> {
        Shows::by_handle(self, handle).map(|show| live_show(&show))
    }
}

fn live_show(show: &Show) -> LiveShow {
    LiveShow {
        id: show.id().to_owned(),
        handle: show.handle().to_owned(),
        state: match show.state() {
            ShowState::Starting => LiveState::Starting,
            ShowState::Live => LiveState::Live,
            ShowState::Away => LiveState::Away,
            ShowState::Ended => LiveState::Ended,
        },
        started_at_unix_ms: show.started_at_unix_ms(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_rules_without_a_file_and_a_file_that_is_none_is_named() {
        let built_in = level_rules(&Config::default()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("[watch]\nlevels_file = {:?}", file.path());
        let config = Config::parse("test", &text).unwrap();
        let refused = format!("{:#}", level_rules(&config).unwrap_err());
        assert!(refused.contains(file.path().to_str().unwrap()), "{refused}");
        fs::write(file.path(), include_str!("../../../config/levels.toml")).unwrap();
        assert_eq!(level_rules(&config).unwrap().id(), built_in.id());
    }
}
