//! Audio records and packets as encoders really write them (FFmpeg 9, libopus, LAME), compared with
//! the boxes FFmpeg's MP4 muxer makes of the same packets.

#![expect(clippy::unwrap_used, reason = "in helpers of tests a panic is the failure")]

use bytes::Bytes;
use tally_media::Codec;
use tally_media::codec::{aac, ac3, eac3, flac, mp3, opus};

fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>().into()
}

fn check(codec: &Codec, name: &str, rate: u32, channels: u8, samples: Option<u32>) {
    let audio = codec.audio().unwrap();
    assert_eq!(codec.rfc6381(), name);
    assert_eq!((audio.sample_rate, audio.channels, audio.frame_samples), (rate, channels, samples));
}

fn asc(text: &str) -> Codec {
    aac::from_asc(hex(text)).unwrap()
}

#[test]
fn aac_configs() {
    check(&asc("119056e500"), "mp4a.40.2", 48_000, 2, Some(1_024));
    check(&asc("1210"), "mp4a.40.2", 44_100, 2, Some(1_024));
    check(&asc("11a056e500"), "mp4a.40.2", 48_000, 4, Some(1_024));
    check(&asc("11b056e500"), "mp4a.40.2", 48_000, 6, Some(1_024));
    // 7.1 is channel configuration 7.
    check(&asc("11b8"), "mp4a.40.2", 48_000, 8, Some(1_024));
}

#[test]
fn aac_with_a_program_config_element() {
    // Quadraphonic: two channel pairs, with a comment, then the sync extension without SBR.
    let quad = "118004c4040021100c4c61766336332e312e31303256e500";
    check(&asc(quad), "mp4a.40.2", 48_000, 4, Some(1_024));
}

#[test]
fn he_aac_counts_at_its_output_rate() {
    // Hierarchical: object type 5, core 24 kHz stereo, output 48 kHz.
    check(&asc("2b118800"), "mp4a.40.5", 48_000, 2, Some(2_048));
    // Hierarchical PS: object type 29, core 22.05 kHz mono, output 44.1 kHz.
    check(&asc("eb8a0800"), "mp4a.40.29", 44_100, 2, Some(2_048));
    // The same signalled behind a plain LC config (1.6.6.2).
    check(&asc("130856e598"), "mp4a.40.5", 48_000, 1, Some(2_048));
    check(&asc("131056e59d4880"), "mp4a.40.29", 48_000, 2, Some(2_048));
}

#[test]
fn aac_short_frames_and_explicit_rate() {
    check(&asc("1214"), "mp4a.40.2", 44_100, 2, Some(960));
    // Rate index 15: 24 bits of rate (50,000 Hz), then two channels.
    check(&asc("17806 1a810"), "mp4a.40.2", 50_000, 2, Some(1_024));
}

#[test]
fn aac_that_is_not_carried_is_named() {
    let low_delay = aac::from_asc(hex("b990")).unwrap_err();
    assert_eq!(low_delay.to_string(), "this AAC object type is not supported");
}

#[test]
fn adts_headers_give_the_same_config() {
    let codec = aac::from_adts(&hex("fff14c8000000000")).unwrap();
    assert_eq!(codec, asc("1190"));
}

#[test]
fn opus_heads_become_dops() {
    let stereo = opus::from_opus_head(&hex("4f707573486561640102380180bb0000000000")).unwrap();
    check(&stereo, "opus", 48_000, 2, None);
    // What WebRTC senders leave out is the same, without anything to skip at the start.
    let untold = opus::from_opus_head(&hex("4f707573486561640102000080bb0000000000")).unwrap();
    assert_eq!(opus::stereo(), untold);
    assert_eq!(stereo.audio().unwrap().record, hex("000201380000bb80000000"));
    let head = "4f707573486561640106380180bb00000000010402000401020305";
    let surround = opus::from_opus_head(&hex(head)).unwrap();
    check(&surround, "opus", 48_000, 6, None);
    assert_eq!(surround.audio().unwrap().record, hex("000601380000bb8000000104 02000401020305"));
}

#[test]
fn opus_packets_tell_their_length() {
    let length = |packet: &[u8]| opus::packet_samples(packet);
    assert_eq!(length(&hex("fc7e0299")), Ok(960)); // CELT fullband, 20 ms
    assert_eq!(length(&[0xE0]), Ok(120)); // CELT, 2.5 ms
    assert_eq!(length(&[0x18]), Ok(2_880)); // SILK, 60 ms
    assert_eq!(length(&[0x19]), Ok(5_760)); // two of them
    assert!(length(&[0x1B, 3]).is_err()); // three: longer than 120 ms
    assert_eq!(length(&[0xFB, 6]), Ok(5_760)); // code 3: six frames of 20 ms
    assert!(length(&[]).is_err() && length(&[0xFB]).is_err() && length(&[0xFB, 0]).is_err());
}

#[test]
fn flac_stream_info_becomes_dfla_without_what_is_known_at_the_end() {
    let info =
        hex("22040004000000c80001750bb802f000002580dc449bb7b94ff3ff7c822776af4197d6").slice(1..);
    let bare = flac::from_stream_info(&info).unwrap();
    check(&bare, "fLaC", 48_000, 2, Some(1_024));
    let record = &bare.audio().unwrap().record;
    assert_eq!(record[..12], hex("000000008000002204000400")[..]);
    assert_eq!(record[18..22], hex("0bb802f0")[..]);
    assert!(record[12..18].iter().chain(&record[22..]).all(|byte| *byte == 0));
    // As FFmpeg repeats it at the end, and with marker and block header.
    let unknown = [&info[..4], &[0; 6], &info[10..14], &[0; 20]].concat();
    assert_eq!(flac::from_stream_info(&unknown).unwrap(), bare);
    let marked = [b"fLaC\x80\x00\x00\x22", &info[..]].concat();
    assert_eq!(flac::from_stream_info(&marked).unwrap(), bare);
}

#[test]
fn flac_frames_tell_their_length() {
    assert_eq!(flac::frame_samples(&hex("fff8aa88005b4c00")), Ok(1_024));
    assert!(flac::frame_samples(&hex("fff80900ff")).is_err()); // size code 0
    assert_eq!(flac::frame_samples(&hex("fff8690000ff")), Ok(256)); // one byte: 255 + 1
}

#[test]
fn mp3_frames() {
    check(&mp3::from_frame(&hex("fffb946400")).unwrap(), "mp4a.40.34", 48_000, 2, Some(1_152));
    // MPEG-2, 22.05 kHz, mono.
    check(&mp3::from_frame(&hex("fff340c4")).unwrap(), "mp4a.40.34", 22_050, 1, Some(576));
    assert!(mp3::from_frame(&hex("fffd9464")).is_err(), "layer II");
}

#[test]
fn ac3_sync_frames_become_dac3() {
    let stereo = ac3::from_sync_frame(&hex("0b77fe95144043e106")).unwrap();
    check(&stereo, "ac-3", 48_000, 2, Some(1_536));
    assert_eq!(stereo.audio().unwrap().record, hex("101140"));
    let surround = ac3::from_sync_frame(&hex("0b7731441e40ebf840")).unwrap();
    check(&surround, "ac-3", 48_000, 6, Some(1_536));
    assert_eq!(surround.audio().unwrap().record, hex("103de0"));
}

#[test]
fn eac3_sync_frames_become_dec3() {
    let codec = eac3::from_sync_frame(&hex("0b77037f3f87c00020")).unwrap();
    check(&codec, "ec-3", 48_000, 6, Some(1_536));
    assert_eq!(codec.audio().unwrap().record, hex("0e00200f00"));
    assert!(ac3::from_sync_frame(&hex("0b77037f3f87c00020")).is_err());
}
