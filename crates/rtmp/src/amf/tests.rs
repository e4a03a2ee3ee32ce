//! AMF values: round trips, and what a hostile message may cost.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

#[test]
fn nesting_100_000_deep_is_an_error_not_a_stack_overflow() {
    for marker in [&[0x03, 0x00, 0x01, b'a'][..], &[0x0a, 0, 0, 0, 1]] {
        let nested = marker.repeat(100_000);
        assert_eq!(read_all(&nested, Encoding::Amf0), Err(AmfError::TooDeep));
    }
    // AMF3: arrays of one array, and AMF0 switching to AMF3 objects with one dynamic member.
    let arrays = [&[3][..], &[0x09, 0x03, 0x01].repeat(100_000)].concat();
    assert_eq!(read_all(&arrays, Encoding::Amf3), Err(AmfError::TooDeep));
    let objects = [&[0x11][..], &[0x0a, 0x0b, 0x01, 0x03, b'a'].repeat(100_000)].concat();
    assert_eq!(read_all(&objects, Encoding::Amf0), Err(AmfError::TooDeep));
}

#[test]
fn an_announced_count_reserves_nothing() {
    assert_eq!(read_all(&[0x0a, 0xff, 0xff, 0xff, 0xff], Encoding::Amf0), Err(AmfError::Truncated));
    assert_eq!(read_all(&[0x0c, 0xff, 0xff, 0xff, 0xff], Encoding::Amf0), Err(AmfError::Truncated));
}

#[test]
fn a_text_that_is_referred_to_is_paid_for_each_time() {
    let length = 8_000u16; // u29 of (length << 1 | 1)
    let header = u32::from(length) << 1 | 1;
    let mut message = vec![3, 0x06, (header >> 7) as u8 | 0x80, (header & 0x7f) as u8];
    message.extend(std::iter::repeat_n(b'x', length.into()));
    for _ in 0..1_000 {
        message.extend([0x06, 0x00]);
    }
    assert_eq!(read_all(&message, Encoding::Amf3), Err(AmfError::TooMuchText));
}

#[test]
fn many_values_are_refused() {
    assert_eq!(read_all(&[0x05; VALUES_MAX + 1], Encoding::Amf0), Err(AmfError::TooManyValues));
    assert_eq!(read_all(&[0x05; VALUES_MAX], Encoding::Amf0).unwrap().len(), VALUES_MAX);
}

#[test]
fn amf3_values_read_as_their_amf0_counterparts() {
    // {"a": -1, "b": "a", "c": [true, null]} as a dynamic object.
    let bytes = [
        3, 0x0a, 0x0b, 0x01, 0x03, b'a', 0x04, 0xff, 0xff, 0xff, 0xff, 0x03, b'b', 0x06, 0x00,
        0x03, b'c', 0x09, 0x05, 0x01, 0x03, 0x01, 0x01,
    ];
    let expected = Value::object([
        ("a", Value::Number(-1.0)),
        ("b", Value::text("a")),
        ("c", Value::Array(vec![Value::Boolean(true), Value::Null])),
    ]);
    assert_eq!(read_all(&bytes, Encoding::Amf3), Ok(vec![expected]));
}

#[test]
fn amf3_sealed_traits_are_shared_by_reference() {
    // Two objects of one class with the sealed member "x"; the second refers to traits 0.
    let bytes = [3, 0x0a, 0x13, 0x01, 0x03, b'x', 0x04, 0x01, 0x0a, 0x01, 0x04, 0x02];
    let object = |x| Value::object([("x", Value::Number(x))]);
    assert_eq!(read_all(&bytes, Encoding::Amf3), Ok(vec![object(1.0), object(2.0)]));
}

#[test]
fn amf3_messages_may_hold_amf0_values_and_switch_for_one() {
    let bytes = [0, 0x02, 0x00, 0x01, b'f', 0x11, 0x04, 0x05, 0x05];
    let expected = vec![Value::text("f"), Value::Number(5.0), Value::Null];
    assert_eq!(read_all(&bytes, Encoding::Amf3), Ok(expected.clone()));
    assert_eq!(read_all(&bytes[1..], Encoding::Amf3), Ok(expected), "format byte left out");
}

#[test]
fn references_that_point_nowhere_are_refused() {
    for bytes in [&[3, 0x06, 0x00][..], &[3, 0x0a, 0x02], &[3, 0x0a, 0x05], &[3, 0x09, 0x04]] {
        let result = read_all(bytes, Encoding::Amf3);
        assert!(matches!(result, Err(AmfError::BadReference { .. })), "{bytes:?}: {result:?}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (-1e12..1e12f64).prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,20}".prop_map(Value::String),
        (0.0..1e13f64).prop_map(Value::Date),
        Just(Value::Null),
        Just(Value::Undefined),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let properties = prop::collection::vec((".{0,8}", inner.clone()), 0..6);
        prop_oneof![
            properties.clone().prop_map(Value::Object),
            properties.prop_map(Value::EcmaArray),
            prop::collection::vec(inner, 0..6).prop_map(Value::Array),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(values in prop::collection::vec(any_value(), 0..6)) {
        let mut out = BytesMut::new();
        for value in &values {
            write(&mut out, value);
        }
        prop_assert_eq!(read_all(&out, Encoding::Amf0), Ok(values));
    }

    #[test]
    fn a_long_text_reads_back(length in 65_000usize..70_000) {
        let value = Value::String("x".repeat(length));
        let mut out = BytesMut::new();
        write(&mut out, &value);
        prop_assert_eq!(read_all(&out, Encoding::Amf0), Ok(vec![value]));
    }
}

#[test]
fn fuzz_amf() {
    bolero::check!().with_iterations(20_000).for_each(|bytes: &[u8]| {
        let _ = read_all(bytes, Encoding::Amf0);
        let _ = read_all(bytes, Encoding::Amf3);
    });
}
