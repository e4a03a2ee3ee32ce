//! `tally creator`: the people who may publish.

use std::io::Write;

use anyhow::Context as _;
use clap::Subcommand;
use tally_store::{Creator, Handle, Store, StreamKey};

use crate::assembly::open_store;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a creator and print the stream key. It is stored as a hash: this is the only time it
    /// can be seen.
    Add {
        /// The public name: viewers watch at /live/HANDLE.
        handle: String,
    },
    /// List creators.
    List,
    /// Give a creator a new stream key and print it. The old one stops working at once; a show
    /// that is on goes on until its encoder leaves.
    RotateKey {
        /// The public name.
        handle: String,
    },
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = std::io::stdout().lock();
    runtime.block_on(async {
        let store = open_store(config).await?;
        let done = command.execute(config, &store, &mut out).await;
        store.close().await;
        done
    })
}

impl Command {
    async fn execute(
        &self,
        config: &Config,
        store: &Store,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        match self {
            Self::Add { handle } => {
                let handle = parse(handle)?;
                let key = store.creators().add(&handle).await?;
                writeln!(out, "Added {}.", handle.as_str())?;
                show_key(config, &handle, &key, out)
            }
            Self::RotateKey { handle } => {
                let handle = parse(handle)?;
                let key = store.creators().rotate_key(&handle).await?;
                writeln!(out, "{} has a new stream key.", handle.as_str())?;
                show_key(config, &handle, &key, out)
            }
            Self::List => {
                for creator in store.creators().list().await? {
                    writeln!(out, "{}", line(&creator))?;
                }
                Ok(())
            }
        }
    }
}

fn parse(handle: &str) -> anyhow::Result<Handle> {
    handle.parse::<Handle>().with_context(|| format!("{handle} is not a handle"))
}

fn line(creator: &Creator) -> String {
    let key = if creator.key_created_at_ms.is_some() { "" } else { "  (no stream key)" };
    format!("{}{key}", creator.handle.as_str())
}

fn show_key(
    config: &Config,
    handle: &Handle,
    key: &StreamKey,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    writeln!(out, "\nStream key (shown only now): {}", key.reveal())?;
    if let Some(server) = config.publish_url() {
        writeln!(out, "Encoder's server address:    {server}")?;
    }
    writeln!(out, "Watch page:                  {}/live/{}", config.viewer_url(), handle.as_str())?;
    Ok(())
}
