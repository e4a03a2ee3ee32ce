//! Which layer of the picture a viewer wants (WHEP draft, video layer selection).

use serde_json::Value;
use tally_media::TrackId;

use crate::http::problem::Problem;

/// A choice of layer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The section it is for; the video's when none is named.
    pub(super) media: Option<String>,
    /// The layer; `None` leaves the choice to the server.
    pub(super) layer: Option<TrackId>,
}

/// Reads a choice. A layer's name is the number of its track, as `encodingId` or, as later drafts
/// call it, `rid`. Bounds on size and temporal layers are not understood and ignored.
///
/// # Errors
/// 400 when it is no JSON object, or names no number.
pub(super) fn read(text: &str) -> Result<Choice, Problem> {
    let choice: Value = serde_json::from_str(text)
        .map_err(|error| Problem::bad_request(&format!("the body is not JSON: {error}")))?;
    if !choice.is_object() {
        return Err(Problem::bad_request("the body is not a JSON object"));
    }
    let named = choice.get("encodingId").or_else(|| choice.get("rid")).filter(|v| !v.is_null());
    let layer = named.map(|name| {
        let number = text_of(name).and_then(|name| name.parse().ok());
        number.map(TrackId::Video).ok_or_else(|| Problem::bad_request("there is no such layer"))
    });
    let media = choice.get("mediaId").filter(|v| !v.is_null()).map(|media| {
        text_of(media).ok_or_else(|| Problem::bad_request("mediaId is neither text nor a number"))
    });
    Ok(Choice { media: media.transpose()?, layer: layer.transpose()? })
}

/// Ids are text, but clients write numbers.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(media: Option<&str>, layer: Option<u8>) -> Choice {
        Choice { media: media.map(str::to_owned), layer: layer.map(TrackId::Video) }
    }

    #[test]
    fn a_layer_is_named_by_its_number() {
        let named = choice(Some("1"), Some(2));
        assert_eq!(read(r#"{"mediaId":"1","encodingId":"2"}"#).unwrap(), named);
        assert_eq!(read(r#"{"mediaId":1,"rid":2,"maxWidth":640}"#).unwrap(), named);
    }

    #[test]
    fn without_a_name_the_server_chooses() {
        assert_eq!(read("{}").unwrap(), choice(None, None));
        assert_eq!(read(r#"{"mediaId":"1","encodingId":null}"#).unwrap(), choice(Some("1"), None));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "[]", "2", r#"{"encodingId":"hd"}"#, r#"{"encodingId":256}"#, r#"{"mediaId":{}}"#]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
