//! The limit of open files: every connection takes one.

/// Descriptors kept for everything that is not a viewer or an encoder: listeners, the database,
/// logs, the runtime.
const RESERVED: u64 = 64;

/// Raises the limit of open files as far as the system lets us, and warns when it still cannot
/// hold `connections_max` connections.
pub fn raise(connections_max: u64) {
    let Ok((soft, hard)) = rlimit::Resource::NOFILE.get() else { return };
    let raised = rlimit::Resource::NOFILE.set(hard, hard).is_ok();
    let limit = if raised { hard } else { soft };
    if limit < connections_max.saturating_add(RESERVED) {
        tracing::warn!(
            limit,
            connections_max,
            "the limit of open files is lower than http.connections_max and \
             rtmp.connections_max together: raise it (`ulimit -Hn`, LimitNOFILE= in systemd, \
             --ulimit nofile= in containers) or lower the two"
        );
    }
}
