//! One viewer on the network: joins, watches, leaves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http::{Method, StatusCode, header};
use tally_rtc::sdp::{Local, Offer, PlayerOffer};
use tally_rtc::transport::{Certificate, Credentials, Path, Protocol};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::live::Live;
use super::player::Player;
use super::report::{Outcome, Reception};
use crate::target::Target;
use crate::{clock, http as requests, inbox, random};

/// A viewer whose media stopped this long before the end was left in the dark.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Times a viewer asks for the end of its session.
const GOODBYES_MAX: u32 = 5;

/// Longest it waits in between, whatever the server says.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// What all viewers share.
pub(super) struct Crowd {
    pub(super) target: Target,
    /// One for all: making keys is no part of what is measured.
    pub(super) certificate: Certificate,
    pub(super) live: Live,
}

/// A viewer that was answered.
struct Session {
    player: Player,
    socket: UdpSocket,
    /// Path of the session's resource, where there is one.
    resource: Option<String>,
}

/// Joins, watches until `leave` says so, leaves.
pub(super) async fn watch(crowd: Arc<Crowd>, leave: watch::Receiver<bool>) -> Outcome {
    let asked = clock::now();
    crowd.live.started();
    match join(&crowd).await {
        Ok(mut session) => {
            let answered = clock::now();
            let kept = stay(&mut session, &crowd.live, leave).await;
            let mut outcome = outcome(&session.player, kept, asked, answered);
            outcome.stayed_on_the_books = !say_goodbye(session, &crowd.target).await;
            crowd.live.left(&outcome);
            outcome
        }
        Err(error) => {
            let outcome = Outcome::refused(format!("{error:#}"));
            crowd.live.left(&outcome);
            outcome
        }
    }
}

/// Offer, answer, and a socket to the first address the answer names that may be asked.
async fn join(crowd: &Crowd) -> anyhow::Result<Session> {
    let local = local(&crowd.certificate);
    let offer = PlayerOffer::new(&local);
    let (target, body) = (&crowd.target, offer.sdp().to_owned());
    let reply =
        requests::request(target, Method::POST, &target.path, "application/sdp", body).await?;
    if reply.status != StatusCode::CREATED {
        bail!("the offer was answered {}", reply.status);
    }
    let answer = Offer::parse(&reply.body).context("the answer")?;
    let negotiated = offer.accept(&answer).context("the answer")?;
    let mut addresses = negotiated.remote_candidates.iter().map(|candidate| candidate.address);
    let remote = addresses.find(|address| target.allows(address.ip()));
    let remote = remote.context("the answer names no UDP address of an allowed host")?;
    let any = if remote.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    // From now on the kernel knows which address to leave from, and lets nobody else in.
    socket.connect(remote).await?;
    let path = Path { local: socket.local_addr()?, remote, protocol: Protocol::Udp };
    let certificate = crowd.certificate.clone();
    let player = Player::new(&local, &negotiated, certificate, path, clock::now())?;
    let resource = reply.headers.get(header::LOCATION).and_then(|it| it.to_str().ok());
    let resource = resource.and_then(path_of).map(str::to_owned);
    Ok(Session { player, socket, resource })
}

/// Receives and answers until told to leave; an error is why it ended before.
async fn stay(
    session: &mut Session,
    live: &Live,
    mut leave: watch::Receiver<bool>,
) -> Result<(), String> {
    let Session { player, socket, .. } = session;
    let mut seen = Seen::default();
    loop {
        flush(player, socket).await;
        seen.tell(player, live);
        if let Some(why) = player.ended() {
            return Err(why.to_owned());
        }
        let wake_at = player.poll_timeout().unwrap_or_else(|| clock::now() + SILENCE_MAX);
        tokio::select! {
            received = inbox::receive(socket, |it| player.handle_datagram(it, clock::now())) => {
                received.map_err(|error| error.to_string())?;
                // What came may have made something due.
                if player.poll_timeout().is_some_and(|at| at <= clock::now()) {
                    player.handle_timeout(clock::now());
                }
            }
            () = sleep_until(wake_at.into()) => player.handle_timeout(clock::now()),
            _ = leave.wait_for(|leave| *leave) => return Ok(()),
        }
    }
}

async fn flush(player: &mut Player, socket: &UdpSocket) {
    while let Some(datagram) = player.poll_datagram() {
        // A server that is gone shows by its silence.
        let _ = socket.send(&datagram).await;
    }
}

/// Tells the server both ways; whether it took the request. One that has no time for it is asked again
/// when it says.
async fn say_goodbye(mut session: Session, target: &Target) -> bool {
    let mut is_taken = session.resource.is_none();
    if let Some(resource) = &session.resource {
        for _ in 0..GOODBYES_MAX {
            let body = String::new();
            let request =
                requests::request(target, Method::DELETE, resource, "application/sdp", body);
            let Ok(reply) = request.await else { break };
            is_taken = reply.status.is_success();
            let Some(wait) = reply.retry_after().filter(|_| !is_taken) else { break };
            sleep(wait.min(RETRY_AFTER_MAX)).await;
        }
    }
    session.player.close(clock::now());
    flush(&mut session.player, &session.socket).await;
    is_taken
}

fn outcome(
    player: &Player,
    kept: Result<(), String>,
    asked: Instant,
    answered: Instant,
) -> Outcome {
    let moments = player.moments();
    let since = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(asked));
    let silence = |at: Instant| clock::now().saturating_duration_since(at);
    let is_dark = moments.last_packet.is_some_and(|at| silence(at) > SILENCE_MAX);
    let failure = match kept {
        Err(why) => Some(why),
        Ok(()) if moments.connected.is_none() => Some("not connected at the end".to_owned()),
        Ok(()) if moments.first_packet.is_none() => Some("no media came".to_owned()),
        Ok(()) if is_dark => Some("the media stopped".to_owned()),
        Ok(()) if moments.first_keyframe.is_none() => Some("no whole keyframe came".to_owned()),
        Ok(()) => None,
    };
    Outcome {
        answered: Some(answered.saturating_duration_since(asked)),
        connected: since(moments.connected),
        first_packet: since(moments.first_packet),
        first_keyframe: since(moments.first_keyframe),
        received: Reception {
            bytes: player.bytes(),
            refused: player.refused(),
            counts: player.counts(),
        },
        failure,
        stayed_on_the_books: false,
    }
}

/// This viewer's fresh ids.
fn local(certificate: &Certificate) -> Local {
    let [a, b, c, d, session @ ..] = random::bytes::<12>();
    Local {
        session_id: u64::from_be_bytes(session) >> 1,
        ice: Credentials { ufrag: random::name(), pwd: random::name() + &random::name() },
        fingerprint: certificate.fingerprint().clone(),
        candidates: Vec::new(),
        ice_lite: false,
        cname: random::name(),
        stream_id: random::name(),
        audio_ssrc: 0,
        video_ssrc: u32::from_be_bytes([a, b, c, d]),
        video_rtx_ssrc: 0,
    }
}

/// Path and query of a `Location`, absolute or not. Its host does not matter: the session is asked for
/// where the offer was.
fn path_of(location: &str) -> Option<&str> {
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|at| &rest[at..]),
        None => location.starts_with('/').then_some(location),
    }
}

/// What the live counters were told of one viewer.
#[derive(Default)]
struct Seen {
    is_connected: bool,
    has_media: bool,
    packets: u64,
    bytes: u64,
}

impl Seen {
    fn tell(&mut self, player: &Player, live: &Live) {
        let (moments, counts) = (player.moments(), player.counts());
        if moments.connected.is_some() && !std::mem::replace(&mut self.is_connected, true) {
            live.connected();
        }
        if moments.first_packet.is_some() && !std::mem::replace(&mut self.has_media, true) {
            live.playing();
        }
        let packets = counts.packets + counts.repaired;
        live.received(packets - self.packets, player.bytes() - self.bytes);
        (self.packets, self.bytes) = (packets, player.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_found_by_paths_of_any_location() {
        assert_eq!(path_of("/live/alice/whep/x"), Some("/live/alice/whep/x"));
        assert_eq!(path_of("https://elsewhere.test/a?b=c"), Some("/a?b=c"));
        assert_eq!((path_of("relative"), path_of("http://host")), (None, None));
    }
}
