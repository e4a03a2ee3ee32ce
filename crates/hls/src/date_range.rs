//! Date ranges: named stretches of the show with attributes of the operator's own.
//!
//! The grammar of quoted strings has no escapes, so a text that could break out of its quotes is
//! refused here, before it is anywhere near a playlist.

use crate::tags;

/// Most EXT-X-DATERANGE lines of one window, listed or named as recently removed: every part's
/// playlist carries them all.
pub const DATE_RANGES_MAX: usize = 64;

/// Longest EXT-X-DATERANGE line in bytes; with [`DATE_RANGES_MAX`] bounds what they add to a
/// playlist to 64 KiB before compression.
pub const DATE_RANGE_BYTES_MAX: usize = 1_024;

/// A stretch of the show (EXT-X-DATERANGE).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DateRange {
    /// Names it within the show. Adding the same id again adds attributes, e.g. its end.
    pub id: String,
    /// What kind of range it is.
    pub class: Option<String>,
    /// When it starts, Unix milliseconds.
    pub start_unix_ms: i64,
    /// When it ends, Unix milliseconds.
    pub end_unix_ms: Option<i64>,
    /// How long it lasts, in milliseconds.
    pub duration_ms: Option<u32>,
    /// How long it is expected to last, in milliseconds.
    pub planned_duration_ms: Option<u32>,
    /// It ends where the next range of its class starts.
    pub end_on_next: bool,
    /// Attributes of the client's own: `X-...`, or `SCTE35-...` with bytes.
    pub attributes: Vec<(String, AttributeValue)>,
}

/// The value of a client attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    /// A quoted string.
    Text(String),
    /// A decimal number, finite and not negative.
    Number(f64),
    /// Bytes, written in hexadecimal.
    Hex(Vec<u8>),
}

/// Why a date range cannot be listed. All but `TooMany` are the caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateRangeError {
    /// A quoted string that is empty where a name is needed, holds a quote, a control character or
    /// `{$` (which players read as a variable).
    #[error("{0} cannot be written as a quoted string")]
    Unquotable(String),
    /// Not `X-` or `SCTE35-` followed by capitals, digits and dashes, or given twice.
    #[error("{0:?} is not a client attribute's name, or is given twice")]
    BadName(String),
    /// A number that is negative or not finite, or an `SCTE35-` attribute that is not bytes.
    #[error("{0} has a value its kind cannot carry")]
    BadValue(String),
    /// The end is before the start, or does not agree with the duration.
    #[error("the end of the date range does not fit its start and duration")]
    BadEnd,
    /// `end_on_next` needs a class and excludes an end and a duration.
    #[error("end-on-next needs a class and no other end")]
    BadEndOnNext,
    /// An attribute of the same id was stated before with another value.
    #[error("date range {0:?} was stated before with another {1}")]
    Changed(String, String),
    /// The line would be longer than [`DATE_RANGE_BYTES_MAX`].
    #[error("the date range takes more than {DATE_RANGE_BYTES_MAX} bytes")]
    TooLong,
    /// [`DATE_RANGES_MAX`] lines are listed or were removed too lately.
    #[error("more than {DATE_RANGES_MAX} date ranges at a time")]
    TooMany,
}

impl DateRange {
    /// Its line in the playlist, once it is known to be a legal one.
    pub(crate) fn line(&self) -> Result<String, DateRangeError> {
        self.check_texts()?;
        self.check_attributes()?;
        self.check_end()?;
        let mut line = String::new();
        tags::date_range::date_range(&mut line, self);
        if line.len() > DATE_RANGE_BYTES_MAX {
            return Err(DateRangeError::TooLong);
        }
        Ok(line)
    }

    /// When it is over, as far as this statement of it says.
    pub(crate) fn end(&self) -> Option<i64> {
        let lasting = |ms: u32| self.start_unix_ms.saturating_add(ms.into());
        self.end_unix_ms.or_else(|| self.duration_ms.map(lasting))
    }

    /// Whether both can be in one playlist: what both state of one id must be equal.
    pub(crate) fn check_same(&self, before: &Self) -> Result<(), DateRangeError> {
        let changed = |what: &str| Err(DateRangeError::Changed(self.id.clone(), what.into()));
        if self.start_unix_ms != before.start_unix_ms {
            return changed("START-DATE");
        }
        if differ(self.class.as_ref(), before.class.as_ref()) {
            return changed("CLASS");
        }
        if differ(self.end().as_ref(), before.end().as_ref()) {
            return changed("END-DATE");
        }
        if differ(self.planned_duration_ms.as_ref(), before.planned_duration_ms.as_ref()) {
            return changed("PLANNED-DURATION");
        }
        for (name, value) in &self.attributes {
            let stated = before.attributes.iter().find(|(stated, _)| stated == name);
            if differ(Some(value), stated.map(|(_, stated)| stated)) {
                return changed(name);
            }
        }
        Ok(())
    }

    fn check_texts(&self) -> Result<(), DateRangeError> {
        check_text("ID", &self.id)?;
        if self.id.is_empty() {
            return Err(DateRangeError::Unquotable("ID".into()));
        }
        self.class.as_ref().map_or(Ok(()), |class| check_text("CLASS", class))
    }

    fn check_attributes(&self) -> Result<(), DateRangeError> {
        for (index, (name, value)) in self.attributes.iter().enumerate() {
            let repeated = self.attributes[..index].iter().any(|(earlier, _)| earlier == name);
            if repeated || !is_client_name(name) {
                return Err(DateRangeError::BadName(name.clone()));
            }
            let fits = match value {
                AttributeValue::Text(text) => {
                    check_text(name, text)?;
                    name.starts_with("X-")
                }
                AttributeValue::Number(number) => {
                    number.is_finite() && *number >= 0.0 && name.starts_with("X-")
                }
                AttributeValue::Hex(bytes) => !bytes.is_empty(),
            };
            if !fits {
                return Err(DateRangeError::BadValue(name.clone()));
            }
        }
        Ok(())
    }

    fn check_end(&self) -> Result<(), DateRangeError> {
        if self.end_on_next && (self.class.is_none() || self.end().is_some()) {
            return Err(DateRangeError::BadEndOnNext);
        }
        let Some(end) = self.end_unix_ms else { return Ok(()) };
        let length = end.checked_sub(self.start_unix_ms).filter(|length| *length >= 0);
        let fits = match (length, self.duration_ms) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(length), Some(duration_ms)) => length == i64::from(duration_ms),
        };
        if fits { Ok(()) } else { Err(DateRangeError::BadEnd) }
    }
}

/// Two statements differ only when both are made.
fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

fn check_text(name: &str, text: &str) -> Result<(), DateRangeError> {
    // A long text is refused here so that checking costs no more than the line may be long.
    if text.len() > DATE_RANGE_BYTES_MAX {
        return Err(DateRangeError::TooLong);
    }
    if text.contains(|c: char| c.is_control() || c == '"') || text.contains("{$") {
        return Err(DateRangeError::Unquotable(name.into()));
    }
    Ok(())
}

fn is_client_name(name: &str) -> bool {
    let rest = name.strip_prefix("X-").or_else(|| name.strip_prefix("SCTE35-"));
    let legal = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(legal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range() -> DateRange {
        DateRange { id: "quiz-7".into(), start_unix_ms: 1_000, ..DateRange::default() }
    }

    #[test]
    fn every_attribute_has_its_form() {
        let full = DateRange {
            class: Some("com.example.quiz".into()),
            end_unix_ms: Some(11_500),
            duration_ms: Some(10_500),
            planned_duration_ms: Some(10_000),
            attributes: vec![
                ("X-QUESTION".into(), AttributeValue::Text("1 + 1, or 2?".into())),
                ("X-WEIGHT".into(), AttributeValue::Number(0.5)),
                ("SCTE35-OUT".into(), AttributeValue::Hex(vec![0xfc, 0x0a])),
            ],
            ..range()
        };
        assert_eq!(
            full.line().unwrap(),
            "#EXT-X-DATERANGE:ID=\"quiz-7\",CLASS=\"com.example.quiz\",\
             START-DATE=\"1970-01-01T00:00:01.000Z\",END-DATE=\"1970-01-01T00:00:11.500Z\",\
             DURATION=10.5,PLANNED-DURATION=10.0,X-QUESTION=\"1 + 1, or 2?\",X-WEIGHT=0.5,\
             SCTE35-OUT=0xFC0A\n"
        );
    }

    #[test]
    fn nothing_breaks_out_of_its_quotes() {
        for text in ["a\"b", "a\nb", "a\rb", "tab\t", "\u{85}", "{$name}"] {
            let id = DateRange { id: text.into(), ..range() };
            assert_eq!(id.line(), Err(DateRangeError::Unquotable("ID".into())), "{text:?}");
            let value = AttributeValue::Text(text.into());
            let attribute = DateRange { attributes: vec![("X-A".into(), value)], ..range() };
            let refused = Err(DateRangeError::Unquotable("X-A".into()));
            assert_eq!(attribute.line(), refused, "{text:?}");
        }
        assert!(DateRange { id: String::new(), ..range() }.line().is_err());
    }

    #[test]
    fn attribute_names_and_values_follow_the_grammar() {
        let with = |name: &str, value: AttributeValue| {
            DateRange { attributes: vec![(name.into(), value)], ..range() }.line()
        };
        for name in ["", "X-", "x-a", "X-a", "X-A=1,X-B", "ID", "CUE", "SCTE35-"] {
            let refused = with(name, AttributeValue::Number(1.0));
            assert_eq!(refused, Err(DateRangeError::BadName(name.into())), "{name:?}");
        }
        for number in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(with("X-A", AttributeValue::Number(number)).is_err(), "{number}");
        }
        assert!(with("X-A", AttributeValue::Number(1e-9)).unwrap().contains("X-A=0.000000001"));
        assert!(with("SCTE35-CMD", AttributeValue::Text("x".into())).is_err());
        let twice = vec![
            ("X-A".into(), AttributeValue::Number(1.0)),
            ("X-A".into(), AttributeValue::Number(1.0)),
        ];
        assert!(DateRange { attributes: twice, ..range() }.line().is_err());
    }

    #[test]
    fn ends_agree() {
        let ends = |end, duration, on_next| {
            let class = Some("c".into());
            let (end_unix_ms, duration_ms, end_on_next) = (end, duration, on_next);
            DateRange { class, end_unix_ms, duration_ms, end_on_next, ..range() }.line()
        };
        assert!(ends(Some(1_000), None, false).is_ok());
        assert_eq!(ends(Some(999), None, false), Err(DateRangeError::BadEnd));
        assert_eq!(ends(Some(2_000), Some(999), false), Err(DateRangeError::BadEnd));
        assert!(ends(None, None, true).unwrap().ends_with(",END-ON-NEXT=YES\n"));
        assert_eq!(ends(Some(2_000), None, true), Err(DateRangeError::BadEndOnNext));
        let classless = DateRange { end_on_next: true, ..range() };
        assert_eq!(classless.line(), Err(DateRangeError::BadEndOnNext));
    }

    #[test]
    fn a_line_has_a_longest_length() {
        let long = DateRange { id: "x".repeat(DATE_RANGE_BYTES_MAX), ..range() };
        assert_eq!(long.line(), Err(DateRangeError::TooLong));
    }
}
