//! The ledger against its invariants: random shows with honest viewers and cheats, an oracle written
//! another way, wrong variants that must be caught, and hostile bytes.

// All of it is test code, also what stands outside of test functions.
#![allow(clippy::unwrap_used)]

mod chance;
mod figures;
mod fuzz;
mod invariants;
mod log;
mod mutation;
mod oracle;
mod scenario;
mod sets;
mod subject;
