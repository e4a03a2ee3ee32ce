//! ffmpeg as an encoder: Debian's 5.1, and 9 with Enhanced RTMP.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Publisher, marks};
use crate::tools::{self, Missing};

/// What is sent.
#[derive(Debug, Clone)]
pub struct Show {
    /// Pictures a second, as ffmpeg takes it: `30` or `30000/1001`.
    pub rate: &'static str,
    /// Pictures from one keyframe to the next.
    pub keyframe_interval: u32,
    /// Options of the video encoder.
    pub video: &'static [&'static str],
    /// Options of the audio encoder; none for a show without sound.
    pub audio: Option<&'static [&'static str]>,
    /// Sizes of the pictures, one track each.
    pub sizes: &'static [&'static str],
    /// Their bit rates; the last is that of all further tracks.
    pub bitrates: &'static [&'static str],
    /// The certificate that the server shows, for RTMPS.
    pub certificate: Option<PathBuf>,
    /// Whether pictures and sound carry [`marks`].
    pub marks: bool,
}

/// H.264 without B-frames, as low-latency encoders make it.
pub const H264: &[&str] = &["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"];
/// H.264 with B-frames, as most encoders make it by default.
pub const H264_B_FRAMES: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-bf", "2"];
/// H.265.
pub const HEVC: &[&str] = &[
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-tune",
    "zerolatency",
    "-x265-params",
    "log-level=error",
];
/// AV1.
pub const AV1: &[&str] =
    &["-c:v", "libsvtav1", "-preset", "11", "-svtav1-params", "pred-struct=1:rc=2"];
/// VP9.
pub const VP9: &[&str] = &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"];
/// AAC with low complexity.
pub const AAC: &[&str] = &["-c:a", "aac", "-b:a", "96k"];
/// Opus.
pub const OPUS: &[&str] = &["-c:a", "libopus", "-b:a", "96k"];

impl Default for Show {
    fn default() -> Self {
        Self {
            rate: "30",
            keyframe_interval: 60,
            video: H264,
            audio: Some(AAC),
            sizes: &["640x360"],
            bitrates: &["800k"],
            certificate: None,
            marks: false,
        }
    }
}

impl Show {
    /// Publishes with Debian's ffmpeg.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn publish(&self, url: &str) -> Result<Publisher, Missing> {
        Ok(self.start(&tools::program("ffmpeg")?, &[url.to_owned()]))
    }

    /// Publishes the same, encoded once, to several places over RTMP.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn publish_to_all(&self, urls: &[String]) -> Result<Publisher, Missing> {
        Ok(self.start(&tools::program("ffmpeg")?, urls))
    }

    /// Publishes with ffmpeg 9; over WHIP where the URL is one of HTTP.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn publish_enhanced(&self, url: &str) -> Result<Publisher, Missing> {
        Ok(self.start(&tools::ffmpeg_9()?, &[url.to_owned()]))
    }

    fn start(&self, program: &Path, urls: &[String]) -> Publisher {
        let mut command = quiet(program);
        if let Some(certificate) = &self.certificate {
            command.env("SSL_CERT_FILE", certificate);
        }
        for size in self.sizes {
            let picture = format!("testsrc2=size={size}:rate={}", self.rate);
            command.args(["-re", "-f", "lavfi", "-i", &picture]);
        }
        if self.audio.is_some() {
            let tone = "sine=frequency=440:beep_factor=4:sample_rate=48000".to_owned();
            let sound = if self.marks { marks::sound() } else { tone };
            command.args(["-re", "-f", "lavfi", "-i", &sound]);
        }
        if self.marks {
            // Drawn where pictures have been held back to their time already.
            command.args(["-vf", &marks::filters()]);
        }
        for input in 0..self.sizes.len() + usize::from(self.audio.is_some()) {
            command.args(["-map", &input.to_string()]);
        }
        command.args(self.video).args(["-pix_fmt", "yuv420p"]);
        for track in 0..self.sizes.len() {
            let bitrate = self.bitrates.get(track).or(self.bitrates.last());
            command.args([&format!("-b:v:{track}"), *bitrate.unwrap_or(&"800k")]);
        }
        command.args(["-g", &self.keyframe_interval.to_string()]);
        command.args(self.audio.unwrap_or_default());
        match urls {
            [url] if url.starts_with("http") => command.args(["-f", "whip", url]),
            [url] => command.args(["-f", "flv", url]),
            urls => {
                let outputs: Vec<_> = urls.iter().map(|url| format!("[f=flv]{url}")).collect();
                command.args(["-flags", "+global_header", "-f", "tee", &outputs.join("|")])
            }
        };
        Publisher::start("ffmpeg", &command)
    }
}

/// Publishes a file again and again with its pictures untouched: B-frames, one keyframe in 5 s.
///
/// # Errors
/// When ffmpeg is not installed.
pub fn publish_file(file: &Path, url: &str) -> Result<Publisher, Missing> {
    let mut command = quiet(&tools::program("ffmpeg")?);
    command.args(["-re", "-stream_loop", "-1", "-i"]).arg(file);
    command.args(["-c:v", "copy", "-c:a", "aac", "-ac", "2", "-f", "flv", url]);
    Ok(Publisher::start("ffmpeg", &command))
}

fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning"]);
    command
}
