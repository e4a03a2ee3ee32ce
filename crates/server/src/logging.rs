//! Logs: `tracing` events as text or JSON on stderr.
//!
//! No stream key may ever be logged: nothing hands keys to `tracing`, and types that hold one
//! (such as [`crate::config::Store`]) do not show it in their `Debug` text.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, Server};

/// Starts logging for this process. Later calls change nothing, so that tests may call it too.
pub fn start(config: &Server) {
    // The directives were checked with the configuration.
    let filter = EnvFilter::new(&config.log);
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _already_started = match config.log_format {
        LogFormat::Text => {
            builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
