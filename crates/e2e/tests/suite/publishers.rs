//! Real encoders publish, and what arrives on a screen is what they sent.

use std::process::Command;

use tally_e2e::play::browser::Browser;
use tally_e2e::playlist::Multivariant;
use tally_e2e::publish::ffmpeg::{self, Show};
use tally_e2e::publish::{gstreamer, obs};
use tally_e2e::{Server, Settings, need, tools};

use crate::shows;

/// Long enough to cross several segments.
const SECONDS: u64 = 8;

/// What software encoders of the newer codecs manage beside a browser on two cores.
const SMALL: &[&str] = &["320x180"];

/// Plays a show and holds it to smooth playing; the delay is held in `players`, undisturbed.
#[track_caller]
fn assert_plays(server: &Server, browser: Browser, handle: &str, frames_per_second: u64) {
    server.wait_for_show(handle, shows::SHOW_WITHIN);
    let playing = browser.play(&server.play_url(handle), SECONDS).expect("checked before");
    let report = playing.report().unwrap();
    println!("{handle}: {report}");
    report.assert_smooth(SECONDS, frames_per_second);
}

#[test]
fn obs_studio_publishes() {
    let server = need!(shows::server());
    let media = need!(tools::big_buck_bunny());
    let address = format!("rtmp://{}/live", server.rtmp);
    let obs = need!(obs::publish(&address, "alice", &media));
    assert_plays(&server, Browser::ChromiumHlsJs, "alice", 30);
    let playlist = shows::media_playlist(&server, "alice");
    obs.stop();
    tally_e2e::wait::until("the show's end", shows::SHOW_WITHIN, || {
        server.get(&playlist).text().contains("#EXT-X-ENDLIST").then_some(())
    });
}

#[test]
fn gstreamer_publishes() {
    let server = need!(shows::server());
    let _publisher = need!(gstreamer::publish(&server.publish_url("alice")));
    assert_plays(&server, Browser::ChromiumHlsJs, "alice", 30);
}

#[test]
fn a_film_clip_with_b_frames_and_one_keyframe_in_five_seconds_is_published() {
    let server = need!(shows::server());
    let file = need!(tools::big_buck_bunny());
    let _publisher = need!(ffmpeg::publish_file(&file, &server.publish_url("alice")));
    assert_plays(&server, Browser::ChromiumHlsJs, "alice", 25);
}

#[test]
fn b_frames_are_shown_in_order() {
    let server = need!(shows::server());
    let show = Show { video: ffmpeg::H264_B_FRAMES, ..Show::default() };
    let _publisher = need!(show.publish(&server.publish_url("alice")));
    assert_plays(&server, Browser::ChromiumHlsJs, "alice", 30);
}

#[test]
fn enhanced_rtmp_carries_hevc() {
    let server = need!(shows::server());
    let show = Show { video: ffmpeg::HEVC, sizes: SMALL, ..Show::default() };
    let _publisher = need!(show.publish_enhanced(&server.publish_url("alice")));
    // Debian's Chromium has no HEVC in Media Source Extensions; its Firefox has.
    assert_plays(&server, Browser::FirefoxHlsJs, "alice", 30);
}

#[test]
fn enhanced_rtmp_carries_av1() {
    let server = need!(shows::server());
    let show = Show { video: ffmpeg::AV1, sizes: SMALL, ..Show::default() };
    let _publisher = need!(show.publish_enhanced(&server.publish_url("alice")));
    assert_plays(&server, Browser::ChromiumHlsJs, "alice", 30);
}

#[test]
fn enhanced_rtmp_carries_vp9_and_opus() {
    let server = need!(shows::server());
    let show =
        Show { video: ffmpeg::VP9, audio: Some(ffmpeg::OPUS), sizes: SMALL, ..Show::default() };
    let _publisher = need!(show.publish_enhanced(&server.publish_url("alice")));
    assert_plays(&server, Browser::ChromiumHlsJs, "alice", 30);
}

/// `hls.audio`: for players that cannot play Opus in fMP4.
#[test]
fn opus_is_played_as_aac() {
    assert_plays_opus("aac", &["mp4a.40.2"], Browser::ChromiumHlsJs);
}

/// `hls.audio`: the player chooses among variants of the same pictures.
#[test]
fn opus_and_aac_are_offered_side_by_side() {
    assert_plays_opus("both", &["opus", "mp4a.40.2"], Browser::ChromiumHlsJs);
    assert_plays_opus("both", &["opus", "mp4a.40.2"], Browser::FirefoxHlsJs);
}

/// Plays a show with Opus under `hls.audio`, whose variants have these codecs of sound.
#[track_caller]
fn assert_plays_opus(audio: &str, codecs: &[&str], browser: Browser) {
    let binary = need!(tools::tally());
    let server = Server::start(&binary, &Settings::default().with("hls.audio", audio));
    let show = Show { audio: Some(ffmpeg::OPUS), sizes: SMALL, ..Show::default() };
    let _publisher = need!(show.publish_enhanced(&server.publish_url("alice")));
    let text = server.wait_for_show("alice", shows::SHOW_WITHIN);
    let variants = Multivariant::parse(&text).unwrap().variants;
    let told: Vec<_> = variants.iter().map(|variant| &*variant.attributes["CODECS"]).collect();
    assert_eq!(told.len(), codecs.len(), "{text}");
    for (told, codec) in told.iter().zip(codecs) {
        assert!(told.contains(codec), "{text}");
    }
    assert_plays(&server, browser, "alice", 30);
}

#[test]
fn multitrack_pictures_become_qualities_in_step() {
    let server = need!(shows::server());
    let show = Show { sizes: &["640x360", "320x180"], ..Show::default() };
    let _publisher = need!(show.publish_enhanced(&server.publish_url("alice")));
    assert_eq!(shows::media_playlists(&server, "alice").len(), 2, "two renditions");
    let playing = need!(Browser::ChromiumHlsJs.play(&server.play_url("alice"), SECONDS));
    let report = playing.report().unwrap();
    report.assert_smooth(SECONDS, 30);
    assert_eq!(report.levels, Some(2), "{report}");
}

#[test]
fn rtmps_is_rtmp_under_tls() {
    let binary = need!(tools::tally());
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = shows::certificate(folder.path());
    let settings = Settings::default().with("rtmp.tls.cert", &cert).with("rtmp.tls.key", &key);
    let server = Server::start(&binary, &settings);
    let url = format!("rtmps://{}/live/alice", server.rtmps);
    let show = Show { certificate: Some(cert.into()), ..Show::default() };
    let _publisher = need!(show.publish_enhanced(&url));
    assert_plays(&server, Browser::ChromiumHlsJs, "alice", 30);
}

#[test]
fn https_serves_playlists_over_http_2() {
    let binary = need!(tools::tally());
    let curl = need!(tools::program("curl"));
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = shows::certificate(folder.path());
    let settings = Settings::default().with("http.tls.cert", &cert).with("http.tls.key", &key);
    let server = Server::start(&binary, &settings);
    let _publisher = need!(Show::default().publish(&server.publish_url("alice")));
    let playlist = shows::media_playlist(&server, "alice");
    for (protocol, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let url = format!("https://localhost:{}{playlist}", server.https.port());
        let mut request = Command::new(&curl);
        request.args(["--silent", "--show-error", "--fail", "--cacert", &cert, protocol]);
        request.args(["--write-out", "\nversion %{http_version}", &url]);
        let output = request.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.starts_with("#EXTM3U"), "{protocol}: {printed} {:?}", output.stderr);
        assert!(printed.ends_with(&format!("version {version}")), "{protocol}: {printed}");
    }
}
