//! The append-only log: what its bytes are, how to read them after a crash, and how to make them fewer.
//!
//! No file is opened here: writers append what [`encode`] gives them and decide when to sync; readers
//! hand in what they found.
//!
//! # Form
//! ```text
//! record  = magic "WTL1" | length u32 | CRC-32C u32 | payload        little-endian; the CRC is over
//!                                                                    length and payload
//! payload = kind u8 | node | epoch | sequence | at_ms | body         all varints, signed ones zigzag
//! ```
//! A node numbers its records from 1 in each epoch (each start of the process), so that a reader
//! sees what is missing. `at_ms` is when the record was written; it is for people who read the log and
//! changes no figure.
//!
//! # Damage
//! Bytes that are no intact record are skipped up to the next one, and counted. Damage that reaches
//! the end of the input is the torn tail of a crash: a writer truncates its file to
//! [`Tail::intact_bytes`] before it appends. Evidence only adds, so lost records make figures fall
//! short and never exceed; heartbeats that players send again bring them back.

mod frame;
mod positions;
mod record;
mod replay;
mod snapshot;
mod wire;

pub use frame::{Frames, MAGIC, RECORD_BYTES_MAX, Tail};
pub use positions::{NODES_MAX, Positions};
pub use record::{Entry, Position, Record, Unreadable, decode, encode};
pub use replay::{Replay, ReplayReport};
pub use snapshot::{compact, snapshot};
