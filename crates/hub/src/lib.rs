//! Name to stream: one writer, any number of readers, a bounded log of frames between them.
//!
//! # Owns
//! - [`Hub`]: which streams are live, by name.
//! - [`Producer`]: the one writer of a stream. Its cost does not depend on the number of readers.
//! - [`Consumer`]: one reader's place in a stream. All tracks' items come in the order written.
//! - [`Limits`]: how much of a stream is kept, and so how far behind a reader may fall.
//! - [`Delivery`]: the one seam where media that reached a viewer is reported, by every protocol. Totals
//!   are kept here; whoever counts for viewers takes the reports up with a [`DeliverySink`], whose ring
//!   is the only place they wait in.
//!
//! # Model
//! A stream is one log of numbered entries: frames of all tracks, and the changes between them. The
//! log is kept in chunks of a few dozen entries; whole chunks leave at the old end when a limit is
//! reached. A *group* is a keyframe up to the next keyframe of its track; readers enter at the start
//! of one.
//!
//! There is one log per stream and not one per track for three reasons: items come out in the order
//! they went in, without a merge; a reader that falls behind skips sound and pictures together, so
//! they stay in step; and the memory of a stream is bounded however many tracks it has.
//!
//! # Cost
//! - Writing a frame: two short locks, and at most [`WRITER_FAN_OUT`] wakers called. Each reader that
//!   wakes wakes up to [`FAN_OUT`] more before it reads, so ten thousand waiting readers are reached
//!   in six steps on the readers' own time.
//! - Reading a frame that is there: no lock; one reference count up and down for the chunk, one for
//!   the payload. Reading at the end of the log: one short lock to wait, one when woken.
//! - A waiting or stalled reader keeps no frame alive: it holds the log weakly, and learns on its next
//!   read that it was overtaken.
//!
//! # Must never
//! Know a protocol or a container, look into a payload, open a socket, start a task, read the clock,
//! or let a reader delay the writer or another reader.
//!
//! # Example
//! ```
//! # use tally_hub::{Hub, Item, Limits, Start};
//! # use tally_media::{Codec, Frame, Timescale, Timestamp, Track, TrackId, codec::AudioRecord};
//! # fn track() -> Track {
//! #     let audio = AudioRecord { record: Default::default(), sample_rate: 48_000, channels: 2,
//! #         frame_samples: None, rfc6381: "opus".into() };
//! #     Track { id: TrackId::Audio(0), codec: Codec::Opus(audio),
//! #         timescale: Timescale::new(48_000), language: None, color: None }
//! # }
//! let hub = Hub::new(Limits::default());
//! let mut producer = hub.create("alice").unwrap();
//! let mut consumer = hub.stream("alice").unwrap().consume(Start::NewestGroup);
//!
//! let track = producer.track(track());
//! let now = Timestamp::new(0, track.timescale);
//! let frame = Frame { dts: now, pts: now, duration_ticks: Some(960), keyframe: true,
//!     payload: vec![0; 100].into() };
//! producer.write(track.id, frame).unwrap();
//!
//! assert!(matches!(consumer.try_next(), std::task::Poll::Ready(Some(Item::Track(_)))));
//! assert!(matches!(consumer.try_next(), std::task::Poll::Ready(Some(Item::Frame(..)))));
//! ```

mod consumer;
mod delivery;
mod directory;
mod entry;
mod limits;
mod log;
mod producer;
mod stats;
mod stream;
mod wake;

pub use consumer::{Consumer, Next, Start};
pub use delivery::{Delivery, DeliverySink, DeliveryTotals, SessionId};
pub use directory::{Hub, NameTaken};
pub use entry::Item;
pub use limits::Limits;
pub use producer::{Producer, WriteError};
pub use stats::{StreamStats, TrackStats};
pub use stream::Stream;
pub use wake::{FAN_OUT, WRITER_FAN_OUT};
