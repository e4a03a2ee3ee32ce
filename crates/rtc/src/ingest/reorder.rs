//! Packets of one SSRC put in order and gathered into pictures, with bounded waiting and memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::rtp::unwrap_ticks;

/// Packets held behind a gap: a second of 20 Mbit/s. Beyond, the gap is given up.
pub const HELD_PACKETS_MAX: usize = 2_048;
/// Bytes held behind a gap and in the picture under way: four times a large 4K keyframe.
pub const HELD_BYTES_MAX: usize = 8 << 20;
/// Steps of the sequence number, forward or back, that are still the same run of packets
/// (`MAX_DROPOUT` of RFC 3550 appendix A.1).
pub const SEQUENCE_STEP_MAX: i64 = 3_000;
/// How long the very first packets wait for ones they overtook: a stream begins with a keyframe, and
/// without its first packet it is lost.
pub const START_WAIT: Duration = Duration::from_millis(20);

/// One packet, RTP header taken off.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Payload type as sent first, also where it came as a retransmission.
    pub payload_type: u8,
    /// Sequence number as sent first, also where it came as a retransmission.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP marker bit: the picture's last packet.
    pub marker: bool,
    /// Payload without padding; empty for packets that only probe the path.
    pub payload: Bytes,
}

/// Where in the run of packets one landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Taken; the sequence number not wrapped.
    Taken(u64),
    /// Taken, and the first of a new run: the sender started its sequence numbers anew.
    Restarted(u64),
    /// Not needed any more, or here already.
    Useless,
    /// So far from the run that a second one must follow to be believed.
    Stray,
}

/// A picture (or audio packet) whose payloads are all here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// Payload type of its first packet.
    pub payload_type: u8,
    /// RTP timestamp, not wrapped.
    pub rtp_ticks: i64,
    /// Its payloads in order.
    pub payloads: Vec<Bytes>,
    /// When its first packet arrived.
    pub arrived: Instant,
    /// Packets right before its first one were given up, or nothing came before it. They may have
    /// been its own beginning, which [`crate::depacketize::starts_picture`] tells.
    pub after_loss: bool,
}

/// What happened to the packets and pictures of one SSRC so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after their gap was given up.
    pub late: u64,
    /// Packets given up.
    pub lost: u64,
    /// Packets outside the run that no second one confirmed.
    pub strays: u64,
    /// Times the sender started its sequence numbers anew.
    pub restarts: u64,
    /// Pictures left out because some of their packets were lost.
    pub pictures_broken: u64,
    /// Pictures handed out.
    pub pictures: u64,
}

impl Counts {
    /// Adds another SSRC's.
    pub fn add(&mut self, other: Self) {
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.lost += other.lost;
        self.strays += other.strays;
        self.restarts += other.restarts;
        self.pictures_broken += other.pictures_broken;
        self.pictures += other.pictures;
    }
}

#[derive(Debug)]
struct Held {
    packet: Packet,
    arrived: Instant,
}

#[derive(Debug)]
struct Building {
    picture: Assembled,
    bytes: usize,
    broken: bool,
}

/// The packets of one SSRC: reordered, then grouped by timestamp and marker.
#[derive(Debug)]
pub struct Reorder {
    wait_max: Duration,
    whole_packets: bool,
    held: BTreeMap<u64, Held>,
    held_bytes: usize,
    /// The next sequence number to hand on; none before the first packet.
    next: Option<u64>,
    highest: u64,
    /// Until when the first packets wait; none once they went on.
    settles: Option<Instant>,
    /// The gap at `next`, and since when it is known.
    gap: Option<(u64, Instant)>,
    stray_next: Option<u16>,
    ticks: Option<i64>,
    building: Option<Building>,
    after_loss: bool,
    ready: VecDeque<Assembled>,
    counts: Counts,
}

impl Reorder {
    /// A buffer that waits up to `wait_max` for a missing packet. `whole_packets`: every packet is
    /// a picture of its own, as in audio, so that a loss costs nothing but itself.
    #[must_use]
    pub fn new(wait_max: Duration, whole_packets: bool) -> Self {
        Self {
            wait_max,
            whole_packets,
            held: BTreeMap::new(),
            held_bytes: 0,
            next: None,
            highest: 0,
            settles: None,
            gap: None,
            stray_next: None,
            ticks: None,
            building: None,
            after_loss: true,
            ready: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The lowest sequence number still of use; lower ones need not be asked for.
    #[must_use]
    pub fn oldest_useful(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    /// Packets held now, never beyond [`HELD_PACKETS_MAX`].
    #[must_use]
    pub fn held_packets(&self) -> usize {
        self.held.len()
    }

    /// Takes a packet in.
    pub fn handle_packet(&mut self, now: Instant, packet: Packet) -> Place {
        if self.next.is_none() {
            self.settles = Some(now + START_WAIT);
        }
        let place = self.place(packet.sequence);
        match place {
            Place::Taken(sequence) => self.hold(now, sequence, packet),
            Place::Restarted(sequence) => {
                self.restart(sequence);
                self.hold(now, sequence, packet);
            }
            Place::Useless | Place::Stray => {}
        }
        place
    }

    /// Takes a retransmission in: only what is missing in the run, it never starts one.
    pub fn handle_repair(&mut self, now: Instant, packet: Packet) -> Place {
        let step = self.step(packet.sequence);
        if self.next.is_none() || step.abs() > SEQUENCE_STEP_MAX {
            return Place::Useless;
        }
        self.handle_packet(now, packet)
    }

    fn hold(&mut self, now: Instant, sequence: u64, packet: Packet) {
        self.highest = self.highest.max(sequence);
        self.held_bytes += packet.payload.len();
        self.held.insert(sequence, Held { packet, arrived: now });
        self.advance(now);
    }

    /// Gives up what was waited for long enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// When [`Reorder::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.settles.or_else(|| self.gap.map(|(_, since)| since + self.wait_max))
    }

    /// The next picture, in order.
    pub fn poll_picture(&mut self) -> Option<Assembled> {
        self.ready.pop_front()
    }

    /// Sorts a sequence number by its distance from the highest one (RFC 3550 appendix A.1).
    fn place(&mut self, sequence: u16) -> Place {
        let Some(next) = self.next else {
            // One turn of 65,536 above zero, so that nothing lies below.
            let first = u64::from(sequence) + (1 << 16);
            self.next = Some(first);
            self.highest = first;
            return Place::Taken(first);
        };
        let step = self.step(sequence);
        if step.abs() > SEQUENCE_STEP_MAX {
            if self.stray_next.replace(sequence.wrapping_add(1)) == Some(sequence) {
                self.stray_next = None;
                return Place::Restarted(self.next_turn(sequence));
            }
            self.counts.strays += 1;
            return Place::Stray;
        }
        let Some(full) = self.highest.checked_add_signed(step) else { return Place::Useless };
        if self.held.contains_key(&full) {
            self.counts.duplicates += 1;
            return Place::Useless;
        }
        if full < next && self.settles.is_some() {
            self.next = Some(full);
        } else if full < next {
            self.counts.late += 1;
            return Place::Useless;
        }
        self.stray_next = None;
        Place::Taken(full)
    }

    /// How far `sequence` is from the highest one.
    fn step(&self, sequence: u16) -> i64 {
        i64::from(sequence.wrapping_sub(low_bits(self.highest)).cast_signed())
    }

    /// The first number above all seen whose low bits are `sequence`.
    fn next_turn(&self, sequence: u16) -> u64 {
        let above = self.highest + 1;
        above + u64::from(sequence.wrapping_sub(low_bits(above)))
    }

    /// What is held of the old run goes out as far as it is whole; the new run starts at `first`.
    fn restart(&mut self, first: u64) {
        self.counts.restarts += 1;
        while let Some((sequence, held)) = self.pop_first() {
            self.pass_gap(sequence);
            self.take(held);
        }
        self.next = Some(first);
        self.settles = None;
        self.gap = None;
        self.lose();
    }

    fn advance(&mut self, now: Instant) {
        let is_full = self.held.len() >= HELD_PACKETS_MAX || self.held_bytes >= HELD_BYTES_MAX;
        if self.settles.is_some_and(|settles| now < settles) && !is_full {
            return;
        }
        self.settles = None;
        while let Some((&sequence, _)) = self.held.first_key_value() {
            if self.next != Some(sequence) && self.waits(now) {
                return;
            }
            self.pass_gap(sequence);
            if let Some((_, held)) = self.pop_first() {
                self.take(held);
            }
        }
        self.gap = None;
    }

    fn pop_first(&mut self) -> Option<(u64, Held)> {
        let (sequence, held) = self.held.pop_first()?;
        self.held_bytes -= held.packet.payload.len();
        Some((sequence, held))
    }

    /// Whether the gap at `next` may still fill.
    fn waits(&mut self, now: Instant) -> bool {
        let next = self.next.unwrap_or(0);
        let since = match self.gap {
            Some((at, since)) if at == next => since,
            _ => self.held.values().map(|held| held.arrived).min().unwrap_or(now),
        };
        self.gap = Some((next, since));
        let building = self.building.as_ref().map_or(0, |building| building.bytes);
        now < since + self.wait_max
            && self.held.len() < HELD_PACKETS_MAX
            && self.held_bytes + building < HELD_BYTES_MAX
    }

    /// Steps to `sequence`; what lies between is lost.
    fn pass_gap(&mut self, sequence: u64) {
        let missing = sequence.saturating_sub(self.next.unwrap_or(sequence));
        if missing > 0 {
            self.counts.lost += missing;
            self.lose();
        }
        self.next = Some(sequence + 1);
    }

    fn lose(&mut self) {
        self.after_loss = true;
        if let Some(building) = &mut self.building {
            building.broken = true;
        }
    }

    /// The next packet in order: part of the picture under way, or the first of a new one.
    fn take(&mut self, held: Held) {
        let Held { packet, arrived } = held;
        let rtp_ticks = self.unwrap(packet.timestamp);
        if self.building.as_ref().is_some_and(|b| b.picture.rtp_ticks != rtp_ticks) {
            self.finish();
        }
        if !packet.payload.is_empty() {
            let after_loss = std::mem::take(&mut self.after_loss);
            let building = self.building.get_or_insert_with(|| Building {
                picture: Assembled {
                    payload_type: packet.payload_type,
                    rtp_ticks,
                    payloads: Vec::new(),
                    arrived,
                    after_loss,
                },
                bytes: 0,
                broken: false,
            });
            building.bytes += packet.payload.len();
            // A picture that never ends must not grow for ever.
            if building.bytes > HELD_BYTES_MAX || building.picture.payloads.len() >= PAYLOADS_MAX {
                building.broken = true;
                building.picture.payloads.clear();
            }
            if !building.broken {
                building.picture.payloads.push(packet.payload);
            }
        }
        if packet.marker || self.whole_packets {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let Some(building) = self.building.take() else { return };
        if building.broken {
            self.counts.pictures_broken += 1;
            self.after_loss = true;
            return;
        }
        self.counts.pictures += 1;
        self.ready.push_back(building.picture);
    }

    fn unwrap(&mut self, timestamp: u32) -> i64 {
        let ticks = match self.ticks {
            None => i64::from(timestamp),
            Some(last) => unwrap_ticks(last, timestamp),
        };
        self.ticks = Some(ticks);
        ticks
    }
}

/// Payloads of one picture: what [`HELD_BYTES_MAX`] is at 1,200 bytes each.
const PAYLOADS_MAX: usize = HELD_BYTES_MAX / 1_200;

#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
const fn low_bits(sequence: u64) -> u16 {
    sequence as u16
}
