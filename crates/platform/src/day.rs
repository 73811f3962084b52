//! A date in UTC, as the database counts it and as JSON shows it.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde_json::Value;
use time::{Date, Duration, Month, format_description::BorrowedFormatItem, macros::format_description};

use crate::clock::Timestamp;

const ISO: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// 1 January 1970 in the count of days that [`Date`] uses.
const EPOCH: i32 = 2_440_588;

/// A date: `2026-01-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

impl Day {
    /// The date of `moment`, in UTC.
    #[must_use]
    pub fn of(moment: Timestamp) -> Self {
        Self(moment.date_time().date())
    }

    /// Days since 1970, as the column `orders.day` counts them.
    #[must_use]
    pub fn number(self) -> i64 {
        i64::from(self.0.to_julian_day() - EPOCH)
    }

    /// The date with this number of days since 1970; the last possible date for a number beyond it.
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        let julian = i32::try_from(number.saturating_add(EPOCH.into())).unwrap_or(i32::MAX);
        Self(Date::from_julian_day(julian).unwrap_or(Date::MAX))
    }

    /// Its first moment, in UTC.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp::from_date_time(self.0.midnight().assume_utc())
    }

    #[must_use]
    pub fn days_before(self, days: i64) -> Self {
        Self(self.0.saturating_sub(Duration::days(days)))
    }

    /// `None` after 9999-12-31.
    #[must_use]
    pub fn days_after(self, days: i64) -> Option<Self> {
        self.0.checked_add(Duration::days(days)).map(Self)
    }

    /// The Monday of its week.
    #[must_use]
    pub fn monday(self) -> Self {
        self.days_before(self.0.weekday().number_days_from_monday().into())
    }

    /// The first of its month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        self.days_before(i64::from(self.0.day()) - 1)
    }

    /// The first of the month after its own.
    #[must_use]
    pub fn next_month(self) -> Option<Self> {
        let (year, month) = match self.0.month() {
            Month::December => (self.0.year() + 1, Month::January),
            month => (self.0.year(), month.next()),
        };
        Date::from_calendar_date(year, month, 1).ok().map(Self)
    }
}

impl Type for Day {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string_date".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "date")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromParameter for Day {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        // One way to write a date: years have four digits and no sign.
        let read = Date::parse(text, ISO).ok().filter(|_| text.len() == 10);
        read.map(Self).ok_or_else(|| ParseError::custom("must be a date like 2026-01-31"))
    }
}

impl ParseFromJSON for Day {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let text = value.as_ref().and_then(Value::as_str).unwrap_or_default();
        Self::parse_from_parameter(text).map_err(ParseError::propagate)
    }
}

impl ToJSON for Day {
    fn to_json(&self) -> Option<Value> {
        self.0.format(ISO).ok().map(Value::String)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse_from_parameter(text).unwrap_or_else(|_| panic!("{text} is a day"))
    }

    #[test]
    fn days_count_from_1970_both_ways() {
        assert_eq!(day("1970-01-01").number(), 0);
        assert_eq!(day("1969-12-31").number(), -1);
        assert_eq!(Day::from_number(day("2024-02-29").number()), day("2024-02-29"));
        assert_eq!(Day::of(Timestamp::from_micros(86_400_000_000 - 1)), day("1970-01-01"));
        assert_eq!(Day::of(Timestamp::from_micros(86_400_000_000)), day("1970-01-02"));
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        assert_eq!(day("2026-01-01").monday(), day("2025-12-29"));
        assert_eq!(day("2025-12-29").monday(), day("2025-12-29"));
        assert_eq!(day("2026-01-31").first_of_month(), day("2026-01-01"));
        assert_eq!(day("2025-12-31").next_month(), Some(day("2026-01-01")));
        assert_eq!(day("9999-12-31").next_month(), None);
    }

    #[test]
    fn only_days_that_exist_are_read() {
        for refused in ["", "2026-02-29", "2026-1-1", "01/02/2026", "2026-01-01T00:00:00Z", "+2026-01-01"] {
            assert!(Day::parse_from_parameter(refused).is_err(), "{refused}");
        }
    }
}
