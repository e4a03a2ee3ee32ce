//! The stop signal: who asks the server to end, and how far the end has come.
//!
//! Ending has two steps. While *draining*, no new publisher is let in and shows end, but HTTP goes
//! on so that players get their last playlist and segments. When *closing*, listeners are gone and
//! open connections finish what they have in flight.

use tokio::sync::watch;

/// How far the end has come. Only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Running,
    /// Shows end; viewers are still served.
    Draining,
    /// Nothing new is accepted; what is in flight is finished.
    Closing,
}

/// Moves the phase. Clones move the same one.
#[derive(Debug, Clone)]
pub struct Trigger {
    phase: watch::Sender<Phase>,
}

impl Default for Trigger {
    fn default() -> Self {
        Self::new()
    }
}

impl Trigger {
    /// A trigger nobody has pulled.
    pub fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Running) }
    }

    /// What tasks wait on.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown { phase: self.phase.subscribe() }
    }

    /// Asks the server to end. Asking again changes nothing.
    pub fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// The server's own next step.
    pub(crate) fn close(&self) {
        self.advance(Phase::Closing);
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let forward = *phase < to;
            *phase = to.max(*phase);
            forward
        });
    }
}

/// The waiting side of the stop signal. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Shutdown {
    phase: watch::Receiver<Phase>,
}

impl Shutdown {
    /// How far the end has come.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Resolves when the server was asked to end.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Resolves when connections are to be closed.
    pub async fn closing(&self) {
        self.reached(Phase::Closing).await;
    }

    async fn reached(&self, wanted: Phase) {
        let mut phase = self.phase.clone();
        // A trigger that is gone can never stop anything: whoever owned it ended the server.
        let _ = phase.wait_for(|phase| *phase >= wanted).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_phase_only_moves_forward() {
        let trigger = Trigger::new();
        let shutdown = trigger.shutdown();
        assert_eq!(shutdown.phase(), Phase::Running);
        trigger.close();
        shutdown.draining().await;
        shutdown.closing().await;
        trigger.drain();
        assert_eq!(shutdown.phase(), Phase::Closing);
    }

    #[tokio::test]
    async fn a_lost_trigger_counts_as_the_end() {
        let shutdown = Trigger::new().shutdown();
        shutdown.closing().await;
    }
}
