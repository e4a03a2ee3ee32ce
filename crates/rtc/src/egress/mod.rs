//! What one viewer gets: [`Viewer`], and the parts it is made of.
//!
//! Payloads are shared by every viewer of a stream; what is here of a viewer is numbers and
//! references. It knows no SRTP: a packet comes out with its extended sequence number, to be sealed.

pub mod backlog;
pub mod congestion;
pub mod history;
pub mod layers;
pub mod pacer;
pub mod packet;
pub mod reports;
pub mod stream;
#[cfg(test)]
pub(crate) mod testing;
pub mod viewer;

pub use viewer::{OutletConfig, Viewer, ViewerConfig, ViewerEvent};

/// The 64-bit number nearest to `reference` that ends in `low`, if there is one.
pub(crate) fn unwrap_near(reference: u64, low: u16) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are meant")]
    let distance = low.wrapping_sub(reference as u16).cast_signed();
    reference.checked_add_signed(distance.into())
}
