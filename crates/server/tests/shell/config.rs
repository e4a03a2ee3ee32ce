//! What an operator types, and what the server says about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tally_server::config::{Config, HlsAudio, LogFormat, Origin, PublishAuth, keys};

fn environment(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let owned: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    owned.into_iter()
}

fn with_environment(pairs: &[(&str, &str)]) -> Result<Config, String> {
    Config::load_with(None, environment(pairs)).map_err(|problems| problems.to_string())
}

/// The one line said about a file that is wrong in one place.
fn complaint(text: &str) -> String {
    let said = Config::parse("tally.toml", text).unwrap_err().to_string();
    assert!(!said.contains('\n'), "more than one line: {said}");
    said
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name)
}

#[test]
fn a_server_without_a_file_runs_with_the_promised_defaults() {
    let config = Config::default();
    assert_eq!(config.http.listen.unwrap().to_string(), "0.0.0.0:8080");
    assert_eq!(config.rtmp.listen.unwrap().to_string(), "0.0.0.0:1935");
    assert_eq!(config.webrtc.listen.unwrap().to_string(), "0.0.0.0:8189");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9464");
    assert!(config.http.tls.is_none() && config.rtmp.tls.is_none());
    assert_eq!((config.hls.part_ms, config.hls.segment_ms), (250, 2000));
    assert_eq!((config.hls.window_ms, config.hls.audio), (60_000, HlsAudio::Passthrough));
    assert_eq!(config.rtmp.reconnect_grace, Duration::from_secs(30));
    assert_eq!(config.server.drain, Duration::from_secs(10));
    assert_eq!(config.auth.publish, PublishAuth::Key);
    assert_eq!(config.server.log_format, LogFormat::Text);
    assert_eq!(config.store.url, "sqlite:./data/tally.db");
}

#[test]
fn the_documented_file_is_the_list_of_keys() {
    let text = std::fs::read_to_string(shipped("tally.toml")).unwrap();
    assert_eq!(
        text,
        keys::reference(),
        "write it again: tally check-config --defaults > config/tally.toml"
    );
}

#[test]
fn the_documented_file_sets_every_key_to_its_default() {
    let config = Config::load_with(Some(&shipped("tally.toml")), environment(&[])).unwrap();
    let defaults = Config::default();
    assert_eq!(config.resolved().len(), keys::KEYS.len());
    for (set, default) in config.resolved().iter().zip(defaults.resolved()) {
        assert_eq!(set.key, default.key);
        assert!(matches!(set.origin, Origin::File { .. }), "{} is not in the file", set.key);
        let hidden = keys::find(set.key).unwrap().secret;
        assert!(hidden || set.shown == default.shown, "{}: {}", set.key, set.shown);
    }
}

#[test]
fn the_development_file_is_open_and_on_loopback() {
    let config = Config::load_with(Some(&shipped("dev.toml")), environment(&[])).unwrap();
    assert_eq!(config.auth.publish, PublishAuth::Open);
    let (http, rtmp, webrtc) = (config.http.listen, config.rtmp.listen, config.webrtc.listen);
    let listeners = [http, rtmp, webrtc, Some(config.admin.listen)];
    assert!(listeners.iter().flatten().all(|address| address.ip().is_loopback()));
}

#[test]
fn the_extremes_of_every_number_are_accepted_and_one_beyond_is_not() {
    for key in keys::KEYS {
        let keys::Kind::Number { min, max, .. } = key.kind else { continue };
        for value in [min, max] {
            let said = match with_environment(&[(&key.variable(), &value.to_string())]) {
                Ok(_) => continue,
                Err(said) => said,
            };
            // Only a clash with another key's default may refuse a value within its limits.
            assert!(!said.contains("must be a whole number"), "{said}");
        }
        let beyond = (max + 1).to_string();
        let said = with_environment(&[(&key.variable(), &beyond)]).unwrap_err();
        assert!(said.contains(key.name) && said.contains(&beyond), "{said}");
        assert!(said.contains(&max.to_string()), "{said}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
    let said = complaint("[http]\nlisten = \"127.0.0.1:1\"\nconections_max = 5\n");
    assert_eq!(
        said,
        "config: unknown key http.conections_max (tally.toml line 3); \
         did you mean http.connections_max?"
    );
}

#[test]
fn an_unknown_section_is_named_with_the_nearest_one() {
    let said = complaint("[htp]\nlisten = \"127.0.0.1:1\"\n");
    assert_eq!(said, "config: unknown section htp (tally.toml line 1); did you mean http?");
}

#[test]
fn a_section_of_a_later_version_is_not_accepted_in_silence() {
    let said = complaint("[relay]\nlisten = \"0.0.0.0:8190\"\n");
    assert!(said.starts_with("config: unknown section relay (tally.toml line 1)"), "{said}");
}

#[test]
fn a_key_outside_of_its_section_is_unknown() {
    let said = complaint("part_ms = 250\n");
    assert!(said.starts_with("config: unknown key part_ms (tally.toml line 1)"), "{said}");
}

#[test]
fn bad_values_name_key_value_place_and_remedy() {
    assert_eq!(
        complaint("[hls]\npart_ms = 5000\n"),
        "config: hls.part_ms = 5000 (tally.toml line 2): must be a whole number from 100 to 1000 \
         (ms); correct it, or remove it to get the default 250"
    );
    for (text, wanted) in [
        ("hls.part_ms = -1", "hls.part_ms = -1"),
        ("hls.part_ms = 2.5", "hls.part_ms = (number with a fraction)"),
        ("hls.part_ms = \"250\"", "hls.part_ms = \"250\""),
        ("http.listen = \"8080\"", "http.listen = \"8080\""),
        ("http.listen = 8080", "http.listen = 8080"),
        ("admin.listen = \"\"", "admin.listen = \"\""),
        ("auth.publish = \"anybody\"", "must be \"key\" or \"open\""),
        ("auth.playback = \"token\"", "set auth.viewer_key_file"),
        ("auth.playback = \"nobody\"", "must be \"open\" or \"token\""),
        ("server.log_format = \"xml\"", "must be \"text\" or \"json\""),
        ("server.log = \"loud=very\"", "server.log = \"loud=very\""),
        ("server.data_dir = \"\"", "must be a path"),
        ("server.public_url = \"live.example.com\"", "must be \"http://HOST[:PORT]\""),
        ("server.public_url = \"https://x.example/sub\"", "server.public_url"),
        ("store.url = \"postgres://u:secret@db/tally\"", "PostgreSQL is not supported"),
        ("http = 1", "unknown key http"),
        ("hls.part_ms = { a = 1 }", "hls.part_ms = (table)"),
    ] {
        let said = complaint(text);
        assert!(said.contains(wanted), "{text}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn numbers_may_be_written_in_every_way_of_toml() {
    for text in ["16_000", "+16000", "0x3e80", "0b11_1110_1000_0000"] {
        let config = Config::parse("t", &format!("http.connections_max = {text}"));
        assert_eq!(config.unwrap().http.connections_max, 16_000, "{text}");
    }
    let said = complaint("http.connections_max = 99999999999999999999");
    assert!(said.contains("number that is too large"), "{said}");
}

#[test]
fn a_wildcard_of_ipv6_is_an_address_too() {
    let config = Config::parse("t", "http.listen = \"[::]:8080\"").unwrap();
    assert_eq!(config.http.listen.unwrap().to_string(), "[::]:8080");
}

#[test]
fn text_that_is_not_toml_is_named_with_its_line() {
    let said = complaint("[http]\nlisten = oops\n");
    assert!(said.starts_with("config: tally.toml line 2: not valid TOML: "), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let file = Path::new("/nowhere/tally.toml");
    let said = Config::load_with(Some(file), environment(&[])).unwrap_err().to_string();
    assert!(said.contains("/nowhere/tally.toml") && said.contains("--config"), "{said}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = "[hls]\npart_ms = 1\nsegmant_ms = 2\n[auth]\npublish = \"x\"\n";
    let said = Config::parse("tally.toml", text).unwrap_err().to_string();
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn keys_that_do_not_fit_together_are_refused() {
    for (text, wanted) in [
        ("hls.segment_ms = 6000\nhls.window_s = 30", "six segments"),
        (
            "rtmp.message_bytes_max = 9000000\nrtmp.buffered_bytes_max = 8000000",
            "never be received",
        ),
        ("http.listen = \"\"", "nobody could watch"),
        ("http.tls.cert = \"/c.pem\"", "http.tls.cert is set and http.tls.key is not"),
        ("rtmp.tls.key = \"/k.pem\"", "rtmp.tls.key is set and rtmp.tls.cert is not"),
    ] {
        let said = complaint(text);
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tally.toml");
    std::fs::write(&file, "[hls]\npart_ms = 300\nsegment_ms = 3000\n").unwrap();
    let variables = [
        ("TALLY_HLS__PART_MS", "200"),
        ("TALLY_HTTP__TLS__CERT", "/c.pem"),
        ("TALLY_HTTP__TLS__KEY", "/k.pem"),
        ("TALLY_HTTP__LISTEN", ""),
        ("HOME", "/root"),
    ];
    let config = Config::load_with(Some(&file), environment(&variables)).unwrap();
    assert_eq!((config.hls.part_ms, config.hls.segment_ms), (200, 3000));
    assert_eq!(config.http.tls.unwrap().cert, Path::new("/c.pem"));
    assert_eq!(config.http.listen, None);
}

#[test]
fn unknown_variables_are_refused_and_foreign_ones_left_alone() {
    let said = with_environment(&[("TALLY_HTTP__LISTN", "127.0.0.1:1")]).unwrap_err();
    assert_eq!(
        said,
        "config: unknown key http.listn (environment variable TALLY_HTTP__LISTN); \
         did you mean TALLY_HTTP__LISTEN?"
    );
    let said = with_environment(&[("TALLY_HTTP_LISTEN", "127.0.0.1:1")]).unwrap_err();
    assert!(said.contains("did you mean TALLY_HTTP__LISTEN?"), "{said}");
    let said = with_environment(&[("TALLY_HLS__PART_MS", "soon")]).unwrap_err();
    assert!(
        said.contains("hls.part_ms = soon (environment variable TALLY_HLS__PART_MS)"),
        "{said}"
    );
    // What Kubernetes sets for a service that is called tally.
    with_environment(&[("TALLY_PORT", "tcp://10.0.0.1:80"), ("TALLY_SERVICE_HOST", "10.0.0.1")])
        .unwrap();
}

#[test]
fn the_resolved_configuration_is_toml_with_origins_and_without_secrets() {
    let text = "[store]\nurl = \"sqlite:hidden-place.db\"\n[hls]\npart_ms = 300\n";
    let shown = Config::parse("tally.toml", text).unwrap().to_toml();
    assert!(shown.contains("part_ms = 300 # tally.toml line 4\n"), "{shown}");
    assert!(shown.contains("segment_ms = 2000\n"), "{shown}");
    assert!(!shown.contains("hidden-place"), "{shown}");
    assert_eq!(toml::de::DeTable::parse(&shown).map(|_| ()), Ok(()));
    assert!(!format!("{:?}", Config::parse("t", text)).contains("hidden-place"));
}
