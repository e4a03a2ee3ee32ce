//! EXT-X-DATERANGE.

use super::append;
use super::program_date_time::date;
use crate::date_range::{AttributeValue, DateRange};
use crate::seconds::Seconds;

/// One date range. Its texts were checked when it was added: no escape exists in this grammar.
pub(crate) fn date_range(out: &mut String, range: &DateRange) {
    append!(out, "#EXT-X-DATERANGE:ID=\"{}\"", range.id);
    if let Some(class) = &range.class {
        append!(out, ",CLASS=\"{class}\"");
    }
    out.push_str(",START-DATE=\"");
    date(out, range.start_unix_ms);
    out.push('"');
    if let Some(end_unix_ms) = range.end_unix_ms {
        out.push_str(",END-DATE=\"");
        date(out, end_unix_ms);
        out.push('"');
    }
    if let Some(duration_ms) = range.duration_ms {
        append!(out, ",DURATION={}", Seconds::from_ms(duration_ms.into()));
    }
    if let Some(planned_ms) = range.planned_duration_ms {
        append!(out, ",PLANNED-DURATION={}", Seconds::from_ms(planned_ms.into()));
    }
    for (name, value) in &range.attributes {
        match value {
            AttributeValue::Text(text) => append!(out, ",{name}=\"{text}\""),
            AttributeValue::Number(number) => append!(out, ",{name}={number}"),
            AttributeValue::Hex(bytes) => {
                append!(out, ",{name}=0x");
                for byte in bytes {
                    append!(out, "{byte:02X}");
                }
            }
        }
    }
    if range.end_on_next {
        out.push_str(",END-ON-NEXT=YES");
    }
    out.push('\n');
}
