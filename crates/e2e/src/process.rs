//! A program run beside the test: its output kept, its whole process group ended with the test.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::wait;

/// Lines of output kept. An encoder at its most talkative writes a few hundred.
const LINES_MAX: usize = 20_000;

/// A running program. Dropping it ends the program and everything it started.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Output,
}

impl Process {
    /// Starts a program in a process group of its own.
    ///
    /// It also ends when the test's thread does, so a test killed for taking too long leaves
    /// nothing behind.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(name: &str, command: &Command) -> anyhow::Result<Self> {
        let mut wrapped = Command::new("setpriv");
        wrapped.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
        wrapped.args(command.get_args()).process_group(0);
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(key, value),
                None => wrapped.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        wrapped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = wrapped.spawn().with_context(|| format!("{name}: {command:?}"))?;
        let output = Output::default();
        output.collect(child.stdout.take().context("stdout is piped")?);
        output.collect(child.stderr.take().context("stderr is piped")?);
        Ok(Self { name: name.to_owned(), child, output })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes the program's standard input.
    pub fn close_stdin(&mut self) {
        self.child.stdin = None;
    }

    /// Everything it has printed so far.
    pub fn printed(&self) -> String {
        self.output.lines().join("\n")
    }

    /// Waits until it prints a line that holds `text`; gives that line.
    ///
    /// # Errors
    /// When it does not within the time, or ends first.
    pub fn line_with(&self, text: &str, within: Duration) -> anyhow::Result<String> {
        let line = self.output.wait_for(text, within);
        line.with_context(|| format!("{} did not print `{text}`:\n{}", self.name, self.printed()))
    }

    /// Sends a signal to its process group.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // An error means that nothing of the group is left.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it is still running after `within`.
    pub fn ended(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let started = wait::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            let left = within.checked_sub(started.elapsed());
            let left =
                left.with_context(|| format!("{} still runs after {within:?}", self.name))?;
            self.output.wait_for_end(left.min(Duration::from_millis(100)));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("--- {} printed:\n{}\n---", self.name, self.printed());
        }
    }
}

/// Lines of both outputs in the order they came, with a bell for each.
#[derive(Debug, Clone, Default)]
struct Output {
    shared: Arc<(Mutex<Lines>, Condvar)>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    open: u32,
}

impl Output {
    fn collect(&self, source: impl Read + Send + 'static) {
        self.update(|state| state.open += 1);
        let this = self.clone();
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                this.update(|state| {
                    if state.lines.len() < LINES_MAX {
                        state.lines.push(text);
                    }
                });
                line.clear();
            }
            this.update(|state| state.open -= 1);
        });
    }

    fn update(&self, change: impl FnOnce(&mut Lines)) {
        change(&mut self.shared.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.1.notify_all();
    }

    fn lines(&self) -> Vec<String> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }

    fn wait_for(&self, text: &str, within: Duration) -> Option<String> {
        let (mutex, bell) = &*self.shared;
        let state = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = |state: &mut Lines| {
            state.open > 0 && !state.lines.iter().any(|line| line.contains(text))
        };
        let waited = bell.wait_timeout_while(state, within, missing);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.lines.iter().find(|line| line.contains(text)).cloned()
    }

    fn wait_for_end(&self, within: Duration) {
        let (mutex, bell) = &*self.shared;
        let state = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = bell.wait_timeout_while(state, within, |state| state.open > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("shell", &command).unwrap()
    }

    #[test]
    fn lines_are_waited_for_and_the_end_is_seen() {
        let mut process = shell("echo one; echo two >&2; exit 7");
        assert_eq!(process.line_with("tw", Duration::from_secs(5)).unwrap(), "two");
        assert_eq!(process.ended(Duration::from_secs(5)).unwrap().code(), Some(7));
        let error = process.line_with("three", Duration::from_secs(5)).unwrap_err();
        assert!(error.to_string().contains("one"), "{error}");
    }

    #[test]
    fn what_a_program_started_ends_with_it() {
        let process = shell("sleep 60 & echo child $!; wait");
        let line = process.line_with("child", Duration::from_secs(5)).unwrap();
        let child = line.strip_prefix("child ").unwrap();
        let folder = format!("/proc/{child}");
        assert!(std::fs::exists(&folder).unwrap());
        drop(process);
        wait::until("the child's end", Duration::from_secs(5), || {
            let state = std::fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
            (state.is_empty() || state.contains(") Z ")).then_some(())
        });
    }
}
