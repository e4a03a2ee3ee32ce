//! `tally demo`: a server, a show to watch, and what it takes to push one's own.
//!
//! The show goes the way of every show: pushed over RTMP to the server's own listener, by ffmpeg
//! where that is installed, else from the built-in test source.

mod ffmpeg;
mod generator;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;
use tally_store::Handle;
use tokio::task::JoinHandle;

use crate::assembly::{self, BoundListeners};
use crate::config::{Config, PublishAuth};
use crate::shutdown::Trigger;

/// Whose show the demo is.
const HANDLE: &str = "demo";

/// Runs a server with a show on it until `trigger` is pulled.
///
/// # Errors
/// As [`assembly::run`], and when RTMP is off: the show needs a way in.
pub async fn run(
    config: Config,
    listeners: BoundListeners,
    trigger: Trigger,
) -> anyhow::Result<()> {
    let rtmp = listeners.rtmp.as_ref().context("the demo publishes over RTMP: set rtmp.listen")?;
    let rtmp = reachable(rtmp.local_addr()?);
    let key = stream_key(&config).await?;
    let publisher = publish(rtmp, key.clone());
    let text = welcome(&config, &key, publisher.is_ffmpeg());
    let publisher = publisher.start();
    #[expect(clippy::print_stdout, reason = "what the demo is for: addresses for its user")]
    {
        println!("{text}");
    }
    let ended = assembly::run(config, listeners, trigger).await;
    publisher.abort();
    ended
}

/// The demo creator's key: a new one each time, because only its hash is kept.
/// Open publishing takes the handle itself.
async fn stream_key(config: &Config) -> anyhow::Result<String> {
    if config.auth.publish == PublishAuth::Open {
        return Ok(HANDLE.to_owned());
    }
    let store = assembly::open_store(config).await?;
    let handle: Handle = HANDLE.parse()?;
    let known = store.creator(&handle).await?.is_some();
    let key = match known {
        true => store.creators().rotate_key(&handle).await?,
        false => store.creators().add(&handle).await?,
    };
    store.close().await;
    Ok(key.reveal().to_owned())
}

/// An address that a listener can be reached at from this machine.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// Who makes the pictures.
enum Source {
    Ffmpeg { program: std::path::PathBuf, url: String },
    Generator { server: SocketAddr, key: String },
}

fn publish(server: SocketAddr, key: String) -> Source {
    match ffmpeg::find() {
        Some(program) => Source::Ffmpeg { program, url: format!("rtmp://{server}/live/{key}") },
        None => Source::Generator { server, key },
    }
}

impl Source {
    const fn is_ffmpeg(&self) -> bool {
        matches!(self, Self::Ffmpeg { .. })
    }

    fn start(self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let ended = match self {
                Self::Ffmpeg { program, url } => ffmpeg::publish(&program, &url).await,
                Self::Generator { server, key } => generator::publish(server, key).await,
            };
            match ended {
                Ok(()) => tracing::info!("the demo's publisher has left: another one took over"),
                Err(error) => tracing::warn!("the demo's publisher has left: {error:#}"),
            }
        })
    }
}

fn welcome(config: &Config, key: &str, with_ffmpeg: bool) -> String {
    let source = if with_ffmpeg { "ffmpeg" } else { "the built-in test source" };
    let publish_url = config.publish_url().unwrap_or_default();
    let mut text = String::new();
    let watch = format!("{}/live/{HANDLE}", config.viewer_url());
    let _ = writeln!(text, "\n  A test show from {source} is on.\n");
    let _ = writeln!(text, "  Watch:       {watch}");
    let _ = writeln!(text, "  Playlist:    {watch}/index.m3u8\n");
    let _ = writeln!(text, "  Push your own (it takes the show over):");
    let _ = writeln!(text, "  Server:      {publish_url}");
    let _ = writeln!(text, "  Stream key:  {key}\n");
    let _ = writeln!(text, "  Ctrl-C ends the demo.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_on_loopback() {
        let reach = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reach("0.0.0.0:1935"), "127.0.0.1:1935");
        assert_eq!(reach("[::]:1935"), "[::1]:1935");
        assert_eq!(reach("192.0.2.1:1"), "192.0.2.1:1");
    }
}
