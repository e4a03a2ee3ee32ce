//! One viewer from end to end: frames, RTCP and time in; packets, reports and events out.
//!
//! Call [`write`](Viewer::write) and [`handle_rtcp`](Viewer::handle_rtcp) as things come, then
//! [`poll_packet`](Viewer::poll_packet), [`poll_reports`](Viewer::poll_reports) and
//! [`poll_event`](Viewer::poll_event) until they give nothing, and again at
//! [`poll_timeout`](Viewer::poll_timeout).

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tally_media::{Medium, TrackId};

use super::backlog::{Backlog, SLOW_TIME};
use super::congestion::{Estimator, EstimatorConfig, UNREPORTED_MAX};
use super::layers::{Layer, LayerChoice, LayerEvent};
use super::pacer::{FAST_START_PERCENT, PACE_PERCENT, Pacer};
use super::packet::{ExtensionIds, Stamp, ViewerPacket};
use super::reports::RoundTrip;
use super::stream::{Stream, StreamConfig, StreamPacket};
use super::unwrap_near;
use crate::packetize::PacketizedFrame;
use crate::rtcp::{self, Message, ReportBlock, TwccFeedback, Writer};

/// Audio frames that wait for one turn of the session: a second of 20 ms each.
pub const AUDIO_FRAMES_MAX: usize = 50;

/// Retransmissions that wait for their turn: what is asked for beyond is asked for again.
pub const RESENDS_MAX: usize = 256;

/// Time that waiting retransmissions may take, in milliseconds: they go before newer media, and on a
/// path that has become narrow would hold it up for seconds. The rest is asked for again if it matters.
pub const RESENDS_MS_MAX: u64 = 300;

/// Where pictures wait, one byte in this many is for retransmissions: paced at half more than the rate
/// of a layer, its pictures go on though a path that has become narrow loses many of them.
pub const RESENDS_SHARE: usize = 3;

/// Events nobody took yet; the newest beyond are left out, which for deliveries errs downward.
pub const EVENTS_MAX: usize = 256;

/// Kept free for audio, in bits per second: Opus in stereo with its headers.
pub const AUDIO_BPS: u64 = 120_000;

/// Sound begins with the first frame that is at most this far behind the newest picture: a transcoder
/// that starts with this viewer has seconds of sound to make anew, as fast as it can. A player runs
/// through pictures, but not through sound: Chromium plays what comes at once some 6 % faster for many
/// seconds, and holds the pictures back to it.
const SOUND_BEHIND_MS_MAX: i64 = 200;

/// Sound that is behind for this long is so at its publisher's, and goes out as it is.
const SOUND_WAIT_MAX: Duration = Duration::from_secs(4);

/// The lowest layer is sent for this long whatever the estimate, which only media can raise.
pub const START_GRACE: Duration = Duration::from_secs(5);

/// Of the best layer's rate in percent, an estimate that is enough: keyframes and scenes with much
/// motion take more than the rate, and a path known to be wide may narrow by half before a viewer
/// sees it. Probing for more would only cost the path.
pub const USEFUL_PERCENT: u64 = 300;

/// Time between sender reports.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Share of packets lost, of 256, from which on a retransmission is sent twice. Lost again it would be
/// asked for again a round trip later, which the picture does not wait for without standing still.
const TWICE_LOSS_MIN: u8 = 5;

/// The round trip until one is measured.
const ROUND_TRIP_ASSUMED: Duration = Duration::from_millis(100);

/// What an answer agreed on for one viewer.
#[derive(Clone, Debug)]
pub struct ViewerConfig {
    /// The audio stream, if there is one.
    pub audio: Option<OutletConfig>,
    /// The video stream, if there is one.
    pub video: Option<OutletConfig>,
    /// Bounds of the estimate.
    pub estimator: EstimatorConfig,
}

/// What an answer agreed on for one medium.
#[derive(Clone, Debug)]
pub struct OutletConfig {
    /// Its fixed numbers.
    pub stream: StreamConfig,
    /// Its MID.
    pub mid: String,
    /// Ids of its header extensions. Media may differ in them: Firefox takes transport-wide numbers
    /// with video alone, and those of audio packets would never be acknowledged.
    pub extensions: ExtensionIds,
}

/// What the session or the hub should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewerEvent {
    /// The picture changed layer or paused.
    Layer(LayerEvent),
    /// The viewer acknowledged these stretches of the show, `[start_ms, end_ms)`.
    Delivered {
        /// Of audio or video.
        medium: Medium,
        /// In the order sent; a stretch of two layers may come twice.
        intervals_ms: Vec<(i64, i64)>,
    },
    /// The viewer's decoder waits for a keyframe.
    KeyframeWanted,
    /// The viewer said goodbye.
    Goodbye,
}

/// Sends one stream's media to one viewer.
#[derive(Debug)]
pub struct Viewer {
    audio: Option<Outlet>,
    video: Option<Outlet>,
    audio_frames: VecDeque<Arc<PacketizedFrame>>,
    backlog: Backlog,
    resends: VecDeque<StreamPacket>,
    /// Bytes of pictures that go before the next retransmission, see [`RESENDS_SHARE`].
    owed_bytes: usize,
    choice: LayerChoice,
    layers: Vec<Layer>,
    estimator: Estimator,
    pacer: Pacer,
    start_bps: u64,
    /// Until the cached group is out.
    catching_up: bool,
    probe: Option<(u64, u64)>,
    transport_sequence: u64,
    /// What the last packets were of which no transport-wide feedback has told yet.
    carried: VecDeque<Carried>,
    round_trip: RoundTrip,
    /// Position on the show's timeline at an instant, for sender reports.
    anchor: Option<(i64, Instant)>,
    /// End of the newest frame, in milliseconds of the show.
    newest_ms: i64,
    /// Sound has begun; see [`SOUND_BEHIND_MS_MAX`].
    has_sound: bool,
    reports_at: Option<Instant>,
    events: VecDeque<ViewerEvent>,
    loss: u8,
    asked: u64,
}

/// A stream and what its headers carry.
#[derive(Debug)]
struct Outlet {
    stream: Stream,
    mid: String,
    extensions: ExtensionIds,
    /// The viewer knows the stream: its MID need not be sent any more (RFC 8843, section 9.2.4).
    is_known: bool,
    /// A packet of it is known to have come.
    has_begun: bool,
}

/// A packet with a transport-wide number: what it brings to the viewer.
#[derive(Clone, Copy, Debug)]
struct Carried {
    medium: Medium,
    /// Own sequence number, of a retransmission the original's.
    sequence: u64,
    is_repair: bool,
}

impl Outlet {
    fn new(OutletConfig { stream, mid, extensions }: OutletConfig) -> Self {
        let stream = Stream::new(stream);
        Self { stream, mid, extensions, is_known: false, has_begun: false }
    }

    /// Notes that a packet is known to have come.
    fn came(&mut self, carried: Carried) {
        let delivery = self.stream.delivery_mut();
        if !carried.is_repair && !std::mem::replace(&mut self.has_begun, true) {
            delivery.began_at(carried.sequence);
        }
        delivery.came(carried.sequence);
    }
}

impl Viewer {
    /// A viewer that has been sent nothing.
    #[must_use]
    pub fn new(config: ViewerConfig, now: Instant) -> Self {
        Self {
            audio: config.audio.map(Outlet::new),
            video: config.video.map(Outlet::new),
            audio_frames: VecDeque::new(),
            backlog: Backlog::new(),
            resends: VecDeque::new(),
            owed_bytes: 0,
            choice: LayerChoice::new(),
            layers: Vec::new(),
            estimator: Estimator::new(config.estimator, now),
            pacer: Pacer::new(now),
            start_bps: config.estimator.start_bps,
            catching_up: true,
            probe: None,
            transport_sequence: 0,
            carried: VecDeque::new(),
            round_trip: RoundTrip::default(),
            anchor: None,
            newest_ms: i64::MIN,
            has_sound: false,
            reports_at: None,
            events: VecDeque::new(),
            loss: 0,
            asked: 0,
        }
    }

    /// Bits per second the viewer's path carries.
    #[must_use]
    pub fn estimate_bps(&self, now: Instant) -> u64 {
        self.estimator.estimate_bps(now)
    }

    /// The round trip last measured.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip.last()
    }

    /// The layer being sent.
    #[must_use]
    pub fn layer(&self) -> Option<TrackId> {
        self.choice.current()
    }

    /// The RTP timestamp of a picture at an instant on the show's timeline; `None` without video.
    #[must_use]
    pub fn video_timestamp_at(&self, timeline_ms: i64) -> Option<u32> {
        self.video.as_ref().map(|outlet| outlet.stream.timestamp_at(timeline_ms))
    }

    /// Share of packets lost, of 256, as last reported of any stream.
    #[must_use]
    pub fn loss(&self) -> u8 {
        self.loss
    }

    /// Sequence numbers the viewer asked for again, repeats included.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Frames of video left out because the viewer was too slow.
    #[must_use]
    pub fn frames_dropped(&self) -> u64 {
        self.backlog.dropped()
    }

    /// Packets asked for again that were no longer there.
    #[must_use]
    pub fn resend_misses(&self) -> u64 {
        self.video.as_ref().map_or(0, |it| it.stream.history().misses())
    }

    /// The layers there are, with their measured rates. Without a call no video is sent.
    pub fn set_layers(&mut self, layers: &[Layer]) {
        self.layers = layers.to_vec();
    }

    /// The viewer's own choice of layer; `None` leaves it to the estimate.
    pub fn choose_layer(&mut self, track: Option<TrackId>) {
        self.choice.choose(track);
    }

    /// Takes a frame of any track of the stream.
    pub fn write(&mut self, frame: &Arc<PacketizedFrame>, now: Instant) {
        self.anchor.get_or_insert((frame.start_ms, now));
        self.newest_ms = self.newest_ms.max(frame.end_ms);
        match frame.track.medium() {
            Medium::Audio if self.audio.is_some() => {
                if !self.begins_sound(frame, now) {
                    return;
                }
                if self.audio_frames.len() == AUDIO_FRAMES_MAX {
                    self.audio_frames.pop_front();
                }
                self.audio_frames.push_back(Arc::clone(frame));
            }
            Medium::Video if self.video.is_some() => self.write_video(frame, now),
            Medium::Audio | Medium::Video => {}
        }
    }

    /// Takes a compound RTCP packet, opened.
    pub fn handle_rtcp(&mut self, compound: &[u8], now: Instant) {
        for message in rtcp::read(compound) {
            match message {
                Message::Report(block) => self.on_report(&block, now),
                Message::Nack { ssrc, sequences } => self.on_nack(ssrc, &sequences, now),
                Message::Twcc(feedback) => {
                    self.on_arrivals(&feedback);
                    self.estimator.on_feedback(&feedback, now);
                }
                Message::Remb { bps } => self.estimator.on_remb(bps, now),
                Message::KeyframeWanted { ssrc } => {
                    let ours =
                        self.video.as_ref().is_some_and(|it| it.stream.config().ssrc == ssrc);
                    if ours {
                        self.event(ViewerEvent::KeyframeWanted);
                    }
                }
                Message::Goodbye { .. } => self.event(ViewerEvent::Goodbye),
                // It sends nothing that could be reported on.
                Message::SenderReport { .. } | Message::Delay { .. } => {}
            }
        }
    }

    /// ICE consent lapsed or the session ends: no report after this counts as delivery.
    pub fn close(&mut self) {
        for outlet in [&mut self.audio, &mut self.video].into_iter().flatten() {
            outlet.stream.delivery_mut().close();
        }
    }

    /// The next packet that may leave now. Audio goes first and at once, then what was asked for again
    /// (up to [`RESENDS_SHARE`]), then video, the two of them paced.
    pub fn poll_packet(&mut self, now: Instant) -> Option<ViewerPacket> {
        if let Some(packet) = self.next_audio(now) {
            return Some(self.finish(packet, Medium::Audio, now));
        }
        if self.pacer.next_at() > now {
            return None;
        }
        if self.probe.is_none() && !self.catching_up && self.should_probe(now) {
            self.probe = self.estimator.poll_probe(now).map(|it| (it.bps, it.bytes));
        }
        let video = if self.owed_bytes > 0 { self.next_video(now) } else { None };
        let packet = video
            .or_else(|| self.next_resend())
            .or_else(|| self.next_video(now))
            .or_else(|| self.next_padding())?;
        Some(self.finish(packet, Medium::Video, now))
    }

    /// When to poll again though nothing came in; `None` before anything was sent.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sending = self.video.as_ref().is_some_and(|it| it.stream.is_sending());
        let waiting = sending || !self.backlog.is_empty() || !self.resends.is_empty();
        let paced = (waiting || self.probe.is_some()).then_some(self.pacer.next_at());
        paced.into_iter().chain(self.reports_at).min()
    }

    /// Sender reports, one after another (reduced-size RTCP, RFC 5506), when they are due; `ntp` is the
    /// wall clock in units of 2^-32 s since 1900.
    pub fn poll_reports(&mut self, ntp: u64, now: Instant) -> Option<Vec<u8>> {
        if self.reports_at.is_some_and(|at| now < at) {
            return None;
        }
        let (start_ms, at) = self.anchor?;
        let elapsed = now.saturating_duration_since(at).as_millis();
        let timeline_ms = start_ms.saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX));
        let mut compound = Vec::new();
        for Outlet { stream, .. } in [&self.audio, &self.video].into_iter().flatten() {
            let (packets, payload_bytes) = stream.counts();
            if packets > 0 {
                let timestamp = stream.timestamp_at(timeline_ms);
                let mut writer = Writer::reduced(stream.config().ssrc);
                writer.sender_report(ntp, timestamp, packets, payload_bytes);
                compound.extend(writer.finish());
            }
        }
        self.reports_at = Some(now + REPORT_INTERVAL);
        if compound.is_empty() {
            return None;
        }
        self.round_trip.sent(ntp, now);
        Some(compound)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ViewerEvent> {
        self.events.pop_front()
    }

    /// Whether sound goes out: from the first on that is of now.
    fn begins_sound(&mut self, frame: &PacketizedFrame, now: Instant) -> bool {
        let waits = self.anchor.is_some_and(|(_, at)| now.duration_since(at) < SOUND_WAIT_MAX);
        let is_of_now = self.newest_ms.saturating_sub(frame.end_ms) <= SOUND_BEHIND_MS_MAX;
        self.has_sound |= is_of_now || !waits;
        self.has_sound
    }

    fn write_video(&mut self, frame: &Arc<PacketizedFrame>, now: Instant) {
        let mut estimate_bps = self.estimator.estimate_bps(now).saturating_sub(AUDIO_BPS);
        let is_new = self.anchor.is_none_or(|(_, at)| now.duration_since(at) < START_GRACE);
        if is_new {
            let lowest_bps = self.layers.iter().map(|it| it.bps).min();
            estimate_bps = estimate_bps.max(lowest_bps.unwrap_or(0));
        }
        if let Some(event) = self.choice.update(&self.layers, estimate_bps, now) {
            self.backlog.clear();
            self.event(ViewerEvent::Layer(event));
        }
        let (admitted, event) = self.choice.admit(frame.track, frame.keyframe);
        if let Some(event) = event {
            if self.backlog.time(self.pace_bps(now)) > SLOW_TIME {
                // Of the layer before, and late: the new one shows what is now.
                self.backlog.clear();
            }
            self.event(ViewerEvent::Layer(event));
        }
        if admitted {
            let bps = (!self.catching_up).then(|| self.pace_bps(now));
            self.backlog.push(frame, bps);
        }
    }

    fn on_report(&mut self, block: &ReportBlock, now: Instant) {
        for medium in [Medium::Audio, Medium::Video] {
            let ours = |it: &&mut Outlet| it.stream.config().ssrc == block.ssrc;
            let Some(outlet) = self.outlet(medium).filter(ours) else { continue };
            outlet.is_known = true;
            let intervals_ms = outlet.stream.delivery_mut().reported(block);
            self.loss = block.fraction_lost;
            self.round_trip.reported(block, now);
            self.estimator.on_receiver_report(block, now);
            if !intervals_ms.is_empty() {
                self.event(ViewerEvent::Delivered { medium, intervals_ms });
            }
            return;
        }
    }

    fn outlet(&mut self, medium: Medium) -> Option<&mut Outlet> {
        match medium {
            Medium::Audio => self.audio.as_mut(),
            Medium::Video => self.video.as_mut(),
        }
    }

    fn on_arrivals(&mut self, feedback: &TwccFeedback) {
        let newest = self.transport_sequence;
        let first = newest - self.carried.len() as u64;
        let mut told = 0;
        for &(sequence, arrival) in &feedback.packets {
            let index = unwrap_near(newest, sequence).and_then(|it| it.checked_sub(first));
            let index = index.and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX);
            let Some(&carried) = self.carried.get(index) else { continue };
            told = told.max(index + 1);
            if let Some(outlet) = self.outlet(carried.medium).filter(|_| arrival.is_some()) {
                outlet.came(carried);
            }
        }
        self.carried.drain(..told);
    }

    fn on_nack(&mut self, ssrc: u32, sequences: &[u16], now: Instant) {
        let round_trip = self.round_trip.last().unwrap_or(ROUND_TRIP_ASSUMED);
        let bits_max = self.pace_bps(now).saturating_mul(RESENDS_MS_MAX) / 1_000;
        let Some(video) = self.video.as_mut().filter(|it| it.stream.config().ssrc == ssrc) else {
            return;
        };
        self.asked += sequences.len() as u64;
        let mut bits: u64 = self.resends.iter().map(|it| it.payload_bytes() as u64 * 8).sum();
        for sequence in sequences {
            if self.resends.len() == RESENDS_MAX || bits > bits_max {
                return;
            }
            if let Some(packet) = video.stream.resend(*sequence, round_trip, now) {
                bits += packet.payload_bytes() as u64 * 8;
                let twice = self.loss >= TWICE_LOSS_MIN;
                let again = twice.then(|| video.stream.once_more(&packet));
                self.resends.push_back(packet);
                self.resends.extend(again);
            }
        }
    }

    fn next_audio(&mut self, now: Instant) -> Option<StreamPacket> {
        let stream = &mut self.audio.as_mut()?.stream;
        loop {
            if let Some(packet) = stream.next_packet(now) {
                return Some(packet);
            }
            let frame = self.audio_frames.pop_front()?;
            stream.begin(&frame);
        }
    }

    fn next_resend(&mut self) -> Option<StreamPacket> {
        let packet = self.resends.pop_front()?;
        self.owed_bytes = packet.payload_bytes() * (RESENDS_SHARE - 1);
        Some(packet)
    }

    fn next_video(&mut self, now: Instant) -> Option<StreamPacket> {
        let pace_bps = self.pace_bps(now);
        let stream = &mut self.video.as_mut()?.stream;
        loop {
            if let Some(packet) = stream.next_packet(now) {
                self.owed_bytes = self.owed_bytes.saturating_sub(packet.payload_bytes());
                return Some(packet);
            }
            let Some(frame) = self.backlog.pop() else {
                self.catching_up &= stream.counts().0 == 0;
                return None;
            };
            let slow = !self.catching_up && self.backlog.time(pace_bps) > SLOW_TIME;
            if slow && frame.disposable && !frame.keyframe {
                stream.skip(&frame);
            } else {
                stream.begin(&frame);
            }
        }
    }

    /// Whether more would be of use than the path is known to carry, and what it carries can be seen.
    fn should_probe(&self, now: Instant) -> bool {
        let best_bps = self.layers.iter().map(|it| it.bps).max().unwrap_or(0);
        let useful_bps = best_bps.saturating_mul(USEFUL_PERCENT) / 100 + AUDIO_BPS;
        self.video.as_ref().is_some_and(|it| it.extensions.transport_sequence.is_some())
            && self.estimator.estimate_bps(now) < useful_bps
    }

    /// While a probe runs and there is no media for it, the newest packet again.
    fn next_padding(&mut self) -> Option<StreamPacket> {
        self.probe?;
        let padding = self.video.as_mut()?.stream.resend_newest();
        if padding.is_none() {
            self.probe = None;
        }
        padding
    }

    fn pace_bps(&self, now: Instant) -> u64 {
        if self.catching_up {
            return self.start_bps.saturating_mul(FAST_START_PERCENT) / 100;
        }
        let estimate_bps = self.estimator.estimate_bps(now);
        let layer = self.layers.iter().find(|it| Some(it.track) == self.choice.current());
        let layer_bps = layer.map_or(0, |it| it.bps);
        // Until the keyframe of a lower layer, this one slows down. Sent faster, it would fill the
        // queue on the path, and be lost with what comes after it.
        if layer_bps > estimate_bps && self.choice.waiting_for().is_some() {
            return estimate_bps;
        }
        // A layer that was chosen leaves at its own rate at least, else the backlog only grows.
        estimate_bps.max(layer_bps).saturating_mul(PACE_PERCENT) / 100
    }

    fn finish(&mut self, packet: StreamPacket, medium: Medium, now: Instant) -> ViewerPacket {
        let outlet = match medium {
            Medium::Audio => self.audio.as_mut(),
            Medium::Video => self.video.as_mut(),
        };
        let sequence = self.transport_sequence;
        let (mut extensions, mut mid) = (ExtensionIds::default(), None);
        if let Some(outlet) = outlet {
            extensions = outlet.extensions;
            if extensions.transport_sequence.is_some() {
                let original = packet.original_sequence;
                let next = outlet.stream.next_sequence();
                let own = original.and_then(|it| unwrap_near(next, it)).unwrap_or(packet.sequence);
                let is_repair = original.is_some();
                if self.carried.len() == UNREPORTED_MAX {
                    self.carried.pop_front();
                }
                self.carried.push_back(Carried { medium, sequence: own, is_repair });
            }
            mid = (!outlet.is_known).then_some(outlet.mid.as_str());
        }
        let since_start = now.saturating_duration_since(self.anchor.map_or(now, |it| it.1));
        let stamp = Stamp { transport_sequence: sequence, mid, since_start };
        let packet = ViewerPacket::new(packet, &extensions, &stamp);
        let bytes = packet.wire_bytes();
        if extensions.transport_sequence.is_some() {
            self.transport_sequence += 1;
            self.estimator.on_sent(sequence, bytes, now);
        }
        let mut bps = self.pace_bps(now);
        if let Some((probe_bps, left)) = self.probe {
            bps = bps.max(probe_bps);
            let left = left.saturating_sub(bytes as u64);
            self.probe = (left > 0).then_some((probe_bps, left));
        }
        self.pacer.on_sent(bytes, bps, now);
        packet
    }

    fn event(&mut self, event: ViewerEvent) {
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        }
    }
}
