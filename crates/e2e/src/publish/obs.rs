//! OBS Studio as creators run it: its own window (on a virtual screen), scenes and encoder, driven
//! over its websocket.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::Process;
use crate::tools::{self, Missing};
use crate::wait;

/// OBS draws with the processor here and takes its time.
const START_WITHIN: Duration = Duration::from_secs(45);

const PASSWORD: &str = "only-on-loopback";

/// The profile: simple output mode with its defaults, at a size two cores can draw.
const PROFILE: &str = "[General]\nName=test\n\n[Output]\nMode=Simple\n\n\
    [SimpleOutput]\nStreamEncoder=x264\nVBitrate=1000\nABitrate=96\nUseAdvanced=true\n\
    Preset=ultrafast\n\n[Video]\nBaseCX=640\nBaseCY=360\nOutputCX=640\nOutputCY=360\nFPSType=0\n\
    FPSCommon=30\n\n[Audio]\nSampleRate=48000\nChannelSetup=Stereo\n";

/// OBS, streaming.
#[derive(Debug)]
pub struct Obs {
    driver: Process,
    _program: Process,
    _home: TempDir,
}

/// Starts OBS with a looping media file as its scene and streams to `rtmp://HOST/live` under a key.
///
/// # Errors
/// When OBS or what it needs here is not installed.
///
/// # Panics
/// When OBS does not come up or does not start to stream.
pub fn publish(server: &str, key: &str, media: &Path) -> Result<Obs, Missing> {
    let script = tools::script("obs.mjs")?;
    let node = tools::program("node")?;
    let home = TempDir::new().expect("a temporary folder");
    let port = free_port();
    write_configuration(home.path(), port);
    let program = start_program(home.path())?;
    wait::until("OBS to open its websocket", START_WITHIN, || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    });
    let mut command = Command::new(node);
    command.arg(script).args(["--port", &port.to_string(), "--password", PASSWORD]);
    command.args(["--server", server, "--key", key, "--media"]).arg(media);
    let driver = Process::start("obs driver", &command).expect("node starts");
    driver.line_with("OUTPUT_STARTED", START_WITHIN).expect("OBS streams");
    Ok(Obs { driver, _program: program, _home: home })
}

impl Obs {
    /// Presses "Stop Streaming" and waits until OBS has stopped.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(mut self) {
        self.driver.close_stdin();
        let stopped = self.driver.line_with("OUTPUT_STOPPED", Duration::from_secs(20));
        stopped.expect("OBS stops streaming");
    }
}

fn start_program(home: &Path) -> Result<Process, Missing> {
    let mut command = Command::new(tools::program("xvfb-run")?);
    command.arg("-a").arg(tools::program("dbus-run-session")?).arg("--");
    command.arg(tools::program("obs")?);
    command.args(["--minimize-to-tray", "--profile", "test", "--collection", "test"]);
    command.args(["--disable-updater", "--multi"]);
    command.env("HOME", home).env("XDG_CONFIG_HOME", home.join(".config"));
    command.env("XDG_RUNTIME_DIR", home);
    command.env("LIBGL_ALWAYS_SOFTWARE", "1").env("QT_QPA_PLATFORM", "xcb");
    Ok(Process::start("obs", &command).expect("an installed OBS starts"))
}

fn write_configuration(home: &Path, port: u16) {
    let folder = home.join(".config/obs-studio");
    let profile = folder.join("basic/profiles/test");
    std::fs::create_dir_all(&profile).expect("a folder for the profile");
    std::fs::create_dir_all(folder.join("basic/scenes")).expect("a folder for scenes");
    let global = format!(
        "[General]\nFirstRun=true\nEnableAutoUpdates=false\n\n\
         [Basic]\nProfile=test\nProfileDir=test\nSceneCollection=test\nSceneCollectionFile=test\n\n\
         [OBSWebSocket]\nFirstLoad=false\nServerEnabled=true\nServerPort={port}\n\
         AlertsEnabled=false\nAuthRequired=true\nServerPassword={PASSWORD}\n"
    );
    std::fs::write(folder.join("global.ini"), global).expect("OBS's settings");
    std::fs::write(profile.join("basic.ini"), PROFILE).expect("OBS's profile");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
    listener.local_addr().expect("a bound listener has an address").port()
}
