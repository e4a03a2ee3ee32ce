//! Random bytes from the operating system, for handshakes and names.

use aws_lc_rs::rand;

/// Makes all of `bytes` unpredictable.
///
/// # Panics
/// When the operating system has no randomness to give: nothing safe can be done then.
pub fn fill(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the operating system gives random bytes");
}

/// `N` unpredictable bytes.
///
/// # Panics
/// As [`fill`] does.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// An unguessable name of 80 bits in lower-case base 32, fit for a path segment.
#[must_use]
pub fn name() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    bytes::<16>().iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_path_segments_and_differ() {
        let names = [name(), name()];
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.len() == 16));
        assert!(names.iter().flat_map(|name| name.bytes()).all(|b| b.is_ascii_alphanumeric()));
    }
}
