//! Reading AMF3 (amf3-file-format-spec, section 3).

use super::{AmfError, Reader, Value};

/// What earlier values of the same message can be referred to by. Bounded by the reader: each
/// entry was paid for as a value or as text.
#[derive(Default)]
pub(super) struct Context {
    texts: Vec<String>,
    traits: Vec<Traits>,
    /// How many objects were sent. Not kept: see [`Value::Undefined`].
    objects: usize,
}

/// The shape of an object class: sealed member names, and whether more may follow.
#[derive(Clone)]
struct Traits {
    members: Vec<String>,
    dynamic: bool,
}

/// Reads one value.
pub(super) fn value(reader: &mut Reader<'_>, context: &mut Context) -> Result<Value, AmfError> {
    reader.spend_value()?;
    match reader.u8()? {
        0x00 => Ok(Value::Undefined),
        0x01 => Ok(Value::Null),
        0x02 => Ok(Value::Boolean(false)),
        0x03 => Ok(Value::Boolean(true)),
        0x04 => {
            // 29 bits, two's complement.
            let unsigned = u29(reader)?;
            let signed = (unsigned << 3).cast_signed() >> 3;
            Ok(Value::Number(f64::from(signed)))
        }
        0x05 => Ok(Value::Number(reader.f64()?)),
        0x06 => text(reader, context).map(Value::String),
        0x07 | 0x0b => match header(reader, context)? {
            None => Ok(Value::Undefined),
            Some(length) => reader.text(length).map(Value::String),
        },
        0x08 => match header(reader, context)? {
            None => Ok(Value::Undefined),
            Some(_) => Ok(Value::Date(reader.f64()?)),
        },
        0x09 => match header(reader, context)? {
            None => Ok(Value::Undefined),
            Some(count) => reader.nested(|reader| array(reader, context, count)),
        },
        0x0a => object(reader, context),
        0x0c => match header(reader, context)? {
            None => Ok(Value::Undefined),
            Some(length) => reader.take(length).map(|_| Value::Undefined),
        },
        marker => Err(AmfError::UnknownMarker { marker }),
    }
}

/// A variable-length integer of up to 29 bits (1.3.1).
fn u29(reader: &mut Reader<'_>) -> Result<u32, AmfError> {
    let mut number = 0;
    for _ in 0..3 {
        let byte = reader.u8()?;
        number = number << 7 | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Ok(number << 8 | u32::from(reader.u8()?))
}

/// The header of a complex value: its length or count, or `None` for a reference to an earlier one.
fn header(reader: &mut Reader<'_>, context: &mut Context) -> Result<Option<usize>, AmfError> {
    let header = u29(reader)?;
    let number = (header >> 1) as usize;
    if header & 1 == 1 {
        context.objects += 1;
        return Ok(Some(number));
    }
    if number < context.objects { Ok(None) } else { Err(AmfError::BadReference { index: number }) }
}

fn text(reader: &mut Reader<'_>, context: &mut Context) -> Result<String, AmfError> {
    let header = u29(reader)?;
    let number = (header >> 1) as usize;
    if header & 1 == 0 {
        let text =
            context.texts.get(number).ok_or(AmfError::BadReference { index: number })?.clone();
        reader.spend_text(text.len())?;
        return Ok(text);
    }
    let text = reader.text(number)?;
    if !text.is_empty() {
        // "The empty string is never sent by reference" (1.3.2), so it takes no entry.
        context.texts.push(text.clone());
    }
    Ok(text)
}

fn array(reader: &mut Reader<'_>, context: &mut Context, count: usize) -> Result<Value, AmfError> {
    let named = named_values(reader, context)?;
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(value(reader, context)?);
    }
    Ok(if named.is_empty() { Value::Array(values) } else { Value::EcmaArray(named) })
}

/// Pairs of name and value up to an empty name.
fn named_values(
    reader: &mut Reader<'_>,
    context: &mut Context,
) -> Result<Vec<(String, Value)>, AmfError> {
    let mut named = Vec::new();
    loop {
        let name = text(reader, context)?;
        if name.is_empty() {
            return Ok(named);
        }
        named.push((name, value(reader, context)?));
    }
}

/// An object (3.12): reference, traits by reference or in place, sealed members, dynamic members.
fn object(reader: &mut Reader<'_>, context: &mut Context) -> Result<Value, AmfError> {
    let header = u29(reader)?;
    let index = |number: u32| number as usize;
    if header & 1 == 0 {
        let number = index(header >> 1);
        return if number < context.objects {
            Ok(Value::Undefined)
        } else {
            Err(AmfError::BadReference { index: number })
        };
    }
    context.objects += 1;
    let traits = if header & 0b11 == 0b01 {
        let number = index(header >> 2);
        let traits =
            context.traits.get(number).ok_or(AmfError::BadReference { index: number })?.clone();
        reader.spend_text(traits.members.iter().map(String::len).sum())?;
        traits
    } else if header & 0b111 == 0b111 {
        // Externalizable: only its class knows how long it is.
        return Err(AmfError::UnknownMarker { marker: 0x0a });
    } else {
        read_traits(reader, context, index(header >> 4), header & 0b1000 != 0)?
    };
    reader.nested(|reader| {
        let mut properties = Vec::new();
        for name in traits.members {
            properties.push((name, value(reader, context)?));
        }
        if traits.dynamic {
            properties.extend(named_values(reader, context)?);
        }
        Ok(Value::Object(properties))
    })
}

fn read_traits(
    reader: &mut Reader<'_>,
    context: &mut Context,
    count: usize,
    dynamic: bool,
) -> Result<Traits, AmfError> {
    text(reader, context)?; // class name
    let mut members = Vec::new();
    for _ in 0..count {
        reader.spend_value()?;
        members.push(text(reader, context)?);
    }
    let traits = Traits { members, dynamic };
    context.traits.push(traits.clone());
    Ok(traits)
}
