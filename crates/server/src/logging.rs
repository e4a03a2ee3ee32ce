//! Logs: `tracing` events as text or JSON on stderr.
//!
//! No stream key may ever be logged: nothing hands keys to `tracing`, and types that hold one
//! (such as [`crate::config::Store`]) do not show it in their `Debug` text.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, Server};

/// Starts logging for this process. Later calls change nothing, so that tests may call it too.
pub fn start(config: &Server) {
    let builder = fmt().with_env_filter(filter(&config.log)).with_writer(std::io::stderr);
    let _already_started = match config.log_format {
        LogFormat::Text => {
            builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// Crates that tell of every step of every peer, and warn of what any client may do as often as it
/// likes (an address as server name, candidates that cannot be reached): asked for only by name.
const TALKATIVE: &str = "rustls=error,rtc_ice=error,rtc_dtls=error,rtc_sctp=error";

/// The directives as configured, which were checked with the configuration.
fn filter(directives: &str) -> EnvFilter {
    EnvFilter::new(format!("{TALKATIVE},{directives}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directives(configured: &str) -> Vec<String> {
        let text = filter(configured).to_string();
        let mut directives: Vec<_> = text.split(',').map(str::to_owned).collect();
        directives.sort_unstable();
        directives
    }

    #[test]
    fn what_clients_make_libraries_say_is_logged_only_when_asked_for() {
        let quiet = ["rtc_dtls=error", "rtc_ice=error", "rtc_sctp=error"];
        assert_eq!(directives("info"), [&["info"], &quiet[..], &["rustls=error"]].concat());
        let asked = directives("info,rustls=debug");
        assert_eq!(asked, [&["info"], &quiet[..], &["rustls=debug"]].concat());
    }
}
