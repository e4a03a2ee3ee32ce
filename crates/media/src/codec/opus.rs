//! Opus: `OpusHead` (RFC 7845 5.1), the `dOps` box (Opus in ISO-BMFF 4.3.2), and packet durations
//! from the TOC byte (RFC 6716 3.1).

use bytes::{BufMut, BytesMut};

use super::{AudioRecord, Codec, CodecError};

const RECORD: &str = "OpusHead";
const PACKET: &str = "Opus packet";
/// Opus always decodes at 48 kHz; the rate in `OpusHead` is only that of the original.
const RATE: u32 = 48_000;
/// A packet lasts at most 120 ms (RFC 6716 3.2.5, R5).
const PACKET_SAMPLES_MAX: u32 = 5_760;

/// Turns `OpusHead` into the `dOps` record: channels, pre-skip, gain and channel mapping.
///
/// # Errors
/// When it is cut, of another major version, or of a mapping family other than 0 (mono, stereo) and
/// 1 (surround in Vorbis order).
pub fn from_opus_head(head: &[u8]) -> Result<Codec, CodecError> {
    let invalid =
        |field, value: u8| CodecError::Invalid { record: RECORD, field, value: u64::from(value) };
    let body = head
        .strip_prefix(b"OpusHead")
        .ok_or(CodecError::Missing { record: RECORD, part: "magic" })?;
    let Some((&[version, channels, s0, s1, r0, r1, r2, r3, g0, g1, family], mapping)) =
        body.split_first_chunk()
    else {
        return Err(CodecError::Truncated { record: RECORD });
    };
    if version >> 4 != 0 {
        return Err(invalid("version", version));
    }
    let mut record = BytesMut::new();
    // dOps has its own version, 0, and is big-endian where OpusHead is little-endian.
    record.put_slice(&[0, channels, s1, s0, r3, r2, r1, r0, g1, g0, family]);
    match (family, channels) {
        (0, 1 | 2) => {}
        (1, 1..=8) => {
            let table = mapping
                .get(..2 + usize::from(channels))
                .ok_or(CodecError::Truncated { record: RECORD })?;
            let (streams, coupled) = (table[0], table[1]);
            if streams == 0 || coupled > streams {
                return Err(invalid("stream count", streams));
            }
            record.put_slice(table);
        }
        (0 | 1, _) => return Err(invalid("channel count", channels)),
        _ => return Err(CodecError::Unsupported { what: "this Opus channel mapping family" }),
    }
    Ok(Codec::Opus(AudioRecord {
        record: record.freeze(),
        sample_rate: RATE,
        channels,
        frame_samples: None,
        rfc6381: "opus".to_owned(),
    }))
}

/// The record of stereo Opus from a sender that tells none, as WebRTC senders do: RFC 7587 section 7
/// names every stream stereo, and a decoder gives mono packets on both channels. Nothing is skipped at
/// the start, because a live stream has no start.
#[must_use]
pub fn stereo() -> Codec {
    let mut record = BytesMut::new();
    record.put_slice(&[0, 2, 0, 0]); // version, channels, pre-skip
    record.put_u32(RATE);
    record.put_slice(&[0, 0, 0]); // gain, mapping family
    Codec::Opus(AudioRecord {
        record: record.freeze(),
        sample_rate: RATE,
        channels: 2,
        frame_samples: None,
        rfc6381: "opus".to_owned(),
    })
}

/// Samples at 48 kHz in a packet (RFC 6716 3.1, 3.2). For a multistream packet the first stream's
/// TOC counts: all streams of a packet last alike (RFC 7845 3).
///
/// # Errors
/// When the packet is empty, cut, or longer than 120 ms.
pub fn packet_samples(packet: &[u8]) -> Result<u32, CodecError> {
    let truncated = CodecError::Truncated { record: PACKET };
    let (&toc, rest) = packet.split_first().ok_or_else(|| truncated.clone())?;
    let configuration = toc >> 3;
    let frame = match configuration {
        0..=11 => [480, 960, 1_920, 2_880][usize::from(configuration % 4)],
        12..=15 => [480, 960][usize::from(configuration % 2)],
        _ => [120, 240, 480, 960][usize::from(configuration % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first().ok_or(truncated)? & 0x3F),
    };
    match frame * frames {
        samples @ 1..=PACKET_SAMPLES_MAX => Ok(samples),
        samples => Err(CodecError::Invalid {
            record: PACKET,
            field: "duration in samples",
            value: u64::from(samples),
        }),
    }
}
