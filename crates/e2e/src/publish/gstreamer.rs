//! GStreamer's `rtmp2sink`.

use std::process::Command;

use super::Publisher;
use crate::tools::{self, Missing};

/// Publishes 640x360 at 30 pictures a second with a tone.
///
/// # Errors
/// When GStreamer is not installed.
pub fn publish(url: &str) -> Result<Publisher, Missing> {
    let mut command = Command::new(tools::program("gst-launch-1.0")?);
    // Pinned to 4:2:0: x264enc would take 4:4:4, which no browser plays.
    let pipeline = format!(
        "flvmux name=mux streamable=true ! rtmp2sink location={url} \
         videotestsrc is-live=true pattern=ball \
         ! video/x-raw,format=I420,width=640,height=360,framerate=30/1 \
         ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 bitrate=800 \
         ! h264parse ! mux. \
         audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! aacparse ! mux."
    );
    command.arg("-e").args(pipeline.split_whitespace());
    Ok(Publisher::start("gst-launch", &command))
}
