//! One data channel to the peer, ordered and reliable: SCTP over DTLS (RFC 8831, RFC 8832).
//!
//! What the peer sends on it, or on channels of its own, is acknowledged and thrown away.

use core::net::SocketAddr;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rtc_datachannel::message::Message;
use rtc_datachannel::message::message_channel_ack::DataChannelAck;
use rtc_datachannel::message::message_channel_open::{ChannelType, DataChannelOpen};
use rtc_sctp::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, PayloadProtocolIdentifier, ServerConfig, StreamEvent, StreamId, TransportConfig,
};
use rtc_shared::TransportProtocol;
use rtc_shared::marshal::{Marshal, Unmarshal};

use super::DtlsRole;

/// SCTP runs inside DTLS, so the library is told one address for good.
const PEER: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 1);
/// What every browser takes in one message (RFC 8841 section 6.1).
const MESSAGE_BYTES_MAX: usize = 65_536;
/// What may wait for the peer to acknowledge: more is a peer too slow for what it watches.
const BUFFERED_BYTES_MAX: usize = 256 * 1_024;
/// What the peer may send before it is read, which is at once.
const RECEIVE_BUFFER_BYTES: u32 = 131_072;
/// Channels the peer may open. Nothing is done with them.
const STREAMS_MAX: u16 = 16;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The channel is not open (yet, or any more), or the SDP has none.
    #[error("the data channel is not open")]
    NotOpen,
    /// Longer than 64 kB, or empty: the caller's fault.
    #[error("a message must have 1 to 65,536 bytes")]
    Length,
    /// The peer does not keep up.
    #[error("the peer has not acknowledged earlier messages")]
    Full,
}

pub(super) struct Data {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    role: DtlsRole,
    label: String,
    is_open: bool,
}

impl Data {
    pub(super) fn new(role: DtlsRole, label: &str) -> Self {
        let server =
            (role == DtlsRole::Server).then(|| ServerConfig::new(transport_config()).into());
        let endpoint =
            Endpoint::new(PEER, TransportProtocol::UDP, EndpointConfig::default().into(), server);
        Self { endpoint, association: None, role, label: label.to_owned(), is_open: false }
    }

    /// DTLS is up: its client opens the association (both may, RFC 8841 section 9.3).
    pub(super) fn start(&mut self, now: Instant) {
        if self.role == DtlsRole::Client && self.association.is_none() {
            let config = ClientConfig::new(transport_config());
            self.association = self.endpoint.connect(now, config, PEER).ok();
        }
    }

    pub(super) fn send(&mut self, now: Instant, message: &[u8]) -> Result<(), DataError> {
        if !(1..=MESSAGE_BYTES_MAX).contains(&message.len()) {
            return Err(DataError::Length);
        }
        let stream = self.stream_id();
        let (_, association) =
            self.association.as_mut().filter(|_| self.is_open).ok_or(DataError::NotOpen)?;
        let mut stream = association.stream(stream).map_err(|_| DataError::NotOpen)?;
        let buffered = stream.buffered_amount().map_err(|_| DataError::NotOpen)?;
        if buffered + message.len() > BUFFERED_BYTES_MAX {
            return Err(DataError::Full);
        }
        let kind = PayloadProtocolIdentifier::String;
        stream.write_with_ppi(now, message, kind).map_err(|_| DataError::NotOpen)?;
        Ok(())
    }

    pub(super) fn handle_packet(&mut self, now: Instant, packet: BytesMut) {
        match self.endpoint.handle(now, PEER, None, packet.freeze()) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                self.association = Some((handle, association));
                self.endpoint.reject_new_associations();
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some((_, association)) = &mut self.association {
                    association.handle_event(event);
                }
            }
            _ => {}
        }
        self.advance(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, association)) = &mut self.association
            && association.poll_timeout().is_some_and(|at| at <= now)
        {
            association.handle_timeout(now);
        }
        self.advance(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.association.as_ref().and_then(|(_, association)| association.poll_timeout())
    }

    /// The next packets to go through DTLS.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<Bytes>> {
        let (_, association) = self.association.as_mut()?;
        match association.poll_transmit(now)?.message {
            Payload::RawEncode(packets) => Some(packets),
            _ => None,
        }
    }

    /// RFC 8832 section 6: DTLS clients open even streams, servers odd ones.
    fn stream_id(&self) -> StreamId {
        match self.role {
            DtlsRole::Client => 0,
            DtlsRole::Server => 1,
        }
    }

    fn advance(&mut self, now: Instant) {
        let ours = self.stream_id();
        let Some((handle, association)) = &mut self.association else { return };
        let mut is_lost = false;
        while let Some(event) = association.poll() {
            match event {
                Event::Connected => {
                    self.is_open = open(association, ours, &self.label, now).is_some();
                }
                Event::Stream(StreamEvent::Readable { id }) => read(association, id, now),
                Event::AssociationLost { .. } | Event::HandshakeFailed { .. } => is_lost = true,
                _ => {}
            }
        }
        while let Some(event) = association.poll_endpoint_event() {
            self.endpoint.handle_event(*handle, event);
            is_lost = true;
        }
        if is_lost {
            // Not opened again: media goes on without.
            self.is_open = false;
            self.association = None;
            self.endpoint.reject_new_associations();
        }
    }
}

fn transport_config() -> TransportConfig {
    TransportConfig::default()
        .with_max_receive_buffer_size(RECEIVE_BUFFER_BYTES)
        .with_max_message_size(MESSAGE_BYTES_MAX as u32)
        .with_max_num_inbound_streams(STREAMS_MAX)
        .with_max_num_outbound_streams(STREAMS_MAX)
}

/// Opens our channel. Messages may follow at once (RFC 8832 section 6).
fn open(association: &mut Association, id: StreamId, label: &str, now: Instant) -> Option<()> {
    let hello = Message::DataChannelOpen(DataChannelOpen {
        channel_type: ChannelType::Reliable,
        priority: 0,
        reliability_parameter: 0,
        label: label.as_bytes().to_vec(),
        protocol: Vec::new(),
    });
    let hello = hello.marshal().ok()?;
    let kind = PayloadProtocolIdentifier::Dcep;
    let mut stream = association.open_stream(id, PayloadProtocolIdentifier::Binary).ok()?;
    stream.write_with_ppi(now, &hello, kind).ok()?;
    Some(())
}

/// Reads what the peer sent, so that its window opens again, and acknowledges channels it opens.
fn read(association: &mut Association, id: StreamId, now: Instant) {
    let Ok(mut stream) = association.stream(id) else { return };
    while let Ok(Some(message)) = stream.read_sctp() {
        if message.ppi != PayloadProtocolIdentifier::Dcep {
            continue;
        }
        let Ok(payload) = message.to_payload(MESSAGE_BYTES_MAX) else { continue };
        if let Ok(Message::DataChannelOpen(_)) = Message::unmarshal(&mut &payload[..])
            && let Ok(answer) = Message::DataChannelAck(DataChannelAck {}).marshal()
        {
            // Fails if the peer has closed the stream meanwhile: nobody waits for the answer then.
            let _ = stream.write_with_ppi(now, &answer, PayloadProtocolIdentifier::Dcep);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an anchor for virtual time")]
    fn anchor() -> Instant {
        Instant::now()
    }

    /// The library itself as the peer, on a link that loses this percentage of packets.
    struct Viewer {
        endpoint: Endpoint,
        association: Association,
        lost: u32,
        random: u32,
        heard: Vec<(PayloadProtocolIdentifier, Vec<u8>)>,
    }

    impl Viewer {
        fn new(now: Instant, lost: u32) -> Self {
            let config = EndpointConfig::default().into();
            let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, config, None);
            let config = ClientConfig::new(transport_config());
            let (_, association) = endpoint.connect(now, config, PEER).unwrap();
            Self { endpoint, association, lost, random: 7, heard: vec![] }
        }

        fn arrives(&mut self) -> bool {
            // xorshift32: the same losses every time.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 17;
            self.random ^= self.random << 5;
            self.random % 100 >= self.lost
        }

        /// Carries packets both ways for this long, 10 ms at a time.
        fn run(&mut self, data: &mut Data, now: &mut Instant, seconds: u64) {
            for _ in 0..seconds * 100 {
                *now += Duration::from_millis(10);
                self.association.handle_timeout(*now);
                data.handle_timeout(*now);
                while let Some(sent) = self.association.poll_transmit(*now) {
                    let Payload::RawEncode(packets) = sent.message else { continue };
                    for packet in packets {
                        if self.arrives() {
                            data.handle_packet(*now, BytesMut::from(&packet[..]));
                        }
                    }
                }
                while let Some(packets) = data.poll_transmit(*now) {
                    for packet in packets {
                        if self.arrives() {
                            self.hear(*now, packet);
                        }
                    }
                }
            }
        }

        fn hear(&mut self, now: Instant, packet: Bytes) {
            if let Some((_, DatagramEvent::AssociationEvent(event))) =
                self.endpoint.handle(now, PEER, None, packet)
            {
                self.association.handle_event(event);
            }
            while let Some(event) = self.association.poll() {
                let Event::Stream(StreamEvent::Readable { id }) = event else { continue };
                let mut stream = self.association.stream(id).unwrap();
                while let Ok(Some(chunks)) = stream.read_sctp() {
                    let bytes = chunks.to_payload(MESSAGE_BYTES_MAX).unwrap().to_vec();
                    self.heard.push((chunks.ppi, bytes));
                }
            }
        }
    }

    #[test]
    fn messages_arrive_in_order_whatever_is_lost() {
        for lost in [0, 10] {
            let mut now = anchor();
            let mut data = Data::new(DtlsRole::Server, "events");
            let mut viewer = Viewer::new(now, lost);
            assert_eq!(data.send(now, b"early"), Err(DataError::NotOpen));
            viewer.run(&mut data, &mut now, 10);
            let sent: Vec<Vec<u8>> = (1..40).map(|n| vec![n; usize::from(n) * 100]).collect();
            for message in &sent {
                data.send(now, message).unwrap();
            }
            viewer.run(&mut data, &mut now, 120);
            let (kind, hello) = viewer.heard.remove(0);
            assert_eq!(kind, PayloadProtocolIdentifier::Dcep);
            let Ok(Message::DataChannelOpen(hello)) = Message::unmarshal(&mut &hello[..]) else {
                panic!("{hello:?}");
            };
            assert_eq!(hello.label, b"events");
            assert_eq!(viewer.association.stream_ids(), [1], "servers open odd streams");
            let heard: Vec<_> = viewer.heard.iter().map(|(_, bytes)| bytes.clone()).collect();
            assert!(heard == sent, "{} of {} in order", heard.len(), sent.len());
        }
    }

    #[test]
    fn a_channel_of_the_peer_is_acknowledged_and_what_it_says_read() {
        let mut now = anchor();
        let mut data = Data::new(DtlsRole::Server, "events");
        let mut viewer = Viewer::new(now, 0);
        viewer.run(&mut data, &mut now, 2);
        open(&mut viewer.association, 0, "chat", now).unwrap();
        for _ in 0..40 {
            let mut stream = viewer.association.stream(0).unwrap();
            stream.write(now, &[1; 10_000]).unwrap();
            viewer.run(&mut data, &mut now, 1);
            let waiting = viewer.association.stream(0).unwrap().buffered_amount().unwrap();
            assert_eq!(waiting, 0, "the window opens again");
        }
        let ack = Message::DataChannelAck(DataChannelAck {}).marshal().unwrap().to_vec();
        assert!(viewer.heard.contains(&(PayloadProtocolIdentifier::Dcep, ack)));
    }

    #[test]
    fn a_slow_peer_is_not_buffered_for() {
        let mut now = anchor();
        let mut data = Data::new(DtlsRole::Server, "events");
        let mut viewer = Viewer::new(now, 0);
        viewer.run(&mut data, &mut now, 2);
        assert_eq!(data.send(now, &[]), Err(DataError::Length));
        assert_eq!(data.send(now, &[0; MESSAGE_BYTES_MAX + 1]), Err(DataError::Length));
        let taken = (0..100).take_while(|_| data.send(now, &[0; 10_000]).is_ok()).count();
        assert_eq!(taken, BUFFERED_BYTES_MAX / 10_000);
        assert_eq!(data.send(now, &[0; 10_000]), Err(DataError::Full));
        viewer.run(&mut data, &mut now, 5);
        assert_eq!(data.send(now, &[0; 10_000]), Ok(()));
    }
}
