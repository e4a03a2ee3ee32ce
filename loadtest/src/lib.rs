//! Load on a server that speaks the standards, and what its clients see of it.
//!
//! # Owns
//! - [`whep`]: viewers over WebRTC that receive, check and report like a player, and decode nothing.
//! - [`target`]: what may be loaded: this host, or what the user says is theirs.
//! - [`report`]: the figures of a run, for people and for programs.
//!
//! # Must never
//! Know the server from inside: everything is asked for over the network, so that any server can be
//! measured. Nor send to a host that neither is this one nor was named by the user as their own.

mod arguments;
mod clock;
mod http;
mod inbox;
mod random;
pub mod report;
pub mod target;
pub mod whep;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Puts load on a live video server and measures it from its clients' side.
#[derive(Debug, Parser)]
#[command(name = "tally-load", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tally-load whep --url http://127.0.0.1:8080/live/alice/whep --viewers 2000 --ramp 20s --duration 30s
                                     2,000 viewers over WebRTC, who come within 20 s and stay for 30 s

Only this host is loaded, unless its owner says otherwise: --i-own-this-target HOST.
Exits with 0 when all clients got what they came for, with 1 when some did not, with 2 when nothing
could be measured.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Viewers over WebRTC (WHEP): ICE, DTLS, SRTP, continuity of RTP, feedback; nothing is decoded.
    Whep(whep::Options),
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let Command::Whep(options) = Cli::parse().command;
    let done = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads())
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(whep::run(&options)))
        .and_then(|summary| {
            options.publish(&summary)?;
            Ok(summary)
        });
    match done {
        Ok(summary) if summary.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "tally-load: {error:#}");
            ExitCode::from(2)
        }
    }
}
