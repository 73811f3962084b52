//! Integer minor units inside, decimal text outside; never a float.
//!
//! [`Money`] carries no currency because a shop has one. [`Currency`] turns it into the text that JSON and e-mails
//! show, with the currency's number of decimals, and back.
//!
//! # What an amount can be
//!
//! Twelve digits of the currency's smallest unit: 0 to 9,999,999,999.99 in a currency with two decimals, to 999,999,999,999
//! in one without (JPY), to 999,999,999.999 in one with three (KWD). It is written as these digits, with a point before the
//! decimals, which may be left out; zeros behind them do no harm. No sign, no exponent, nothing between the digits. In JSON
//! it is a text or a number. What the shop writes it reads back unchanged.
//!
//! [`parse`] is that rule. [`Currency::pattern`] says it to the readers of the API document, and the validator of bodies
//! (`http/schema.rs`) accepts an amount of any currency, because the parser has better error messages.

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
/// The digits of [`MAX_MONEY`].
const DIGITS: usize = 12;

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

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountError {
    Malformed,
    TooManyDecimals,
    TooLarge,
}

/// Parses an amount of a currency with so many decimals, see [what an amount can be](self#what-an-amount-can-be).
///
/// # Errors
/// Why it is not an amount.
pub fn parse(text: &str, decimals: u8) -> Result<Money, AmountError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(AmountError::Malformed);
    }
    let places = usize::from(decimals);
    let (kept, rest) = fraction.split_at(fraction.len().min(places));
    if rest.bytes().any(|byte| byte != b'0') {
        return Err(AmountError::TooManyDecimals);
    }
    if whole.len() + places > DIGITS {
        return Err(AmountError::TooLarge);
    }
    format!("{whole}{kept:0<places$}").parse().map(Money).map_err(|_| AmountError::Malformed)
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
        let (currency, code) = known.ok_or_else(|| "an ISO 4217 code in capital letters, like EUR".to_owned())?;
        // Gold and the like have no minor unit at all.
        let decimals = currency.exponent().and_then(|decimals| u8::try_from(decimals).ok());
        Ok(Self {
            code,
            decimals: decimals.ok_or_else(|| "the code of a currency that is used for payments".to_owned())?,
        })
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

    /// Parses an amount of this currency.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence: "has more than the 2 decimals of USD".
    pub fn parse(&self, amount: &Amount) -> Result<Money, String> {
        parse(&amount.0, self.decimals).map_err(|why| match why {
            AmountError::Malformed => format!("must be an amount like \"{}\"", self.format(Money(1_990))),
            AmountError::TooManyDecimals => format!("must have at most {} decimals in {self}", self.decimals),
            AmountError::TooLarge => format!("must be at most {}", self.format(MAX_MONEY)),
        })
    }

    /// A regular expression that matches exactly the amounts of this currency.
    #[must_use]
    pub fn pattern(&self) -> String {
        let whole = DIGITS - usize::from(self.decimals);
        match self.decimals {
            0 => format!(r"^\d{{1,{whole}}}(\.0+)?$"),
            decimals => format!(r"^\d{{1,{whole}}}(\.\d{{1,{decimals}}}0*)?$"),
        }
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
            Some("An amount in the store's currency, as a decimal string. Requests may also send a number.");
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
    use proptest::prelude::*;
    use serde_json::json;

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
    fn an_amount_has_twelve_digits_in_every_currency() {
        for (code, most, more) in [
            ("JPY", "999999999999", "1000000000000"),
            ("USD", "9999999999.99", "10000000000"),
            ("KWD", "999999999.999", "1000000000"),
            ("CLF", "99999999.9999", "100000000"),
        ] {
            let currency: Currency = code.parse().unwrap();
            assert_eq!(currency.format(MAX_MONEY).to_string(), most);
            assert_eq!(currency.parse(&Amount::new(most)), Ok(MAX_MONEY));
            assert_eq!(currency.parse(&Amount::new(more)), Err(format!("must be at most {most}")));
        }
    }

    /// One for each number of decimals that there is.
    fn any_currency() -> impl Strategy<Value = Currency> {
        prop::sample::select(["JPY", "USD", "KWD", "CLF"].map(|code| code.parse::<Currency>().unwrap()).to_vec())
    }

    fn fits_the_pattern(currency: Currency, text: &str) -> bool {
        jsonschema::is_valid(&json!({"type": "string", "pattern": currency.pattern()}), &json!(text))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(currency in any_currency(), minor in 0..=MAX_MONEY.0) {
            let written = currency.format(Money(minor));
            prop_assert_eq!(currency.parse(&written), Ok(Money(minor)));
            prop_assert!(fits_the_pattern(currency, &written.to_string()));
            let number: Value = serde_json::from_str(&written.to_string()).unwrap();
            let read = Amount::parse_from_json(Some(number)).ok().unwrap();
            prop_assert_eq!(currency.parse(&read), Ok(Money(minor)));
        }

        #[test]
        fn the_pattern_says_what_is_read(
            currency in any_currency(),
            text in "[0-9]{0,14}\\.?[0-9]{0,4}0{0,2}|[-+0-9.,e ]{0,6}"
        ) {
            let read = currency.parse(&Amount::new(text.clone()));
            prop_assert_eq!(read.is_ok(), fits_the_pattern(currency, &text));
            prop_assert!(read.map_or(true, |money| (Money(0)..=MAX_MONEY).contains(&money)));
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
