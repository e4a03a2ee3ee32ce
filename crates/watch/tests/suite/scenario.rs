//! Random shows: what the origin, honest players and cheats do, as the server sees it.

use tally_watch::{
    Basis, Content, Credential, Fetch, Heartbeat, Interval, PlaybackSession, PlayerState,
    SessionId, ShowId, Verdict, ViewerKey,
};

use crate::chance::Chance;

pub(crate) const SHOW: ShowId = ShowId(9);
pub(crate) const GO_LIVE: i64 = 1_700_000_000_000;

/// Something the server sees.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Published(Interval),
    Minted(PlaybackSession),
    Fetched { session: SessionId, rendition: u64, fetch: Fetch },
    Beat(Beat),
    Judged { session: SessionId, verdict: Verdict },
}

/// A heartbeat, what came with it, and what the player's own wall clock claimed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    pub(crate) session: SessionId,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) credential: Credential,
    pub(crate) received_ms: i64,
    pub(crate) client_skew_ms: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) duration_ms: i64,
    pub(crate) events: Vec<Event>,
}

/// How a session behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    BeaconsOnly,
    FetchesOnly,
    HeadsOnly,
    DoubleSpeed,
    /// Says the same seconds of the clock again for other media, under a wandering wall clock.
    SameClockAgain,
    Liar,
}

const MANNERS: [Manner; 10] = [
    Manner::Honest,
    Manner::Honest,
    Manner::Honest,
    Manner::Honest,
    Manner::BeaconsOnly,
    Manner::FetchesOnly,
    Manner::HeadsOnly,
    Manner::DoubleSpeed,
    Manner::SameClockAgain,
    Manner::Liar,
];

pub(crate) fn interval(start_ms: i64, end_ms: i64) -> Interval {
    Interval::new(start_ms, end_ms).expect("scenarios make whole intervals")
}

impl Scenario {
    pub(crate) fn random(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let duration_ms = chance.between(20_000, 70_000);
        let mut events = Vec::new();
        let mut at_ms = 0;
        while at_ms < duration_ms {
            let until_ms = (at_ms + chance.between(500, 20_000)).min(duration_ms);
            events.push(Event::Published(interval(GO_LIVE + at_ms, GO_LIVE + until_ms)));
            // The encoder goes away now and then.
            let gap_ms = if chance.percent(30) { chance.between(1, 4_000) } else { 0 };
            at_ms = until_ms + gap_ms;
        }
        let viewers = chance.between(1, 4);
        for number in 0..chance.between(2, 8) {
            let viewer =
                (!chance.percent(15)).then(|| ViewerKey(chance.between(1, viewers + 1) as u128));
            let basis = if chance.percent(85) { Basis::Direct } else { Basis::Cached };
            let record = PlaybackSession {
                id: SessionId(number as u64 + 1),
                viewer,
                started_at_ms: GO_LIVE + chance.between(-2_000, duration_ms),
                basis,
            };
            let manner = MANNERS[chance.between(0, MANNERS.len() as i64) as usize];
            Player { record, manner, duration_ms }.play(&mut chance, &mut events);
        }
        Self { duration_ms, events }
    }

    /// One viewer who watches all of a whole show at a constant speed.
    pub(crate) fn steady(rate_permille: i64, duration_ms: i64) -> Self {
        let record = PlaybackSession {
            id: SessionId(1),
            viewer: Some(ViewerKey(1)),
            started_at_ms: GO_LIVE,
            basis: Basis::Direct,
        };
        let whole = interval(GO_LIVE, GO_LIVE + duration_ms);
        let mut events = vec![Event::Published(whole), Event::Minted(record)];
        events.push(fetched(record.id, 0, get(0, whole)));
        let mut media_ms = 0;
        while media_ms < duration_ms {
            let next_ms = (media_ms + 10 * rate_permille).min(duration_ms);
            let clock_ms = [media_ms, next_ms].map(|it| it * 1_000 / rate_permille);
            let beat = beat(&record, [GO_LIVE + media_ms, GO_LIVE + next_ms], clock_ms);
            events.push(Event::Beat(beat));
            media_ms = next_ms;
        }
        Self { duration_ms, events }
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = &PlaybackSession> {
        self.events.iter().filter_map(|event| match event {
            Event::Minted(record) => Some(record),
            _ => None,
        })
    }
}

pub(crate) fn beat(record: &PlaybackSession, media_ms: [i64; 2], clock_ms: [i64; 2]) -> Beat {
    let heartbeat = Heartbeat {
        sequence: 1,
        media_ms,
        clock_ms,
        state: PlayerState::Playing,
        rate_permille: 1_000,
        visible: true,
        picture_in_picture: false,
        audible: true,
    };
    let credential = Credential {
        signature_valid: true,
        show: SHOW,
        session: record.id,
        expires_at_ms: i64::MAX,
    };
    let received_ms = record.started_at_ms + clock_ms[1] + 40;
    Beat { session: record.id, heartbeat, credential, received_ms, client_skew_ms: 0 }
}

/// A whole object of 40 bytes: few, so that an oracle can keep a flag for each.
pub(crate) fn get(rendition: u64, media: Interval) -> Fetch {
    Fetch {
        object: media.start_ms() as u64 * 8 + rendition,
        content: Content::Media(media),
        is_get: true,
        status: 200,
        first_byte: 0,
        written_bytes: 40,
        object_bytes: 40,
    }
}

pub(crate) fn fetched(session: SessionId, rendition: u64, fetch: Fetch) -> Event {
    Event::Fetched { session, rendition, fetch }
}

struct Player {
    record: PlaybackSession,
    manner: Manner,
    duration_ms: i64,
}

impl Player {
    fn play(&self, chance: &mut Chance, events: &mut Vec<Event>) {
        events.push(Event::Minted(self.record));
        if chance.percent(10) {
            let verdict = Verdict { revision: 1, invalid: chance.percent(80), reason: 3 };
            events.push(Event::Judged { session: self.record.id, verdict });
        }
        let started_ms = self.record.started_at_ms - GO_LIVE;
        // A DVR tab is far behind, others a little; cheats may be ahead.
        let behind_ms =
            if chance.percent(30) { chance.between(0, 40_000) } else { chance.between(300, 3_000) };
        let mut media_ms = GO_LIVE + (started_ms - behind_ms).max(0);
        let mut clock_ms = chance.between(0, 1_500);
        let rate =
            if self.manner == Manner::DoubleSpeed { 2_000 } else { chance.between(950, 1_101) };
        let visible = chance.percent(75);
        for _ in 0..chance.between(1, 12) {
            let advance_ms = chance.between(800, 10_001);
            let media_end_ms = media_ms + advance_ms * rate / 1_000;
            self.fetch(chance, events, interval(media_ms, media_end_ms));
            let clock = match self.manner {
                Manner::SameClockAgain => [0, advance_ms],
                _ => [clock_ms, clock_ms + advance_ms],
            };
            let mut beat = beat(&self.record, [media_ms, media_end_ms], clock);
            beat.heartbeat.visible = visible;
            beat.heartbeat.audible = chance.percent(70);
            beat.heartbeat.picture_in_picture = chance.percent(20);
            if self.manner == Manner::SameClockAgain {
                beat.client_skew_ms = chance.between(0, self.duration_ms);
            }
            self.beat(chance, events, beat);
            media_ms = media_end_ms;
            clock_ms += advance_ms;
            if chance.percent(20) {
                // A pause, a stall, or a jump back to live.
                clock_ms += chance.between(0, 5_000);
                media_ms += chance.between(-3_000, 3_000);
            }
        }
    }

    fn fetch(&self, chance: &mut Chance, events: &mut Vec<Event>, media: Interval) {
        let session = self.record.id;
        let is_get = match self.manner {
            Manner::BeaconsOnly => return,
            Manner::HeadsOnly => false,
            _ => true,
        };
        // Parts lie on a grid, as a segmenter's do.
        let part_ms = 1_000;
        let first = media.start_ms().div_euclid(part_ms);
        for part in first..=(media.end_ms() - 1).div_euclid(part_ms) {
            let media = interval(part * part_ms, (part + 1) * part_ms);
            let rendition = chance.number() % 3;
            let mut fetch = Fetch { is_get, ..get(rendition, media) };
            match chance.number() % 12 {
                0 => continue,
                1 => fetch.written_bytes = chance.between(0, 40) as u64,
                2 => fetch.status = 304,
                3 => {
                    // A switch in the middle: the start of one rendition, the whole of the next.
                    let start = Fetch { written_bytes: 20, ..fetch };
                    events.push(fetched(session, rendition, start));
                    fetch = Fetch { is_get, ..get(rendition + 1, media) };
                }
                4 => {
                    let cut = chance.between(1, 40) as u64;
                    let start = Fetch { status: 206, written_bytes: cut, ..fetch };
                    events.push(fetched(session, rendition, start));
                    fetch = Fetch {
                        status: 206,
                        first_byte: cut - chance.number() % cut,
                        written_bytes: 40,
                        ..fetch
                    };
                }
                _ => {}
            }
            if self.record.basis == Basis::Cached {
                fetch.content = Content::Playlist(media);
            }
            events.push(fetched(session, rendition, fetch));
        }
    }

    fn beat(&self, chance: &mut Chance, events: &mut Vec<Event>, mut beat: Beat) {
        match self.manner {
            Manner::FetchesOnly => return,
            Manner::Liar => spoil(chance, &mut beat),
            // A little of everything happens to honest players too.
            _ if chance.percent(4) => spoil(chance, &mut beat),
            _ => {}
        }
        if chance.percent(10) {
            beat.received_ms += chance.between(0, 700_000);
        }
        for _ in 0..1 + u64::from(chance.percent(10)) {
            events.push(Event::Beat(beat));
        }
    }
}

/// Makes a heartbeat one that must not be believed.
pub(crate) fn spoil(chance: &mut Chance, beat: &mut Beat) {
    match chance.number() % 9 {
        0 => beat.credential.signature_valid = false,
        1 => beat.credential.show = ShowId(SHOW.0 + 1),
        2 => beat.credential.session = SessionId(beat.session.0 + 100),
        3 => beat.credential.expires_at_ms = beat.received_ms - chance.between(0, 1_000),
        4 => beat.heartbeat.media_ms[1] = beat.heartbeat.media_ms[0] + 60_000,
        5 => beat.received_ms -= chance.between(600, 100_000),
        6 => beat.received_ms += chance.between(600_100, 10_000_000),
        7 => beat.heartbeat.state = PlayerState::Paused,
        _ => beat.heartbeat.media_ms.reverse(),
    }
}
