//! Configuration in two stages: what was typed (file, then environment on top), and the checked
//! [`Config`] that the rest of the server is built from.
//!
//! There is one list of keys ([`keys::KEYS`]); names, defaults, limits, hints and the documented
//! `config/tally.toml` all come from it. Every problem is reported, not just the first, each on a
//! line that names the key, the value, where it was set, and the remedy. Nothing is read again
//! later: a change needs a restart (certificates are the exception, see [`crate::net`]).

mod checked;
mod error;
mod given;
pub mod keys;
mod links;
mod values;
mod webrtc;

use std::path::Path;

pub use checked::{
    Admin, Auth, Config, Hls, HlsAudio, Http, LogFormat, PublishAuth, Rtmp, Server, Store, Tls,
    Watch,
};
pub use error::{Origin, Problem, Problems};
use given::Given;
pub use values::Resolved;
pub use webrtc::{IceServer, PublicAddress, Secret, WebRtc};

impl Config {
    /// Reads the file (if one is named) and this process's environment.
    ///
    /// # Errors
    /// Everything that is wrong, one [`Problem`] each.
    pub fn load(file: Option<&Path>) -> Result<Self, Problems> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::load_with(file, variables)
    }

    /// The same with an environment of the caller's.
    ///
    /// # Errors
    /// Everything that is wrong, one [`Problem`] each.
    pub fn load_with(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let mut given = Given::default();
        if let Some(path) = file {
            let shown = path.display().to_string();
            match std::fs::read_to_string(path) {
                Ok(text) => given.read_file(&shown, &text),
                Err(error) => given
                    .problems
                    .push(Problem::Unreadable { path: shown, reason: error.to_string() }),
            }
        }
        given.read_environment(environment);
        checked::check(given)
    }

    /// Parses a file's text with nothing from the environment; `name` stands for the file in
    /// messages.
    ///
    /// # Errors
    /// Everything that is wrong, one [`Problem`] each.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problems> {
        let mut given = Given::default();
        given.read_file(name, text);
        checked::check(given)
    }
}

impl Default for Config {
    /// What a server without a file and without environment variables runs with.
    fn default() -> Self {
        checked::check(Given::default()).expect("the defaults of KEYS are valid; a test holds it")
    }
}
