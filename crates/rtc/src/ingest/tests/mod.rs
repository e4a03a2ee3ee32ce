//! Whole receivers against publishers on seeded links, in virtual time.

mod arrivals;
mod clock;
mod hostile;
mod link;
mod peer;
mod session;
mod sources;
