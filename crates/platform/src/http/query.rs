//! Query parameters whose errors are collected with those of the others.
//!
//! poem-openapi stops at the first parameter it cannot parse, with a message of its own. [`QueryValue`] keeps the value or
//! the error, and the endpoint reads it by name.

use std::{borrow::Cow, collections::HashMap};

use poem_openapi::{
    param::Query,
    registry::{MetaSchemaRef, Registry},
    types::{ParseFromParameter, ParseResult, Type},
};

use super::problem::{ApiResult, Problem};
use crate::http::problem_types;

/// An optional query parameter of an endpoint.
///
/// `#[oai(validator(..))]` on it only documents the limits: poem-openapi validates the raw value, and [`QueryValue`] has
/// none. The endpoint must enforce them.
pub type OptionalQuery<T> = Query<QueryValue<T>>;

/// The parsed value of a query parameter, if one was given, or why it cannot be parsed.
pub struct QueryValue<T>(Result<Option<T>, String>);

impl<T: Clone> QueryValue<T> {
    /// The value, if one was given.
    ///
    /// # Errors
    /// 422 with the parameter as its field.
    pub fn get(&self, name: &str) -> ApiResult<Option<T>> {
        self.0.clone().map_err(|message| Problem::invalid_field(name, "invalid", message))
    }
}

/// The most characters of `?search=`.
const MAX_SEARCH: usize = 200;

/// The text of `?search=`; empty when it was not given.
///
/// # Errors
/// 422 beyond 200 characters.
pub fn search(parameter: &OptionalQuery<String>) -> ApiResult<String> {
    let text = parameter.get("search")?.unwrap_or_default();
    if text.chars().count() <= MAX_SEARCH {
        return Ok(text);
    }
    let message = format!("must have at most {MAX_SEARCH} characters");
    Err(Problem::invalid_field("search", "maxLength", message))
}

/// The most parameters of a query, and the most of one name.
const MAX_PARAMETERS: usize = 100;
const MAX_OF_ONE: usize = 10;

/// Refuses a query with too many parameters before any is parsed.
///
/// # Errors
/// 400 that names a parameter.
pub fn refuse_too_many(query: &str) -> ApiResult<()> {
    let refused = |detail| Err(problem_types::TOO_MANY_PARAMETERS.problem(detail));
    let mut times = HashMap::new();
    for (count, parameter) in query.split('&').filter(|parameter| !parameter.is_empty()).enumerate() {
        let name = parameter.split('=').next().unwrap_or_default();
        let of_this_name: &mut usize = times.entry(name).or_default();
        *of_this_name += 1;
        if *of_this_name > MAX_OF_ONE {
            return refused(format!("{:?} is given more than {MAX_OF_ONE} times.", shortened(name)));
        }
        if count >= MAX_PARAMETERS {
            let detail =
                format!("The query has more than {MAX_PARAMETERS} parameters, including {:?}.", shortened(name));
            return refused(detail);
        }
    }
    Ok(())
}

/// A field that a list can be ordered by: its name, and its SQL ascending and descending, each with a trailing comma.
pub type Column = (&'static str, &'static str, &'static str);

/// Translates `?ordering=price,-created_at` into SQL; empty when it was not given.
///
/// # Errors
/// 422 that names the fields, when one is unknown or there are more than `columns`.
pub fn ordering(parameter: &OptionalQuery<String>, columns: &[Column]) -> ApiResult<Vec<&'static str>> {
    let Some(fields) = parameter.get("ordering")? else { return Ok(vec![]) };
    let read = |field: &str| {
        let field = field.trim();
        let (name, down) = field.strip_prefix('-').map_or((field, false), |name| (name, true));
        let column = columns.iter().find(|(known, ..)| *known == name);
        column.map(|(_, up_sql, down_sql)| if down { *down_sql } else { *up_sql })
    };
    let are_few = fields.split(',').count() <= columns.len();
    let order = if are_few { fields.split(',').map(read).collect::<Option<_>>() } else { None };
    order.ok_or_else(|| {
        let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
        let names = names.join(", ");
        let names = names.rsplit_once(", ").map_or(names.clone(), |(others, last)| format!("{others} and {last}"));
        let most = columns.len();
        let message = format!("must list at most {most} of {names}, each optionally prefixed with - for descending");
        Problem::invalid_field("ordering", "invalid_ordering", message)
    })
}

impl<T: Type> Type for QueryValue<T> {
    const IS_REQUIRED: bool = false;
    type RawValueType = T::RawValueType;
    type RawElementValueType = T::RawElementValueType;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        None // so validators on a parameter check nothing
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        Box::new(std::iter::empty())
    }
}

impl<T: ParseFromParameter> ParseFromParameter for QueryValue<T> {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        Self::parse_from_parameters(Some(text))
    }

    fn parse_from_parameters<I: IntoIterator<Item = A>, A: AsRef<str>>(given: I) -> ParseResult<Self> {
        let mut given = given.into_iter();
        Ok(Self(match (given.next(), given.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err("must be given only once".to_owned()),
            // `?category=` is no value, like an empty form field.
            (Some(text), None) if text.as_ref().is_empty() => Ok(None),
            (Some(text), None) if text.as_ref().contains('\0') => Err("must not contain NUL".to_owned()),
            (Some(text), None) => match T::parse_from_parameter(text.as_ref()) {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(format!("must not be {:?}", shortened(text.as_ref()))),
            },
        }))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
