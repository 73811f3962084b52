//! Parses JSON more strictly than `serde_json`: duplicate keys, nesting beyond 64 levels and NUL in text are refused,
//! because parsers do not agree on what they mean.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

const MAX_DEPTH: u8 = 64;

/// How many entries of a list are kept, to limit memory. Every schema refuses a list of so many anyway.
const MAX_ENTRIES: usize = 1_000;

/// Parses a body.
///
/// # Errors
/// A message with line and column when it is malformed.
pub fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict {
    depth: u8,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth {
            MAX_DEPTH => Err(E::custom(format!("it is nested deeper than {MAX_DEPTH} levels"))),
            depth => Ok(Self { depth: depth + 1 }),
        }
    }
}

/// JSON has one number type, and some programs write every number with a decimal point: 2.0 is the integer 2.
#[expect(clippy::cast_possible_truncation, reason = "the fraction is zero")]
fn whole(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63
    (value.fract() == 0.0 && value.abs() < LIMIT).then_some(value as i64)
}

fn text<E: Error>(text: String) -> Result<String, E> {
    if text.contains('\0') { Err(E::custom("text must not contain NUL")) } else { Ok(text) }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(whole(value).map_or_else(|| value.into(), Value::from))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        text(value.to_owned()).map(Value::String)
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        text(value).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while values.len() < MAX_ENTRIES
            && let Some(value) = seq.next_element_seed(inner)?
        {
            values.push(value);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let key = text(key)?;
            if values.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} is given twice")));
            }
            values.insert(key, map.next_value_seed(inner)?);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_ENTRIES, read};

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        let deep = "[".repeat(65) + &"]".repeat(65);
        for malformed in ["", "{", "NaN", "{\"a\":1,\"a\":2}", "\"\\ud800\"", "\"\\u0000\"", "{} {}", &deep] {
            assert!(read(malformed.as_bytes()).is_err(), "{malformed} must be refused");
        }
        assert!(read(b"\xff").is_err());
        let fine = "[".repeat(64) + &"]".repeat(64);
        assert!(read(fine.as_bytes()).is_ok());
        let long = format!("[{}0]", "{},".repeat(MAX_ENTRIES + 7));
        assert_eq!(read(long.as_bytes()).unwrap().as_array().unwrap().len(), MAX_ENTRIES);
        assert!(read(long.replace("0]", "0").as_bytes()).is_err(), "what is not kept must be well-formed, too");
        assert_eq!(read(br#"{"a":[1,2.5,null,"x"]}"#).unwrap(), serde_json::json!({"a": [1, 2.5, null, "x"]}));
    }
}
