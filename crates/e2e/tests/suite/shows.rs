//! What most stories begin with: a server, and an encoder that publishes to it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tally_e2e::publish::Publisher;
use tally_e2e::publish::ffmpeg::Show;
use tally_e2e::tools::{self, Missing};
use tally_e2e::{Server, Settings};

/// An encoder needs a second or two, the first playlist a group of pictures after that.
pub(crate) const SHOW_WITHIN: Duration = Duration::from_secs(20);

/// A server with its defaults (but open publishing, on loopback).
pub(crate) fn server() -> Result<Server, Missing> {
    Ok(Server::start(&tools::tally()?, &Settings::default()))
}

/// A server that Firefox can reach over WebRTC too.
pub(crate) fn server_for_firefox() -> Result<Server, Missing> {
    let address = tally_e2e::server::outward_address().unwrap();
    let settings = Settings::default().with("webrtc.listen", &format!("{address}:0"));
    Ok(Server::start(&tools::tally()?, &settings))
}

/// A server and a show of ffmpeg 5.1 on it that can be played.
pub(crate) fn server_with_show(settings: &Settings) -> Result<(Server, Publisher), Missing> {
    let server = Server::start(&tools::tally()?, settings);
    let publisher = Show::default().publish(&server.publish_url("alice"))?;
    server.wait_for_show("alice", SHOW_WITHIN);
    Ok((server, publisher))
}

/// The path of a show's first media playlist, as listed in its multivariant playlist.
pub(crate) fn media_playlist(server: &Server, handle: &str) -> String {
    media_playlists(server, handle).swap_remove(0)
}

/// The paths of all media playlists of a show.
pub(crate) fn media_playlists(server: &Server, handle: &str) -> Vec<String> {
    let target = format!("/live/{handle}/index.m3u8");
    let text = server.wait_for_show(handle, SHOW_WITHIN);
    let playlist = tally_e2e::playlist::Multivariant::parse(&text).unwrap();
    let uris = playlist.media_uris();
    uris.iter().map(|uri| tally_e2e::record::resolve(&target, uri)).collect()
}

/// A certificate for localhost that signs itself, as PEM files.
pub(crate) fn certificate(folder: &Path) -> (String, String) {
    let path = |name: &str| folder.join(name).display().to_string();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args(["-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    let output = openssl.args(["-keyout", &key, "-out", &cert]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (cert, key)
}
