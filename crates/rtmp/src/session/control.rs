//! Protocol control and user control messages (RTMP 1.0, sections 5.4 and 7.1.7).

use super::Session;
use crate::chunk::Message;
use crate::{Error, message_type};

/// Window both sides count acknowledgements by until told otherwise, in bytes: what most servers
/// announce.
pub(super) const WINDOW_BYTES: u32 = 2_500_000;
/// Smallest window that is taken seriously, in bytes. A window of one byte would make us answer
/// every read with an acknowledgement.
const WINDOW_BYTES_MIN: u32 = 4_096;
/// User control event: Ping Request.
const PING_REQUEST: u16 = 6;

/// Counts received bytes, so that the peer learns that they arrived (5.4.3).
#[derive(Debug)]
pub(super) struct Acknowledgements {
    received_bytes: u64,
    acknowledged_bytes: u64,
    window_bytes: u32,
}

impl Default for Acknowledgements {
    fn default() -> Self {
        Self { received_bytes: 0, acknowledged_bytes: 0, window_bytes: WINDOW_BYTES }
    }
}

impl Acknowledgements {
    pub(super) const fn received(&mut self, bytes: usize) {
        self.received_bytes += bytes as u64;
    }

    /// The sequence number to acknowledge, once half a window came: peers that stop at a full
    /// window never get to stop.
    pub(super) fn due(&mut self) -> Option<u32> {
        let unacknowledged = self.received_bytes - self.acknowledged_bytes;
        if unacknowledged < u64::from(self.window_bytes / 2) {
            return None;
        }
        self.acknowledged_bytes = self.received_bytes;
        // The sequence number wraps at 2^32 (5.4.3).
        Some((self.received_bytes & u64::from(u32::MAX)).try_into().expect("masked to 32 bits"))
    }
}

impl Session {
    pub(super) fn handle_control(&mut self, message: &Message) -> Result<(), Error> {
        let type_id = message.type_id;
        let number = |at: usize| -> Result<u32, Error> {
            let bytes = message.payload.get(at..).and_then(|rest| rest.first_chunk::<4>());
            bytes
                .map(|bytes| u32::from_be_bytes(*bytes))
                .ok_or(Error::ShortControlMessage { type_id })
        };
        match type_id {
            message_type::SET_CHUNK_SIZE => self.reader.set_chunk_size(number(0)?),
            message_type::ABORT => {
                self.reader.abort(number(0)?);
                Ok(())
            }
            message_type::WINDOW_ACKNOWLEDGEMENT_SIZE => {
                self.acknowledgements.window_bytes = number(0)?.max(WINDOW_BYTES_MIN);
                Ok(())
            }
            message_type::USER_CONTROL => {
                if message.payload.starts_with(&PING_REQUEST.to_be_bytes()) {
                    self.outbound.pong(number(2)?);
                }
                Ok(())
            }
            // The peer's acknowledgements and bandwidth wishes: we send next to nothing, so there
            // is nothing to hold back.
            _ => Ok(()),
        }
    }
}
