//! A decoder that is not ours gives back what was painted and played.

#![expect(clippy::unwrap_used, reason = "in helpers of tests a panic is the failure")]

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use tally_media::nal::{self, LengthSize};
use tally_media::{Timestamp, TrackId, codec::h264};
use tally_testsource::scene::{Color, Mosaic};
use tally_testsource::sound::{CONFIG, FRAME_SAMPLES, RATE};
use tally_testsource::{Options, TestSource};

/// Runs ffmpeg over `input` and gives its output, or `None` where there is no ffmpeg: that fails in CI.
fn ffmpeg(arguments: &str, input: Vec<u8>) -> Option<Vec<u8>> {
    let mut command = Command::new("ffmpeg");
    command.args("-v error -xerror -err_detect explode".split(' ')).args(arguments.split(' '));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        assert!(std::env::var_os("CI").is_none(), "CI needs ffmpeg");
        eprintln!("skipped: there is no ffmpeg on this machine");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writer.join().unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(child.wait().unwrap().success(), "{errors}");
    assert_eq!(errors, "");
    Some(output)
}

/// The first `count` pictures as an Annex B byte stream.
fn annex_b(options: Options, count: usize) -> Vec<u8> {
    const START: [u8; 4] = [0, 0, 0, 1];
    let mut source = TestSource::new(options).unwrap();
    let record = source.tracks()[0].codec.video().unwrap().record.clone();
    let sps_end = 8 + usize::from(record[7]);
    let mut stream = [&START, &record[8..sps_end], &START, &record[sps_end + 3..]].concat();
    let mut left = count;
    while left > 0 {
        let (TrackId::Video(_), frame) = source.next_frame() else { continue };
        for nal in nal::walk(&frame.payload, LengthSize::Four) {
            stream.extend(START);
            stream.extend(nal.unwrap());
        }
        left -= 1;
    }
    stream
}

fn pictures_decode_exactly(options: Options, count: usize) {
    let decode = "-f h264 -i pipe:0 -f rawvideo -pix_fmt yuv420p -fps_mode passthrough pipe:1";
    let Some(output) = ffmpeg(decode, annex_b(options, count)) else { return };
    let (width, height) = (usize::from(options.width), usize::from(options.height));
    let picture_bytes = width * height * 3 / 2;
    assert_eq!(output.len(), count * picture_bytes);
    let source = TestSource::new(options).unwrap();
    for (number, picture) in output.chunks(picture_bytes).enumerate() {
        let mosaic = source.scene().paint(number as u64);
        let painted = [
            plane(&mosaic, width, height, |color| color.y),
            plane(&mosaic, width / 2, height / 2, |color| color.cb),
            plane(&mosaic, width / 2, height / 2, |color| color.cr),
        ];
        assert!(picture == painted.concat(), "picture {number} is not as painted");
        let luma_at = |x: u16, y: u16| picture[usize::from(y) * width + usize::from(x)];
        assert_eq!(source.scene().frame_number(luma_at), Some(number as u64));
    }
}

/// What a plane of the decoded picture must hold, cut to its size.
fn plane(mosaic: &Mosaic, width: usize, height: usize, value: impl Fn(Color) -> u8) -> Vec<u8> {
    let columns = mosaic.columns();
    let rows = mosaic.len() / columns;
    // 16 in luma, 8 in chroma.
    let stone = if width > columns * 8 { 16 } else { 8 };
    let mut plane = Vec::with_capacity(width * height);
    for row in 0..rows {
        let line: Vec<u8> = (0..columns)
            .flat_map(|column| {
                [value(mosaic.color(row * columns + column)); 16].into_iter().take(stone)
            })
            .take(width)
            .collect();
        plane.extend(line.repeat(stone));
    }
    plane.truncate(width * height);
    plane
}

#[test]
fn every_pixel_of_four_seconds_is_as_painted() {
    pictures_decode_exactly(Options::default(), 120);
}

#[test]
fn odd_sizes_padding_and_a_long_group_decode_exactly() {
    // More pictures in a group than frame_num counts, 4 columns short of a stone, and 50 fps.
    let options =
        Options { width: 402, height: 250, fps: 50, gop_frames: 270, video_kbps: Some(1_000) };
    pictures_decode_exactly(options, 280);
}

#[test]
fn a_picture_of_720p_alone_in_its_group_decodes_exactly() {
    let options = Options { width: 1_280, height: 720, gop_frames: 1, ..Options::default() };
    pictures_decode_exactly(options, 5);
}

/// The first `count` sound frames with ADTS headers.
fn adts(count: usize) -> Vec<u8> {
    let mut source = TestSource::new(Options::default()).unwrap();
    let mut stream = Vec::new();
    let mut left = count;
    while left > 0 {
        let (TrackId::Audio(_), frame) = source.next_frame() else { continue };
        let length = frame.payload.len() + 7;
        let (rate, channels) = ((CONFIG[0] & 7) << 1 | CONFIG[1] >> 7, CONFIG[1] >> 3 & 15);
        stream.extend([0xFF, 0xF1, 1 << 6 | rate << 2, channels << 6 | (length >> 11) as u8]);
        stream.extend([(length >> 3) as u8, (length << 5) as u8 | 0x1F, 0xFC]);
        stream.extend(&frame.payload);
        left -= 1;
    }
    stream
}

#[test]
fn a_beep_is_heard_on_every_second_over_an_unbroken_tone() {
    let count = 240;
    let decode = "-f aac -i pipe:0 -f s16le pipe:1";
    let Some(output) = ffmpeg(decode, adts(count)) else { return };
    let samples: Vec<f64> = output
        .chunks(4)
        .map(|stereo| f64::from(i16::from_le_bytes([stereo[0], stereo[1]])) / 32_768.0)
        .collect();
    assert!(samples.len() >= count * FRAME_SAMPLES as usize);
    // Loudness in steps of 10 ms, after the decoder's first two frames.
    let step = RATE as usize / 100;
    let loudness: Vec<f64> = samples
        .chunks_exact(step)
        .map(|chunk| (chunk.iter().map(|sample| sample * sample).sum::<f64>() / step as f64).sqrt())
        .collect();
    let is_loud = |index: &usize| loudness[*index] > 0.1;
    let loud: Vec<usize> = (6..loudness.len()).filter(is_loud).collect();
    for second in 1..5 {
        let beep: Vec<usize> = loud.iter().copied().filter(|index| index / 100 == second).collect();
        assert!((8..=13).contains(&beep.len()), "second {second}: {beep:?}");
        let first = beep.first().unwrap() - second * 100;
        assert!(first <= 4, "the beep of second {second} is {first}0 ms late");
    }
    let quiet = (6..loudness.len()).filter(|index| !is_loud(index));
    let (mut least, mut most) = (f64::MAX, 0.0f64);
    for index in quiet {
        least = least.min(loudness[index]);
        most = most.max(if index % 100 > 20 && index % 100 < 90 { loudness[index] } else { 0.0 });
    }
    assert!(least > 0.02 && most < 0.06, "the tone is between {least} and {most}");
}

#[test]
fn frames_come_in_decode_order_on_one_timeline() {
    let mut source = TestSource::new(Options { fps: 24, ..Options::default() }).unwrap();
    let mut last = Timestamp::from_ms(0);
    let (mut pictures, mut sounds) = (0i64, 0i64);
    for _ in 0..10_000 {
        let (id, frame) = source.next_frame();
        assert!(frame.dts >= last && frame.pts == frame.dts);
        last = frame.dts;
        match id {
            TrackId::Video(0) => {
                assert_eq!(frame.dts.ticks, pictures * 3_750);
                assert_eq!(frame.keyframe, pictures % 60 == 0);
                let codec = &source.tracks()[0].codec;
                let start = nal::random_access(codec, &frame.payload).unwrap();
                assert_eq!(start.is_keyframe(codec), frame.keyframe);
                pictures += 1;
            }
            TrackId::Audio(0) => {
                assert_eq!(frame.dts.ticks, sounds * i64::from(FRAME_SAMPLES));
                sounds += 1;
            }
            other => panic!("there is no track {other:?}"),
        }
    }
    assert_eq!(pictures + sounds, 10_000);
}

#[test]
fn the_tracks_name_what_players_need() {
    let source = TestSource::new(Options::default()).unwrap();
    let [video, audio] = source.tracks();
    assert_eq!((video.codec.rfc6381(), audio.codec.rfc6381()), ("avc1.42C01E", "mp4a.40.2"));
    let record = &video.codec.video().unwrap().record;
    assert_eq!(h264::from_avcc(record.clone()).as_ref(), Ok(&video.codec));
}

/// Video bit rate in kbit/s over ten seconds.
fn kbps(options: Options) -> usize {
    let mut source = TestSource::new(options).unwrap();
    let mut bytes = 0;
    let end = Timestamp::from_ms(10_000);
    loop {
        let (id, frame) = source.next_frame();
        if frame.dts >= end {
            return bytes * 8 / 10_000;
        }
        bytes += if id == TrackId::Video(0) { frame.payload.len() } else { 0 };
    }
}

#[test]
fn the_bit_rate_is_small_or_as_asked_for() {
    let small = kbps(Options::default());
    assert!((10..200).contains(&small), "{small} kbit/s");
    for wanted in [500, 2_500] {
        let padded = kbps(Options { video_kbps: Some(wanted), ..Options::default() });
        let wanted = wanted as usize;
        assert!((wanted * 98 / 100..=wanted * 102 / 100).contains(&padded), "{padded} kbit/s");
    }
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let message = |options| TestSource::new(options).unwrap_err().to_string();
    let narrow = message(Options { width: 320, ..Options::default() });
    assert_eq!(narrow, "320x360: even sizes from 400x240 to 4096x4096 can be made");
    let stopped = message(Options { fps: 0, ..Options::default() });
    assert_eq!(stopped, "fps = 0 is not in 1..=120");
}
