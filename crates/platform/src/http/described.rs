//! Values whose schema says more than their Rust type, e.g. that a text is an e-mail address.
//!
//! The schema is for the document: the field's parser checks the value with a better message. Where the parser accepts
//! more than the schema says, [`super::schema`] loosens the schema by its format.

use std::{borrow::Cow, marker::PhantomData, ops::Deref};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde_json::Value;

/// What the document says of a value. Implemented by empty enums.
pub trait Kind {
    /// Completes the schema of the value's type.
    fn describe(schema: &mut MetaSchema);
}

/// A `T` with the schema of `K`.
pub struct Described<T, K>(pub T, PhantomData<fn() -> K>);

/// A text with the schema of `K`: `email: Text<Email>`.
pub type Text<K> = Described<String, K>;

impl<T, K> Described<T, K> {
    fn of(value: T) -> Self {
        Self(value, PhantomData)
    }
}

impl<T: Clone, K> Clone for Described<T, K> {
    fn clone(&self) -> Self {
        Self::of(self.0.clone())
    }
}

impl<T: Deref, K> Deref for Described<T, K> {
    type Target = T::Target;

    fn deref(&self) -> &T::Target {
        &self.0
    }
}

impl<T: Type, K: Kind> Type for Described<T, K> {
    const IS_REQUIRED: bool = T::IS_REQUIRED;
    type RawValueType = T::RawValueType;
    type RawElementValueType = T::RawElementValueType;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        let mut schema = T::schema_ref();
        if let MetaSchemaRef::Inline(schema) = &mut schema {
            K::describe(schema);
        }
        schema
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.as_raw_value()
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        self.0.raw_element_iter()
    }
}

impl<T: ParseFromJSON, K: Kind> ParseFromJSON for Described<T, K> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        T::parse_from_json(value).map(Self::of).map_err(ParseError::propagate)
    }
}

impl<T: ParseFromParameter, K: Kind> ParseFromParameter for Described<T, K> {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        T::parse_from_parameter(text).map(Self::of).map_err(ParseError::propagate)
    }
}

impl<T: ToJSON, K: Kind> ToJSON for Described<T, K> {
    fn to_json(&self) -> Option<Value> {
        self.0.to_json()
    }
}
