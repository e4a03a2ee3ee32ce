//! An RTMP encoder whose pictures say when they were sent: what a server adds is the time from then
//! to the picture's last packet, without encoder, jitter buffer or decoder.
//!
//! Each picture of a prepared clip gets a NAL unit in front, of a type that H.264 reserves and decoders
//! pass over (servers leave SEI out, which nobody reads), written at the moment it goes into the
//! socket; `js/rtp.mjs` reads it where it comes out.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use super::raw::{self, RawEncoder, State};
use crate::tools::{self, Missing};
use crate::wait;

/// H.264 table 7-1: reserved.
const STAMP_TYPE: u8 = 22;
/// Begins a stamp; digits of microseconds since 1970 follow it.
const STAMP_ID: &[u8; 16] = b"tally-sent-at-us";
/// Digits of microseconds since 1970, with a leading zero: as text no start code can arise.
const STAMP_DIGITS: usize = 17;

/// Bytes before the pictures in the body of an FLV video tag of H.264.
const AVC_HEADER_BYTES: usize = 5;

/// `AVCPacketType` of the tag that FFmpeg writes last.
const SEQUENCE_END: u8 = 2;

const AUDIO: u8 = 8;
const VIDEO: u8 = 9;

/// An encoder at work; it ends when dropped.
#[derive(Debug)]
pub struct Stamped {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// One tag of an FLV file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    kind: u8,
    at_ms: u32,
    body: Vec<u8>,
}

/// Publishes a clip of H.264 and AAC, 640x360 with 30 pictures a second, again and again.
///
/// # Errors
/// When ffmpeg is not installed.
///
/// # Panics
/// When the clip cannot be made, or the server refuses it.
pub fn publish(server: SocketAddr, name: &str) -> Result<Stamped, Missing> {
    let folder = TempDir::new().expect("a temporary folder");
    let clip = make_clip(&tools::program("ffmpeg")?, folder.path()).expect("a clip");
    let encoder = RawEncoder::reach(server, State::Publishing, name).expect("RTMP is accepted");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::spawn(move || send_again_and_again(encoder, &clip, &stopped));
    Ok(Stamped { stop, thread: Some(thread) })
}

impl Drop for Stamped {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

fn make_clip(ffmpeg: &Path, folder: &Path) -> anyhow::Result<Vec<Tag>> {
    let file = folder.join("clip.flv");
    let mut command = Command::new(ffmpeg);
    command.args(["-hide_banner", "-nostdin", "-loglevel", "error"]);
    command.args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"]);
    command.args(["-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "4"]);
    command.args(super::ffmpeg::H264).args([
        "-pix_fmt", "yuv420p", "-g", "60", "-b:v", "1M", "-maxrate", "1M", "-bufsize", "300k",
    ]);
    command.args(super::ffmpeg::AAC).args(["-flvflags", "no_duration_filesize"]);
    let output = command.arg(&file).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read_tags(&std::fs::read(file)?)
}

/// The sound and picture tags of an FLV file.
fn read_tags(file: &[u8]) -> anyhow::Result<Vec<Tag>> {
    // The header, and the size of no tag before the first.
    let mut rest = file.get(9 + 4..).context("an FLV header")?;
    let mut tags = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(11) {
        let number = |bytes: [u8; 4]| u32::from_be_bytes(bytes);
        let length = number([0, header[1], header[2], header[3]]) as usize;
        let at_ms = number([header[7], header[4], header[5], header[6]]);
        let body = after.get(..length).context("a whole tag")?.to_vec();
        // The end of a sequence would end the track: the clip goes on from its start.
        let is_end = header[0] == VIDEO && body.get(1) == Some(&SEQUENCE_END);
        if [AUDIO, VIDEO].contains(&header[0]) && !is_end {
            tags.push(Tag { kind: header[0], at_ms, body });
        }
        rest = after.get(length + 4..).unwrap_or_default();
    }
    Ok(tags)
}

fn send_again_and_again(mut encoder: RawEncoder, clip: &[Tag], stop: &AtomicBool) {
    let started = wait::now();
    let (headers, frames): (Vec<_>, Vec<_>) = clip.iter().partition(|tag| is_header(tag));
    let length_ms = frames.last().map_or(0, |last| last.at_ms + 1000 / 30);
    for header in headers {
        let message = raw::message_at(4, header.kind, 1, 0, &header.body);
        encoder.send(&message).expect("the server takes codec records");
    }
    for round in 0.. {
        for tag in &frames {
            let at_ms = tag.at_ms + round * length_ms;
            let due = Duration::from_millis(at_ms.into());
            wait::pass(due.saturating_sub(started.elapsed()));
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let body = if tag.kind == VIDEO { &stamp(&tag.body) } else { &tag.body };
            if encoder.send(&raw::message_at(4, tag.kind, 1, at_ms, body)).is_err() {
                return; // the server has ended
            }
        }
    }
}

/// Whether a tag is a codec record: packet type 0, in the byte after codec and frame type.
fn is_header(tag: &Tag) -> bool {
    tag.body.get(1) == Some(&0)
}

/// The picture of a tag with the present moment in front of it.
fn stamp(body: &[u8]) -> Vec<u8> {
    let (header, picture) = body.split_at(AVC_HEADER_BYTES);
    let digits = format!("{:0STAMP_DIGITS$}", wait::unix_us());
    let stamp = [&[STAMP_TYPE][..], STAMP_ID, digits.as_bytes(), &[0x80]].concat();
    let length = u32::try_from(stamp.len()).unwrap_or(u32::MAX).to_be_bytes();
    [header, &length, &stamp, picture].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_stands_before_the_picture() {
        let stamped = stamp(&[0x17, 1, 0, 0, 0, 9, 9]);
        assert_eq!(stamped[..10], [0x17, 1, 0, 0, 0, 0, 0, 0, 35, 22]);
        assert_eq!(&stamped[10..26], STAMP_ID);
        assert_eq!(stamped[43..], [0x80, 9, 9]);
    }

    #[test]
    fn tags_of_sound_and_pictures_are_read() {
        let mut file = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        for (kind, at_ms) in [(18, 0), (8, 300), (9, 0x0102_0304_u32)] {
            let [high, a, b, c] = at_ms.to_be_bytes();
            file.extend([kind, 0, 0, 1, a, b, c, high, 0, 0, 0, 7, 0, 0, 0, 12]);
        }
        let tags = read_tags(&file).unwrap();
        let expected = [(8, 300), (9, 0x0102_0304)];
        assert_eq!(tags.iter().map(|tag| (tag.kind, tag.at_ms)).collect::<Vec<_>>(), expected);
        assert!(read_tags(&file[..24]).is_err());
    }
}
