//! Writing AMF0.

use bytes::{BufMut, BytesMut};

use super::Value;

/// Appends `value` as AMF0.
pub(crate) fn write(out: &mut BytesMut, value: &Value) {
    match value {
        Value::Number(number) => {
            out.put_u8(0x00);
            out.put_f64(*number);
        }
        Value::Boolean(truth) => out.put_slice(&[0x01, u8::from(*truth)]),
        Value::String(text) => match u16::try_from(text.len()) {
            Ok(length) => {
                out.put_u8(0x02);
                out.put_u16(length);
                out.put_slice(text.as_bytes());
            }
            Err(_) => {
                out.put_u8(0x0c);
                out.put_u32(count(text.len()));
                out.put_slice(text.as_bytes());
            }
        },
        Value::Object(properties) => {
            out.put_u8(0x03);
            write_properties(out, properties);
        }
        Value::EcmaArray(properties) => {
            out.put_u8(0x08);
            out.put_u32(count(properties.len()));
            write_properties(out, properties);
        }
        Value::Array(values) => {
            out.put_u8(0x0a);
            out.put_u32(count(values.len()));
            for value in values {
                write(out, value);
            }
        }
        Value::Date(ms) => {
            out.put_u8(0x0b);
            out.put_f64(*ms);
            out.put_u16(0);
        }
        Value::Null => out.put_u8(0x05),
        Value::Undefined => out.put_u8(0x06),
    }
}

fn write_properties(out: &mut BytesMut, properties: &[(String, Value)]) {
    for (name, value) in properties {
        let name = name.as_bytes();
        // Names are ours or come from a peer's 16-bit field, so the cut never bites.
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        out.put_u16(length);
        out.put_slice(&name[..usize::from(length)]);
        write(out, value);
    }
    out.put_slice(&[0x00, 0x00, 0x09]);
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("what is written here was built in memory below 4 GiB")
}
