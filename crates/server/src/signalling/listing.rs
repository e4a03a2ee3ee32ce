//! How sessions do, for operators. Without their ids: who reads this list is not to end sessions.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use tally_media::TrackId;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::body::JSON;
use super::sessions::Listed;
use super::{Signalling, reply};
use crate::webrtc::SessionStats;

/// Sessions listed: some 300 KB. `/metrics` has the sums over all of them.
const LISTED_MAX: usize = 1_000;

/// How long workers may take to say how their sessions do. They answer within a turn.
const STATS_DEADLINE: Duration = Duration::from_secs(2);

/// Shares of packets are told in 256ths.
const LOSS_WHOLE: f64 = 256.0;

/// GET.
pub(super) async fn sessions(State(signalling): State<Arc<Signalling>>) -> Response {
    let (total, listed) = signalling.sessions.list(LISTED_MAX);
    let mut asked = JoinSet::new();
    for listed in listed {
        let webrtc = signalling.webrtc.clone();
        asked.spawn(async move {
            let stats = webrtc.stats(&listed.id).await.ok()?;
            Some(describe(&listed, stats))
        });
    }
    let mut sessions: Vec<Value> = Vec::with_capacity(asked.len());
    let answers = async {
        while let Some(answer) = asked.join_next().await {
            sessions.extend(answer.ok().flatten());
        }
    };
    // A session that ended meanwhile, or whose worker is far behind, is left out.
    let _ = timeout(STATS_DEADLINE, answers).await;
    let list = json!({ "total": total, "sessions": sessions });
    reply::text(StatusCode::OK, JSON, list.to_string())
}

fn describe(listed: &Listed, stats: SessionStats) -> Value {
    let mut session = Map::new();
    let mut set = |name: &str, value: Value| _ = session.insert(name.to_owned(), value);
    set("kind", listed.kind.segment().into());
    set("handle", listed.handle.as_str().into());
    set("show", listed.show.as_str().into());
    match stats {
        SessionStats::Viewer(stats) => {
            set("rtt_ms", stats.round_trip.map(milliseconds).into());
            set("estimate_bps", stats.estimate_bps.into());
            set("layer", stats.layer.map(number).into());
            set("loss", (f64::from(stats.loss) / LOSS_WHOLE).into());
            set("packets", stats.packets.into());
            set("bytes", stats.bytes.into());
            set("packets_asked_again", stats.asked.into());
            set("packets_resent", stats.resent.into());
            set("frames_dropped", stats.frames_dropped.into());
        }
        SessionStats::Publisher(stats) => {
            set("rtt_ms", milliseconds(stats.round_trip).into());
            set("packets", stats.received.packets.into());
            set("bytes", stats.received.bytes.into());
            set("packets_asked_again", stats.received.asked.into());
            set("packets_repaired", stats.received.repaired.into());
            set("frames", stats.frames.into());
            set("frames_dropped", stats.frames_dropped.into());
        }
    }
    Value::Object(session)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn number(layer: TrackId) -> u8 {
    match layer {
        TrackId::Video(number) | TrackId::Audio(number) => number,
    }
}
