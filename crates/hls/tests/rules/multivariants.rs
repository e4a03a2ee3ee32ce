//! The multivariant playlist (P22).

use std::sync::Arc;

use bytes::Bytes;
use tally_cmaf::{Bitrates, FrameRate, Rendition, RenditionId};
use tally_hls::multivariant::Multivariant;
use tally_media::codec::{AudioRecord, VideoRecord};
use tally_media::{Codec, Color, Timescale, Track, TrackId};

fn video(n: u8, width: u16, height: u16, transfer: Option<u8>) -> Arc<Track> {
    let color = |transfer| Color { primaries: 9, transfer, matrix: 9, full_range: false };
    let record = VideoRecord {
        record: Bytes::new(),
        width,
        height,
        rfc6381: format!("avc1.64002{n}"),
        color: transfer.map(color),
    };
    track(TrackId::Video(n), Codec::H264(record), None)
}

fn audio(n: u8, channels: u8, language: Option<&str>) -> Arc<Track> {
    let record = AudioRecord {
        record: Bytes::new(),
        sample_rate: 48_000,
        channels,
        frame_samples: Some(1_024),
        rfc6381: if n == 0 { "mp4a.40.2".into() } else { "Opus".into() },
    };
    let codec = if n == 0 { Codec::Aac(record) } else { Codec::Opus(record) };
    track(TrackId::Audio(n), codec, language)
}

fn track(id: TrackId, codec: Codec, language: Option<&str>) -> Arc<Track> {
    let timescale = Timescale::VIDEO;
    let language = language.map(str::to_owned);
    Arc::new(Track { id, codec, timescale, language, color: None })
}

fn rendition(tracks: Vec<Arc<Track>>, mbps: u64) -> (Rendition, Option<Bitrates>) {
    let id = RenditionId(tracks[0].id);
    let with_video = tracks[0].codec.video().is_some();
    let frame_rate = with_video.then_some(FrameRate { millihertz: 29_970 });
    let bitrates = Bitrates { peak_bps: mbps * 1_100_000, average_bps: mbps * 1_000_000 };
    (Rendition { id, tracks, frame_rate }, Some(bitrates))
}

fn render(renditions: &[(Rendition, Option<Bitrates>)]) -> String {
    let uri = |id| format!("7/{id}/playlist.m3u8");
    Multivariant::new(true, renditions, uri).unwrap().render()
}

// P22
#[test]
fn p22_one_rendition() {
    let main = rendition(vec![video(0, 1_920, 1_080, None), audio(0, 2, None)], 6);
    assert_eq!(
        render(&[main]),
        "#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=6600000,AVERAGE-BANDWIDTH=6000000,\
CODECS=\"avc1.640020,mp4a.40.2\",RESOLUTION=1920x1080,FRAME-RATE=29.970
7/v0/playlist.m3u8
"
    );
}

// P22: the main video first, sums of what plays together, every codec of the group.
#[test]
fn p22_several_videos_and_languages() {
    let renditions = [
        rendition(vec![video(2, 640, 360, None), audio(0, 2, Some("en"))], 1),
        rendition(vec![video(1, 1_920, 1_080, None), audio(0, 2, Some("en"))], 6),
        rendition(vec![video(0, 1_280, 720, None), audio(0, 2, Some("en"))], 3),
        rendition(vec![audio(1, 6, Some("pt-BR"))], 1),
        rendition(vec![audio(2, 1, None)], 0),
    ];
    assert_eq!(
        render(&renditions),
        "#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Audio 1 (en)\",LANGUAGE=\"en\",\
DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Audio 2 (pt-BR)\",LANGUAGE=\"pt-BR\",\
DEFAULT=NO,AUTOSELECT=YES,CHANNELS=\"6\",URI=\"7/a1/playlist.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Audio 3\",LANGUAGE=\"und\",\
DEFAULT=NO,AUTOSELECT=YES,CHANNELS=\"1\",URI=\"7/a2/playlist.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=4400000,AVERAGE-BANDWIDTH=4000000,\
CODECS=\"avc1.640020,mp4a.40.2,Opus\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"audio\"
7/v0/playlist.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=7700000,AVERAGE-BANDWIDTH=7000000,\
CODECS=\"avc1.640021,mp4a.40.2,Opus\",RESOLUTION=1920x1080,FRAME-RATE=29.970,AUDIO=\"audio\"
7/v1/playlist.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2200000,AVERAGE-BANDWIDTH=2000000,\
CODECS=\"avc1.640022,mp4a.40.2,Opus\",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO=\"audio\"
7/v2/playlist.m3u8
"
    );
}

// P22
#[test]
fn p22_sound_only() {
    let text = render(&[rendition(vec![audio(0, 2, Some("de"))], 1)]);
    assert_eq!(
        text,
        "#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=1100000,AVERAGE-BANDWIDTH=1000000,CODECS=\"mp4a.40.2\"
7/a0/playlist.m3u8
"
    );
    let two = [rendition(vec![audio(1, 2, None)], 1), rendition(vec![audio(0, 2, None)], 1)];
    let text = render(&two);
    assert!(text.ends_with(",AUDIO=\"audio\"\n7/a0/playlist.m3u8\n"), "{text}");
    assert!(text.contains("NAME=\"Audio 2\""), "{text}");
    assert!(text.contains("URI=\"7/a1/playlist.m3u8\""), "{text}");
    assert_eq!(text.matches("#EXT-X-STREAM-INF").count(), 1);
}

// P22: CODECS tells a player that lacks a codec which variants it can play.
#[test]
fn p22_the_same_sound_in_two_codecs_is_two_groups_and_each_picture_a_variant_with_each() {
    let pictures = rendition(vec![video(0, 1_280, 720, None)], 3);
    let uri = |id| format!("7/{id}/playlist.m3u8");
    let with = |sound| {
        let renditions = [pictures.clone(), rendition(vec![sound], 1)];
        Multivariant::new(true, &renditions, uri).unwrap()
    };
    assert_eq!(
        with(audio(1, 2, None)).or(with(audio(0, 2, None))).render(),
        "#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Audio 1\",LANGUAGE=\"und\",\
DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"7/a1/playlist.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio-other\",NAME=\"Audio 1\",LANGUAGE=\"und\",\
DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"7/a0/playlist.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=4400000,AVERAGE-BANDWIDTH=4000000,\
CODECS=\"avc1.640020,Opus\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"audio\"
7/v0/playlist.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=4400000,AVERAGE-BANDWIDTH=4000000,\
CODECS=\"avc1.640020,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"audio-other\"
7/v0/playlist.m3u8
"
    );
}

// P22: A9.16
#[test]
fn p22_dynamic_range_is_told_of_all_variants_or_none() {
    let hdr = [
        rendition(vec![video(0, 1_920, 1_080, Some(16))], 6),
        rendition(vec![video(1, 1_280, 720, Some(18))], 3),
        rendition(vec![video(2, 640, 360, None)], 1),
    ];
    let text = render(&hdr);
    let ranges: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once("VIDEO-RANGE="))
        .map(|(_, range)| range)
        .collect();
    assert_eq!(ranges, ["PQ", "HLG", "SDR"]);
    assert!(!render(&hdr[2..]).contains("VIDEO-RANGE"));
}

#[test]
fn a_language_cannot_break_out_of_its_quotes() {
    for hostile in ["\",URI=\"x", "en\n#EXT", "", &"x".repeat(99)] {
        let renditions = [
            rendition(vec![video(0, 640, 360, None), audio(0, 2, Some(hostile))], 1),
            rendition(vec![audio(1, 2, None)], 1),
        ];
        let text = render(&renditions);
        assert_eq!(text.matches("NAME=\"Audio 1\",LANGUAGE=\"und\"").count(), 1, "{text}");
    }
}

#[test]
fn renditions_without_a_segment_are_not_listed_yet() {
    let main = rendition(vec![video(0, 1_280, 720, None)], 3);
    let mut second = rendition(vec![video(1, 640, 360, None)], 1);
    second.1 = None;
    let uri = |id: RenditionId| id.to_string();
    assert_eq!(Multivariant::new(true, std::slice::from_ref(&second), uri), None);
    let both = Multivariant::new(false, &[main, second], uri).unwrap();
    assert_eq!(both.variants.len(), 1);
    assert!(!both.render().contains("INDEPENDENT-SEGMENTS"));
}
