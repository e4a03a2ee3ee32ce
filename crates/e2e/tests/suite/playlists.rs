//! A viewer of our own follows whole shows and holds them against the numbered rules.

use std::process::Command;
use std::thread;

use tally_e2e::playlist::{MediaPlaylist, Multivariant};
use tally_e2e::publish::ffmpeg::{self, Show};
use tally_e2e::record::Recording;
use tally_e2e::rules;
use tally_e2e::{Server, Settings, need, tools};

use crate::shows;

/// P1-P7, P9-P11, P13-P17, P19-P21, P23, from the first part until the end; then the same files
/// through hls-parser, m3u8-parser, mp4box and ffprobe.
#[test]
fn a_whole_show_holds_to_the_playlist_and_media_rules() {
    let script = need!(tools::script("check-recording.mjs"));
    let ffprobe = need!(tools::program("ffprobe"));
    // A short window, so that it rolls on within the test.
    let settings = Settings::default().with("hls.window_s", "12");
    let (server, publisher) = need!(shows::server_with_show(&settings));
    let playlist = shows::media_playlist(&server, "alice");
    let stop_after = 16;
    let recording = Recording::follow(server.http, &playlist, |playlist| {
        if playlist.open.msn >= stop_after {
            publisher.interrupt();
        }
        false
    });
    let recording = recording.unwrap();
    rules::check(&recording).unwrap();
    rules::step::check_in_time(&recording.versions).unwrap();
    assert!(recording.last().ended, "P19: no end");
    assert!(recording.last().media_sequence > 0, "P14: the window did not roll on");
    assert!(recording.last().segments.len() >= 6, "P15: fewer than six segments");
    assert!(recording.versions.len() > 100, "{} versions", recording.versions.len());
    check_with_other_readers(&recording, &script, &ffprobe);
}

fn check_with_other_readers(
    recording: &Recording,
    script: &std::path::Path,
    ffprobe: &std::path::Path,
) {
    let folder = tempfile::tempdir().unwrap();
    recording.save(folder.path()).unwrap();
    let output = Command::new("node").arg(script).arg(folder.path()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    println!("{printed}");
    for segment in recording.segments.values() {
        let init = &recording.files[segment.map.as_ref().unwrap()];
        let whole = [init.as_slice(), &recording.files[&segment.uri]].concat();
        let file = folder.path().join("whole.mp4");
        std::fs::write(&file, whole).unwrap();
        let mut probe = Command::new(ffprobe);
        probe.args([
            "-v",
            "warning",
            "-count_frames",
            "-show_entries",
            "stream=codec_type,nb_read_frames",
        ]);
        let output = probe.args(["-of", "csv=p=0"]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let read = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.is_empty(), "{}: {said}", segment.uri);
        assert!(read.contains("video,") && read.contains("audio,"), "{}: {read}", segment.uri);
    }
}

/// P4, P5: the part target holds at every common frame rate, with 1,024-sample AAC and with Opus.
#[test]
fn parts_keep_to_their_target_at_every_common_frame_rate() {
    let server = need!(shows::server());
    let shows: [(&str, &str, u32); 6] = [
        ("film", "24", 48),
        ("pal", "25", 50),
        ("ntsc", "30000/1001", 60),
        ("web", "30", 60),
        ("pal-fast", "50", 100),
        ("web-fast", "60", 120),
    ];
    let mut publishers = Vec::new();
    for (name, rate, keyframe_interval) in shows {
        let show = Show { rate, keyframe_interval, sizes: &["192x108"], ..Show::default() };
        publishers.push(need!(show.publish(&server.publish_url(name))));
    }
    let opus = Show { audio: Some(ffmpeg::OPUS), sizes: &["192x108"], ..Show::default() };
    publishers.push(need!(opus.publish_enhanced(&server.publish_url("opus"))));
    let names: Vec<_> = shows.iter().map(|(name, ..)| *name).chain(["opus"]).collect();
    let playlists: Vec<_> = names.iter().map(|name| shows::media_playlist(&server, name)).collect();
    for (name, outcome) in names.iter().zip(record_all(&server, &playlists)) {
        let recording = outcome.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        rules::check(&recording).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        println!("{name}: part target {} us", recording.last().part_target_us);
    }
}

/// Follows several renditions at once for five segments each.
fn record_all(server: &Server, playlists: &[String]) -> Vec<anyhow::Result<Recording>> {
    let follow = |playlist: &str| {
        let mut end = None;
        Recording::follow(server.http, playlist, |playlist| {
            playlist.open.msn >= *end.get_or_insert(playlist.open.msn + 5)
        })
    };
    thread::scope(|scope| {
        let started = playlists.iter().map(|playlist| scope.spawn(move || follow(playlist)));
        let threads: Vec<_> = started.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// P8, P12, P22: the renditions of one show are in step.
#[test]
fn renditions_of_one_show_are_in_step() {
    let server = need!(shows::server());
    let sizes = &["320x180", "192x108"];
    let show = Show { sizes, ..Show::default() };
    let _publisher = need!(show.publish_enhanced(&server.publish_url("alice")));
    let playlists = shows::media_playlists(&server, "alice");
    assert_eq!(playlists.len(), 2);
    let text = server.wait_for_show("alice", shows::SHOW_WITHIN);
    let multivariant = Multivariant::parse(&text).unwrap();
    rules::multivariant::check(&multivariant).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let recordings: Vec<_> = record_all(&server, &playlists).into_iter().flatten().collect();
    for recording in &recordings {
        rules::check(recording).unwrap();
        rules::multivariant::check_reports(recording.last(), 1).unwrap();
    }
    let [one, other] = recordings.as_slice() else { panic!("two recordings") };
    let control = |recording: &Recording| recording.last().server_control.clone();
    assert_eq!(control(one), control(other), "P8: server control");
    let target = |recording: &Recording| recording.last().target_duration_s;
    assert_eq!(target(one), target(other), "P8: target duration");
    for (msn, segment) in &one.segments {
        let Some(twin) = other.segments.get(msn) else { continue };
        assert_eq!(segment.duration_us, twin.duration_us, "P8: segment {msn}");
        assert_eq!(segment.discontinuity, twin.discontinuity, "P8: segment {msn}");
    }
}

/// P22: a show's measured rate stays within what is declared; every attribute is there.
#[test]
fn the_multivariant_playlist_tells_the_truth() {
    let (server, _publisher) = need!(shows::server_with_show(&Settings::default()));
    let playlist = shows::media_playlist(&server, "alice");
    let recording =
        Recording::follow(server.http, &playlist, |playlist| playlist.open.msn >= 4).unwrap();
    let text = server.wait_for_show("alice", shows::SHOW_WITHIN);
    let multivariant = Multivariant::parse(&text).unwrap();
    rules::multivariant::check(&multivariant).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let variant = &multivariant.variants[0].attributes;
    assert_eq!(variant["RESOLUTION"], "640x360");
    assert!(variant["FRAME-RATE"].starts_with("30"), "{text}");
    assert!(variant["CODECS"].starts_with("avc1."), "{text}");
    assert!(variant["CODECS"].contains("mp4a.40.2"), "{text}");
    // A1.28, A1.29: measured average below 110 %, peak below 125 % of what is declared.
    let (average, peak) = bit_rates(&recording);
    let declared = |name: &str| variant[name].parse::<u64>().unwrap();
    assert!(average * 100 < declared("AVERAGE-BANDWIDTH") * 110, "{average} bit/s:\n{text}");
    assert!(peak * 100 < declared("BANDWIDTH") * 125, "{peak} bit/s:\n{text}");
    let once = |playlist: &MediaPlaylist| playlist.independent_segments;
    let both = multivariant.independent_segments && once(recording.last());
    assert!(!both, "A9.12: EXT-X-INDEPENDENT-SEGMENTS stands in both");
    assert!(multivariant.independent_segments || once(recording.last()), "A9.11");
}

/// Average and peak in bit/s over whole segments.
fn bit_rates(recording: &Recording) -> (u64, u64) {
    let rates: Vec<_> = recording
        .segments
        .values()
        .map(|segment| {
            let bits = recording.files[&segment.uri].len() as u64 * 8;
            (bits, segment.duration_us)
        })
        .collect();
    let bits: u64 = rates.iter().map(|(bits, _)| bits).sum();
    let duration_us: u64 = rates.iter().map(|(_, duration_us)| duration_us).sum();
    let peak = rates.iter().map(|(bits, duration_us)| bits * 1_000_000 / duration_us).max();
    (bits * 1_000_000 / duration_us, peak.unwrap())
}
