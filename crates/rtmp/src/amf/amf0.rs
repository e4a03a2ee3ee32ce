//! Reading AMF0 (amf0-file-format-specification, section 2).

use super::{AmfError, Reader, Value, amf3};

/// How the bytes of a message are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Message types 18 and 20.
    Amf0,
    /// Message types 15 and 17: a format byte, 0 for AMF0 values (which may switch to AMF3 one by
    /// one), 3 for AMF3 values. Some peers leave the byte out.
    Amf3,
}

/// Reads all values of a message.
///
/// # Errors
/// See [`AmfError`].
pub(crate) fn read_all(bytes: &[u8], encoding: Encoding) -> Result<Vec<Value>, AmfError> {
    let (is_amf3, body) = match (encoding, bytes.first()) {
        (Encoding::Amf3, Some(0)) => (false, &bytes[1..]),
        (Encoding::Amf3, Some(3)) => (true, &bytes[1..]),
        _ => (false, bytes),
    };
    let mut reader = Reader::new(body);
    let mut context = amf3::Context::default();
    let mut values = Vec::new();
    while !reader.is_empty() {
        values.push(if is_amf3 {
            amf3::value(&mut reader, &mut context)?
        } else {
            value(&mut reader)?
        });
    }
    Ok(values)
}

fn value(reader: &mut Reader<'_>) -> Result<Value, AmfError> {
    reader.spend_value()?;
    match reader.u8()? {
        0x00 => Ok(Value::Number(reader.f64()?)),
        0x01 => Ok(Value::Boolean(reader.u8()? != 0)),
        0x02 => short_text(reader).map(Value::String),
        0x03 => reader.nested(properties).map(Value::Object),
        0x05 => Ok(Value::Null),
        0x06 | 0x0d => Ok(Value::Undefined),
        0x07 => reader.u16().map(|_| Value::Undefined),
        0x08 => {
            // The count is advisory: peers write 0 or a wrong one, the end marker counts.
            reader.u32()?;
            reader.nested(properties).map(Value::EcmaArray)
        }
        0x0a => reader.nested(array).map(Value::Array),
        0x0b => {
            let ms = reader.f64()?;
            reader.u16()?; // time zone, reserved
            Ok(Value::Date(ms))
        }
        0x0c | 0x0f => {
            let length = reader.u32()? as usize;
            reader.text(length).map(Value::String)
        }
        0x10 => {
            short_text(reader)?; // class name
            reader.nested(properties).map(Value::Object)
        }
        // "avmplus-object-marker": one value in AMF3, with reference tables of its own.
        0x11 => amf3::value(reader, &mut amf3::Context::default()),
        marker => Err(AmfError::UnknownMarker { marker }),
    }
}

fn short_text(reader: &mut Reader<'_>) -> Result<String, AmfError> {
    let length = usize::from(reader.u16()?);
    reader.text(length)
}

/// Pairs of name and value up to an empty name with an object-end marker. A message that ends
/// where a name should begin is taken as complete: some encoders leave the end marker out.
fn properties(reader: &mut Reader<'_>) -> Result<Vec<(String, Value)>, AmfError> {
    let mut properties = Vec::new();
    while !reader.is_empty() {
        let name = short_text(reader)?;
        if name.is_empty() && reader.rest.first() == Some(&0x09) {
            reader.take(1)?;
            break;
        }
        reader.spend_value()?;
        properties.push((name, value(reader)?));
    }
    Ok(properties)
}

fn array(reader: &mut Reader<'_>) -> Result<Vec<Value>, AmfError> {
    let count = reader.u32()?;
    // No capacity from the wire: the values have to be there first.
    (0..count).map(|_| value(reader)).collect()
}
