//! The demo's show from the built-in test source, over the RTMP client.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tally_media::{Frame, TrackId};
use tally_rtmp::Metadata;
use tally_rtmp::client::{Publisher, PublisherEvent, Target};
use tally_testsource::{Options, TestSource};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::random;

/// Publishes until the server ends it.
pub(super) async fn publish(server: SocketAddr, stream_key: String) -> anyhow::Result<()> {
    let options = Options::default();
    let mut source = TestSource::new(options)?;
    let mut socket = TcpStream::connect(server).await.context("cannot connect")?;
    socket.set_nodelay(true)?;
    let tc_url = format!("rtmp://{server}/live");
    let target = Target { tc_url, app: "live".into(), stream_key };
    let mut publisher = Publisher::new(target, &random::bytes());
    while !publisher.is_publishing() {
        flush(&mut publisher, &mut socket).await?;
        listen(&mut publisher, &mut socket).await?;
    }
    publisher.send_metadata(&Metadata {
        frame_rate: Some(options.fps.into()),
        has_video: true,
        has_audio: true,
        width: Some(options.width),
        height: Some(options.height),
        encoder: Some("Tally test source".into()),
    })?;
    for track in source.tracks() {
        publisher.send_track(track, 0)?;
    }
    let started = Instant::now();
    loop {
        let (id, frame) = source.next_frame();
        wait_until(started + since_start(&frame), &mut publisher, &mut socket).await?;
        send(&mut publisher, id, &frame)?;
        flush(&mut publisher, &mut socket).await?;
    }
}

fn since_start(frame: &Frame) -> Duration {
    Duration::from_millis(u64::try_from(frame.dts.as_ms()).unwrap_or(0))
}

fn send(publisher: &mut Publisher, id: TrackId, frame: &Frame) -> anyhow::Result<()> {
    publisher.send_frame(id, frame).context("the server ended the show")
}

/// Listens to the server until it is time for the next frame.
async fn wait_until(
    time: Instant,
    publisher: &mut Publisher,
    socket: &mut TcpStream,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = sleep_until(time) => return Ok(()),
            heard = listen(publisher, socket) => heard?,
        }
    }
}

async fn listen(publisher: &mut Publisher, socket: &mut TcpStream) -> anyhow::Result<()> {
    let mut bytes = [0; 4_096];
    let length = socket.read(&mut bytes).await?;
    if length == 0 {
        bail!("the server closed the connection");
    }
    publisher.handle_bytes(&bytes[..length])?;
    while let Some(event) = publisher.poll_event() {
        match event {
            PublisherEvent::Publishing => {}
            PublisherEvent::Refused { description, .. } => bail!("the server says: {description}"),
            PublisherEvent::Reconnect { .. } => bail!("the server asks to reconnect"),
        }
    }
    Ok(())
}

async fn flush(publisher: &mut Publisher, socket: &mut TcpStream) -> anyhow::Result<()> {
    while let Some(bytes) = publisher.poll_transmit() {
        socket.write_all(&bytes).await?;
    }
    Ok(())
}
