//! Costs of ingest.
fn main() {
    divan::main();
}
