//! The server's side of the handshake (RTMP 1.0, section 5.2, and Adobe's undocumented digests).
//!
//! ```text
//! client                     server
//!   C0 (version) C1 (1,536)  ->
//!                            <-  S0 S1 S2
//!   C2 (1,536)               ->
//! ```
//!
//! A C1 with a version of zero is the plain handshake; else C1 may hold a digest in one of two
//! places, and then the answer must hold one too. A digest that does not fit is no error: the
//! answer is plain then. C2 is read and not looked at, because real encoders get it wrong.

mod digest;

use bytes::{BufMut, Bytes, BytesMut};

use crate::Error;

/// Length of C1, C2, S1 and S2.
pub(crate) const PACKET_BYTES: usize = 1_536;
/// The only version in use (5.2.2).
pub(crate) const VERSION: u8 = 3;
/// Bytes of a packet after time and version.
pub(crate) const RANDOM_BYTES: usize = PACKET_BYTES - 8;

/// The server's handshake.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// Consumed when S1 is made.
    random: Box<[u8; RANDOM_BYTES]>,
    stage: Stage,
    /// The packet that is being received; never longer than one.
    packet: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Version,
    C1,
    C2,
    Done,
}

impl Handshake {
    pub(crate) fn new(random: [u8; RANDOM_BYTES]) -> Self {
        let packet = Vec::with_capacity(PACKET_BYTES);
        Self { random: Box::new(random), stage: Stage::Version, packet }
    }

    /// Whether all packets are there; the chunk stream follows.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Takes handshake bytes off the front of `input`; gives what is to be sent.
    ///
    /// # Errors
    /// Only for a version byte that is not RTMP.
    pub(crate) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Bytes>, Error> {
        if self.stage == Stage::Version {
            let Some((&version, rest)) = input.split_first() else { return Ok(None) };
            check_version(version)?;
            *input = rest;
            self.stage = Stage::C1;
        }
        let mut answer = None;
        if self.stage == Stage::C1 && self.packet_complete(input) {
            answer = Some(self.answer());
            self.packet.clear();
            self.stage = Stage::C2;
        }
        if self.stage == Stage::C2 && self.packet_complete(input) {
            self.packet = Vec::new();
            self.stage = Stage::Done;
        }
        Ok(answer)
    }

    fn packet_complete(&mut self, input: &mut &[u8]) -> bool {
        let missing = PACKET_BYTES - self.packet.len();
        let (taken, rest) = input.split_at(missing.min(input.len()));
        self.packet.extend_from_slice(taken);
        *input = rest;
        self.packet.len() == PACKET_BYTES
    }

    /// S0, S1 and S2 for the C1 in `packet`.
    fn answer(&self) -> Bytes {
        let mut answer = BytesMut::with_capacity(1 + 2 * PACKET_BYTES);
        answer.put_u8(VERSION);
        match digest::find(&self.packet) {
            Some(found) => {
                answer.put_slice(&digest::s1(&self.random, found.scheme));
                answer.put_slice(&digest::s2(&self.random, &found.digest));
            }
            None => {
                answer.put_bytes(0, 8); // time and version zero: plain
                answer.put_slice(&self.random[..]);
                answer.put_slice(&self.packet);
            }
        }
        answer.freeze()
    }
}

/// "A server that does not recognize the client's requested version SHOULD respond with 3" (5.2.2),
/// but a text protocol or encryption cannot end well.
const fn check_version(version: u8) -> Result<(), Error> {
    match version {
        6 | 8 | 9 => Err(Error::Encrypted { version }),
        3..=31 => Ok(()),
        _ => Err(Error::NotRtmp { version }),
    }
}

/// A C1 as FMLE sends it: with a digest in the first place.
#[cfg(test)]
pub(crate) fn digest_c1(random: &[u8; RANDOM_BYTES]) -> [u8; PACKET_BYTES] {
    digest::c1(random, digest::Scheme::First)
}

#[cfg(test)]
mod tests;
