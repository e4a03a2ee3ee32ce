//! The demo's show from ffmpeg: its moving test picture with a clock, and a beeping tone.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use tokio::process::Command;

/// Picture, sound and how they are encoded: 720p with a keyframe every two seconds, which cuts into
/// segments of the default length, and without B-frames, which would only add delay.
const ARGUMENTS: &[&str] = &[
    "-hide_banner",
    "-loglevel",
    "error",
    "-nostdin",
    "-re",
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=1280x720:rate=30",
    "-f",
    "lavfi",
    "-i",
    "sine=frequency=330:beep_factor=4:sample_rate=48000",
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-tune",
    "zerolatency",
    "-pix_fmt",
    "yuv420p",
    "-b:v",
    "2500k",
    "-maxrate",
    "2500k",
    "-bufsize",
    "2500k",
    "-g",
    "60",
    "-c:a",
    "aac",
    "-b:a",
    "128k",
    "-ac",
    "2",
    "-f",
    "flv",
];

/// Where ffmpeg is installed, if it is.
pub(super) fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("ffmpeg")).find(|program| program.is_file())
}

/// Publishes to `url` until the server ends it. Dropping the future ends ffmpeg.
pub(super) async fn publish(program: &Path, url: &str) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(ARGUMENTS)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    // Its last line may repeat the address, and with it the key.
    let said = String::from_utf8_lossy(&output.stderr).replace(url, "the server");
    let last = said.lines().last().unwrap_or("without a word");
    anyhow::ensure!(output.status.success(), "ffmpeg ended: {last}");
    Ok(())
}
