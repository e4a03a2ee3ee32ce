//! Hostile input: any query, any date range.

use tally_hls::{AttributeValue, DateRange, Directives, QUERY_BYTES_MAX};

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

/// Whatever is accepted says in the playlist what was put in, and nothing else.
#[test]
fn fuzz_date_ranges() {
    let texts = bolero::produce::<Vec<String>>().with().len(4_usize);
    let numbers = bolero::produce::<(i64, Option<u32>, f64, bool)>();
    bolero::check!().with_iterations(5_000).with_generator((texts, numbers)).for_each(
        |(texts, (start_unix_ms, duration_ms, number, named))| {
            let [id, class, name, text] = &texts[..] else { unreachable!("four texts") };
            // Names of the fuzzer's own are hardly ever legal; half of the inputs get a good one.
            let name = if *named { "X-NOTE" } else { name };
            let range = DateRange {
                id: id.clone(),
                class: Some(class.clone()),
                start_unix_ms: *start_unix_ms,
                duration_ms: *duration_ms,
                attributes: vec![
                    (name.to_owned(), AttributeValue::Text(text.clone())),
                    ("X-NUMBER".to_owned(), AttributeValue::Number(*number)),
                ],
                ..DateRange::default()
            };
            let mut feeder = Feeder::new(options());
            feeder.part();
            let accepted = feeder.window.date_range(range).is_ok();
            let listed = feeder.playlist().date_ranges;
            assert_eq!(listed.len(), usize::from(accepted));
            if let Some(listed) = listed.first() {
                assert_eq!((&listed["ID"], &listed["CLASS"]), (id, class));
                assert_eq!(&listed[name], text);
                assert_eq!(listed["X-NUMBER"].parse::<f64>().as_ref(), Ok(number));
                assert_eq!(listed.contains_key("DURATION"), duration_ms.is_some());
            }
        },
    );
}
