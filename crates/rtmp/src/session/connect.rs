//! The `connect` command: what the peer says about itself, and what it is told.

use super::control::WINDOW_BYTES;
use crate::amf::Value;
use crate::flv::{AUDIO_FOUR_CCS, VIDEO_FOUR_CCS};
use crate::outbound::{self, Level, Outbound};
use crate::{Capabilities, ConnectInfo};

/// `capsEx` bits (Enhanced RTMP, "CapsExMask").
const RECONNECT: u32 = 1;
const MULTITRACK: u32 = 2;
const MOD_EX: u32 = 4;
const TIMESTAMP_NANO_OFFSET: u32 = 8;
/// FourCC info flag: the server can forward the codec, which is what it does.
const CAN_FORWARD: u32 = 4;

/// What stays known of `connect`.
pub(super) struct Connection {
    pub(super) capabilities: Capabilities,
    /// Application name without slashes at its ends; may hold a stream key at its end.
    pub(super) app: String,
    /// What stood behind `?` in the application name.
    pub(super) query: String,
}

/// Reads the command object of `connect`.
pub(super) fn read(object: &Value) -> (Connection, ConnectInfo) {
    let text = |name| object.property(name).and_then(Value::as_text).unwrap_or_default();
    let (app, query) = split_query(text("app"));
    let app = app.trim_matches('/').to_owned();
    let capabilities = capabilities(object);
    let info = ConnectInfo {
        app: app.clone(),
        tc_url: text("tcUrl").to_owned(),
        flash_version: text("flashVer").to_owned(),
        capabilities: capabilities.clone(),
    };
    (Connection { capabilities, app, query: query.to_owned() }, info)
}

/// Cuts `name?query` in two.
pub(super) fn split_query(name: &str) -> (&str, &str) {
    name.split_once('?').unwrap_or((name, ""))
}

fn capabilities(object: &Value) -> Capabilities {
    let number = object.property("capsEx").and_then(Value::as_number).unwrap_or_default();
    // A saturating cast: nonsense becomes 0 or all bits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let mask = number as u32;
    let list = match object.property("fourCcList") {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_text).collect(),
        _ => Vec::new(),
    };
    let maps = ["videoFourCcInfoMap", "audioFourCcInfoMap"]
        .into_iter()
        .filter_map(|name| object.property(name)?.properties())
        .flatten()
        .map(|(name, _)| name.as_str());
    let mut four_ccs: Vec<String> = Vec::new();
    for name in list.into_iter().chain(maps) {
        if four_ccs.len() < Capabilities::FOUR_CCS_MAX
            && name.len() <= 4
            && !four_ccs.iter().any(|known| known == name)
        {
            four_ccs.push(name.to_owned());
        }
    }
    Capabilities {
        reconnect: mask & RECONNECT != 0,
        multitrack: mask & MULTITRACK != 0,
        mod_ex: mask & MOD_EX != 0,
        timestamp_nano_offset: mask & TIMESTAMP_NANO_OFFSET != 0,
        four_ccs,
    }
}

/// Answers `connect`. The Enhanced RTMP abilities stand in both objects, because the specification
/// says "an object" and clients look in either.
pub(super) fn answer(outbound: &mut Outbound, transaction: f64, object: &Value) {
    outbound.connection_parameters(WINDOW_BYTES);
    outbound.stream_begin(0);
    let mut properties = vec![
        ("fmsVer".to_owned(), Value::text("FMS/3,5,7,7009")),
        ("capabilities".to_owned(), Value::Number(31.0)),
        ("mode".to_owned(), Value::Number(1.0)),
    ];
    let encoding = object.property("objectEncoding").and_then(Value::as_number).unwrap_or(0.0);
    let mut info =
        outbound::info(Level::Status, "NetConnection.Connect.Success", "Connection succeeded.");
    info.push(("objectEncoding".to_owned(), Value::Number(encoding)));
    for (name, value) in abilities() {
        properties.push((name.to_owned(), value.clone()));
        info.push((name.to_owned(), value));
    }
    outbound.result(transaction, [Value::Object(properties), Value::Object(info)]);
}

fn abilities() -> [(&'static str, Value); 4] {
    let map = |four_ccs: &[&str]| {
        let flags = Value::Number(f64::from(CAN_FORWARD));
        Value::Object(four_ccs.iter().map(|&name| (name.to_owned(), flags.clone())).collect())
    };
    let caps = RECONNECT | MULTITRACK | MOD_EX | TIMESTAMP_NANO_OFFSET;
    let all = VIDEO_FOUR_CCS.iter().chain(&AUDIO_FOUR_CCS).map(|name| Value::text(name));
    [
        ("capsEx", Value::Number(f64::from(caps))),
        ("videoFourCcInfoMap", map(&VIDEO_FOUR_CCS)),
        ("audioFourCcInfoMap", map(&AUDIO_FOUR_CCS)),
        ("fourCcList", Value::Array(all.collect())),
    ]
}
