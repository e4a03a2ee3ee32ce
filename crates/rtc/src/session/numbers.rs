//! Where a viewer's numbers start.

/// First sequence numbers, timestamps and picture id of what one viewer is sent: random, so that
/// nobody can guess plaintext (RFC 3550 section 5.1).
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    pub(super) audio_sequence: u16,
    pub(super) video_sequence: u16,
    pub(super) rtx_sequence: u16,
    pub(super) audio_timestamp: u32,
    pub(super) video_timestamp: u32,
    pub(super) picture_id: u16,
}

impl Numbers {
    /// Random bytes [`Self::from_random`] takes.
    pub const RANDOM_BYTES: usize = 16;

    /// Numbers made of random bytes. Sequence numbers start in the lower half, so that a viewer who
    /// misses the first packets still guesses SRTP's rollover counter right (RFC 3711 section
    /// 3.3.1).
    #[must_use]
    pub fn from_random(random: [u8; Self::RANDOM_BYTES]) -> Self {
        let [a0, a1, v0, v1, r0, r1, p0, p1, times @ ..] = random;
        let lower_half = |bytes| u16::from_be_bytes(bytes) & 0x7fff;
        let [a_time @ .., _, _, _, _] = times;
        let [_, _, _, _, v_time @ ..] = times;
        Self {
            audio_sequence: lower_half([a0, a1]),
            video_sequence: lower_half([v0, v1]),
            rtx_sequence: lower_half([r0, r1]),
            picture_id: lower_half([p0, p1]),
            audio_timestamp: u32::from_be_bytes(a_time),
            video_timestamp: u32::from_be_bytes(v_time),
        }
    }
}
