//! Real clips: made by ffmpeg, read back frame by frame.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use mp4_atom::{Any, DecodeMaybe};
use tally_media::codec::{AudioRecord, VideoRecord};
use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId};

/// One track of a clip.
pub struct ClipTrack {
    pub track: Arc<Track>,
    pub frames: Vec<Frame>,
}

/// Whether ffmpeg and ffprobe are there. Says so when not, and fails where nothing may be missing.
pub fn has_ffmpeg() -> bool {
    let found = ["ffmpeg", "ffprobe"]
        .iter()
        .all(|tool| Command::new(tool).arg("-version").output().is_ok());
    assert!(found || std::env::var_os("CI").is_none(), "CI needs ffmpeg and ffprobe");
    if !found {
        eprintln!("skipped: ffmpeg and ffprobe are not installed");
    }
    found
}

/// Makes `seconds` of moving picture and tone with the given codec arguments.
pub fn make(directory: &Path, rate: &str, seconds: u32, codecs: &[&str]) -> Vec<ClipTrack> {
    let file = directory.join("clip.mp4");
    let video = format!("testsrc2=size=320x180:rate={rate}");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "lavfi", "-i", &video]);
    command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-ac", "2"]);
    command.args(["-t", &seconds.to_string(), "-pix_fmt", "yuv420p", "-strict", "experimental"]);
    command.args(codecs).args(["-movflags", "frag_keyframe+delay_moov+default_base_moof"]);
    run(command.arg(&file));
    read(&Bytes::from(std::fs::read(file).unwrap()))
}

/// Runs a tool; it must succeed in silence. Gives its output.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Reads a fragmented file. Payloads are slices of it.
fn read(file: &Bytes) -> Vec<ClipTrack> {
    let mut reader = file.as_ref();
    let mut tracks: Vec<ClipTrack> = Vec::new();
    let mut moov_at = 0..0;
    loop {
        let at = file.len() - reader.len();
        let Some(atom) = Any::decode_maybe(&mut reader).unwrap() else {
            break;
        };
        let end = file.len() - reader.len();
        match atom {
            Any::Moov(moov) => {
                moov_at = at..end;
                let describe = |trak| describe(trak, &file[moov_at.clone()]);
                tracks = moov.trak.iter().map(describe).collect();
            }
            Any::Moof(moof) => {
                for traf in &moof.traf {
                    let clip = &mut tracks[traf.tfhd.track_id as usize - 1];
                    read_run(file, at, traf, clip);
                }
            }
            _ => {}
        }
    }
    tracks
}

fn read_run(file: &Bytes, moof: usize, traf: &mp4_atom::Traf, clip: &mut ClipTrack) {
    let timescale = clip.track.timescale;
    let mut decode = traf.tfdt.as_ref().unwrap().base_media_decode_time as i64;
    for run in &traf.trun {
        let mut offset = moof + usize::try_from(run.data_offset.unwrap()).unwrap();
        for entry in run.samples.iter() {
            let size = entry.size.or(traf.tfhd.default_sample_size).unwrap() as usize;
            let duration = entry.duration.or(traf.tfhd.default_sample_duration).unwrap();
            let flags = entry.flags.or(traf.tfhd.default_sample_flags).unwrap();
            let present = decode + entry.cts.unwrap_or(0);
            let is_sound = clip.track.codec.audio().is_some();
            clip.frames.push(Frame {
                dts: Timestamp::new(decode, timescale),
                pts: Timestamp::new(present, timescale),
                duration_ticks: is_sound.then_some(duration),
                keyframe: is_sound || flags & 0x1_0000 == 0,
                payload: file.slice(offset..offset + size),
            });
            decode += i64::from(duration);
            offset += size;
        }
    }
}

fn describe(trak: &mp4_atom::Trak, moov: &[u8]) -> ClipTrack {
    let timescale = Timescale::new(trak.mdia.mdhd.timescale);
    let record = |kind: &[u8; 4]| {
        let at = moov.windows(4).position(|window| window == kind).unwrap();
        let size = u32::from_be_bytes(moov[at - 4..at].try_into().unwrap()) as usize;
        Bytes::copy_from_slice(&moov[at + 4..at - 4 + size])
    };
    let video = |kind, rfc6381: &str| VideoRecord {
        record: record(kind),
        width: 320,
        height: 180,
        rfc6381: rfc6381.into(),
        color: None,
    };
    let audio = |record, rfc6381: &str| AudioRecord {
        record,
        sample_rate: 48_000,
        channels: 2,
        frame_samples: None,
        rfc6381: rfc6381.into(),
    };
    use mp4_atom::Codec as Entry;
    let codec = match &trak.mdia.minf.stbl.stsd.codecs[0] {
        Entry::Avc1(_) => Codec::H264(video(b"avcC", "avc1.64000D")),
        Entry::Hvc1(_) => Codec::H265(video(b"hvcC", "hvc1.1.6.L60.90")),
        Entry::Av01(_) => Codec::Av1(video(b"av1C", "av01.0.00M.08")),
        Entry::Vp09(_) => Codec::Vp9(video(b"vpcC", "vp09.00.11.08")),
        Entry::Opus(_) => Codec::Opus(audio(record(b"dOps"), "opus")),
        Entry::Flac(_) => Codec::Flac(audio(record(b"dfLa"), "fLaC")),
        Entry::Ac3(_) => Codec::Ac3(audio(record(b"dac3"), "ac-3")),
        Entry::Eac3(_) => Codec::Eac3(audio(record(b"dec3"), "ec-3")),
        Entry::Mp4a(entry) => {
            let config = &entry.esds.es_desc.dec_config;
            match config.object_type_indication {
                0x40 => Codec::Aac(audio(Bytes::from_static(&[0x11, 0x90]), "mp4a.40.2")),
                _ => Codec::Mp3(audio(Bytes::new(), "mp4a.6B")),
            }
        }
        other => panic!("{other:?}"),
    };
    let id = if codec.video().is_some() { TrackId::Video(0) } else { TrackId::Audio(0) };
    let track = Track { id, codec, timescale, language: Some("en-GB".into()), color: None };
    ClipTrack { track: Arc::new(track), frames: Vec::new() }
}
