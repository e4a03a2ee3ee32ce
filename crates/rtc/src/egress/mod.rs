//! What one viewer gets.

pub mod congestion;
pub mod feedback;
pub mod history;
pub mod layers;
pub mod reports;
pub mod stream;
#[cfg(test)]
mod testing;

/// The 64-bit number nearest to `reference` that ends in `low`, if there is one.
fn unwrap_near(reference: u64, low: u16) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are meant")]
    let distance = low.wrapping_sub(reference as u16).cast_signed();
    reference.checked_add_signed(distance.into())
}
