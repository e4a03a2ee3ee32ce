//! Writing H.264 syntax elements.

/// Collects bits, most significant first, into a raw byte sequence payload.
#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    pending: u8,
    pending_bits: u32,
}

impl BitWriter {
    /// The lowest `count` bits of `value`, `u(n)`.
    pub(crate) fn bits(&mut self, value: u32, count: u32) {
        for index in (0..count).rev() {
            self.pending = self.pending << 1 | u8::from(value >> index & 1 == 1);
            self.pending_bits += 1;
            if self.pending_bits == 8 {
                self.bytes.push(self.pending);
                self.pending = 0;
                self.pending_bits = 0;
            }
        }
    }

    /// One bit.
    pub(crate) fn flag(&mut self, value: bool) {
        self.bits(u32::from(value), 1);
    }

    /// An unsigned Exp-Golomb code, `ue(v)` (H.264 9.1).
    pub(crate) fn unsigned(&mut self, value: u32) {
        let code = value + 1;
        let length = 32 - code.leading_zeros();
        self.bits(0, length - 1);
        self.bits(code, length);
    }

    /// A signed Exp-Golomb code, `se(v)` (H.264 9.1.1).
    pub(crate) fn signed(&mut self, value: i32) {
        let magnitude = value.unsigned_abs();
        self.unsigned(if value > 0 { 2 * magnitude - 1 } else { 2 * magnitude });
    }

    /// Ends the payload (`rbsp_trailing_bits`) and makes a NAL unit of it: header byte, and emulation
    /// prevention bytes where the payload looks like a start code (H.264 7.4.1).
    pub(crate) fn into_nal(mut self, header: u8) -> Vec<u8> {
        self.flag(true);
        while self.pending_bits > 0 {
            self.flag(false);
        }
        let mut nal = Vec::with_capacity(self.bytes.len() + 8);
        nal.push(header);
        let mut zeros = 0;
        for byte in self.bytes {
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes() {
        let mut writer = BitWriter::default();
        for value in [0, 1, 2, 3, 4] {
            writer.unsigned(value); // 1 010 011 00100 00101
        }
        for value in [0, 1, -1] {
            writer.signed(value); // 1 010 011
        }
        assert_eq!(writer.into_nal(0x67), [0x67, 0b1010_0110, 0b0100_0010, 0b1101_0011, 0x80]);
    }

    #[test]
    fn start_codes_are_broken_up() {
        let mut writer = BitWriter::default();
        writer.bits(1, 32);
        assert_eq!(writer.into_nal(0x65), [0x65, 0, 0, 3, 0, 1, 0x80]);
    }
}
