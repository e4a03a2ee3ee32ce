//! Values on the command line.

use std::time::Duration;

/// Longest time taken: a mistyped unit shall not keep a server busy for weeks.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Reads `500ms`, `20s`, `5m` or `2h`; at most a day.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a number and one of ms, s, m, h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "a number and a unit, such as 20s".to_owned())?;
    let duration = Duration::from_millis(number.saturating_mul(unit_ms));
    if duration > DURATION_MAX {
        return Err("at most 24h".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_an_end() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("24h"), Ok(DURATION_MAX));
        for wrong in ["", "20", "s", "-1s", "1.5s", "25h", "99999999999999999999s", "1 s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
