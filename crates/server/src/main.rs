//! tally.
fn main() {}
