//! TCP listeners whose failure says what to do about it.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections the kernel holds for us until they are accepted. A reconnect storm of viewers after
/// a network fault comes within a second; the kernel caps this at `net.core.somaxconn` (4096).
const BACKLOG: i32 = 4096;

/// A listener that could not be opened. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[error("{key}: cannot listen on {address}: {reason}; {}", remedy(.reason, .address, .key))]
pub struct ListenError {
    /// The config key the address came from.
    pub key: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the system said. Part of the message, so not told again as its source.
    pub reason: io::Error,
}

fn remedy(reason: &io::Error, address: &SocketAddr, key: &str) -> String {
    let port = address.port();
    match reason.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program has this port (`ss -ltnp 'sport = :{port}'` names it): stop it or \
             set {key} to another port"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address (`ip address` lists them): change {key}")
        }
        io::ErrorKind::PermissionDenied => format!(
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE: grant it or set {key} to \
             a higher port"
        ),
        _ => format!("change {key}"),
    }
}

/// Listens on `address`, which came from the config key `key`. Port 0 takes any free port. An
/// IPv6 wildcard takes IPv4 too. Must be called inside a runtime.
///
/// # Errors
/// When the port is taken, forbidden or on an address this machine lacks.
pub fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    open(address).map_err(|reason| ListenError { key, address, reason })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must not wait for the old one's connections to time out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_port_names_the_key_the_address_and_the_remedy() {
        let first = listen("http.listen", "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = listen("rtmp.listen", address).unwrap_err().to_string();
        assert!(error.starts_with(&format!("rtmp.listen: cannot listen on {address}:")), "{error}");
        assert!(error.contains("set rtmp.listen to another port"), "{error}");
        assert!(error.contains(&format!("sport = :{}", address.port())), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_told_apart() {
        // 192.0.2.0/24 belongs to documentation (RFC 5737): no machine has it.
        let error = listen("admin.listen", "192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("no such address"), "{error}");
    }
}
