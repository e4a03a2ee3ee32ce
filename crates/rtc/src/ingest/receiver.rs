//! One publisher's packets in, its pictures and the feedback to it out.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tally_media::{Medium, Timescale, Timestamp, TrackId};

use super::arrivals::Arrivals;
use super::clock::Timeline;
use super::keyframes::Keyframes;
use super::nack::{self, Arrival, Nack};
use super::reception::{Reception, round_trip};
use super::reorder::{self, Place, Reorder};
use super::sources::{ExtensionIds, Label, Section, Source, Sources};
use crate::rtcp::{self, Message, ReportBlock, Writer, ntp_middle};
use crate::rtp;

/// How long a lost packet is waited for where it can be asked for: five asks at 50 ms away.
pub(super) const REPAIR_WAIT: Duration = Duration::from_millis(400);
/// How long it is waited for where it cannot: only for packets out of order.
pub(super) const REORDER_WAIT: Duration = Duration::from_millis(60);
/// Time between receiver reports: what browsers do.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Time between transport-wide reports: what browsers' congestion control is tuned to.
pub(super) const TRANSPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Pictures waiting to be polled: over two seconds of sound and pictures.
pub(super) const PICTURES_MAX: usize = 512;
/// Datagrams of RTCP waiting to be polled.
pub(super) const RTCP_MAX: usize = 64;
/// Round trip assumed until one was measured.
pub(super) const RTT_ASSUMED: Duration = Duration::from_millis(100);
/// Bytes of one datagram of RTCP, before it is sealed: fits every path.
const DATAGRAM_BYTES_MAX: usize = 1_150;
/// Sequence numbers in one NACK packet, each four bytes at worst.
const ASKS_PER_PACKET: usize = 128;
/// Longest round trip believed.
const RTT_MAX: Duration = Duration::from_secs(2);

/// What was agreed on with the publisher.
#[derive(Clone, Debug)]
pub struct Config {
    /// This side's SSRC in RTCP.
    pub ssrc: u32,
    /// This side's CNAME.
    pub cname: String,
    /// The media sections.
    pub sections: Vec<Section>,
    /// The header extensions.
    pub extensions: ExtensionIds,
    /// Whether RTCP may come in reduced size (`a=rtcp-rsize`).
    pub reduced_size: bool,
    /// Whether to send receiver reference times (`a=rtcp-fb rrtr`), to learn the round trip.
    pub reference_times: bool,
}

impl Config {
    /// A datagram of feedback alone, or the shortest compound packet where it must be one.
    fn feedback_writer(&self) -> Writer {
        if self.reduced_size {
            Writer::reduced(self.ssrc)
        } else {
            Writer::compound(self.ssrc, &[], &self.cname)
        }
    }
}

/// One picture, or one packet of sound: all its payloads, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Payload type.
    pub payload_type: u8,
    /// RTP timestamp, not wrapped.
    pub rtp_ticks: i64,
    /// Its place on the publisher's timeline, in the track's RTP clock.
    pub time: Timestamp,
    /// RTP payloads.
    pub payloads: Vec<Bytes>,
    /// When its first packet arrived.
    pub arrived: Instant,
    /// See [`reorder::Assembled::after_loss`].
    pub after_loss: bool,
}

/// What was received so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// RTP packets.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Datagrams that are no RTP.
    pub malformed: u64,
    /// Packets that belong to no track.
    pub unknown: u64,
    /// Packets that came after they were asked for.
    pub repaired: u64,
    /// Sequence numbers asked for, repeats included.
    pub asked: u64,
    /// Keyframe requests sent.
    pub keyframe_requests: u64,
    /// Pictures left out because nobody polled.
    pub pictures_unpolled: u64,
    /// Sender reports not believed.
    pub reports_ignored: u64,
    /// Of all SSRCs there are or were.
    pub reorder: reorder::Counts,
}

#[derive(Debug)]
struct Stream {
    track: TrackId,
    clock_rate: u32,
    can_ask: bool,
    reorder: Reorder,
    nack: Nack,
    reception: Option<Reception>,
    lost_before: u64,
}

/// Receives one publisher.
#[derive(Debug)]
pub struct Receiver {
    config: Config,
    start: Instant,
    sources: Sources,
    streams: BTreeMap<u32, Stream>,
    keyframes: BTreeMap<TrackId, Keyframes>,
    timeline: Timeline,
    arrivals: Arrivals,
    twcc_due: Instant,
    report_due: Instant,
    /// As measured; and whether by reports, which are better than answers to asks.
    rtt: Option<(Duration, bool)>,
    remb: Option<u64>,
    pictures: VecDeque<(TrackId, Picture)>,
    rtcp: VecDeque<Vec<u8>>,
    stats: Stats,
}

impl Receiver {
    /// A receiver of what `config` announces.
    #[must_use]
    pub fn new(now: Instant, config: Config) -> Self {
        let sources = Sources::new(config.sections.clone());
        let videos = sources.tracks().filter(|track| track.medium() == Medium::Video);
        let keyframes = videos.map(|track| (track, Keyframes::new())).collect();
        Self {
            sources,
            keyframes,
            config,
            start: now,
            streams: BTreeMap::new(),
            timeline: Timeline::new(),
            arrivals: Arrivals::new(now),
            twcc_due: now + TRANSPORT_INTERVAL,
            report_due: now + REPORT_INTERVAL,
            rtt: None,
            remb: None,
            pictures: VecDeque::new(),
            rtcp: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// What was received so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        stats.unknown = self.sources.unknown_packets();
        stats.reports_ignored = self.timeline.reports_ignored();
        stats.keyframe_requests = self.keyframes.values().map(Keyframes::requests).sum();
        for stream in self.streams.values() {
            stats.reorder.add(stream.reorder.counts());
        }
        stats
    }

    /// SSRCs received now: one a track at most.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// The round trip to the publisher, or what is assumed of it.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        self.rtt.map_or(RTT_ASSUMED, |(rtt, _)| rtt)
    }

    /// A keyframe of this track is needed: asked for at the next `handle_timeout`, and again until
    /// [`Receiver::keyframe_arrived`].
    pub fn want_keyframe(&mut self, track: TrackId) {
        if let Some(keyframes) = self.keyframes.get_mut(&track) {
            keyframes.want();
        }
    }

    /// A keyframe of this track was seen in its pictures.
    pub fn keyframe_arrived(&mut self, track: TrackId) {
        if let Some(keyframes) = self.keyframes.get_mut(&track) {
            keyframes.handle_keyframe();
        }
    }

    /// The bit rate to grant the publisher with each report (REMB), or none to say nothing.
    pub fn grant_bit_rate(&mut self, bits_per_second: Option<u64>) {
        self.remb = bits_per_second;
    }

    /// Takes one RTP packet, opened. What is malformed or of no track is counted and left.
    pub fn handle_rtp(&mut self, now: Instant, bytes: Bytes) {
        let Ok(packet) = rtp::Packet::parse(&bytes) else {
            self.stats.malformed += 1;
            return;
        };
        self.stats.packets += 1;
        self.stats.bytes += bytes.len() as u64;
        let ids = self.config.extensions;
        let extension = |id: Option<u8>| id.and_then(|id| packet.extension(id));
        if let Some(sequence) = extension(ids.transport_wide).and_then(|b| b.first_chunk()) {
            self.arrivals.handle_packet(now, u16::from_be_bytes(*sequence));
        }
        let header = packet.header();
        let label = Label {
            ssrc: header.ssrc,
            payload_type: header.payload_type,
            mid: extension(ids.mid),
            rid: extension(ids.rid),
            repaired_rid: extension(ids.repaired_rid),
        };
        let Some(source) = self.sources.resolve(now, label) else { return };
        let payload = bytes.slice(packet.payload_range());
        let rtp::Header { marker, payload_type, timestamp, sequence, ssrc } = header;
        match source {
            Source::Media { track, clock_rate } => {
                self.open(ssrc, track, clock_rate);
                let packet = reorder::Packet { payload_type, sequence, timestamp, marker, payload };
                self.take(now, ssrc, packet, false);
            }
            Source::Repair { track } => {
                let of_track = self.streams.iter().find(|(_, stream)| stream.track == track);
                let Some((&ssrc, _)) = of_track else { return };
                let Some(payload_type) = self.repaired_type(payload_type) else { return };
                if let Some(packet) = nack::restore(payload_type, timestamp, marker, &payload) {
                    self.take(now, ssrc, packet, true);
                }
            }
        }
    }

    /// Takes one datagram of RTCP, opened; what is malformed in it is left out.
    pub fn handle_rtcp(&mut self, now: Instant, bytes: &[u8]) {
        for said in rtcp::read(bytes) {
            match said {
                Message::SenderReport { ssrc, ntp, timestamp } => {
                    let Some(stream) = self.streams.get_mut(&ssrc) else { continue };
                    if let Some(reception) = &mut stream.reception {
                        reception.handle_sender_report(now, ntp);
                    }
                    self.timeline.handle_sender_report(stream.track, ntp, timestamp);
                }
                Message::Goodbye { ssrcs } => ssrcs.into_iter().for_each(|ssrc| self.close(ssrc)),
                Message::Delay { ssrc, last, delay } if ssrc == self.config.ssrc && last != 0 => {
                    let rtt = round_trip(ntp_middle(self.ntp(now)), last, delay);
                    self.rtt = rtt.filter(|&rtt| rtt <= RTT_MAX).map(|rtt| (rtt, true));
                }
                _ => {}
            }
        }
    }

    /// When [`Receiver::handle_timeout`] is due; `now` where it is due at once.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Instant {
        let streams = self.streams.values();
        let of_streams =
            streams.flat_map(|s| [s.reorder.poll_timeout(), s.nack.poll_timeout()]).flatten();
        let started = self.keyframes.iter().filter(|(track, _)| self.ssrc_of(**track).is_some());
        let of_keyframes = started.filter_map(|(_, keyframes)| keyframes.poll_timeout(now));
        let of_twcc = self.arrivals.is_due().then_some(self.twcc_due);
        of_streams.chain(of_keyframes).chain(of_twcc).fold(self.report_due, Instant::min)
    }

    /// Gives up what was waited for long enough, and makes the feedback that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let ssrcs: Vec<u32> = self.streams.keys().copied().collect();
        for &ssrc in &ssrcs {
            if let Some(stream) = self.streams.get_mut(&ssrc) {
                stream.reorder.handle_timeout(now);
            }
            self.collect(ssrc);
        }
        let reports = now >= self.report_due;
        let mut writer = if reports {
            let blocks = self.report_blocks(now);
            Writer::compound(self.config.ssrc, &blocks, &self.config.cname)
        } else {
            self.config.feedback_writer()
        };
        if reports {
            self.report_due = now + REPORT_INTERVAL;
            if self.config.reference_times {
                writer.reference_time(self.ntp(now));
            }
            if let Some(bits_per_second) = self.remb {
                writer.remb(bits_per_second, &ssrcs);
            }
        }
        let (writer, asked) = self.ask(now, writer);
        if reports || asked {
            self.send(writer);
        }
        if now >= self.twcc_due {
            self.twcc_due = now + TRANSPORT_INTERVAL;
            // One packet a datagram: each is made to fit one.
            while self.arrivals.is_due() {
                let mut writer = self.config.feedback_writer();
                self.arrivals.write(&mut writer, ssrcs.first().copied().unwrap_or(0));
                self.send(writer);
            }
        }
    }

    /// The next datagram for the publisher.
    pub fn poll_rtcp(&mut self) -> Option<Vec<u8>> {
        self.rtcp.pop_front()
    }

    /// The next picture; in order within its track.
    pub fn poll_picture(&mut self) -> Option<(TrackId, Picture)> {
        self.pictures.pop_front()
    }

    /// Makes the stream of an SSRC, in place of the one its track had before.
    fn open(&mut self, ssrc: u32, track: TrackId, clock_rate: u32) {
        if self.streams.get(&ssrc).is_some_and(|stream| stream.track == track) {
            return;
        }
        if let Some(before) = self.ssrc_of(track) {
            self.close(before);
        }
        let can_ask = self.sources.can_ask(track);
        let wait_max = if can_ask { REPAIR_WAIT } else { REORDER_WAIT };
        let stream = Stream {
            track,
            clock_rate,
            can_ask,
            reorder: Reorder::new(wait_max, track.medium() == Medium::Audio),
            nack: Nack::new(),
            reception: None,
            lost_before: 0,
        };
        self.streams.insert(ssrc, stream);
    }

    fn close(&mut self, ssrc: u32) {
        if let Some(stream) = self.streams.remove(&ssrc) {
            self.stats.reorder.add(stream.reorder.counts());
            self.timeline.restart(stream.track);
        }
    }

    /// The payload type whose packets a payload type sends again.
    fn repaired_type(&self, rtx: u8) -> Option<u8> {
        let mut formats = self.config.sections.iter().flat_map(|section| &section.formats);
        formats.find(|format| format.rtx == Some(rtx)).map(|format| format.payload_type)
    }

    fn ssrc_of(&self, track: TrackId) -> Option<u32> {
        self.streams.iter().find(|(_, stream)| stream.track == track).map(|(&ssrc, _)| ssrc)
    }

    fn take(&mut self, now: Instant, ssrc: u32, packet: reorder::Packet, is_repair: bool) {
        let Some(stream) = self.streams.get_mut(&ssrc) else { return };
        let timestamp = packet.timestamp;
        let place = if is_repair {
            stream.reorder.handle_repair(now, packet)
        } else {
            stream.reorder.handle_packet(now, packet)
        };
        match place {
            Place::Taken(sequence) => {
                let arrival = if stream.can_ask {
                    stream.nack.handle_arrival(now, sequence)
                } else {
                    Arrival::Unasked
                };
                let reception = stream
                    .reception
                    .get_or_insert_with(|| Reception::new(ssrc, stream.clock_rate, sequence));
                if let Arrival::Repaired { round_trip } = arrival {
                    reception.handle_repaired();
                    self.stats.repaired += 1;
                    self.learn_rtt(round_trip);
                } else if is_repair {
                    reception.handle_repaired();
                } else {
                    reception.handle_packet(now, sequence, timestamp);
                }
            }
            Place::Restarted(sequence) => {
                stream.nack.restart(sequence);
                if let Some(reception) = &mut stream.reception {
                    reception.restart(sequence);
                    reception.handle_packet(now, sequence, timestamp);
                }
                let track = stream.track;
                self.want_keyframe(track);
            }
            Place::Useless | Place::Stray => {}
        }
        self.collect(ssrc);
    }

    /// Answers to asks are the round trip and a little more: smoothed, and only until reports tell.
    fn learn_rtt(&mut self, sample: Option<Duration>) {
        let Some(sample) = sample.filter(|&sample| sample <= RTT_MAX) else { return };
        self.rtt = match self.rtt {
            Some((_, true)) => self.rtt,
            Some((rtt, false)) => Some(((rtt * 7 + sample) / 8, false)),
            None => Some((sample, false)),
        };
    }

    /// Takes what a stream has ready, and sees what it lost.
    fn collect(&mut self, ssrc: u32) {
        let Some(stream) = self.streams.get_mut(&ssrc) else { return };
        stream.nack.forget_below(stream.reorder.oldest_useful());
        let track = stream.track;
        let lost = stream.reorder.counts().lost;
        let mut keyframe = std::mem::replace(&mut stream.lost_before, lost) != lost;
        let timescale = Timescale::new(stream.clock_rate.max(1));
        while let Some(assembled) = stream.reorder.poll_picture() {
            let reorder::Assembled { payload_type, rtp_ticks, payloads, arrived, after_loss } =
                assembled;
            let time = self.timeline.place(track, timescale, rtp_ticks, arrived);
            if self.pictures.len() >= PICTURES_MAX {
                self.pictures.pop_front();
                self.stats.pictures_unpolled += 1;
                keyframe = true;
            }
            let picture = Picture { payload_type, rtp_ticks, time, payloads, arrived, after_loss };
            self.pictures.push_back((track, picture));
        }
        if keyframe {
            self.want_keyframe(track);
        }
    }

    fn report_blocks(&mut self, now: Instant) -> Vec<ReportBlock> {
        let receptions = self.streams.values_mut().filter_map(|stream| stream.reception.as_mut());
        receptions.map(|reception| reception.take_report(now)).collect()
    }

    /// Asks for packets and keyframes, in more datagrams than one where one does not hold it; gives
    /// the last one, and whether there was something to ask for.
    fn ask(&mut self, now: Instant, mut writer: Writer) -> (Writer, bool) {
        let rtt = self.rtt();
        let mut full = Vec::new();
        let mut asked = false;
        for (&ssrc, stream) in &mut self.streams {
            let sequences = stream.nack.take_due(now, rtt);
            self.stats.asked += sequences.len() as u64;
            for some in sequences.chunks(ASKS_PER_PACKET) {
                if writer.written_bytes() > DATAGRAM_BYTES_MAX - (12 + 4 * ASKS_PER_PACKET) {
                    full.push(std::mem::replace(&mut writer, self.config.feedback_writer()));
                }
                writer.nack(ssrc, some);
                asked = true;
            }
            let Some(keyframes) = self.keyframes.get_mut(&stream.track) else { continue };
            if keyframes.take_due(now, rtt) {
                if self.sources.by_fir(stream.track) {
                    writer.full_intra(ssrc, keyframes.number());
                } else {
                    writer.picture_loss(ssrc);
                }
                asked = true;
            }
        }
        full.into_iter().for_each(|writer| self.send(writer));
        (writer, asked)
    }

    fn send(&mut self, writer: Writer) {
        if self.rtcp.len() >= RTCP_MAX {
            self.rtcp.pop_front();
        }
        self.rtcp.push_back(writer.finish());
    }

    /// This side's clock in RTCP: only differences of it mean something.
    fn ntp(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        // A day ahead of zero, which would say that there is no clock.
        ((since.as_secs() + 86_400) & 0xffff_ffff) << 32 | fraction
    }
}
