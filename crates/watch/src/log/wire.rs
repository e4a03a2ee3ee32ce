//! Integers as varints, as few bytes as they need.

use crate::Interval;

/// Appends an unsigned integer, seven bits a byte, lowest first.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed integer: zigzag, so that small negative ones are short.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends an interval as its start and length.
pub(super) fn put_interval(out: &mut Vec<u8>, interval: Interval) {
    put_signed(out, interval.start_ms());
    put(out, interval.length_ms());
}

/// Reads what the functions above wrote; nothing once the input is no such thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a>(pub(super) &'a [u8]);

impl Body<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit; and one value has one form.
            if shift == 63 && bits > 1 || shift > 0 && byte == 0 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.unsigned()?).ok()
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn interval(&mut self) -> Option<Interval> {
        let start_ms = self.signed()?;
        Interval::new(start_ms, start_ms.checked_add_unsigned(self.unsigned()?)?)
    }

    pub(super) fn take(&mut self, bytes: usize) -> Option<&[u8]> {
        let (first, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back_and_have_one_form() {
        for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(Body(&out).unsigned(), Some(value));
            assert_eq!(Body(&out[..out.len() - 1]).unsigned(), None);
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX, 1_700_000_000_000] {
            let mut out = Vec::new();
            put_signed(&mut out, value);
            assert_eq!(Body(&out).signed(), Some(value));
        }
        assert_eq!(Body(&[0x80, 0x00]).unsigned(), None, "longer than it needs to be");
        assert_eq!(Body(&[0xff; 11]).unsigned(), None, "more than 64 bits");
    }
}
