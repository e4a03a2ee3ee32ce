//! Books in a directory of their own, and a show that is watched.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tally_store::{Handle, Store};
use tally_watch::{
    Basis, Delivered, DeliveryKind, Heartbeat, Interval, NodeId, PlaybackSession, PlayerState,
    SessionId, ShowId, ViewerKey,
};
use tempfile::TempDir;

use crate::Outside;
use crate::books::{Books, BooksOptions, NewShow};
use crate::{SESSION_TOKEN_MS, SessionGrant, show_id};

/// A while after session numbers begin, and the start of a minute.
pub(super) const GO_LIVE_MS: i64 = 1_794_960_000_000;
pub(super) const SHOW: &str = "the-show";

pub(super) fn show() -> ShowId {
    show_id(SHOW)
}

/// A directory with a log and a database, and a clock that is set.
pub(super) struct Place {
    pub(super) directory: TempDir,
    pub(super) clock: Arc<AtomicI64>,
}

impl Place {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, clock: Arc::new(AtomicI64::new(GO_LIVE_MS)) }
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.path().join("watch")
    }

    pub(super) fn outside(&self) -> Outside {
        let clock = Arc::clone(&self.clock);
        Outside {
            unix_ms: Arc::new(move || clock.load(Ordering::Relaxed)),
            random: |bytes| aws_lc_rs::rand::fill(bytes).unwrap(),
        }
    }

    pub(super) async fn store(&self) -> Store {
        let file = self.directory.path().join("tally.db");
        Store::open(file.to_str().unwrap()).await.unwrap()
    }

    pub(super) async fn open(&self) -> (Books, Store) {
        self.open_log(self.log()).await
    }

    pub(super) async fn open_log(&self, directory: PathBuf) -> (Books, Store) {
        let store = self.store().await;
        let options = BooksOptions {
            directory,
            node: NodeId(1),
            final_after_ms: 60_000,
            basis: Basis::Direct,
            sync_every: Duration::from_millis(1),
            outside: self.outside(),
        };
        let (books, _) = Books::open(options, store.clone()).await.unwrap();
        (books, store)
    }

    /// Books with a show of two minutes.
    pub(super) async fn with_show(&self) -> (Books, Store) {
        let (books, store) = self.open().await;
        let handle: Handle = "alice".parse().unwrap();
        let show = NewShow { name: SHOW, handle: &handle, went_live_ms: GO_LIVE_MS };
        books.went_live(show).await.unwrap();
        for part in 0..480 {
            books.published(self::show(), media(part * 250, (part + 1) * 250));
        }
        (books, store)
    }
}

pub(super) fn media(start_ms: i64, end_ms: i64) -> Interval {
    Interval::new(GO_LIVE_MS + start_ms, GO_LIVE_MS + end_ms).unwrap()
}

/// The grant of a session of a viewer, minted at go-live.
pub(super) fn grant(viewer: u64) -> SessionGrant {
    let session = PlaybackSession {
        id: SessionId(viewer),
        viewer: Some(ViewerKey(u128::from(viewer))),
        started_at_ms: GO_LIVE_MS,
        basis: Basis::Direct,
    };
    SessionGrant {
        session,
        show: show(),
        lease: None,
        issued_at_ms: GO_LIVE_MS,
        expires_at_ms: GO_LIVE_MS + SESSION_TOKEN_MS,
    }
}

/// Heartbeats of ten seconds each over the first `count * 10` seconds.
pub(super) fn heartbeats(count: u64) -> Vec<Heartbeat> {
    let heartbeat = |at: u64| {
        let [start_ms, end_ms] = [at, at + 1].map(|it| it.cast_signed() * 10_000);
        Heartbeat {
            sequence: at + 1,
            media_ms: [GO_LIVE_MS + start_ms, GO_LIVE_MS + end_ms],
            clock_ms: [start_ms, end_ms],
            state: PlayerState::Playing,
            rate_permille: 1_000,
            visible: true,
            picture_in_picture: false,
            audible: true,
        }
    };
    (0..count).map(heartbeat).collect()
}

/// All parts of a stretch reach a session.
pub(super) fn deliver(books: &Books, session: SessionId, start_ms: i64, end_ms: i64) {
    for part in (start_ms..end_ms).step_by(250) {
        let media = media(part, part + 250);
        let delivered = Delivered { session, kind: DeliveryKind::Media, media };
        books.delivered(show(), delivered);
    }
}
