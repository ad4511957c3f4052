//! Turns OTLP/JSON into the same request in protobuf, in one pass and without a tree in between.

use std::fmt;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use crate::error::{Decoded, Malformed};
use crate::otlp::schema::{Field, Message, Type};
use crate::otlp::write::{MOST_BYTES, Writer};

const FORGIVING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, FORGIVING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, FORGIVING);

/// Stands for an id that is not hexadecimal: no valid id is one byte long, so the record is refused, not the request.
const INVALID_ID: &[u8] = &[0];

pub fn to_protobuf(body: &[u8], message: &'static Message) -> Decoded<Vec<u8>> {
    // The protobuf form is at most twice as long: what grows is `[0,0,…]` of doubles, four times, seldom met.
    if body.len() > MOST_BYTES / 4 {
        return Err(Malformed::TooLarge);
    }
    let mut out = Writer::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let content = Content { message, out: &mut out };
    let read = json.deserialize_map(content).and_then(|()| json.end());
    read.map_err(|error| Malformed::Json(error.line(), error.column()))?;
    if out.len() > MOST_BYTES { Err(Malformed::TooLarge) } else { Ok(out.finish()) }
}

/// Writes the fields of a JSON object.
struct Content<'w> {
    message: &'static Message,
    out: &'w mut Writer,
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(Key(self.message))? {
            match field {
                Some(field) => map.next_value_seed(Item {
                    number: Some(field.number),
                    kind: &field.kind,
                    out: self.out,
                })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Finds the field of a name; unknown names are `None`.
struct Key(&'static Message);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.0.iter().find(|field| field.name.as_bytes() == name))
    }
}

/// Writes one JSON value as a field, or without a number as an item of a packed list.
struct Item<'w> {
    number: Option<u32>,
    kind: &'static Type,
    out: &'w mut Writer,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.kind {
            // What is no UTF-8, as a lone surrogate, costs the record that it is a part of, and not the request.
            Type::Text | Type::Id => json.deserialize_option(Bytes(self)),
            _ => json.deserialize_any(self),
        }
    }
}

/// A text, or null, as the bytes that it is written in.
struct Bytes<'w>(Item<'w>);

impl<'de> Visitor<'de> for Bytes<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_bytes(self)
    }

    fn visit_bytes<E>(self, text: &[u8]) -> Result<(), E> {
        match self.0.kind {
            Type::Id => self.0.id(text),
            _ => self.0.bytes(text),
        }
        Ok(())
    }
}

impl Item<'_> {
    fn varint(self, value: u64) {
        match self.number {
            Some(number) => self.out.varint(number, value),
            None => self.out.raw_varint(value),
        }
    }

    fn fixed64(self, value: u64) {
        match self.number {
            Some(number) => self.out.fixed64(number, value),
            None => self.out.raw_fixed64(value),
        }
    }

    fn bytes(self, value: &[u8]) {
        self.out.bytes(self.number.unwrap_or_default(), value);
    }

    fn integer<E: Error>(self, value: i128) -> Result<(), E> {
        let wrong = || E::custom("integer out of range");
        let signed = || i64::try_from(value).map_err(|_| wrong());
        let unsigned = || u64::try_from(value).map_err(|_| wrong());
        match self.kind {
            Type::Varint => self.varint(unsigned()?),
            Type::SignedVarint | Type::Enum(..) => self.varint(signed()?.cast_unsigned()),
            Type::Sint32 => {
                let small = i32::try_from(value).map_err(|_| wrong())?;
                let bits = i64::from(small);
                self.varint((bits << 1 ^ bits >> 31).cast_unsigned());
            }
            Type::Fixed64 => self.fixed64(unsigned()?),
            Type::SignedFixed64 => self.fixed64(signed()?.cast_unsigned()),
            #[expect(clippy::cast_precision_loss, reason = "a double was asked for")]
            Type::Double => self.fixed64((value as f64).to_bits()),
            _ => return Err(E::invalid_type(Unexpected::Other("integer"), &self)),
        }
        Ok(())
    }

    fn id(self, text: &[u8]) {
        match hexadecimal(text) {
            Some(id) => self.bytes(&id),
            None => self.bytes(INVALID_ID),
        }
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the field's type")
    }

    /// Null is absent.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.kind {
            Type::Bool => self.varint(u64::from(value)),
            _ => return Err(E::invalid_type(Unexpected::Bool(value), &self)),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.integer(i128::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.integer(i128::from(value))
    }

    #[expect(clippy::cast_possible_truncation, reason = "whole, and the range is checked next")]
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        match self.kind {
            Type::Double => self.fixed64(value.to_bits()),
            _ if value.fract() == 0.0 => return self.integer(value as i128),
            _ => return Err(E::invalid_type(Unexpected::Float(value), &self)),
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.kind {
            Type::Base64 => {
                let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
                self.bytes(&bytes.map_err(|_| E::custom("not base64"))?);
            }
            Type::Double => {
                let value = double(text).ok_or_else(|| E::custom("not a double"))?;
                self.fixed64(value.to_bits());
            }
            Type::Enum(prefix, names) => {
                let name = text.strip_prefix(prefix).unwrap_or(text);
                let number = names.iter().position(|known| *known == name);
                let number = number.ok_or_else(|| E::custom("unknown name of an enum"))?;
                self.varint(number as u64);
            }
            Type::Bool | Type::Text | Type::Id | Type::Message(_) | Type::List(_) => {
                return Err(E::invalid_type(Unexpected::Other("string"), &self));
            }
            _ => return integer_text(text, self),
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Type::Message(message) = self.kind else {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        };
        let number = self.number.unwrap_or_default();
        self.out.message(number, |out| Content { message, out }.visit_map(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Type::List(kind) = self.kind else {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        };
        let number = self.number;
        if matches!(kind, Type::Message(_)) {
            while items.next_element_seed(Item { number, kind, out: self.out })?.is_some() {}
            return Ok(());
        }
        self.out.message(number.unwrap_or_default(), |out| {
            while items.next_element_seed(Item { number: None, kind, out })?.is_some() {}
            Ok(())
        })
    }
}

fn integer_text<E: Error>(text: &str, item: Item<'_>) -> Result<(), E> {
    if let Ok(value) = text.parse() {
        return item.integer(value);
    }
    // The protobuf mapping allows exponents, as long as the number is whole.
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => item.visit_f64(value),
        _ => Err(E::custom("not an integer")),
    }
}

fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()).collect()
}
