//! A bit reader that cannot run past its input.
//!
//! Own code instead of a codec crate: the records here come from unauthenticated peers, and a
//! reader of one page is easier to prove bounded than a full bitstream parser.

use std::borrow::Cow;

use super::CodecError;

/// Longest parameter set that is looked at, in bytes. An H.265 SPS with every scaling list and 64
/// reference picture sets stays below 6 KiB; what is longer is an attack on our time.
const PARAMETER_SET_BYTES_MAX: usize = 8 * 1024;

/// Reads big-endian bit fields and Exp-Golomb codes (H.264 9.1) from a byte slice.
pub(crate) struct BitReader<'a> {
    bytes: Cow<'a, [u8]>,
    position_bits: usize,
    record: &'static str,
}

impl<'a> BitReader<'a> {
    /// A reader of `bytes`; `record` names the structure in errors.
    pub(crate) const fn new(bytes: &'a [u8], record: &'static str) -> Self {
        Self { bytes: Cow::Borrowed(bytes), position_bits: 0, record }
    }

    /// A reader of a NAL unit's raw payload: emulation prevention bytes (`00 00 03`) are dropped
    /// (H.264 7.3.1, H.265 7.3.1.1).
    pub(crate) fn of_nal(nal: &[u8], record: &'static str) -> BitReader<'static> {
        let mut raw = Vec::with_capacity(nal.len().min(PARAMETER_SET_BYTES_MAX));
        let mut zeros = 0;
        for &byte in nal.iter().take(PARAMETER_SET_BYTES_MAX) {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            raw.push(byte);
        }
        BitReader { bytes: Cow::Owned(raw), position_bits: 0, record }
    }

    /// Bits that are left.
    pub(crate) fn remaining_bits(&self) -> usize {
        (self.bytes.len() * 8).saturating_sub(self.position_bits)
    }

    /// The next bit as a flag.
    pub(crate) fn flag(&mut self) -> Result<bool, CodecError> {
        let byte = self
            .bytes
            .get(self.position_bits / 8)
            .ok_or(CodecError::Truncated { record: self.record })?;
        let bit = byte >> (7 - self.position_bits % 8) & 1;
        self.position_bits += 1;
        Ok(bit == 1)
    }

    /// An unsigned field of `count` bits, at most 32.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, CodecError> {
        debug_assert!(count <= 32, "fields are at most 32 bits");
        let mut value = 0u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// An unsigned field of `count` bits, at most 8.
    pub(crate) fn byte(&mut self, count: u32) -> Result<u8, CodecError> {
        debug_assert!(count <= 8, "a byte holds 8 bits");
        let mut value = 0u8;
        for _ in 0..count {
            value = value << 1 | u8::from(self.flag()?);
        }
        Ok(value)
    }

    /// Skips `count` bits.
    pub(crate) fn skip(&mut self, count: usize) -> Result<(), CodecError> {
        if count > self.remaining_bits() {
            return Err(CodecError::Truncated { record: self.record });
        }
        self.position_bits += count;
        Ok(())
    }

    /// Moves to the next byte boundary.
    pub(crate) const fn align(&mut self) {
        self.position_bits = self.position_bits.next_multiple_of(8);
    }

    /// An unsigned Exp-Golomb code, `ue(v)`.
    pub(crate) fn unsigned(&mut self) -> Result<u32, CodecError> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(self.invalid("Exp-Golomb prefix", u64::from(zeros)));
            }
        }
        Ok(((1u64 << zeros) - 1) as u32 + self.bits(zeros)?)
    }

    /// An unsigned Exp-Golomb code of at most `max`, where `max` is the specification's bound.
    pub(crate) fn unsigned_max(
        &mut self,
        field: &'static str,
        max: u32,
    ) -> Result<u32, CodecError> {
        match self.unsigned()? {
            value if value <= max => Ok(value),
            value => Err(self.invalid(field, u64::from(value))),
        }
    }

    /// A signed Exp-Golomb code, `se(v)`.
    pub(crate) fn signed(&mut self) -> Result<i64, CodecError> {
        let code = i64::from(self.unsigned()?);
        Ok(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }

    /// An error about a field of this record.
    pub(crate) const fn invalid(&self, field: &'static str, value: u64) -> CodecError {
        CodecError::Invalid { record: self.record, field, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_of_h264_table_9_2() {
        // 1 | 010 | 011 | 00100 | 00101
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000], "test");
        let values: Vec<u32> = (0..5).map(|_| reader.unsigned().unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn signed_codes_alternate() {
        let mut reader = BitReader::new(&[0b0100_1100, 0b1000_0101, 0b1000_0000], "test");
        let values: Vec<i64> = (0..4).map(|_| reader.signed().unwrap()).collect();
        assert_eq!(values, [1, -1, 2, -2]);
    }

    #[test]
    fn largest_code_and_too_long_prefix() {
        let mut longest = vec![0, 0, 0, 1];
        longest.extend([0xFF; 4]);
        assert_eq!(BitReader::new(&longest, "test").unsigned().unwrap(), u32::MAX - 1);
        assert!(BitReader::new(&[0; 8], "test").unsigned().is_err());
    }

    #[test]
    fn emulation_prevention_bytes_are_dropped() {
        let mut reader = BitReader::of_nal(&[0, 0, 3, 1, 0, 0, 3], "test");
        assert_eq!(reader.remaining_bits(), 40);
        assert_eq!(reader.bits(24).unwrap(), 1);
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut reader = BitReader::new(&[0xA5], "test");
        assert!(reader.skip(9).is_err());
        assert_eq!(reader.bits(8).unwrap(), 0xA5);
        assert_eq!(reader.flag(), Err(CodecError::Truncated { record: "test" }));
    }
}
