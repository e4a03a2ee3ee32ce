//! Encoders: the ones people use, and one that misbehaves on purpose.

pub mod ffmpeg;
pub mod gstreamer;
pub mod marks;
pub mod obs;
pub mod raw;
pub mod stamped;
pub mod webrtc;

use std::cell::Cell;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::process::Process;

/// How long an encoder may take to say goodbye.
const END_WITHIN: Duration = Duration::from_secs(10);

/// A real encoder at work. Dropped, it is killed without a word to the server.
#[derive(Debug)]
pub struct Publisher {
    process: Process,
    /// A second interrupt would end some encoders without a goodbye.
    interrupted: Cell<bool>,
}

impl Publisher {
    /// Starts an encoder.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, command: &Command) -> Self {
        Self {
            process: Process::start(name, command).expect("an installed encoder starts"),
            interrupted: Cell::new(false),
        }
    }

    /// Ends the show as a creator does: the encoder unpublishes and leaves.
    ///
    /// # Panics
    /// When the encoder does not end.
    pub fn stop(mut self) {
        self.interrupt();
        self.process.ended(END_WITHIN).expect("an interrupted encoder ends");
    }

    /// Asks the encoder to end the show, once, without waiting for it to do so.
    pub fn interrupt(&self) {
        if !self.interrupted.replace(true) {
            self.process.signal(Signal::INT);
        }
    }

    /// Ends the encoder in the middle of what it is doing, as a power cut would.
    pub fn kill(self) {
        drop(self.process);
    }

    /// Stops it without closing anything: the connection stays open and silent.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Whether it still publishes, as far as it knows.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Waits until the encoder ends by itself; gives what it printed.
    ///
    /// # Panics
    /// When it goes on.
    pub fn ended(mut self, within: Duration) -> String {
        self.process.ended(within).expect("the encoder ends by itself");
        self.process.printed()
    }
}
