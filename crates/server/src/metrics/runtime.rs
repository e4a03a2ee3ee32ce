//! Numbers of the runtime all of the server runs in, read when somebody asks.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, Registry};
use tokio::runtime::Handle;

/// Adds them.
pub(super) fn register(registry: &Registry) {
    let tasks = IntGauge::new(
        "tally_tasks",
        "Tasks now: connections, shows and the server's own. What has ended has none.",
    );
    let tasks = tasks.expect("the name is valid");
    let registered = registry.register(Box::new(Runtime { tasks }));
    registered.expect("no other collector has this name");
}

struct Runtime {
    tasks: IntGauge,
}

impl Collector for Runtime {
    fn desc(&self) -> Vec<&Desc> {
        self.tasks.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Without a runtime there are no tasks.
        let tasks = Handle::try_current().map_or(0, |it| it.metrics().num_alive_tasks());
        self.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
        self.tasks.collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn tasks_are_counted_while_they_live() {
        let metrics = Metrics::new();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async {
            let _ = stopped.await;
        });
        assert!(metrics.render().contains("\ntally_tasks 1\n"), "{}", metrics.render());
        drop(stop);
        task.await.unwrap();
        assert!(metrics.render().contains("\ntally_tasks 0\n"), "{}", metrics.render());
    }
}
