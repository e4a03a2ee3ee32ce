//! Every form of input, heard as it went in.

use mousiki::Channels;
use syom::EncodeOptions;
use tally_audio::{Options, Target, Transcoder, Unsupported};
use tally_media::Track;
use tally_media::codec::{Codec, aac};

use crate::sound::{
    LEVEL, Sound, TONE_HZ, aac_of, adts, decibels, hear, opus_of, stereo_44100, through, tone,
    transcoder,
};

/// The tone comes out of both channels within a decibel of `level`, within 5 ms of its place, and
/// nothing comes out an octave above it.
fn assert_heard(sound: &Sound, target: Target, level: f64) {
    let mut transcoder = transcoder(&sound.track, target);
    let frames = through(&mut transcoder, &sound.frames);
    let heard = hear(transcoder.output_track(), &frames);
    let onset_s = sound.onset_s();
    for channel in 0..2 {
        let amplitude = heard.amplitude(channel, TONE_HZ, onset_s + 0.1, 0.4);
        let off = decibels(amplitude, level);
        assert!(off.abs() < 1.0, "channel {channel} is {off:.2} dB off");
        let octave = heard.amplitude(channel, 2.0 * TONE_HZ, onset_s + 0.1, 0.4);
        assert!(octave < level / 100.0, "channel {channel} has {octave} an octave above");
    }
    let off_ms = (heard.onset_s() - onset_s) * 1_000.0;
    assert!(off_ms.abs() < 5.0, "the tone begins {off_ms:.2} ms off");
}

#[test]
fn stereo_of_44100_hz_to_opus() {
    assert_heard(&stereo_44100(), Target::Opus, LEVEL);
}

#[test]
fn mono_of_48000_hz_to_opus() {
    assert_heard(&adts(include_bytes!("../fixtures/mono-48000.aac")), Target::Opus, LEVEL);
}

#[test]
fn the_centre_of_5_1_to_opus_is_three_decibels_down_in_both() {
    let sound = adts(include_bytes!("../fixtures/center-of-51-48000.aac"));
    assert_heard(&sound, Target::Opus, LEVEL * std::f64::consts::FRAC_1_SQRT_2);
}

#[test]
fn seven_one_to_opus() {
    let silence = vec![0.0; 57_600];
    let mut planes = vec![silence; 8];
    planes[0] = tone(48_000, 1.2);
    planes[1] = tone(48_000, 1.2);
    let options = EncodeOptions::raw().with_bitrate_bps(384_000);
    assert_heard(&aac_of(&planes, 48_000, &options), Target::Opus, LEVEL);
}

#[test]
fn he_aac_to_opus() {
    let planes = vec![tone(44_100, 1.3); 2];
    let options = EncodeOptions::raw().with_he(true).with_bitrate_bps(64_000);
    let sound = aac_of(&planes, 44_100, &options);
    assert_eq!(sound.track.codec.rfc6381(), "mp4a.40.5");
    assert_heard(&sound, Target::Opus, LEVEL);
}

#[test]
fn he_aac_v2_to_opus() {
    let planes = vec![tone(48_000, 1.3); 2];
    let options = EncodeOptions::raw().with_he_v2(true).with_bitrate_bps(32_000);
    let sound = aac_of(&planes, 48_000, &options);
    assert_eq!(sound.track.codec.rfc6381(), "mp4a.40.29");
    assert_heard(&sound, Target::Opus, LEVEL);
}

#[test]
fn low_and_high_rates_to_opus() {
    for rate in [16_000, 24_000, 32_000, 96_000] {
        let options = EncodeOptions::raw().with_bitrate_bps(64_000);
        assert_heard(&aac_of(&[tone(rate, 1.2)], rate, &options), Target::Opus, LEVEL);
    }
}

#[test]
fn stereo_and_mono_opus_to_aac() {
    for channels in [Channels::Stereo, Channels::Mono] {
        assert_heard(&opus_of(1.2, channels), Target::Aac, LEVEL);
    }
}

#[test]
fn there_and_back() {
    let sound = stereo_44100();
    let mut there = transcoder(&sound.track, Target::Opus);
    let frames = through(&mut there, &sound.frames);
    let mut back = transcoder(there.output_track(), Target::Aac);
    let frames = through(&mut back, &frames);
    let heard = hear(back.output_track(), &frames);
    let off_ms = (heard.onset_s() - sound.onset_s()) * 1_000.0;
    assert!(off_ms.abs() < 5.0, "the tone begins {off_ms:.2} ms off");
}

#[test]
fn the_output_track_tells_a_player_what_it_needs() {
    let sound = stereo_44100();
    let made = transcoder(&sound.track, Target::Opus);
    let track = made.output_track();
    assert_eq!((track.id, track.language.as_deref()), (sound.track.id, Some("de")));
    assert_eq!(track.timescale.per_second(), 48_000);
    let Codec::Opus(record) = &track.codec else { panic!("not Opus: {:?}", track.codec) };
    // dOps: version 0, 2 channels, pre-skip 312, 48,000 Hz, no gain, family 0.
    assert_eq!(record.record[..], [0, 2, 1, 56, 0, 0, 0xBB, 0x80, 0, 0, 0]);

    let sound = opus_of(0.1, Channels::Stereo);
    let made = transcoder(&sound.track, Target::Aac);
    let Codec::Aac(record) = &made.output_track().codec else { panic!("not AAC") };
    assert_eq!(record.record[..], [0x11, 0x90]); // LC, 48 kHz, stereo
    assert_eq!(record.rfc6381, "mp4a.40.2");
}

#[test]
fn what_is_not_transcoded_is_refused_by_name() {
    let sound = stereo_44100();
    let refused = |track: &Track, target, options| Transcoder::new(track, target, options).err();
    let same = Some(Unsupported::Same("mp4a.40.2".to_owned()));
    assert_eq!(refused(&sound.track, Target::Aac, Options::default()), same);
    let quiet = Options { bitrate_kbps: 15, ..Options::default() };
    let options = Some(Unsupported::Encoder("15 kbit/s".to_owned()));
    assert_eq!(refused(&sound.track, Target::Opus, quiet), options);

    let Codec::Aac(record) = sound.track.codec.clone() else { panic!("a fixture of AAC") };
    let mut track = sound.track;
    track.codec = Codec::Mp3(record.clone());
    assert!(matches!(
        refused(&track, Target::Opus, Options::default()),
        Some(Unsupported::Codec(_))
    ));
    let mut odd = record.clone();
    odd.sample_rate = 44_101;
    track.codec = Codec::Aac(odd);
    let rate = Some(Unsupported::SampleRate(44_101));
    assert_eq!(refused(&track, Target::Opus, Options::default()), rate);
    let main = bytes::Bytes::from_static(&[0x0A, 0x10]); // object type 1
    track.codec = aac::from_asc(main).unwrap();
    let profile = Some(Unsupported::Codec("mp4a.40.1".to_owned()));
    assert_eq!(refused(&track, Target::Opus, Options::default()), profile);
    let mut damaged = record;
    damaged.record = bytes::Bytes::from_static(&[0xFF]);
    track.codec = Codec::Aac(damaged);
    assert!(matches!(
        refused(&track, Target::Opus, Options::default()),
        Some(Unsupported::Decoder(_))
    ));
}
