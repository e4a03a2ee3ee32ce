//! Players of the command line: ffmpeg, GStreamer and mpv, decoding everything and showing nothing.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;

use crate::process::Process;
use crate::tools::{self, Missing};

/// Time beside the playing itself: start, buffering of whole segments, end.
const OVERHEAD: Duration = Duration::from_secs(40);

/// A player at work.
#[derive(Debug)]
pub struct Playing {
    process: Process,
    seconds: u64,
    proof: Proof,
}

/// How a player's output shows that it decoded the show.
#[derive(Debug, Clone, Copy)]
enum Proof {
    /// ffmpeg counts pictures: `frame=  123`.
    FrameCount,
    /// GStreamer prints every buffer that reaches a sink, with `-v`.
    SinkBuffers,
    /// mpv prints the number of the picture shown, and the sound output it opened.
    Status,
}

/// What a player's output says it decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    frames: u64,
    sound: bool,
}

impl Proof {
    fn read(self, printed: &str) -> Seen {
        match self {
            Self::FrameCount => Seen {
                frames: number_after(printed, "frame="),
                sound: number_after(printed, "audio:") > 0,
            },
            Self::SinkBuffers => {
                let buffers = |sink: &str| {
                    let of_sink = |line: &&str| line.contains(sink) && line.contains("chain");
                    printed.lines().filter(of_sink).count() as u64
                };
                Seen {
                    frames: buffers("GstFakeSink:pictures"),
                    sound: buffers("GstFakeSink:sounds") > 0,
                }
            }
            Self::Status => Seen {
                frames: number_after(printed, "PICTURE "),
                sound: printed.contains("AO: [null]"),
            },
        }
    }
}

/// The number after the last occurrence of a word; 0 when there is none.
fn number_after(printed: &str, word: &str) -> u64 {
    let Some((_, rest)) = printed.rsplit_once(word) else { return 0 };
    let digits = rest.trim_start().split(|character: char| !character.is_ascii_digit());
    digits.into_iter().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// ffmpeg reads whole segments and decodes picture and sound.
///
/// # Errors
/// When it is not installed.
///
/// # Panics
/// When it cannot be started.
pub fn ffmpeg(url: &str, seconds: u64) -> Result<Playing, Missing> {
    let mut command = Command::new(tools::program("ffmpeg")?);
    command.args(["-hide_banner", "-nostdin", "-xerror", "-t", &seconds.to_string(), "-i", url]);
    command.args(["-map", "0:v", "-map", "0:a", "-f", "null", "-"]);
    Ok(start("ffmpeg player", &command, seconds, Proof::FrameCount))
}

/// GStreamer's `playbin3` with sinks that print what reaches them.
///
/// # Errors
/// When it is not installed.
///
/// # Panics
/// When it cannot be started.
pub fn gstreamer(url: &str, seconds: u64) -> Result<Playing, Missing> {
    // A live pipeline has no end of its own, and may take its time over an interrupt.
    let mut command = Command::new(tools::program("timeout")?);
    command.args(["--signal=INT", "--kill-after=2", &format!("{}", seconds + 10)]);
    command.arg(tools::program("gst-launch-1.0")?);
    command.args(["-v", "playbin3", &format!("uri={url}")]);
    command.args([
        "video-sink=fakesink name=pictures silent=false sync=true",
        "audio-sink=fakesink name=sounds silent=false sync=true",
    ]);
    Ok(start("gstreamer player", &command, seconds, Proof::SinkBuffers))
}

/// mpv without a screen and without a loudspeaker.
///
/// # Errors
/// When it is not installed.
///
/// # Panics
/// When it cannot be started.
pub fn mpv(url: &str, seconds: u64) -> Result<Playing, Missing> {
    let mut command = Command::new(tools::program("mpv")?);
    command.args(["--no-config", "--vo=null", "--ao=null", &format!("--length={seconds}")]);
    command.args(["--term-status-msg=PICTURE ${=estimated-frame-number}", url]);
    Ok(start("mpv", &command, seconds, Proof::Status))
}

fn start(name: &str, command: &Command, seconds: u64, proof: Proof) -> Playing {
    let process = Process::start(name, command).expect("an installed player starts");
    Playing { process, seconds, proof }
}

impl Playing {
    /// Waits for the player's end; fails unless it decoded nearly all of the show at
    /// `frames_per_second`, and sound with it.
    ///
    /// # Errors
    /// With the player's own words.
    pub fn assert_played(mut self, frames_per_second: u64) -> anyhow::Result<()> {
        let status = self.process.ended(Duration::from_secs(self.seconds) + OVERHEAD)?;
        let printed = self.process.printed();
        let seen = self.proof.read(&printed);
        let expected = self.seconds * frames_per_second * 8 / 10;
        let enough = seen.sound && seen.frames >= expected;
        ensure!(enough, "{status}, {seen:?}, {expected} pictures expected:\n{printed}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_players_print_is_counted() {
        let ffmpeg = "frame=    1 fps=0.0\rframe=  180 fps=0.0\nvideo:83kB audio:517kB";
        assert_eq!(Proof::FrameCount.read(ffmpeg), Seen { frames: 180, sound: true });
        assert_eq!(Proof::Status.read("PICTURE 4\nPICTURE 7\n"), Seen { frames: 7, sound: false });
        let gstreamer = "GstFakeSink:pictures: last-message = chain\nGstFakeSink:sounds: chain";
        assert_eq!(Proof::SinkBuffers.read(gstreamer), Seen { frames: 1, sound: true });
        assert_eq!(Proof::FrameCount.read("error"), Seen { frames: 0, sound: false });
    }
}
