//! Message types (RTMP 1.0, sections 5.4 and 7.1).

/// Set Chunk Size.
pub const SET_CHUNK_SIZE: u8 = 1;
/// Abort Message.
pub const ABORT: u8 = 2;
/// Acknowledgement.
pub const ACKNOWLEDGEMENT: u8 = 3;
/// User Control Message.
pub const USER_CONTROL: u8 = 4;
/// Window Acknowledgement Size.
pub const WINDOW_ACKNOWLEDGEMENT_SIZE: u8 = 5;
/// Set Peer Bandwidth.
pub const SET_PEER_BANDWIDTH: u8 = 6;
/// Audio: an FLV audio tag's body.
pub const AUDIO: u8 = 8;
/// Video: an FLV video tag's body.
pub const VIDEO: u8 = 9;
/// Data (metadata), AMF3.
pub const DATA_AMF3: u8 = 15;
/// Command, AMF3.
pub const COMMAND_AMF3: u8 = 17;
/// Data (metadata), AMF0.
pub const DATA_AMF0: u8 = 18;
/// Command, AMF0.
pub const COMMAND_AMF0: u8 = 20;
/// Aggregate: a list of FLV tags.
pub const AGGREGATE: u8 = 22;
