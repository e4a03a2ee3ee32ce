//! The tags inside an aggregate message (RTMP 1.0, section 7.1.6).

use bytes::Bytes;

use super::{FlvError, array, take, ui24};
use crate::chunk::Message;

/// Most tags in one aggregate message. Real ones hold a fraction of a second.
const TAGS_MAX: usize = 4_096;

/// Iterates over the messages inside an aggregate message. Ends after the first error.
#[derive(Debug)]
pub(crate) struct Tags {
    rest: Bytes,
    /// The aggregate's time less the first tag's: what every tag is moved by.
    shift_ms: Option<u32>,
    timestamp_ms: u32,
    stream_id: u32,
    given: usize,
}

impl Tags {
    pub(crate) fn new(aggregate: &Message) -> Self {
        Self {
            rest: aggregate.payload.clone(),
            shift_ms: None,
            timestamp_ms: aggregate.timestamp_ms,
            stream_id: aggregate.stream_id,
            given: 0,
        }
    }

    fn read(&mut self) -> Result<Message, FlvError> {
        let what = "aggregate message";
        if self.given == TAGS_MAX {
            return Err(FlvError::TooManyTags { max: TAGS_MAX });
        }
        self.given += 1;
        let [type_id, s0, s1, s2, t0, t1, t2, t_high, _, _, _] = array(&mut self.rest, what)?;
        let payload = take(&mut self.rest, ui24([s0, s1, s2]) as usize, what)?;
        array::<4>(&mut self.rest, what)?; // back pointer
        let tag_ms = u32::from_be_bytes([t_high, t0, t1, t2]);
        let shift_ms = *self.shift_ms.get_or_insert(self.timestamp_ms.wrapping_sub(tag_ms));
        let timestamp_ms = tag_ms.wrapping_add(shift_ms);
        Ok(Message { timestamp_ms, type_id, stream_id: self.stream_id, payload })
    }
}

impl Iterator for Tags {
    type Item = Result<Message, FlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = self.read();
        if message.is_err() {
            self.rest = Bytes::new();
        }
        Some(message)
    }
}
