//! Hostile input: any query.

use tally_hls::{Directives, QUERY_BYTES_MAX};

use crate::feeder::{Feeder, options};

#[test]
fn fuzz_directives() {
    let mut feeder = Feeder::new(options());
    feeder.segments(15);
    feeder.parts(3);
    let snapshot = feeder.snapshot();
    bolero::check!().with_iterations(20_000).for_each(|input: &[u8]| {
        let query = String::from_utf8_lossy(input);
        // Half of the inputs begin as directives do, so that the fuzzer gets past the names.
        let steered = format!("_HLS_msn=1{query}");
        for query in [query.as_ref(), &steered] {
            match Directives::parse(query) {
                Ok(directives) => {
                    assert!(query.len() <= QUERY_BYTES_MAX);
                    assert!(directives.part.is_none() || directives.msn.is_some());
                    let _ = snapshot.decide(&directives);
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    });
}
