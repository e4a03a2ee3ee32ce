//! ICE candidates as text (RFC 8839 section 5.1).

use core::net::SocketAddr;
use std::fmt;

use crate::transport::Protocol;

/// RFC 8839: a foundation has at most this many characters.
const FOUNDATION_CHARS_MAX: usize = 32;
/// RFC 8445 section 5.1.2.2: the recommended preference of host candidates.
const HOST_PREFERENCE: u32 = 126;
/// RFC 6544 section 4.2: the direction preference of passive host candidates is 4, in the upper
/// bits; it leaves them below UDP.
const TCP_DIRECTION_PREFERENCE: u32 = 4 << 13;

/// Where a candidate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// An own address.
    Host,
    /// Seen by a STUN server.
    ServerReflexive,
    /// Seen by the peer.
    PeerReflexive,
    /// On a TURN server.
    Relay,
}

impl CandidateKind {
    const NAMES: [(Self, &str); 4] = [
        (Self::Host, "host"),
        (Self::ServerReflexive, "srflx"),
        (Self::PeerReflexive, "prflx"),
        (Self::Relay, "relay"),
    ];
}

/// One candidate of component 1 (RTP and RTCP share it: W4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Groups candidates of one base and server.
    pub foundation: String,
    /// UDP, or TCP that the peer opens (RFC 6544: passive).
    pub protocol: Protocol,
    /// RFC 8445 priority.
    pub priority: u32,
    /// Where to send.
    pub address: SocketAddr,
    /// Where it comes from.
    pub kind: CandidateKind,
}

impl Candidate {
    /// A host candidate of this side. `rank` counts the server's addresses from 0, the best first.
    #[must_use]
    pub fn host(protocol: Protocol, address: SocketAddr, rank: u8) -> Self {
        let local_preference = match protocol {
            Protocol::Udp => 0xFFFF,
            Protocol::Tcp => TCP_DIRECTION_PREFERENCE + 0xFF,
        } - u32::from(rank);
        let tcp = u16::from(protocol == Protocol::Tcp);
        Self {
            foundation: (1 + 2 * u16::from(rank) + tcp).to_string(),
            protocol,
            priority: HOST_PREFERENCE << 24 | local_preference << 8 | 255,
            address,
            kind: CandidateKind::Host,
        }
    }

    /// Reads the value of `a=candidate`, with or without the attribute's name.
    ///
    /// `None` for what this side cannot use, malformed or not: other components, names instead of
    /// addresses (mDNS; the peer's checks make it known as peer-reflexive), TCP (this side never
    /// dials), port 0. // W8
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.strip_prefix("candidate:").unwrap_or(value);
        let mut words = value.split_ascii_whitespace();
        let foundation = words.next()?;
        let component = words.next()?;
        let protocol = words.next()?;
        let priority = words.next()?.parse().ok()?;
        let ip = words.next()?.parse().ok()?;
        let port = words.next()?.parse().ok()?;
        let (typ, kind) = (words.next()?, words.next()?);
        let is_usable = foundation.len() <= FOUNDATION_CHARS_MAX
            && component == "1"
            && protocol.eq_ignore_ascii_case("udp")
            && port != 0
            && typ == "typ";
        if !is_usable {
            return None;
        }
        let kind = CandidateKind::NAMES.iter().find(|(_, name)| *name == kind)?.0;
        Some(Self {
            foundation: foundation.to_owned(),
            protocol: Protocol::Udp,
            priority,
            address: SocketAddr::new(ip, port),
            kind,
        })
    }
}

/// The text after `a=`. Related addresses are left out: they tell a peer only of networks it cannot
/// reach; for kinds that must have one a zero address stands in (RFC 8839 section 5.1).
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.protocol == Protocol::Udp { "udp" } else { "tcp" };
        let kind =
            CandidateKind::NAMES.iter().find(|(kind, _)| *kind == self.kind).map_or("", |k| k.1);
        let (ip, port) = (self.address.ip(), self.address.port());
        write!(
            f,
            "candidate:{} 1 {protocol} {} {ip} {port} typ {kind}",
            self.foundation, self.priority
        )?;
        match (self.kind, ip.is_ipv4()) {
            (CandidateKind::Host, _) => {}
            (_, true) => f.write_str(" raddr 0.0.0.0 rport 0")?,
            (_, false) => f.write_str(" raddr :: rport 0")?,
        }
        match self.protocol {
            Protocol::Udp => Ok(()),
            Protocol::Tcp => f.write_str(" tcptype passive"),
        }
    }
}
