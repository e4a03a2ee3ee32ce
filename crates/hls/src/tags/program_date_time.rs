//! EXT-X-PROGRAM-DATE-TIME and the ISO 8601 dates of every other tag.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

/// Milliseconds and `Z`, always: players compare renditions by it. // P9
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// `2026-11-23T18:06:19.250Z` for Unix milliseconds; out of the calendar, its nearest end.
pub(crate) fn date(out: &mut String, unix_ms: i64) {
    let nearest = if unix_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let time = Timestamp::from_millisecond(unix_ms).unwrap_or(nearest);
    PRINTER.print_timestamp(&time, out).expect("writing to a String cannot fail");
}

/// Stated before each segment, so that also deltas and gaps map to dates. // P9
pub(crate) fn program_date_time(out: &mut String, unix_ms: i64) {
    out.push_str("#EXT-X-PROGRAM-DATE-TIME:");
    date(out, unix_ms);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    // P9
    #[test]
    fn dates_have_milliseconds_and_a_zone() {
        let show = |unix_ms| {
            let mut out = String::new();
            date(&mut out, unix_ms);
            out
        };
        assert_eq!(show(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(show(1_795_457_179_250), "2026-11-23T18:06:19.250Z");
        assert_eq!(show(-1), "1969-12-31T23:59:59.999Z");
        assert!(show(i64::MAX).starts_with("9999-12-30"), "{}", show(i64::MAX));
        assert!(show(i64::MIN).starts_with("-00"), "{}", show(i64::MIN));
    }
}
