//! The one place where a server is put together and taken apart.
//!
//! [`run`] takes everything that differs between a real start and a test: the configuration, open
//! listeners and the stop signal.

mod drain;
mod listeners;
mod reload;

use anyhow::Context as _;
use axum::Router;
use tally_store::Store;
use tokio::task::JoinSet;

use crate::admin::{self, Admin};
use crate::config::Config;
use crate::http::{self, HttpServer, Incoming, Limits};
use crate::metrics::Metrics;
use crate::shutdown::Trigger;
pub use listeners::{BindError, BoundListeners};

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
    let store = Store::open(&config.store.url).await.context("store.url")?;
    let admin = Admin::new(store.clone(), metrics.clone(), shutdown.clone());
    let routes = http::finish(Router::new(), config.http.body_bytes_max);

    let mut tasks = JoinSet::new();
    tasks.spawn(reload::reload_on_hangup(listeners.certificates(), metrics.tls.clone()));

    let mut servers = JoinSet::new();
    let admin_server = HttpServer::new(admin.routes(), &admin::LIMITS, Metrics::new().http);
    servers.spawn(admin_server.run(Incoming::Plain(listeners.admin.clone()), shutdown.clone()));
    let server =
        HttpServer::new(routes, &Limits::from_config(&config.http), metrics.http.clone());
    let plain = listeners.http.clone().map(Incoming::Plain);
    let secure = listeners.https.clone().map(Incoming::Tls);
    for incoming in plain.into_iter().chain(secure) {
        servers.spawn(server.clone().run(incoming, shutdown.clone()));
    }
    listeners.announce();
    // From here on only the servers hold listeners, and give their ports up when they close.
    drop(listeners);
    admin.started();

    tokio::select! {
        () = shutdown.draining() => {}
        Some(ended) = servers.join_next() => {
            ended.context("a listener's task failed")?;
            anyhow::bail!("a listener's task ended by itself");
        }
    }
    let ended = drain::drain(&trigger, config.server.drain, &metrics.http, &mut servers).await;
    store.close().await;
    ended.log();
    Ok(())
}
