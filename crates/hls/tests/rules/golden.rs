//! Whole playlists, to the byte.

use tally_hls::{AttributeValue, DateRange, Delivery, Encoding, Position, RenditionReport};

use crate::feeder::{Feeder, SHOW_START_UNIX_MS, options, text};

const HEADER: &str = "\
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,CAN-SKIP-DATERANGES=YES,\
HOLD-BACK=6.0,PART-HOLD-BACK=0.75
#EXT-X-PART-INF:PART-TARGET=0.25
";

#[test]
fn a_young_show() {
    let mut feeder = Feeder::new(options());
    feeder.parts(2);
    feeder.close();
    feeder.part();
    feeder.push(100, false);
    let reports =
        [RenditionReport { uri: "../v1/playlist.m3u8".into(), last: Position { msn: 1, part: 0 } }];
    let snapshot = feeder.snapshot();
    let body = snapshot.playlist(Delivery::Full, &reports).body(Encoding::Identity);
    let expected = format!(
        "#EXTM3U
#EXT-X-VERSION:6
{HEADER}#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI=\"init0.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:19.250Z
#EXT-X-PART:DURATION=0.25,URI=\"0.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.25,URI=\"0.1.m4s\"
#EXTINF:0.5,
0.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:19.750Z
#EXT-X-PART:DURATION=0.25,URI=\"1.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.1,URI=\"1.1.m4s\"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"1.2.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"../v1/playlist.m3u8\",LAST-MSN=1,LAST-PART=0
"
    );
    assert_eq!(String::from_utf8(body.to_vec()).unwrap(), expected);
}

/// Eight segments of 2 s, an encoder that went away and came back with other parameters, and an
/// operator who marked something: everything a delta has to get right at once.
#[test]
fn a_delta_of_an_eventful_show() {
    let mut feeder = Feeder::new(options());
    feeder.segments(7);
    feeder.gap();
    feeder.close();
    feeder.change_parameters();
    feeder.part();
    let quiz = DateRange {
        id: "quiz".into(),
        start_unix_ms: SHOW_START_UNIX_MS,
        duration_ms: Some(60_000),
        attributes: vec![("X-SEATS".into(), AttributeValue::Number(8.0))],
        ..DateRange::default()
    };
    feeder.window.date_range(quiz).unwrap();
    feeder.part();
    let expected = format!(
        "#EXTM3U
#EXT-X-VERSION:10
{HEADER}#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-SKIP:SKIPPED-SEGMENTS=1,RECENTLY-REMOVED-DATERANGES=\"\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:21.250Z
#EXTINF:2.0,
1.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:23.250Z
#EXTINF:2.0,
2.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:25.250Z
#EXTINF:2.0,
3.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:27.250Z
#EXTINF:2.0,
4.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:29.250Z
#EXTINF:2.0,
5.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:31.250Z
{}#EXTINF:2.0,
6.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:33.250Z
#EXT-X-PART:DURATION=0.25,URI=\"7.0.m4s\",GAP=YES
#EXT-X-GAP
#EXTINF:0.25,
7.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"init1.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T18:06:33.500Z
#EXT-X-PART:DURATION=0.25,URI=\"8.0.m4s\",INDEPENDENT=YES
#EXT-X-DATERANGE:ID=\"quiz\",START-DATE=\"2026-11-23T18:06:19.250Z\",DURATION=60.0,X-SEATS=8
#EXT-X-PART:DURATION=0.25,URI=\"8.1.m4s\"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"8.2.m4s\"
",
        eight_parts(6)
    );
    assert_eq!(text(&feeder.snapshot(), Delivery::SkipV2), expected);
}

fn eight_parts(msn: u64) -> String {
    let line = |index| {
        let independent = if index == 0 { ",INDEPENDENT=YES" } else { "" };
        format!("#EXT-X-PART:DURATION=0.25,URI=\"{msn}.{index}.m4s\"{independent}\n")
    };
    (0..8).map(line).collect()
}
