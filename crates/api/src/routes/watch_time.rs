//! What a show came to.

use std::fmt::Write as _;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tally_watch::figures::Minute;

use super::{Api, json, unavailable};
use crate::Problem;
use crate::books::WatchTime;
use crate::identity::show_id;

/// `GET /api/v1/shows/{show}/watch-time`: JSON, or the minutes as CSV for whoever asks for it.
pub(super) async fn show(
    State(api): State<Api>,
    Path(show): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let report = api.books().report(show_id(&show)).await.map_err(unavailable)?;
    let report = report.ok_or_else(|| Problem::not_found("nothing is known of such a show"))?;
    let mut response = if wants_csv(&headers) {
        let text = csv(&report.minutes);
        ([(CONTENT_TYPE, "text/csv; charset=utf-8"), (CACHE_CONTROL, "no-store")], text)
            .into_response()
    } else {
        json(StatusCode::OK, &document(&show, &report))
    };
    response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Whichever of the two is named first; JSON where neither is.
fn wants_csv(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let types = accepted.flat_map(|value| value.split(','));
    let mut types = types.map(|kind| kind.split(';').next().unwrap_or(kind).trim());
    types.find(|kind| ["text/csv", "application/json"].contains(kind)) == Some("text/csv")
}

fn document(show: &str, report: &WatchTime) -> Value {
    let figures = &report.figures;
    let minutes: Vec<Value> = report
        .minutes
        .iter()
        .map(|minute| {
            json!({
                "minute": time(minute.start_ms),
                "live_ms": minute.live_ms,
                "media_ms": minute.media_ms,
                "presence_ms": minute.presence_ms,
                "peak": minute.peak,
            })
        })
        .collect();
    json!({
        "show": show,
        "live_ms": figures.live_ms,
        "delivered_ms": figures.delivered_ms,
        "gross_ms": figures.gross_ms,
        "counted_ms": figures.counted_ms,
        "valid_ms": figures.valid_ms,
        "idle_ms": figures.idle_ms,
        "unique_viewers": figures.unique_viewers,
        "valid_unique_viewers": figures.valid_unique_viewers,
        "views": figures.views,
        "peak": figures.peak,
        "acv": thousandths(figures.acv_milli),
        "assurance_ms": {
            "A": figures.assurance.a_ms,
            "B": figures.assurance.b_ms,
            "C": figures.assurance.c_ms,
            "D": figures.assurance.d_ms,
        },
        "valid_assurance_ms": {
            "A": figures.valid_assurance.a_ms,
            "B": figures.valid_assurance.b_ms,
        },
        "provisional": report.provisional,
        "corrections": report.finals.len().saturating_sub(1),
        "minutes": minutes,
    })
}

/// A figure in thousandths as a JSON number: only its text is decimal.
fn thousandths(milli: u64) -> Value {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// RFC 4180, with the names of the JSON's members as header.
fn csv(minutes: &[Minute]) -> String {
    let mut text = String::from("minute,live_ms,media_ms,presence_ms,peak\r\n");
    for minute in minutes {
        let Minute { start_ms, live_ms, media_ms, presence_ms, peak } = minute;
        let start = time(*start_ms).unwrap_or_default();
        let _ = write!(text, "{start},{live_ms},{media_ms},{presence_ms},{peak}\r\n");
    }
    text
}

fn time(unix_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(unix_ms).ok().map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_for_who_asks_for_it() {
        let accepts = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            wants_csv(&HeaderMap::from_iter([(ACCEPT, value)]))
        };
        assert!(accepts("text/csv") && accepts("text/html, text/csv;q=0.9, application/json"));
        assert!(!accepts("*/*") && !accepts("application/json, text/csv") && !accepts(""));
        assert!(!wants_csv(&HeaderMap::new()));
    }

    #[test]
    fn minutes_are_rows() {
        let start_ms = 1_795_000_020_000;
        let minute = Minute { start_ms, live_ms: 1, media_ms: 2, presence_ms: 3, peak: 4 };
        let wanted = "minute,live_ms,media_ms,presence_ms,peak\r\n2026-11-18T11:07:00Z,1,2,3,4\r\n";
        assert_eq!(csv(&[minute]), wanted);
    }

    #[test]
    fn averages_are_exact_to_a_thousandth() {
        assert_eq!(thousandths(12_345).to_string(), "12.345");
        assert_eq!(thousandths(7).to_string(), "0.007");
        assert_eq!(thousandths(3_000).to_string(), "3.0");
    }
}
