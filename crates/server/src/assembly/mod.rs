//! The one place where a server is put together and taken apart.
//!
//! [`run`] takes everything that differs between a real start and a test: the configuration, open
//! listeners and the stop signal.

mod drain;
mod listeners;
mod reload;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tally_hub::Hub;
use tally_store::Store;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::admin::{self, Admin};
use crate::config::{Config, PublishAuth};
use crate::egress::HlsOptions;
use crate::http::{self, HttpServer, Limits};
use crate::ingest::{Auth, RtmpServer, RtmpService, WhipService};
use crate::media_routes::{self, MediaRoutes, WaitLimits, WaitingRoom};
use crate::metrics::Metrics;
use crate::net::Incoming;
use crate::shows::{Shows, ShowsOptions};
use crate::shutdown::{Phase, Shutdown, Trigger};
use crate::signalling::{self, Signalling};
use crate::webrtc::{self, WebRtc};
use crate::{pages, playback};
pub use listeners::{BindError, BoundListeners};

/// How long the books may take to note that shows have ended, and to be closed.
const RECORDS_WITHIN: Duration = Duration::from_secs(5);

/// Runs a server until `trigger` is pulled and everything has ended, or the drain deadline cut it.
///
/// # Errors
/// When the store cannot be opened, or a part that must live as long as the server ends by itself.
pub async fn run(
    config: Config,
    listeners: BoundListeners,
    trigger: Trigger,
) -> anyhow::Result<()> {
    let shutdown = trigger.shutdown();
    let metrics = Metrics::new();
    let store = open_store(&config).await?;
    let playback = playback::Service::open(&config, &store).await?;
    let admin = Admin::new(store.clone(), metrics.clone(), shutdown.clone());
    let shows = shows(&config, &metrics);
    shows.keep_books(playback.evidence.clone());

    let mut tasks = JoinSet::new();
    tasks.spawn(reload::on_hangup(listeners.certificates(), metrics.tls.clone()));

    let mut servers = JoinSet::new();
    let webrtc = start_webrtc(&config, &listeners, &metrics, &shutdown, &mut servers)?;
    let publishing = WhipService {
        auth: auth(&config, &store),
        metrics: metrics.clone(),
        shutdown: shutdown.clone(),
    };
    let signalling = webrtc.map(|webrtc| {
        let (shows, playback) = (shows.clone(), playback.playback.clone());
        Arc::new(Signalling::new(shows, playback, publishing, webrtc, &config.webrtc))
    });
    let more = signalling.clone().map(signalling::admin_router).unwrap_or_default();
    let admin_server = HttpServer::new(admin.routes(more), &admin::LIMITS, Metrics::new().http);
    servers.spawn(admin_server.run(Incoming::Plain(listeners.admin.clone()), shutdown.clone()));
    let more = signalling.map(signalling::router).unwrap_or_default();
    let routes = viewer_routes(&config, &shows, &playback, &metrics, more);
    serve_viewers(&config, &listeners, routes, &metrics, &shutdown, &mut servers);
    let service = RtmpService {
        shows: shows.clone(),
        auth: auth(&config, &store),
        limits: rtmp_limits(&config),
        metrics: metrics.clone(),
        shutdown: shutdown.clone(),
    };
    serve_publishers(&config, &listeners, service, &mut servers);
    listeners.announce();
    // From here on only the servers hold listeners, and give their ports up when they close.
    drop(listeners);
    admin.started();

    tokio::select! {
        () = shutdown.draining() => {}
        Some(ended) = servers.join_next() => {
            ended.context("a listener's task failed")?;
            // Publishers' servers end by themselves once the server drains, and may be first here.
            anyhow::ensure!(shutdown.phase() != Phase::Running, "a listener's task ended by itself");
        }
    }
    let ended =
        drain::drain(&trigger, config.server.drain, &shows, &metrics.http, &mut servers).await;
    close_books(&shows, &playback).await;
    store.close().await;
    ended.log();
    Ok(())
}

/// Has the books note the ends of shows, and closes them. A disk that fails must not keep the process:
/// what is missing then, the next start makes up for.
async fn close_books(shows: &Shows, playback: &playback::Service) {
    let _ = timeout(RECORDS_WITHIN, shows.all_recorded()).await;
    let _ = timeout(RECORDS_WITHIN, playback.evidence.books().clone().close()).await;
}

/// Opens the database, and makes it when it is not there.
///
/// # Errors
/// With the config key that says where it is.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    Store::open(&config.store.url).await.context(config.store.key)
}

/// The WebRTC sessions of `webrtc.listen`; nothing where that is off.
fn start_webrtc(
    config: &Config,
    listeners: &BoundListeners,
    metrics: &Metrics,
    shutdown: &Shutdown,
    servers: &mut JoinSet<()>,
) -> anyhow::Result<Option<WebRtc>> {
    let Some(sockets) = listeners.webrtc.clone() else { return Ok(None) };
    let certificate = webrtc::load_or_make(&config.server.data_dir)?;
    let options = webrtc::Options::from_config(&config.webrtc, sockets.address);
    let metrics = metrics.webrtc.clone();
    let shutdown = shutdown.clone();
    Ok(Some(WebRtc::start(sockets, certificate, options, metrics, shutdown, servers)))
}

fn shows(config: &Config, metrics: &Metrics) -> Shows {
    let options = ShowsOptions {
        hls: HlsOptions {
            part_ms: config.hls.part_ms,
            segment_ms: config.hls.segment_ms,
            window_ms: config.hls.window_ms,
            audio: config.hls.audio,
        },
        reconnect_grace: config.rtmp.reconnect_grace,
        shows_max: config.server.shows_max,
    };
    let hub = Hub::new(tally_hub::Limits::default());
    Shows::new(hub, options, metrics.clone())
}

fn auth(config: &Config, store: &Store) -> Auth {
    match config.auth.publish {
        PublishAuth::Key => Auth::Key(store.clone()),
        PublishAuth::Open => Auth::Open(store.clone()),
    }
}

fn rtmp_limits(config: &Config) -> tally_rtmp::Limits {
    let milliseconds =
        |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    tally_rtmp::Limits {
        message_bytes_max: config.rtmp.message_bytes_max,
        buffered_bytes_max: config.rtmp.buffered_bytes_max,
        chunk_streams_max: config.rtmp.chunk_streams_max,
        handshake_ms_max: milliseconds(config.rtmp.handshake_deadline),
        publish_ms_max: milliseconds(config.rtmp.publish_deadline),
        idle_ms_max: milliseconds(config.rtmp.idle),
        ..tally_rtmp::Limits::default()
    }
}

/// Everything viewers can ask for, `more` included.
fn viewer_routes(
    config: &Config,
    shows: &Shows,
    playback: &playback::Service,
    metrics: &Metrics,
    more: Router,
) -> Router {
    let limits = WaitLimits {
        total_max: config.http.waiting_requests_max,
        per_connection_max: config.http.waiting_requests_per_connection_max,
    };
    let waiting = WaitingRoom::new(limits, metrics.http.clone());
    let (shows_of, playback_of) = (shows.clone(), playback.playback.clone());
    let media = MediaRoutes::new(shows_of, playback_of, waiting, metrics.hls.clone());
    let media = media_routes::router(media);
    let routes = Router::new().merge(pages::router()).merge(media);
    let routes = routes.merge(playback.routes(shows, config, metrics)).merge(more);
    http::finish(routes, config.http.body_bytes_max)
}

fn serve_viewers(
    config: &Config,
    listeners: &BoundListeners,
    routes: Router,
    metrics: &Metrics,
    shutdown: &Shutdown,
    servers: &mut JoinSet<()>,
) {
    let server = HttpServer::new(routes, &Limits::from_config(&config.http), metrics.http.clone());
    let plain = listeners.http.clone().map(Incoming::Plain);
    let secure = listeners.https.clone().map(Incoming::Tls);
    for incoming in plain.into_iter().chain(secure) {
        servers.spawn(server.clone().run(incoming, shutdown.clone()));
    }
}

fn serve_publishers(
    config: &Config,
    listeners: &BoundListeners,
    service: RtmpService,
    servers: &mut JoinSet<()>,
) {
    let (connections_max, deadline) = (config.rtmp.connections_max, config.rtmp.handshake_deadline);
    let server = RtmpServer::new(service, connections_max, deadline);
    let plain = listeners.rtmp.clone().map(Incoming::Plain);
    let secure = listeners.rtmps.clone().map(Incoming::Tls);
    for incoming in plain.into_iter().chain(secure) {
        servers.spawn(server.clone().run(incoming));
    }
}
