//! Integer minor units inside, decimal text outside; never a float.
//!
//! [`Money`] carries no currency because a shop has one. [`Currency`] turns it into the text that JSON and e-mails
//! show, with the currency's number of decimals, and back.

use std::{borrow::Cow, fmt, str::FromStr};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde_json::Value;

/// An amount in the currency's minor unit: with USD 1999 is 19.99, with JPY 1999 is 1999 (ISO 4217).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Money(pub i64);

/// The largest price or total: 9,999,999,999.99 in a currency with two decimals.
pub const MAX_MONEY: Money = Money(999_999_999_999);

impl Money {
    /// The price of `quantity` pieces; `None` when that is more than [`MAX_MONEY`].
    #[must_use]
    pub fn times(self, quantity: i64) -> Option<Self> {
        self.0.checked_mul(quantity).map(Self).filter(|product| *product <= MAX_MONEY)
    }

    /// The sum; `None` when that is more than [`MAX_MONEY`].
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self).filter(|sum| *sum <= MAX_MONEY)
    }
}

/// The store's currency: its ISO 4217 code and number of decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency {
    code: [u8; 3],
    pub decimals: u8,
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = iso_currency::Currency::from_code(text).zip(text.as_bytes().try_into().ok());
        let (currency, code) =
            known.ok_or_else(|| "the code of a currency in capitals, like EUR (ISO 4217)".to_owned())?;
        // Gold and the like have no minor unit at all.
        let decimals = currency.exponent().and_then(|decimals| u8::try_from(decimals).ok());
        Ok(Self { code, decimals: decimals.ok_or_else(|| "the code of money that people pay with".to_owned())? })
    }
}

impl<D: sqlx::Database> sqlx::Type<D> for Currency
where
    String: sqlx::Type<D>,
{
    fn type_info() -> D::TypeInfo {
        <String as sqlx::Type<D>>::type_info()
    }

    fn compatible(ty: &D::TypeInfo) -> bool {
        <String as sqlx::Type<D>>::compatible(ty)
    }
}

/// An order and a payment keep the currency they were made in.
impl<'r, D: sqlx::Database> sqlx::Decode<'r, D> for Currency
where
    String: sqlx::Decode<'r, D>,
{
    fn decode(value: <D as sqlx::Database>::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(String::decode(value)?.parse::<Self>()?)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code.map(char::from).iter().collect::<String>())
    }
}

impl Currency {
    /// The text that JSON shows: `Money(150_000)` is `1500.00` in USD.
    #[must_use]
    pub fn format(&self, money: Money) -> Amount {
        let sign = if money.0 < 0 { "-" } else { "" };
        let (unit, width) = (10_u64.pow(self.decimals.into()), usize::from(self.decimals));
        let minor = money.0.unsigned_abs();
        Amount(match width {
            0 => format!("{sign}{minor}"),
            _ => format!("{sign}{}.{:0width$}", minor / unit, minor % unit),
        })
    }

    /// # Errors
    /// What is wrong with the amount, in words for whoever sent it.
    pub fn parse(&self, amount: &Amount) -> Result<Money, String> {
        let (whole, fraction) = amount.0.split_once('.').unwrap_or((&amount.0, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || amount.0.ends_with('.') {
            return Err("is not an amount; write it like \"19.90\"".to_owned());
        }
        let (kept, rest) = fraction.split_at(fraction.len().min(self.decimals.into()));
        if rest.bytes().any(|byte| byte != b'0') {
            return Err(format!("has more than the {} decimals of {self}", self.decimals));
        }
        let minor: i64 =
            format!("{whole}{kept:0<width$}", width = usize::from(self.decimals)).parse().unwrap_or(i64::MAX);
        Some(Money(minor))
            .filter(|money| *money <= MAX_MONEY)
            .ok_or_else(|| format!("is more than {}", self.format(MAX_MONEY)))
    }
}

/// An amount of money in the store's currency, as a decimal string: `"1500.00"`. A JSON number is accepted too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount(String);

impl Amount {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Type for Amount {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "amount".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let mut schema = MetaSchema::new_with_format("string", "decimal");
        schema.description =
            Some("An amount of money in the store's currency, with its decimals. A number is accepted too.");
        schema.pattern = Some(r"^\d{1,10}(\.\d+)?$".to_owned());
        schema.example = Some("24.90".into());
        MetaSchemaRef::Inline(Box::new(schema))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for Amount {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.clone().into())
    }
}

impl ParseFromJSON for Amount {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::String(text)) => Ok(Self(text)),
            Some(Value::Number(number)) => Ok(Self(number.to_string())),
            other => Err(ParseError::expected_type(other.unwrap_or_default())),
        }
    }
}

impl ParseFromParameter for Amount {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd() -> Currency {
        "USD".parse().unwrap()
    }

    #[test]
    fn amounts_keep_the_currencys_decimals() {
        assert_eq!(usd().format(Money(150_000)).to_string(), "1500.00");
        assert_eq!(usd().format(Money(5)).to_string(), "0.05");
        assert_eq!("JPY".parse::<Currency>().unwrap().format(Money(1500)).to_string(), "1500");
        assert_eq!("KWD".parse::<Currency>().unwrap().format(Money(1500)).to_string(), "1.500");
    }

    #[test]
    fn amounts_are_read_exactly_or_refused() {
        let read = |text: &str| usd().parse(&Amount::new(text));
        assert_eq!(read("1500"), Ok(Money(150_000)));
        assert_eq!(read("19.9"), Ok(Money(1_990)));
        assert_eq!(read("19.900"), Ok(Money(1_990)));
        assert_eq!(read("9999999999.99"), Ok(MAX_MONEY));
        for refused in
            ["", ".5", "5.", "-0.01", "1e3", "1,50", "19.999", "10000000000.00", "99999999999999999999", "NaN"]
        {
            assert!(read(refused).is_err(), "{refused} must be refused");
        }
    }

    #[test]
    fn a_total_beyond_the_limit_is_refused_instead_of_wrapping() {
        assert_eq!(MAX_MONEY.times(2), None);
        assert_eq!(Money(i64::MAX).times(2), None);
        assert_eq!(MAX_MONEY.plus(Money(1)), None);
        assert_eq!(Money(250).times(4), Some(Money(1_000)));
    }
}
