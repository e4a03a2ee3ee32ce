//! No text is more than refused. `cargo bolero test -p tally-program fuzz_...` runs one of these
//! guided by coverage.

use tally_program::{Rules, RulesError};

use crate::rules::LEVELS;

#[test]
fn fuzz_rules() {
    bolero::check!().with_iterations(5_000).for_each(|input: &[u8]| {
        let text = String::from_utf8_lossy(input);
        if let Err(error) = Rules::parse(&text) {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    });
}

/// The real rules with bytes changed: they are read, or what is wrong is said in one line.
#[test]
fn fuzz_rules_damaged() {
    let lines: Vec<&str> = LEVELS.lines().filter(|line| !line.starts_with('#')).collect();
    let text = lines.join("\n");
    bolero::check!().with_iterations(500).for_each(|changes: &[u8]| {
        let mut bytes = text.clone().into_bytes();
        for change in changes.chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
            bytes[at] = change[2];
        }
        match Rules::parse(&String::from_utf8_lossy(&bytes)) {
            Ok(rules) => assert!(rules.window_days() > 0),
            Err(RulesError::Syntax { line, .. }) => assert!(line >= 1),
            Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
        }
    });
}
