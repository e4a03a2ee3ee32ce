//! The rules held over months of simulated shows, in virtual time.

mod fuzz;
mod grace;
mod properties;
mod rules;
mod scenario;
mod simulation;
