//! Which heartbeats are believed: a pure function of the heartbeat, its credential, the session record
//! and the time it was received.

use crate::interval::INSTANT_MS_MAX;
use crate::{
    Attested, Heartbeat, Interval, PlaybackSession, PlayerState, SessionId, ShowId, Source,
};

/// A heartbeat covers at most this much, on either axis: three times the interval players send at.
pub const RANGE_MS_MAX: i64 = 30_000;

/// A range may end this far ahead of the server's clock: rounding and the slack of a monotonic clock.
pub const FUTURE_SLACK_MS: i64 = 500;

/// A range that ended longer ago than this comes too late: longer than a network cut a player keeps its
/// heartbeats for, short enough that nobody writes history.
pub const AGE_MS_MAX: i64 = 600_000;

/// Media may advance by this share of the clock's advance: live players catch up at up to 1.1.
const ADVANCE_PERCENT_MAX: i64 = 125;

/// And by this much more, because players report positions rounded to frames and segments.
const ADVANCE_SLACK_MS: i64 = 500;

/// What the token that came with a heartbeat says, read by whoever can check signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Whether its signature is right.
    pub signature_valid: bool,
    /// The show it was issued for.
    pub show: ShowId,
    /// The session it was issued for.
    pub session: SessionId,
    /// When it ends, in Unix milliseconds.
    pub expires_at_ms: i64,
}

/// Why a heartbeat is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// Tampered with, or never signed by us.
    #[error("the signature is not valid")]
    SignatureInvalid,
    /// The token is for another show.
    #[error("the token is for another show")]
    ForeignShow,
    /// The token is for another session.
    #[error("the token is for another session")]
    ForeignSession,
    /// The token had ended when the heartbeat came in.
    #[error("the token has expired")]
    TokenExpired,
    /// The player did not render anything.
    #[error("the player was not playing")]
    NotPlaying,
    /// Empty, backward, before the session began or beyond every calendar.
    #[error("the range is empty, backward or out of bounds")]
    RangeInvalid,
    /// Longer than [`RANGE_MS_MAX`] on one of the axes.
    #[error("the range is longer than {RANGE_MS_MAX} ms")]
    RangeTooLong,
    /// Ends later than now.
    #[error("the range ends in the future")]
    InFuture,
    /// Ended longer than [`AGE_MS_MAX`] ago.
    #[error("the range ended more than {AGE_MS_MAX} ms ago")]
    TooOld,
    /// The media ran away from the clock.
    #[error("media advanced faster than the clock allows")]
    TooFast,
}

/// Decides one heartbeat. `show` is the show the session record belongs to; `received_ms` is the
/// server's clock in Unix milliseconds.
///
/// The order of the checks is fixed, so that a heartbeat with several faults has one reason
/// everywhere: whose it is, what it says, when it is for.
///
/// # Errors
/// The first [`Refusal`] that applies. A refused heartbeat changes nothing.
pub fn admit(
    heartbeat: &Heartbeat,
    credential: &Credential,
    show: ShowId,
    session: &PlaybackSession,
    received_ms: i64,
) -> Result<Attested, Refusal> {
    if !credential.signature_valid {
        return Err(Refusal::SignatureInvalid);
    }
    if credential.show != show {
        return Err(Refusal::ForeignShow);
    }
    if credential.session != session.id {
        return Err(Refusal::ForeignSession);
    }
    if received_ms >= credential.expires_at_ms {
        return Err(Refusal::TokenExpired);
    }
    admit_from(Source::Player, heartbeat, session, received_ms)
}

/// The same for a heartbeat that carries no token because it was derived on this server
/// ([`cmcd::Observer`](crate::cmcd::Observer)).
///
/// # Errors
/// The first [`Refusal`] that applies.
pub fn admit_derived(
    heartbeat: &Heartbeat,
    session: &PlaybackSession,
    received_ms: i64,
) -> Result<Attested, Refusal> {
    admit_from(Source::Cmcd, heartbeat, session, received_ms)
}

fn admit_from(
    source: Source,
    heartbeat: &Heartbeat,
    session: &PlaybackSession,
    received_ms: i64,
) -> Result<Attested, Refusal> {
    if heartbeat.state != PlayerState::Playing {
        return Err(Refusal::NotPlaying);
    }
    let media = range(heartbeat.media_ms, 0)?;
    let [clock_start_ms, clock_end_ms] = heartbeat.clock_ms;
    if clock_start_ms < 0 {
        return Err(Refusal::RangeInvalid);
    }
    let wall = range([clock_start_ms, clock_end_ms], session.started_at_ms)?;
    let advance_ms = [media, wall].map(|range| range.end_ms() - range.start_ms());
    if advance_ms.iter().any(|&advance_ms| advance_ms > RANGE_MS_MAX) {
        return Err(Refusal::RangeTooLong);
    }
    if wall.end_ms() > received_ms.saturating_add(FUTURE_SLACK_MS) {
        return Err(Refusal::InFuture);
    }
    if wall.end_ms() < received_ms.saturating_sub(AGE_MS_MAX) {
        return Err(Refusal::TooOld);
    }
    let [media_ms, clock_ms] = advance_ms;
    if media_ms * 100 > clock_ms * ADVANCE_PERCENT_MAX + ADVANCE_SLACK_MS * 100 {
        return Err(Refusal::TooFast);
    }
    Ok(Attested { session: session.id, source, attention: heartbeat.attention(), media, wall })
}

fn range([start_ms, end_ms]: [i64; 2], origin_ms: i64) -> Result<Interval, Refusal> {
    let bounds = -INSTANT_MS_MAX..=INSTANT_MS_MAX;
    if ![start_ms, end_ms, origin_ms].iter().all(|instant_ms| bounds.contains(instant_ms)) {
        return Err(Refusal::RangeInvalid);
    }
    Interval::new(origin_ms + start_ms, origin_ms + end_ms).ok_or(Refusal::RangeInvalid)
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
