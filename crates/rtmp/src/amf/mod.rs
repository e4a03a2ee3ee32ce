//! Action Message Format: the values inside commands and metadata.
//!
//! Reads AMF0 and AMF3, writes AMF0 (every RTMP peer reads it). Sources: AMF0 and AMF3 file format
//! specifications, Adobe. Input comes from unauthenticated peers: nesting, the number of values
//! and the bytes of decoded text are bounded, whatever the message's length; a text
//! that is referred to a thousand times is paid for a thousand times.

mod amf0;
mod amf3;
mod write;

pub(crate) use amf0::{Encoding, read_all};
pub(crate) use write::write;

/// Deepest nesting. `connect` needs two levels, colour metadata three.
const DEPTH_MAX: usize = 16;
/// Most values in one message, keys included. OBS's metadata has about twenty.
const VALUES_MAX: usize = 4_096;
/// Most bytes of decoded text in one message. More than fits into a message before publishing
/// (64 KiB); matters for AMF3, where two bytes refer to a long text.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// One AMF value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A double; AMF3 integers too.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// A text; invalid UTF-8 is replaced, XML documents count as text.
    String(String),
    /// Named values in their order. Typed objects too: the class name is dropped.
    Object(Vec<(String, Value)>),
    /// Named values with a length that nobody needs. Peers mix it up with `Object` freely:
    /// read both with [`Value::properties`].
    EcmaArray(Vec<(String, Value)>),
    /// Values without names.
    Array(Vec<Value>),
    /// Milliseconds since 1970.
    Date(f64),
    /// Nothing.
    Null,
    /// Nothing, the other kind. Also what references to earlier objects and binary values read
    /// as: no encoder sends them, and resolving them would let a message multiply itself.
    Undefined,
}

impl Value {
    /// A text value.
    pub(crate) fn text(text: &str) -> Self {
        Self::String(text.to_owned())
    }

    /// An object of these properties.
    pub(crate) fn object<const N: usize>(properties: [(&str, Self); N]) -> Self {
        Self::Object(properties.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The number, if it is one.
    pub(crate) const fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The properties of an object or an ECMA array.
    pub(crate) fn properties(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(properties) | Self::EcmaArray(properties) => Some(properties),
            _ => None,
        }
    }

    /// The property `name` of an object or an ECMA array.
    pub(crate) fn property(&self, name: &str) -> Option<&Self> {
        self.properties()?.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// What is wrong with an AMF text. Always the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmfError {
    /// It ends inside a value.
    #[error("AMF value ends too early")]
    Truncated,
    /// A type marker that no specification defines.
    #[error("unknown AMF type marker {marker:#04x}")]
    UnknownMarker {
        /// The marker.
        marker: u8,
    },
    /// Values nested deeper than anything real.
    #[error("AMF values nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// More values than anything real.
    #[error("more than {VALUES_MAX} AMF values in one message")]
    TooManyValues,
    /// More decoded text than anything real.
    #[error("more than {TEXT_BYTES_MAX} bytes of AMF text in one message")]
    TooMuchText,
    /// An AMF3 reference to something that was not sent.
    #[error("AMF3 reference to entry {index}, which was not sent")]
    BadReference {
        /// The entry.
        index: usize,
    },
    /// The command has no name at its start.
    #[error("command without a name")]
    NoName,
}

/// What one message may still cost, and the bytes that are left of it.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
    values: usize,
    text_bytes: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: 0, values: 0, text_bytes: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], AmfError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(AmfError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], AmfError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(AmfError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, AmfError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, AmfError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, AmfError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn f64(&mut self) -> Result<f64, AmfError> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    /// A text of `length` bytes.
    pub(super) fn text(&mut self, length: usize) -> Result<String, AmfError> {
        let bytes = self.take(length)?;
        // Replacement characters are three bytes each.
        self.spend_text(length.saturating_mul(3))?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Pays for text that becomes part of the result.
    pub(super) fn spend_text(&mut self, bytes: usize) -> Result<(), AmfError> {
        self.text_bytes = self.text_bytes.saturating_add(bytes);
        if self.text_bytes > TEXT_BYTES_MAX { Err(AmfError::TooMuchText) } else { Ok(()) }
    }

    /// Pays for one more value.
    pub(super) fn spend_value(&mut self) -> Result<(), AmfError> {
        self.values += 1;
        if self.values > VALUES_MAX { Err(AmfError::TooManyValues) } else { Ok(()) }
    }

    /// Reads something one level deeper.
    pub(super) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, AmfError>,
    ) -> Result<T, AmfError> {
        if self.depth == DEPTH_MAX {
            return Err(AmfError::TooDeep);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}

#[cfg(test)]
mod tests;
