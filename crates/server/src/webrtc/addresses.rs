//! Which addresses peers are told of, and which ones their datagrams come to.
//!
//! The two differ behind a one-to-one NAT: the session description names the outer addresses, while
//! the transport knows the inner ones, at which datagrams arrive.

use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use tally_rtc::sdp::Candidate;
use tally_rtc::transport::{LocalCandidate, Protocol};

use crate::config::PublicAddress;

/// Most addresses used: a peer checks each of them with each of its own, and hosts of containers have
/// dozens that nobody can reach.
const ADDRESSES_MAX: usize = 8;

/// The addresses of one `webrtc.listen`.
#[derive(Debug, Clone)]
pub struct Addresses {
    listen: SocketAddr,
    public: Vec<PublicAddress>,
    with_tcp: bool,
}

impl Addresses {
    /// Of sockets at `listen`, which peers reach at `public` if there are any.
    #[must_use]
    pub fn new(listen: SocketAddr, public: Vec<PublicAddress>, with_tcp: bool) -> Self {
        Self { listen, public, with_tcp }
    }

    /// What a session description says: UDP first, because some clients look at no other.
    #[must_use]
    pub fn candidates(&self) -> Vec<Candidate> {
        let (listen, mut addresses) = (self.listen, Vec::new());
        for public in self.public.iter().take(ADDRESSES_MAX) {
            addresses.push(SocketAddr::new(public.ip, public.port.unwrap_or(listen.port())));
        }
        if addresses.is_empty() {
            addresses = self.own();
        }
        let all = |protocol| {
            let ranked = addresses.iter().zip(0_u8..);
            ranked.map(move |(address, rank)| Candidate::host(protocol, *address, rank))
        };
        let tcp = self.with_tcp.then(|| all(Protocol::Tcp)).into_iter().flatten();
        all(Protocol::Udp).chain(tcp).collect()
    }

    /// What a transport knows.
    #[must_use]
    pub fn local_candidates(&self) -> Vec<LocalCandidate> {
        let own = self.own();
        let all = |protocol| {
            own.iter().map(move |address| LocalCandidate { address: *address, protocol })
        };
        let tcp = self.with_tcp.then(|| all(Protocol::Tcp)).into_iter().flatten();
        all(Protocol::Udp).chain(tcp).collect()
    }

    /// The addresses that datagrams come to. Those of the machine are looked up each time: they
    /// change while a server runs.
    fn own(&self) -> Vec<SocketAddr> {
        if !self.listen.ip().is_unspecified() {
            return vec![self.listen];
        }
        let machine = machine_addresses();
        let with_loopback = self.public.iter().any(|public| public.ip.is_loopback());
        choose(machine, self.listen, with_loopback)
    }
}

/// The machine's addresses that a listener on the wildcard `listen` is reached at.
///
/// Loopback is the last resort: a peer elsewhere would check its own machine.
fn choose(machine: Vec<IpAddr>, listen: SocketAddr, with_loopback: bool) -> Vec<SocketAddr> {
    let takes = |ip: &IpAddr| (listen.is_ipv6() || ip.is_ipv4()) && !is_link_local(ip);
    let (loopback, mut chosen): (Vec<_>, Vec<_>) =
        machine.into_iter().filter(takes).partition(IpAddr::is_loopback);
    // IPv4 first: clients that look at one candidate only are often without IPv6.
    chosen.sort_by_key(IpAddr::is_ipv6);
    chosen.truncate(ADDRESSES_MAX);
    if with_loopback || chosen.is_empty() {
        chosen.extend(loopback);
    }
    chosen.into_iter().map(|ip| SocketAddr::new(ip, listen.port())).collect()
}

/// Such addresses mean nothing without naming an interface, which a candidate cannot.
fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// All addresses of all interfaces; none where the system does not tell.
fn machine_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    let mut addresses = Vec::new();
    for interface in interfaces {
        let Some(address) = interface.address else { continue };
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        let v6 = || address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip()));
        if let Some(ip) = v4.or_else(v6)
            && !addresses.contains(&ip)
        {
            addresses.push(ip);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(addresses: &[SocketAddr]) -> Vec<String> {
        addresses.iter().map(SocketAddr::to_string).collect()
    }

    fn chosen(listen: &str, with_loopback: bool) -> Vec<String> {
        let machine = ["::1", "127.0.0.1", "fe80::1", "2001:db8::7", "10.0.0.7", "169.254.1.1"];
        let machine = machine.map(|text| text.parse().unwrap()).to_vec();
        texts(&choose(machine, listen.parse().unwrap(), with_loopback))
    }

    #[test]
    fn a_wildcard_is_reached_at_what_others_can_reach() {
        assert_eq!(chosen("0.0.0.0:5", false), ["10.0.0.7:5"]);
        assert_eq!(chosen("[::]:5", false), ["10.0.0.7:5", "[2001:db8::7]:5"]);
        assert_eq!(chosen("0.0.0.0:5", true), ["10.0.0.7:5", "127.0.0.1:5"]);
        let alone = choose(vec![[127, 0, 0, 1].into()], "0.0.0.0:5".parse().unwrap(), false);
        assert_eq!(texts(&alone), ["127.0.0.1:5"]);
    }

    #[test]
    fn behind_a_nat_the_outer_address_is_told_and_the_inner_one_known() {
        let outer = PublicAddress { ip: [203, 0, 113, 5].into(), port: Some(9000) };
        let listen = "10.0.0.7:8189".parse().unwrap();
        let addresses = Addresses::new(listen, vec![outer], true);
        let told = addresses.candidates();
        let told: Vec<_> = told.iter().map(|c| (c.protocol, c.address.to_string())).collect();
        let outer = "203.0.113.5:9000".to_owned();
        assert_eq!(told, [(Protocol::Udp, outer.clone()), (Protocol::Tcp, outer)]);
        let known: Vec<_> = addresses.local_candidates().iter().map(|c| c.address).collect();
        assert_eq!(known, [listen, listen]);
    }

    #[test]
    fn without_tcp_none_is_told() {
        let addresses = Addresses::new("10.0.0.7:8189".parse().unwrap(), Vec::new(), false);
        assert!(addresses.candidates().iter().all(|c| c.protocol == Protocol::Udp));
        assert_eq!(addresses.local_candidates().len(), 1);
    }

    #[test]
    fn this_machine_has_addresses() {
        assert!(machine_addresses().iter().any(IpAddr::is_loopback));
    }
}
