//! Publishers over real sockets: what they are told when they have to leave.

use std::net::SocketAddr;

use crate::assembly::{Server, config, fetch, start};
use tally_media::{Frame, TrackId};
use tally_rtmp::Metadata;
use tally_rtmp::client::{Publisher, PublisherEvent, Target};
use tally_testsource::{Options, TestSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Frames sent without looking at what the server says, as encoders do: some are surely on their
/// way when the server ends the publish.
const FRAMES: usize = 60;

pub(crate) struct Encoder {
    publisher: Publisher,
    socket: TcpStream,
    source: TestSource,
}

impl Encoder {
    /// Publishes as `alice`, and returns once the server takes media.
    pub(crate) async fn publish(server: SocketAddr) -> Self {
        let target = Target {
            tc_url: format!("rtmp://{server}/live"),
            app: "live".into(),
            stream_key: "alice".into(),
        };
        let publisher = Publisher::new(target, &[7; 1528]);
        let socket = TcpStream::connect(server).await.unwrap();
        let options = Options { video_kbps: Some(20_000), ..Options::default() };
        let mut encoder = Self { publisher, socket, source: TestSource::new(options).unwrap() };
        while !encoder.publisher.is_publishing() {
            encoder.flush().await.unwrap();
            assert!(encoder.listen().await, "closed before it published");
        }
        let metadata = Metadata { has_video: true, has_audio: true, ..Metadata::default() };
        encoder.publisher.send_metadata(&metadata).unwrap();
        for track in encoder.source.tracks() {
            encoder.publisher.send_track(track, 0).unwrap();
        }
        encoder
    }

    /// Sends frames without listening.
    pub(crate) async fn send(&mut self, frames: usize) {
        for _ in 0..frames {
            let (id, frame): (TrackId, Frame) = self.source.next_frame();
            self.publisher.send_frame(id, &frame).unwrap();
            self.flush().await.expect("the server still takes what is on its way");
        }
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        while let Some(bytes) = self.publisher.poll_transmit() {
            self.socket.write_all(&bytes).await?;
        }
        Ok(())
    }

    /// Takes in what the server says; false at its end.
    async fn listen(&mut self) -> bool {
        let mut bytes = [0; 4_096];
        let length = self.socket.read(&mut bytes).await.unwrap();
        self.publisher.handle_bytes(&bytes[..length]).unwrap();
        length > 0
    }

    /// What the server said when it ended the publish.
    async fn reason(&mut self) -> String {
        loop {
            let is_open = self.listen().await;
            while let Some(event) = self.publisher.poll_event() {
                if let PublisherEvent::Refused { description, .. } = event {
                    return description;
                }
            }
            assert!(is_open, "the server closed without a word");
        }
    }
}

fn open_server(folder: &tempfile::TempDir) -> Server {
    start(config(folder.path(), "auth.publish = \"open\""))
}

#[tokio::test]
async fn who_loses_the_show_while_sending_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let server = open_server(&folder);
    let mut old = Encoder::publish(server.rtmp).await;
    old.send(10).await;
    let mut new = Encoder::publish(server.rtmp).await;
    old.send(FRAMES).await;
    assert_eq!(old.reason().await, "another publisher took the show over");
    new.send(10).await;
}

#[tokio::test]
async fn a_drain_asks_an_able_encoder_to_reconnect_and_serves_it_until_it_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let server = open_server(&folder);
    let mut encoder = Encoder::publish(server.rtmp).await;
    encoder.send(250).await;
    server.trigger.drain();
    let asked = loop {
        assert!(encoder.listen().await, "closed without a word");
        if let Some(event) = encoder.publisher.poll_event()
            && event != PublisherEvent::Publishing
        {
            break event;
        }
    };
    assert_eq!(asked, PublisherEvent::Reconnect { tc_url: None });
    // The show goes on, and ends when the encoder leaves.
    encoder.send(10).await;
    drop(encoder);
    let (status, playlist) = fetch(server.http, "/live/alice/index.m3u8").await;
    assert_eq!(status, "HTTP/1.1 200 OK", "{playlist}");
    server.task.await.unwrap().unwrap();
}
