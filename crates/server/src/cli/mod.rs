//! The command line.

mod creator;
mod serve;
mod watch_log;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, keys};
use serve::What;

/// Live video: encoders push over RTMP, viewers watch over LL-HLS about a second later.
#[derive(Debug, Parser)]
#[command(name = "tally", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tally demo                         a server with a test show: open the printed address
  tally creator add alice            make a creator; prints the stream key, once
  tally serve                        run with defaults; data goes to ./data
  ffmpeg -re -i FILE -c copy -f flv rtmp://localhost/live/STREAM_KEY
                                     publish; watch at http://localhost:8080/live/alice
  TALLY_AUTH__PUBLISH=open tally serve
                                     development: publish as rtmp://localhost/live/alice
  tally check-config --config tally.toml
                                     say what is wrong with a config file, or what it comes to

Every config key can be set from the environment: TALLY_<SECTION>__<KEY>, such as
TALLY_HTTP__LISTEN=127.0.0.1:8000. `tally check-config --defaults` explains every key.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until SIGTERM or Ctrl-C.
    #[command(after_help = serve::HELP)]
    Serve(ConfigFile),
    /// Run the server with a test show on it, and print where to watch and how to push your own.
    ///
    /// The show comes from ffmpeg where that is installed, else from a built-in test source.
    Demo(ConfigFile),
    /// Check the configuration and print what it comes to, without secrets.
    ///
    /// Exits with 0 when it is good, with 1 and one line for each problem when it is not.
    CheckConfig {
        #[command(flatten)]
        config: ConfigFile,
        /// Print the documented defaults instead, as a file to start from.
        #[arg(long)]
        defaults: bool,
    },
    /// Add creators, list them, change their stream keys.
    ///
    /// Works while the server runs; the server knows about changes at once.
    Creator {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: creator::Command,
    },
    /// Check the log that watch time is counted from, or print its records.
    ///
    /// Only reads, and works while the server runs.
    WatchLog {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: watch_log::Command,
    },
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// TOML file; without one, defaults and the environment apply.
    #[arg(long = "config", value_name = "FILE", env = "TALLY_CONFIG", global = true)]
    file: Option<PathBuf>,
}

impl ConfigFile {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(self.file.as_deref())?)
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(config) => {
            config.load().and_then(|config| serve::serve(config, What::Server))
        }
        Command::Demo(config) => config.load().and_then(|config| serve::serve(config, What::Demo)),
        Command::CheckConfig { config, defaults } => check_config(&config, defaults),
        Command::Creator { config, command } => {
            config.load().and_then(|config| creator::run(&config, &command))
        }
        Command::WatchLog { config, command } => {
            config.load().and_then(|config| watch_log::run(&config, &command))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Stderr may be closed; there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "tally: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check_config(config: &ConfigFile, defaults: bool) -> anyhow::Result<()> {
    let text = if defaults { keys::reference() } else { config.load()?.to_toml() };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_config_file_may_stand_before_or_after_a_creator_command() {
        for line in ["tally creator --config x list", "tally creator list --config x"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let Command::Creator { config, .. } = cli.command else { panic!("{line}") };
            assert_eq!(config.file.as_deref(), Some(std::path::Path::new("x")), "{line}");
        }
    }
}
