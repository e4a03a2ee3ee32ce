//! Each refusal, at the millisecond where it begins.

use super::*;
use crate::{Attention, Basis};

const T0: i64 = 1_700_000_000_000;
const SHOW: ShowId = ShowId(1);

fn session() -> PlaybackSession {
    PlaybackSession { id: SessionId(7), viewer: None, started_at_ms: T0, basis: Basis::Direct }
}

fn credential() -> Credential {
    Credential { signature_valid: true, show: SHOW, session: SessionId(7), expires_at_ms: i64::MAX }
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        sequence: 1,
        media_ms: [T0 - 3_000, T0 + 7_000],
        clock_ms: [0, 10_000],
        state: PlayerState::Playing,
        rate_permille: 1_000,
        visible: true,
        picture_in_picture: false,
        audible: true,
    }
}

fn received_at(heartbeat: &Heartbeat, received_ms: i64) -> Result<Attested, Refusal> {
    admit(heartbeat, &credential(), SHOW, &session(), received_ms)
}

fn received(heartbeat: &Heartbeat) -> Result<Attested, Refusal> {
    received_at(heartbeat, T0 + heartbeat.clock_ms[1].clamp(0, 1 << 40))
}

#[test]
fn an_honest_heartbeat_is_anchored_to_the_servers_clock() {
    let attested = received(&heartbeat()).unwrap();
    assert_eq!(attested.wall, Interval::new(T0, T0 + 10_000).unwrap());
    assert_eq!(attested.media, Interval::new(T0 - 3_000, T0 + 7_000).unwrap());
    assert_eq!((attested.attention, attested.source), (Attention::Visible, Source::Player));
}

#[test]
fn what_is_not_the_sessions_own_is_refused() {
    let changed = |change: fn(&mut Credential)| {
        let mut credential = credential();
        change(&mut credential);
        admit(&heartbeat(), &credential, SHOW, &session(), T0 + 10_000).unwrap_err()
    };
    assert_eq!(changed(|it| it.signature_valid = false), Refusal::SignatureInvalid);
    assert_eq!(changed(|it| it.show = ShowId(2)), Refusal::ForeignShow);
    assert_eq!(changed(|it| it.session = SessionId(8)), Refusal::ForeignSession);
    assert_eq!(changed(|it| it.expires_at_ms = T0 + 10_000), Refusal::TokenExpired);
}

#[test]
fn only_playing_counts() {
    use PlayerState::{Ended, Paused, Seeking, Stalled};
    for state in [Paused, Stalled, Seeking, Ended] {
        assert_eq!(received(&Heartbeat { state, ..heartbeat() }), Err(Refusal::NotPlaying));
    }
}

#[test]
fn ranges_are_whole_and_at_most_thirty_seconds() {
    let range = |media_ms, clock_ms| received(&Heartbeat { media_ms, clock_ms, ..heartbeat() });
    assert!(range([0, 30_000], [0, 30_000]).is_ok());
    assert_eq!(range([0, 30_001], [0, 30_000]), Err(Refusal::RangeTooLong));
    assert_eq!(range([0, 30_000], [0, 30_001]), Err(Refusal::RangeTooLong));
    assert_eq!(range([5, 5], [0, 10]), Err(Refusal::RangeInvalid));
    assert_eq!(range([0, 5], [10, 10]), Err(Refusal::RangeInvalid));
    assert_eq!(range([9, 5], [0, 10]), Err(Refusal::RangeInvalid));
    assert_eq!(range([0, 5], [-1, 10]), Err(Refusal::RangeInvalid));
    assert_eq!(range([i64::MIN, i64::MAX], [0, 10]), Err(Refusal::RangeInvalid));
    assert_eq!(range([0, 5], [0, i64::MAX]), Err(Refusal::RangeInvalid));
}

#[test]
fn neither_the_future_nor_old_history_is_believed() {
    let end_ms = T0 + 10_000;
    assert!(received_at(&heartbeat(), end_ms - 500).is_ok());
    assert_eq!(received_at(&heartbeat(), end_ms - 501), Err(Refusal::InFuture));
    assert!(received_at(&heartbeat(), end_ms + 600_000).is_ok());
    assert_eq!(received_at(&heartbeat(), end_ms + 600_001), Err(Refusal::TooOld));
    assert_eq!(received_at(&heartbeat(), i64::MIN), Err(Refusal::InFuture));
}

#[test]
fn media_may_run_a_quarter_faster_and_half_a_second() {
    let advance = |media_ms| received(&Heartbeat { media_ms: [0, media_ms], ..heartbeat() });
    assert!(advance(13_000).is_ok());
    assert_eq!(advance(13_001), Err(Refusal::TooFast));
    assert_eq!(advance(20_000), Err(Refusal::TooFast));
}
