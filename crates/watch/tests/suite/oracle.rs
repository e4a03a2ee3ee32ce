//! The rule again, written another way: a flag for every millisecond and every byte, and sweeps over
//! sorted ends. Shares no code with the crate but its input types.

use std::collections::{BTreeMap, BTreeSet};

use tally_watch::{Basis, Content, Fetch, PlayerState, SessionId, ViewerKey};

use crate::scenario::{Beat, Event, GO_LIVE, SHOW, Scenario};

/// One viewer, by flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) counted_ms: u64,
    pub(crate) media_ms: u64,
    pub(crate) wall_ms: u64,
    pub(crate) delivered_ms: u64,
    /// Media delivered and attested with any attention.
    pub(crate) attended_ms: u64,
    /// The viewer's wall clock, a flag a millisecond since go-live.
    pub(crate) wall: Vec<bool>,
}

pub(crate) struct Oracle {
    pub(crate) viewers: BTreeMap<ViewerKey, Truth>,
    pub(crate) published_ms: u64,
}

/// What a session did, in plain milliseconds since go-live.
#[derive(Default)]
struct Did {
    viewer: Option<ViewerKey>,
    cached: bool,
    got: Vec<bool>,
    offered: Vec<bool>,
    /// Start and end of media and wall clock, and whether the attention counts.
    said: Vec<([i64; 2], [i64; 2], bool)>,
}

impl Oracle {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let length = scenario.duration_ms as usize;
        let mut published = vec![false; length];
        let mut sessions: BTreeMap<SessionId, (i64, Did)> = BTreeMap::new();
        let mut bytes: BTreeMap<(SessionId, u64), Vec<bool>> = BTreeMap::new();
        for event in &scenario.events {
            match event {
                Event::Published(media) => {
                    mark(&mut published, [media.start_ms() - GO_LIVE, media.end_ms() - GO_LIVE]);
                }
                Event::Minted(record) => {
                    let mut did = Did { viewer: record.viewer, ..Did::default() };
                    did.cached = record.basis == Basis::Cached;
                    (did.got, did.offered) = (vec![false; length], vec![false; length]);
                    sessions.insert(record.id, (record.started_at_ms, did));
                }
                Event::Fetched { session, fetch, .. } => {
                    let flags = bytes.entry((*session, fetch.object)).or_default();
                    let Some(media) = fetched_whole(flags, fetch) else { continue };
                    let did = &mut sessions.get_mut(session).expect("minted before").1;
                    let offered = matches!(fetch.content, Content::Playlist(_));
                    mark(if offered { &mut did.offered } else { &mut did.got }, media);
                }
                Event::Beat(beat) => {
                    let (started_ms, did) = sessions.get_mut(&beat.session).expect("minted before");
                    if let Some(wall) = believed(beat, *started_ms) {
                        let said = &beat.heartbeat;
                        let eligible = said.visible || said.picture_in_picture || said.audible;
                        did.said.push((said.media_ms.map(|it| it - GO_LIVE), wall, eligible));
                    }
                }
                Event::Judged { .. } => {}
            }
        }
        Self::sum(&published, sessions.into_values().map(|(_, did)| did))
    }

    fn sum(published: &[bool], sessions: impl Iterator<Item = Did>) -> Self {
        let end = published.iter().rposition(|&flag| flag).map_or(0, |last| last + 1);
        let mut by_viewer: BTreeMap<ViewerKey, Vec<Did>> = BTreeMap::new();
        for did in sessions {
            if let Some(viewer) = did.viewer {
                by_viewer.entry(viewer).or_default().push(did);
            }
        }
        let viewers = by_viewer.into_iter().map(|(viewer, sessions)| {
            let mut wall = vec![false; end + 60_000];
            let (mut media, mut attended) = (vec![false; end], vec![false; end]);
            let mut delivered = vec![false; end];
            for did in &sessions {
                let there = if did.cached { &did.offered } else { &did.got };
                let mut any = vec![false; end];
                let mut eligible = vec![false; end];
                for (said, spans, counts) in &did.said {
                    mark(&mut any, *said);
                    if *counts {
                        mark(&mut eligible, *said);
                        mark(&mut wall, *spans);
                    }
                }
                for at in 0..end {
                    media[at] |= published[at] && there[at] && eligible[at];
                    attended[at] |= published[at] && there[at] && any[at];
                    delivered[at] |= published[at] && there[at] && (any[at] || !did.cached);
                }
            }
            let [media_ms, wall_ms] = [count(&media), count(&wall)];
            let truth = Truth {
                counted_ms: media_ms.min(wall_ms),
                media_ms,
                wall_ms,
                delivered_ms: count(&delivered),
                attended_ms: count(&attended),
                wall,
            };
            (viewer, truth)
        });
        Self { viewers: viewers.collect(), published_ms: count(published) }
    }
}

/// A viewer's presence by sorting the ends of all believed spans: never clipped, so an upper bound.
pub(crate) fn presence_ms(scenario: &Scenario, viewer: ViewerKey) -> u64 {
    let of_viewer = scenario.sessions().filter(|record| record.viewer == Some(viewer));
    let started: BTreeMap<_, _> = of_viewer.map(|it| (it.id, it.started_at_ms)).collect();
    let mut ends = BTreeSet::new();
    for (number, event) in scenario.events.iter().enumerate() {
        let Event::Beat(beat) = event else { continue };
        let Some(&started_ms) = started.get(&beat.session) else { continue };
        if let Some([from_ms, to_ms]) = believed(beat, started_ms) {
            ends.extend([(from_ms, 1, number), (to_ms, -1, number)]);
        }
    }
    let (mut open, mut since_ms, mut sum_ms) = (0, 0, 0);
    for (at_ms, step, _) in ends {
        if open > 0 {
            sum_ms += at_ms - since_ms;
        }
        open += step;
        since_ms = at_ms;
    }
    sum_ms.unsigned_abs()
}

/// The admission rule, from the text of the definition.
pub(crate) fn believed(beat: &Beat, started_ms: i64) -> Option<[i64; 2]> {
    let Beat { heartbeat, credential, received_ms, .. } = beat;
    let [media, clock] = [heartbeat.media_ms, heartbeat.clock_ms].map(|[from, to]| to - from);
    let end_ms = started_ms + heartbeat.clock_ms[1];
    let own = credential.signature_valid
        && credential.show == SHOW
        && credential.session == beat.session
        && credential.expires_at_ms > *received_ms;
    let good = (1..=30_000).contains(&media)
        && (1..=30_000).contains(&clock)
        && heartbeat.clock_ms[0] >= 0
        && end_ms - received_ms <= 500
        && received_ms - end_ms <= 600_000
        && 4 * media <= 5 * clock + 2_000
        && heartbeat.state == PlayerState::Playing;
    (own && good).then(|| heartbeat.clock_ms.map(|it| started_ms + it - GO_LIVE))
}

fn fetched_whole(flags: &mut Vec<bool>, fetch: &Fetch) -> Option<[i64; 2]> {
    let (media, adds_up) = match fetch.content {
        Content::Media(media) => (media, true),
        Content::Playlist(media) => (media, false),
        Content::Other => return None,
    };
    if !fetch.is_get || (fetch.status != 200 && fetch.status != 206) {
        return None;
    }
    if !adds_up {
        flags.clear();
    }
    flags.resize(fetch.object_bytes as usize, false);
    let from = fetch.first_byte as usize;
    let to = (from + fetch.written_bytes as usize).min(flags.len());
    flags[from..to].fill(true);
    flags.iter().all(|&flag| flag).then_some([media.start_ms() - GO_LIVE, media.end_ms() - GO_LIVE])
}

fn mark(flags: &mut [bool], [from_ms, to_ms]: [i64; 2]) {
    let clamp = |at_ms: i64| usize::try_from(at_ms).unwrap_or(0).min(flags.len());
    let (from, to) = (clamp(from_ms), clamp(to_ms));
    flags[from..to].fill(true);
}

fn count(flags: &[bool]) -> u64 {
    flags.iter().filter(|&&flag| flag).count() as u64
}
