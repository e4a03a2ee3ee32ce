//! `onMetaData`: what the publisher says about its stream.

use crate::Metadata;
use crate::amf::Value;

/// Most pictures a second that are believed.
const FRAME_RATE_MAX: f64 = 1_000.0;

/// Reads a data message; `None` if it is not `onMetaData`, bare or behind `@setDataFrame`.
pub(super) fn read(values: &[Value]) -> Option<Metadata> {
    let values = match values.first()?.as_text()? {
        "@setDataFrame" => &values[1..],
        _ => values,
    };
    let [name, object, ..] = values else { return None };
    if name.as_text() != Some("onMetaData") {
        return None;
    }
    object.properties()?;
    Some(Metadata {
        frame_rate: ["framerate", "fps"]
            .into_iter()
            .find_map(|name| number(object, name))
            .filter(|rate| *rate > 0.0 && *rate <= FRAME_RATE_MAX),
        has_video: has(object, "hasVideo", &["videocodecid", "width", "videodatarate"]),
        has_audio: has(object, "hasAudio", &["audiocodecid", "audiosamplerate", "audiodatarate"]),
        width: pixels(object, "width"),
        height: pixels(object, "height"),
        encoder: object.property("encoder").and_then(Value::as_text).map(cut),
    })
}

/// A number, also as text: some encoders write `"30"`.
fn number(object: &Value, name: &str) -> Option<f64> {
    let value = object.property(name)?;
    value.as_number().or_else(|| value.as_text()?.trim().parse().ok()).filter(|n| n.is_finite())
}

/// What the flag says, else whether any of the hints is there and not zero.
fn has(object: &Value, flag: &str, hints: &[&str]) -> bool {
    if let Some(Value::Boolean(truth)) = object.property(flag) {
        return *truth;
    }
    hints.iter().any(|name| match object.property(name) {
        Some(Value::Number(number)) => *number != 0.0,
        Some(Value::String(text)) => !text.is_empty(),
        _ => false,
    })
}

fn pixels(object: &Value, name: &str) -> Option<u16> {
    let number = number(object, name)?.round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked here")]
    (1.0..=f64::from(u16::MAX)).contains(&number).then_some(number as u16)
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(Metadata::ENCODER_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
