//! WHEP players: browsers, aiortc, and libdatachannel, which decodes nothing.

use std::fmt;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::process::Process;
use crate::tools::{self, Missing};

/// Time for starting and ending a player on a busy machine, beside the playing itself.
const OVERHEAD: Duration = Duration::from_secs(90);

/// How far sound may be from its picture.
pub const AV_OFFSET_MS_MAX: f64 = 40.0;

/// A browser engine with WebRTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browser {
    /// Chromium.
    Chromium,
    /// Firefox; Debian's has no H.264 for WebRTC.
    Firefox,
}

impl Browser {
    /// The driver of this browser's pages.
    pub(crate) fn script(self) -> Result<Command, Missing> {
        let name = match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
        };
        let mut command = Command::new(tools::program("node")?);
        command.arg(tools::script("webrtc.mjs")?).args(["--browser", name]);
        command.arg("--executable").arg(tools::program(name)?);
        Ok(command)
    }
}

/// Who watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Player {
    /// A page with a video element.
    Page(Browser),
    /// aiortc, which decodes VP8 and H.264 and measures on the sender's clock.
    Aiortc,
    /// libdatachannel, which counts packets of a codec.
    Packets(&'static str),
}

/// How a page reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Over TCP: the server's UDP candidates are left out.
    Tcp,
    /// Through the TURN servers that the server names, and nothing else.
    Relay,
    /// As it likes; half way ICE starts anew.
    Restart,
}

/// A player that plays, or is about to.
#[derive(Debug)]
pub struct Playing {
    process: Process,
    within: Duration,
}

/// What a player saw and heard. What a player cannot tell is `None` or 0.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Report {
    /// Status of the answer to its offer.
    pub status: u16,
    /// Status of the answer to its DELETE.
    pub deleted: Option<u16>,
    /// Body of a refusal.
    pub problem: Option<String>,
    /// Status of the answer to its ICE restart.
    pub restarted: Option<u16>,
    /// Its side of the path: type, protocol and address of the candidate, and whether it is one of
    /// the `current` ICE session or an `old` one; pages only.
    pub candidate: String,
    /// A picture came.
    pub started: bool,
    /// From the offer to the first picture.
    pub start_ms: Option<f64>,
    /// From the offer to the end of the handshakes.
    pub connected_ms: Option<f64>,
    /// MIME type of the pictures.
    pub codec: Option<String>,
    /// Pictures decoded; whole ones received, where nothing decodes.
    pub frames: u64,
    /// How far the pictures' time moved.
    pub media_ms: Option<f64>,
    /// Pictures decoded too late to be shown.
    pub dropped: u64,
    /// How often the picture stood still, and how long in all.
    pub freezes: u64,
    /// See `freezes`.
    pub frozen_ms: f64,
    /// Size of the last picture.
    pub width: u32,
    /// Size of the last picture.
    pub height: u32,
    /// Widths seen, in the order they came.
    pub widths: Vec<u32>,
    /// Packets asked for again.
    pub nacks: u64,
    /// Keyframes asked for.
    pub plis: u64,
    /// Packets missing.
    pub packets_lost: i64,
    /// Mean delay of pictures in the player before they are decoded.
    pub jitter_buffer_ms: Option<f64>,
    /// Samples of sound received, in each channel.
    pub audio_samples: u64,
    /// Those made up by the player.
    pub audio_concealed: u64,
    /// Squares of the sound's amplitude over time; 0 in silence.
    pub audio_energy: f64,
    /// Picture drawn by the publisher to picture on screen.
    pub latency_ms: Option<Summary>,
    /// From the publisher's socket to a picture's last packet; see [`crate::publish::stamped`].
    pub server_ms: Option<Summary>,
    /// How far each beep came after its flash.
    pub av_offset_ms: Option<Summary>,
    /// Messages of the data channel.
    pub events: Vec<String>,
}

/// A distribution.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub struct Summary {
    /// Values.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// The median.
    pub p50: f64,
    /// 99 of 100 are not above.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Player {
    /// Opens a show and watches it for `seconds` after the first picture.
    ///
    /// # Errors
    /// When something it needs is not installed.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn watch(self, url: &str, seconds: u64) -> Result<Playing, Missing> {
        let mut command = self.command()?;
        command.args(["--url", url, "--seconds", &seconds.to_string()]);
        Ok(Playing::start(&command, seconds))
    }

    fn command(self) -> Result<Command, Missing> {
        let mut command = match self {
            Self::Page(browser) => browser.script()?,
            Self::Aiortc => tools::aiortc_script("aiortc_peer.py")?,
            Self::Packets(codec) => {
                let mut command = Command::new(tools::program("node")?);
                command.arg(tools::script("rtp.mjs")?).args(["--codec", codec]);
                return Ok(command);
            }
        };
        command.arg("watch");
        Ok(command)
    }
}

impl Route {
    /// Watches in Chromium over this route.
    ///
    /// # Errors
    /// When something it needs is not installed.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn watch(self, url: &str, seconds: u64) -> Result<Playing, Missing> {
        let path = match self {
            Self::Tcp => "tcp",
            Self::Relay => "relay",
            Self::Restart => "restart",
        };
        let mut command = Player::Page(Browser::Chromium).command()?;
        command.args(["--url", url, "--seconds", &seconds.to_string(), "--path", path]);
        Ok(Playing::start(&command, seconds))
    }
}

impl Playing {
    fn start(command: &Command, seconds: u64) -> Self {
        let process = Process::start("player", command).expect("a player starts");
        Self { process, within: Duration::from_secs(seconds) + OVERHEAD }
    }

    /// Waits for the end of the playing and gives what was seen.
    ///
    /// # Errors
    /// When the player does not end in time or gives no report.
    pub fn report(mut self) -> anyhow::Result<Report> {
        self.process.ended(self.within)?;
        let printed = self.process.printed();
        let line = printed.lines().rfind(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("no report:\n{printed}"))?;
        let report = serde_json::from_str(line).with_context(|| format!("report `{line}`"))?;
        println!("{report}");
        Ok(report)
    }
}

impl Report {
    /// Pictures as [`Self::assert_pictures`] wants them, and sound of which a player on a busy machine
    /// may have made up a little.
    ///
    /// # Panics
    /// With the whole report when not.
    #[track_caller]
    pub fn assert_played(&self, seconds: u64, frames_per_second: f64) {
        self.assert_pictures(seconds, frames_per_second);
        self.assert_sound(seconds, 1.0);
    }

    /// Sound for this share of the time, of which a player on a busy machine may have made up a little.
    ///
    /// # Panics
    /// With the whole report when not.
    #[track_caller]
    #[expect(clippy::cast_precision_loss, reason = "samples of seconds")]
    pub fn assert_sound(&self, seconds: u64, share: f64) {
        // Pictures of before the viewer came are run through; sound begins when it comes.
        let heard = self.audio_samples.saturating_sub(self.audio_concealed);
        let wanted = (seconds * 48_000) as f64 * 0.85 * share;
        assert!(heard as f64 >= wanted, "sound is missing: {self}");
    }

    /// At least 95 of 100 published pictures were decoded.
    ///
    /// # Panics
    /// With the whole report when not.
    #[track_caller]
    pub fn assert_pictures(&self, seconds: u64, frames_per_second: f64) {
        assert!(self.status == 201 && self.started, "no picture: {self}");
        let media_ms = self.media_ms.unwrap_or(0.0);
        assert!(media_ms >= seconds as f64 * 800.0, "the stream stood still: {self}");
        let published = media_ms * frames_per_second / 1000.0;
        assert!(self.frames as f64 >= published * 0.95, "{published:.0} published: {self}");
    }

    /// There was something to hear.
    ///
    /// # Panics
    /// With the whole report when there was silence.
    #[track_caller]
    pub fn assert_heard(&self) {
        assert!(self.audio_energy > 0.001, "silence: {self}");
    }

    /// Beeps came with their flashes.
    ///
    /// # Panics
    /// With the whole report when not, or when there were hardly any.
    #[track_caller]
    pub fn assert_in_sync(&self) {
        let offset = self.av_offset_ms.filter(|offset| offset.count >= 3);
        let offset = offset.unwrap_or_else(|| panic!("no flashes with beeps: {self}"));
        assert!(offset.p50.abs() <= AV_OFFSET_MS_MAX, "{} ms apart: {self}", offset.p50);
    }

    /// The server refused the offer and no picture came.
    ///
    /// # Panics
    /// With the whole report when not.
    #[track_caller]
    pub fn assert_refused(&self, status: u16) {
        assert_eq!((self.status, self.started, self.frames), (status, false, 0), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}
