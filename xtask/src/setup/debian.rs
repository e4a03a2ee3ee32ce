//! Encoders, players and browsers from Debian's packages.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Missing;
use crate::shell;

/// How to see that a tool is there, whoever installed it.
enum Probe {
    /// A program on the search path.
    Program(&'static str),
    /// A GStreamer element that its registry knows.
    Element(&'static str),
    /// A library that the system's Python can drive by introspection.
    Library(&'static str),
}

/// Debian's bindings are for Debian's Python, which need not be the first on the search path.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";

struct Tool {
    probe: Probe,
    packages: &'static [&'static str],
    needed_for: &'static str,
}

const TOOLS: [Tool; 24] = [
    program("ffmpeg", &["ffmpeg"], "publishing and decoding"),
    program("ffprobe", &["ffmpeg"], "reading every fragment"),
    program("obs", &["obs-studio", "obs-plugins"], "publishing as creators do"),
    program("xvfb-run", &["xvfb", "xauth"], "OBS without a screen"),
    program("dbus-run-session", &["dbus-daemon"], "OBS without a desktop"),
    program("chromium", &["chromium"], "hls.js and native HLS"),
    program("firefox", &["firefox-esr"], "hls.js on a second browser engine"),
    program("mpv", &["mpv"], "playing"),
    program("curl", &["curl"], "HTTP/2 and TLS requests"),
    program("turnserver", &["coturn"], "a TURN relay before WebRTC"),
    program("openssl", &["openssl"], "certificates for TLS tests"),
    program("nginx", &["nginx-light"], "an HTTP cache in front of the server"),
    program("gst-launch-1.0", &["gstreamer1.0-tools"], "publishing and playing"),
    element("playbin3", &["gstreamer1.0-plugins-base"]),
    element("flvmux", &["gstreamer1.0-plugins-good"]),
    element("souphttpsrc", &["gstreamer1.0-plugins-good"]),
    element("hlsdemux2", &["gstreamer1.0-plugins-good"]),
    element("rtmp2sink", &["gstreamer1.0-plugins-bad"]),
    element("voaacenc", &["gstreamer1.0-plugins-bad"]),
    element("x264enc", &["gstreamer1.0-plugins-ugly"]),
    element("avdec_h264", &["gstreamer1.0-libav"]),
    element("webrtcbin", &["gstreamer1.0-plugins-bad"]),
    element("nicesrc", &["gstreamer1.0-nice"]),
    Tool {
        probe: Probe::Library("GstWebRTC"),
        packages: &["python3-gi", "gir1.2-gst-plugins-bad-1.0"],
        needed_for: "publishing over WebRTC with GStreamer",
    },
];

const fn program(
    name: &'static str,
    packages: &'static [&'static str],
    needed_for: &'static str,
) -> Tool {
    Tool { probe: Probe::Program(name), packages, needed_for }
}

const fn element(name: &'static str, packages: &'static [&'static str]) -> Tool {
    Tool { probe: Probe::Element(name), packages, needed_for: "publishing and playing" }
}

/// Installs the packages of missing tools in one go, where that is possible without asking.
pub(super) fn install() -> Vec<Missing> {
    let missing: Vec<_> = TOOLS.iter().filter(|tool| !tool.is_present()).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let packages = packages(&missing);
    if may_install() {
        let here = Path::new("/");
        let noninteractive = |arguments: &[&str]| {
            let mut command = shell::program(here, "apt-get", arguments);
            shell::run(command.env("DEBIAN_FRONTEND", "noninteractive"))
        };
        let install = ["install", "--yes", "--quiet=2", "--no-install-recommends"];
        let outcome = noninteractive(&["update", "--quiet=2"])
            .and_then(|()| noninteractive(&[&install, packages.as_slice()].concat()));
        if let Err(error) = outcome {
            println!("setup: {error:#}");
        }
    }
    let still = missing.into_iter().filter(|tool| !tool.is_present());
    still
        .map(|tool| Missing {
            what: tool.name().to_owned(),
            needed_for: tool.needed_for,
            remedy: format!("apt-get install --no-install-recommends {}", tool.packages.join(" ")),
        })
        .collect()
}

/// Only root on a Debian system; anybody else is told what to run.
fn may_install() -> bool {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    root && shell::is_on_path("apt-get")
}

fn packages(tools: &[&Tool]) -> Vec<&'static str> {
    let mut packages: Vec<_> = tools.iter().flat_map(|tool| tool.packages).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

impl Tool {
    fn name(&self) -> &'static str {
        match self.probe {
            Probe::Program(name) | Probe::Element(name) | Probe::Library(name) => name,
        }
    }

    fn is_present(&self) -> bool {
        match self.probe {
            Probe::Program(name) => shell::is_on_path(name),
            // Plugins from outside GStreamer have versions of their own, below GStreamer's.
            Probe::Element(name) => {
                succeeds("gst-inspect-1.0", &["--exists", "--atleast-version=0.0", name])
            }
            Probe::Library(name) => {
                let look = format!("import gi; gi.require_version('{name}', '1.0')");
                succeeds(SYSTEM_PYTHON, &["-c", &look])
            }
        }
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_is_seen_both_ways() {
        assert!(program("sh", &[], "").is_present());
        assert!(!program("no-such-program", &[], "").is_present());
        assert!(!element("no-such-element", &[]).is_present());
        let library = Probe::Library("NoSuchLibrary");
        assert!(!Tool { probe: library, packages: &[], needed_for: "" }.is_present());
    }

    #[test]
    fn packages_are_asked_for_once() {
        let tools = [program("b", &["x", "y"], ""), program("a", &["x"], "")];
        assert_eq!(packages(&tools.iter().collect::<Vec<_>>()), ["x", "y"]);
    }
}
