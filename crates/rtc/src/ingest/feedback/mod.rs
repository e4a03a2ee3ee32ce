//! RTCP both ways: what is told to the publisher, and what it tells.

mod incoming;
mod reports;
mod twcc;
mod write;

#[cfg(test)]
mod tests;

pub use incoming::{Incoming, read};
pub use reports::{Reception, ntp_middle, round_trip};
pub use twcc::{ARRIVALS_MAX, Twcc};
pub use write::{ReportBlock, Writer};
