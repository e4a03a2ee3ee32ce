//! WHIP publishers: browsers, aiortc and GStreamer. ffmpeg's is [`super::ffmpeg`].

use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::play::webrtc::Browser;
use crate::process::Process;
use crate::tools::{self, Missing};

/// How long a publisher may take to start and to connect on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(45);
/// How long it may take to end its session and itself.
const END_WITHIN: Duration = Duration::from_secs(20);

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A page: 640x360, 30 pictures a second, a codec of its own choice where none is named.
    Page {
        /// In which browser.
        browser: Browser,
        /// `VP8`, `H264`, `VP9` or `AV1`.
        codec: Option<&'static str>,
        /// Simulcast layers; 1 for none. Chromium makes at most two of pictures of this size.
        layers: u32,
    },
    /// aiortc, 640x360, 30 pictures a second.
    Aiortc {
        /// `VP8` or `H264`.
        codec: &'static str,
    },
    /// GStreamer's webrtcbin, H.264, 640x360, 30 pictures a second, without marks.
    Gstreamer,
}

/// A publisher that is connected, or was refused.
#[derive(Debug)]
pub struct Publishing {
    process: Process,
}

/// What a publisher did.
#[derive(Debug, Clone, Deserialize)]
pub struct Sent {
    /// Status of the answer to its offer.
    pub status: u16,
    /// Status of the answer to its DELETE.
    pub deleted: Option<u16>,
    /// Packets of sound, 50 for each second that the page made; pages only.
    #[serde(default)]
    pub audio_packets: u64,
    /// What was sent of each simulcast layer; pages only.
    #[serde(default)]
    pub layers: Vec<Layer>,
}

/// One outgoing stream of pictures.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Its name.
    pub rid: Option<String>,
    /// Pictures encoded.
    pub frames_encoded: u64,
    /// How many that was in a second: a busy machine draws fewer than asked for.
    pub frames_per_second: f64,
    /// Width of the last one.
    pub frame_width: Option<u32>,
    /// Keyframes asked for.
    pub pli_count: u64,
    /// MIME type.
    pub codec: Option<String>,
}

impl Source {
    /// Publishes to a URL and waits until media can flow.
    ///
    /// # Errors
    /// When something it needs is not installed.
    ///
    /// # Panics
    /// When it does not connect.
    pub fn publish(self, url: &str) -> Result<Publishing, Missing> {
        let publishing = self.start(url, None)?;
        publishing.connected();
        Ok(publishing)
    }

    /// Starts publishing under a stream key.
    ///
    /// # Errors
    /// When something it needs is not installed.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(self, url: &str, key: Option<&str>) -> Result<Publishing, Missing> {
        let mut command = self.command()?;
        command.args(["--url", url]);
        if let Some(key) = key {
            command.args(["--token", key]);
        }
        let process = Process::start("publisher", &command).expect("a publisher starts");
        Ok(Publishing { process })
    }

    fn command(self) -> Result<Command, Missing> {
        match self {
            Self::Page { browser, codec, layers } => {
                let mut command = browser.script()?;
                command.args(["publish", "--layers", &layers.to_string()]);
                if let Some(codec) = codec {
                    command.args(["--codec", codec]);
                }
                Ok(command)
            }
            Self::Aiortc { codec } => {
                let mut command = tools::aiortc_script("aiortc_peer.py")?;
                command.args(["publish", "--codec", codec]);
                Ok(command)
            }
            Self::Gstreamer => tools::gstreamer_script("gstreamer_whip.py"),
        }
    }
}

impl Publishing {
    /// Waits until media can flow.
    ///
    /// # Panics
    /// When it does not come to that.
    #[track_caller]
    pub fn connected(&self) {
        self.process.line_with("PUBLISHING", START_WITHIN).expect("the publisher connects");
    }

    /// Ends the session as a creator does and gives what was sent; for a refused one, how.
    ///
    /// # Panics
    /// When the publisher does not end, or gives no report.
    #[track_caller]
    pub fn stop(mut self) -> Sent {
        self.process.close_stdin();
        self.process.ended(END_WITHIN).expect("the publisher ends");
        let printed = self.process.printed();
        let line = printed.lines().rfind(|line| line.starts_with('{'));
        let report = line.with_context(|| format!("no report:\n{printed}"));
        serde_json::from_str(report.expect("a publisher's report")).expect("a report as known")
    }
}
