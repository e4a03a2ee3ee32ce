//! Numbers of the process itself, read from `/proc` when somebody asks. The names are those every
//! Prometheus client library uses.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, Registry};

/// Clock ticks of a second in `/proc/self/stat`: fixed at 100 for user space on Linux.
const TICKS_PER_S: f64 = 100.0;

/// Adds the numbers that this system has; elsewhere than on Linux, none.
pub(super) fn register(registry: &Registry) {
    if Status::read().is_some() {
        let registered = registry.register(Box::new(Process::new()));
        registered.expect("no other collector has names that start with process_");
    }
}

/// Reads `/proc` at every scrape.
struct Process {
    open_fds: Gauge,
    max_fds: Gauge,
    resident_bytes: Gauge,
    virtual_bytes: Gauge,
    threads: Gauge,
    cpu_seconds: Counter,
}

impl Process {
    fn new() -> Self {
        let gauge =
            |name: &str, help: &str| Gauge::new(name, help).expect("names in this file are valid");
        Self {
            open_fds: gauge("process_open_fds", "Number of open file descriptors."),
            max_fds: gauge("process_max_fds", "Maximum number of open file descriptors."),
            resident_bytes: gauge("process_resident_memory_bytes", "Resident memory in bytes."),
            virtual_bytes: gauge("process_virtual_memory_bytes", "Virtual memory in bytes."),
            threads: gauge("process_threads", "Number of threads."),
            cpu_seconds: Counter::new(
                "process_cpu_seconds_total",
                "User and system CPU time spent in seconds.",
            )
            .expect("names in this file are valid"),
        }
    }

    fn all(&self) -> [&dyn Collector; 6] {
        [
            &self.open_fds,
            &self.max_fds,
            &self.resident_bytes,
            &self.virtual_bytes,
            &self.threads,
            &self.cpu_seconds,
        ]
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(|one| one.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if let Some(status) = Status::read() {
            self.resident_bytes.set(status.resident_bytes);
            self.virtual_bytes.set(status.virtual_bytes);
            self.threads.set(status.threads);
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            self.open_fds.set(entries.count() as f64);
        }
        if let Ok((soft, _)) = rlimit::Resource::NOFILE.get() {
            self.max_fds.set(soft as f64);
        }
        if let Some(seconds) = cpu_seconds() {
            self.cpu_seconds.reset();
            self.cpu_seconds.inc_by(seconds);
        }
        self.all().into_iter().flat_map(|one| one.collect()).collect()
    }
}

struct Status {
    resident_bytes: f64,
    virtual_bytes: f64,
    threads: f64,
}

impl Status {
    /// `/proc/self/status` counts memory in KiB.
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/status").ok()?;
        let field = |name: &str| -> Option<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            resident_bytes: field("VmRSS:")? * 1024.0,
            virtual_bytes: field("VmSize:")? * 1024.0,
            threads: field("Threads:")?,
        })
    }
}

fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets and may hold spaces.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_S)
}
