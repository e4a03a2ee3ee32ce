//! A transcoder on a task of its own.
//!
//! Making a packet of sound anew takes about a hundred times as long as packaging one. So a pump hands
//! packets over and takes what comes of them when it is there: pictures, the clock and all other tracks
//! go on meanwhile. The computing is done on the blocking pool, a batch at a time, so no thread is held
//! while there is nothing to do, and the tasks that serve viewers never wait behind it.

use prometheus::IntCounter;
use tally_audio::{Options, Target, Transcoder, Unsupported};
use tally_media::{Frame, Track};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tracing::{debug, error};

/// Packets that wait to be transcoded, for a show followed from its start: a second and more of 20 ms
/// each. A machine that is further behind does not catch up, and players have given up on the sound.
pub(super) const WAITING_MAX: usize = 64;

/// Packets computed in one go, so that what is made leaves soon: a fifth of a second.
const BATCH_MAX: usize = 10;

/// What a transcoding made, with the number it was started under.
#[derive(Debug)]
pub(super) struct Made {
    /// Which transcoding it comes from.
    pub(super) run: u64,
    /// In the times of the track that goes in.
    pub(super) frame: Frame,
}

/// One track being transcoded. Dropping it lets what waits be finished.
#[derive(Debug)]
pub(super) struct Transcoding {
    input: mpsc::Sender<Frame>,
    output: Track,
    lost: IntCounter,
}

impl Transcoding {
    /// From the frames of `track` to `target`, into `made` under the number `run`. At most `waiting_max`
    /// frames wait; what becomes nothing is counted in `lost`.
    ///
    /// # Errors
    /// When the track cannot be transcoded.
    pub(super) fn start(
        track: &Track,
        target: Target,
        run: u64,
        made: mpsc::Sender<Made>,
        waiting_max: usize,
        lost: &IntCounter,
    ) -> Result<Self, Unsupported> {
        let transcoder = Transcoder::new(track, target, Options::default())?;
        let output = transcoder.output_track().clone();
        let (input, waiting) = mpsc::channel(waiting_max);
        tokio::spawn(work(transcoder, waiting, run, made, lost.clone()));
        Ok(Self { input, output, lost: lost.clone() })
    }

    /// The track of what is made, under the id of the one that goes in.
    pub(super) const fn output(&self) -> &Track {
        &self.output
    }

    /// Hands a frame over. Never waits: where as many wait as may, it is lost, and silence stands for
    /// it.
    pub(super) fn push(&self, frame: Frame) {
        if self.input.try_send(frame).is_err() {
            self.lost.inc();
        }
    }
}

/// Transcodes until there is no more input, or nobody takes the output.
async fn work(
    mut transcoder: Transcoder,
    mut waiting: mpsc::Receiver<Frame>,
    run: u64,
    made: mpsc::Sender<Made>,
    lost: IntCounter,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    loop {
        let is_over = waiting.recv_many(&mut batch, BATCH_MAX).await == 0;
        let frames = std::mem::take(&mut batch);
        let lost = lost.clone();
        let computed = spawn_blocking(move || compute(transcoder, &frames, is_over, &lost)).await;
        let (returned, frames) = match computed {
            Ok(computed) => computed,
            Err(error) => return error!(%error, "transcoding failed, a bug: the track is silent"),
        };
        transcoder = returned;
        for frame in frames {
            if made.send(Made { run, frame }).await.is_err() {
                return;
            }
        }
        if is_over {
            return;
        }
    }
}

fn compute(
    mut transcoder: Transcoder,
    frames: &[Frame],
    is_over: bool,
    lost: &IntCounter,
) -> (Transcoder, Vec<Frame>) {
    let mut made = Vec::new();
    for frame in frames {
        if let Err(error) = transcoder.push(frame) {
            lost.inc();
            debug!(%error, "frame not transcoded");
        }
        made.extend(std::iter::from_fn(|| transcoder.poll_frame()));
    }
    if is_over {
        transcoder.finish();
        made.extend(std::iter::from_fn(|| transcoder.poll_frame()));
    }
    (transcoder, made)
}

#[cfg(test)]
mod tests {
    use tally_media::TrackId;
    use tally_testsource::{Options as SourceOptions, TestSource};

    use super::*;
    use crate::metrics::Metrics;

    /// On the test's one thread nothing is transcoded while frames are pushed: a transcoder that is
    /// far behind.
    #[tokio::test(start_paused = true)]
    async fn a_transcoder_that_is_behind_costs_sound_and_no_time() {
        let mut source = TestSource::new(SourceOptions::default()).unwrap();
        let track = source.tracks()[1].clone();
        let lost = Metrics::new().hls.untranscoded_frames;
        let (made, mut output) = mpsc::channel(1);
        let transcoding =
            Transcoding::start(&track, Target::Opus, 7, made, WAITING_MAX, &lost).unwrap();
        let frames = std::iter::from_fn(|| Some(source.next_frame()));
        let sound = frames.filter(|(id, _)| *id == TrackId::Audio(0)).map(|(_, frame)| frame);
        sound.take(WAITING_MAX + 36).for_each(|frame| transcoding.push(frame));
        assert_eq!(lost.get(), 36);
        drop(transcoding);
        let mut frames = 0;
        while let Some(made) = output.recv().await {
            assert_eq!(made.run, 7);
            frames += 1;
        }
        // 64 frames of 1,024 samples are 68 of 960 and what the encoder holds back.
        assert!((68..=70).contains(&frames), "{frames}");
    }
}
