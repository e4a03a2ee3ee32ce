//! SIGHUP: certificates are read again, nothing else.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::metrics::TlsMetrics;
use crate::net::Certificate;

/// Handles SIGHUP from the moment of the call (its default would end the process), and gives the
/// task that reads the certificates again at each.
pub(super) fn on_hangup(
    certificates: Vec<Arc<Certificate>>,
    metrics: TlsMetrics,
) -> impl Future<Output = ()> + Send {
    let hangup = signal(SignalKind::hangup());
    async move {
        let mut hangup = match hangup {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::warn!(%error, "certificates will not be reloaded: no SIGHUP handler");
                return;
            }
        };
        while hangup.recv().await.is_some() {
            reload(&certificates, &metrics);
        }
    }
}

/// Small files on a local disk: not worth leaving the thread for.
fn reload(certificates: &[Arc<Certificate>], metrics: &TlsMetrics) {
    for certificate in certificates {
        let section = certificate.section();
        match certificate.reload() {
            Ok(()) => {
                metrics.reloads_ok.inc();
                tracing::info!(section, "certificate reloaded");
            }
            Err(error) => {
                metrics.reloads_failed.inc();
                tracing::error!(section, "certificate not reloaded, the old one stays: {error}");
            }
        }
    }
}
