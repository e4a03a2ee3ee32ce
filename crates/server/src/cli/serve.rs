//! `tally serve` and `tally demo`: from a configuration to a running server, and the signals that end it.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::assembly::{self, BoundListeners};
use crate::config::Config;
use crate::shutdown::Trigger;
use crate::{demo, logging, net};

pub(super) const HELP: &str = "\
Signals:
  SIGTERM, SIGINT   end: shows end, viewers get their last segments, then exit (server.drain_s);
                    a second one exits at once
  SIGHUP            read the certificates again";

/// Exit code of a process that was told twice to end: 128 + SIGINT, as shells count.
const INTERRUPTED: i32 = 130;

/// What is run: a server, with or without a show on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Server,
    Demo,
}

pub(super) fn serve(config: Config, what: What) -> anyhow::Result<()> {
    logging::start(&config.server);
    let (http, rtmp) = (config.http.connections_max, config.rtmp.connections_max);
    let connections = http.saturating_add(rtmp).saturating_add(config.webrtc.tcp_connections_max);
    net::raise_file_limit(connections as u64);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let listeners = BoundListeners::bind(&config)?;
        let trigger = Trigger::new();
        let signals = Stop::new().context("cannot handle signals")?;
        tokio::spawn(signals.pull(trigger.clone()));
        match what {
            What::Server => assembly::run(config, listeners, trigger).await,
            What::Demo => demo::run(config, listeners, trigger).await,
        }
    })
}

/// The signals that end a server.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn pull(mut self, trigger: Trigger) {
        self.next().await;
        trigger.drain();
        self.next().await;
        tracing::warn!("told to end a second time: exiting now");
        std::process::exit(INTERRUPTED);
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
