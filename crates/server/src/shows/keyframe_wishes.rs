//! Viewers' wishes for a keyframe, on their way to the publisher.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tally_media::TrackId;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A track's keyframe is asked for at most this often: many viewers lose a packet at the same
/// moment, each asks until a keyframe comes, and every keyframe costs the bits of many pictures.
pub const KEYFRAME_WISH_INTERVAL: Duration = Duration::from_millis(500);

/// Wishes of all of a show's viewers, one for each track. Who publishes over a protocol that can ask
/// the encoder waits for [`Self::next`]; with any other publisher they lead to nothing.
#[derive(Debug, Default)]
pub struct KeyframeWishes {
    /// One per track ever wished for; the ids are two kinds of 256.
    tracks: Mutex<BTreeMap<TrackId, Wish>>,
    wished: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    at: Instant,
    is_open: bool,
}

impl KeyframeWishes {
    /// Wishes for a keyframe of `track`. False where it was wished for within
    /// [`KEYFRAME_WISH_INTERVAL`]: that keyframe serves both.
    pub fn want(&self, track: TrackId) -> bool {
        let at = Instant::now();
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = tracks
            .get(&track)
            .is_none_or(|wish| at.duration_since(wish.at) >= KEYFRAME_WISH_INTERVAL);
        if is_new {
            tracks.insert(track, Wish { at, is_open: true });
            drop(tracks);
            self.wished.notify_one();
        }
        is_new
    }

    /// Waits for the next track that needs a keyframe. For one waiter at a time, the newest
    /// publisher; safe to drop and call again.
    pub async fn next(&self) -> TrackId {
        loop {
            if let Some(track) = self.take() {
                return track;
            }
            self.wished.notified().await;
        }
    }

    fn take(&self) -> Option<TrackId> {
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let (track, wish) = tracks.iter_mut().find(|(_, wish)| wish.is_open)?;
        wish.is_open = false;
        Some(*track)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: TrackId = TrackId::Video(0);
    const SMALL: TrackId = TrackId::Video(1);

    #[tokio::test(start_paused = true)]
    async fn many_wishes_reach_the_publisher_once_for_each_track() {
        let wishes = KeyframeWishes::default();
        let given: Vec<bool> = [LARGE, LARGE, SMALL, LARGE].map(|it| wishes.want(it)).into();
        assert_eq!(given, [true, false, true, false]);
        assert_eq!((wishes.next().await, wishes.next().await), (LARGE, SMALL));
        let none = tokio::time::timeout(KEYFRAME_WISH_INTERVAL / 2, wishes.next()).await;
        assert!(none.is_err(), "{none:?}");
        assert!(!wishes.want(LARGE));
        tokio::time::advance(KEYFRAME_WISH_INTERVAL / 2).await;
        assert!(wishes.want(LARGE));
        assert_eq!(wishes.next().await, LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_that_waits_is_woken() {
        let wishes = std::sync::Arc::new(KeyframeWishes::default());
        let waiting = std::sync::Arc::clone(&wishes);
        let publisher = tokio::spawn(async move { waiting.next().await });
        tokio::task::yield_now().await;
        wishes.want(SMALL);
        assert_eq!(publisher.await.unwrap(), SMALL);
    }
}
