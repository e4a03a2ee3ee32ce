//! RTP header extensions (RFC 8285) that sessions use.

use super::section::Direction;

/// Highest id of the one-byte form. Clients number the extensions used here lower; higher ones
/// would make every packet's header longer.
const ID_MAX: u8 = 14;

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";

/// One `extmap` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionMap {
    /// Local identifier.
    pub id: u8,
    /// Where the line limits the extension to one direction, as the line's sender sees it.
    pub direction: Direction,
    /// What it is.
    pub uri: String,
}

impl ExtensionMap {
    /// Reads `3/sendonly URI attributes`; `None` for what is malformed.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let (id, uri) = (words.next()?, words.next()?);
        let (id, direction) = match id.split_once('/') {
            Some((id, direction)) => (id, Direction::named(direction)?),
            None => (id, Direction::SendRecv),
        };
        Some(Self { id: id.parse().ok()?, direction, uri: uri.to_owned() })
    }
}

/// The ids both sides use; `None` where an extension is not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Media identification (RFC 9143 section 15).
    pub mid: Option<u8>,
    /// When the packet left, 24 bits.
    pub abs_send_time: Option<u8>,
    /// Transport-wide sequence number.
    pub transport_cc: Option<u8>,
    /// Bounds of the receiver's buffering.
    pub playout_delay: Option<u8>,
    /// Which simulcast layer (RFC 8852).
    pub rid: Option<u8>,
    /// Which simulcast layer a retransmission repairs (RFC 8852).
    pub repaired_rid: Option<u8>,
}

impl Extensions {
    /// What a counter-offer offers, under ids of our own.
    pub(super) const OURS: Self = Self {
        mid: Some(1),
        abs_send_time: Some(2),
        transport_cc: Some(3),
        playout_delay: Some(4),
        rid: None,
        repaired_rid: None,
    };

    /// The extensions taken from the client's lines: for viewers those a sender writes, for
    /// publishers (`with_rids`) those of layers too. `flow` is the client's direction.
    pub(super) fn choose(maps: &[ExtensionMap], flow: Direction, with_rids: bool) -> Self {
        let id = |uri: &str| {
            let usable = |map: &&ExtensionMap| {
                map.uri == uri
                    && (1..=ID_MAX).contains(&map.id)
                    && (map.direction == Direction::SendRecv || map.direction == flow)
            };
            maps.iter().find(usable).map(|map| map.id)
        };
        Self {
            mid: id(MID),
            abs_send_time: id(ABS_SEND_TIME),
            transport_cc: id(TRANSPORT_CC),
            playout_delay: if with_rids { None } else { id(PLAYOUT_DELAY) },
            rid: if with_rids { id(RID) } else { None },
            repaired_rid: if with_rids { id(REPAIRED_RID) } else { None },
        }
    }

    /// Ids and URIs, by id.
    pub(super) fn lines(self) -> Vec<(u8, &'static str)> {
        let mut lines: Vec<_> = [
            (self.mid, MID),
            (self.abs_send_time, ABS_SEND_TIME),
            (self.transport_cc, TRANSPORT_CC),
            (self.playout_delay, PLAYOUT_DELAY),
            (self.rid, RID),
            (self.repaired_rid, REPAIRED_RID),
        ]
        .into_iter()
        .filter_map(|(id, uri)| id.map(|id| (id, uri)))
        .collect();
        lines.sort_unstable();
        lines
    }
}
