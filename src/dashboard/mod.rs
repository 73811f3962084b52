//! The shop's statistics.
//!
//! The numbers are exact and computed for each request. The database groups orders by day, a generated column
//! (`orders.day`), so that one SQL text serves both engines and a year of orders is returned as 365 rows; weeks and months
//! are computed from days here.

pub mod api;
mod store;

use std::{collections::BTreeMap, iter::successors};

use platform::{
    day::Day,
    db::{Result, Tx},
    money::{Currency, Money},
    text_enum,
    validation::ValidationErrors,
};
use sqlx::FromRow;

use crate::shop::ids::ProductId;

/// The most periods of one report.
const MAX_PERIODS: usize = 1_000;
/// How many days a report covers by default.
const DEFAULT_DAYS: i64 = 30;

text_enum! {
    /// The length of a period of a report. Weeks begin on Monday.
    #[oai(rename = "SalesInterval")]
    pub enum Interval { Day = "day", Week = "week", Month = "month" }
}

impl Interval {
    fn begin(self, day: Day) -> Day {
        match self {
            Self::Day => day,
            Self::Week => day.monday(),
            Self::Month => day.first_of_month(),
        }
    }

    /// When the period after the one that begins on `begin` does.
    fn next(self, begin: Day) -> Option<Day> {
        match self {
            Self::Day => begin.days_after(1),
            Self::Week => begin.days_after(7),
            Self::Month => begin.next_month(),
        }
    }
}

/// From one day to another, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub from: Day,
    pub to: Day,
}

impl Range {
    /// The range of a request. `to` defaults to today, `from` to 29 days before `to`.
    ///
    /// # Errors
    /// When `from` is after `to`.
    pub fn of(from: Option<Day>, to: Option<Day>, today: Day) -> Result<Self, ValidationErrors> {
        let to = to.unwrap_or(today);
        let from = from.unwrap_or_else(|| to.days_before(DEFAULT_DAYS - 1));
        if from > to {
            let message = "must not be after to (default: today)";
            return Err(ValidationErrors::one("from", "range", message));
        }
        Ok(Self { from, to })
    }

    /// Where each period begins. The first may begin before the range does.
    ///
    /// # Errors
    /// When they are more than a report shows.
    pub fn periods(self, interval: Interval) -> Result<Vec<Day>, ValidationErrors> {
        let begins = successors(Some(interval.begin(self.from)), |begin| interval.next(*begin));
        let begins: Vec<Day> = begins.take_while(|begin| *begin <= self.to).take(MAX_PERIODS + 1).collect();
        if begins.len() > MAX_PERIODS {
            let message =
                format!("must be at most {MAX_PERIODS} periods before to; choose a shorter range or a longer interval");
            return Err(ValidationErrors::one("from", "range", message));
        }
        Ok(begins)
    }
}

/// What was sold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sales {
    pub orders: i64,
    pub units: i64,
    pub revenue: Money,
}

/// The sales of each of these periods, in order, also of those in which nothing was sold. Cancelled orders are no sales, and
/// one in another currency, of before the prices were converted, cannot be added to the others.
///
/// # Errors
/// When the database is unavailable.
pub async fn sales(
    tx: &mut Tx,
    currency: Currency,
    range: Range,
    interval: Interval,
    periods: Vec<Day>,
) -> Result<BTreeMap<Day, Sales>> {
    let mut sales: BTreeMap<Day, Sales> = periods.into_iter().map(|begin| (begin, Sales::default())).collect();
    for (day, orders, revenue) in store::orders_by_day(tx, currency, range).await? {
        let period = sales.entry(interval.begin(Day::from_number(day))).or_default();
        period.orders += orders;
        period.revenue = Money(period.revenue.0.saturating_add(revenue.0));
    }
    for (day, units) in store::units_by_day(tx, currency, range).await? {
        sales.entry(interval.begin(Day::from_number(day))).or_default().units += units;
    }
    Ok(sales)
}

/// A product and what was sold of it.
#[derive(Clone, Debug, FromRow)]
pub struct TopProduct {
    pub product: ProductId,
    pub name: String,
    pub units: i64,
    pub revenue: Money,
}

pub use store::{low_stock, top_products, total_orders, total_products, total_users};

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> Day {
        Day::from_number(number)
    }

    #[test]
    fn a_range_is_the_last_30_days_by_default() {
        let today = day(20_000);
        let range = |from, to| Range::of(from, to, today).map(|range| (range.from.number(), range.to.number()));
        assert_eq!(range(None, None).unwrap(), (19_971, 20_000));
        assert_eq!(range(None, Some(day(100))).unwrap(), (71, 100));
        assert_eq!(range(Some(day(100)), None).unwrap(), (100, 20_000));
        assert!(range(Some(day(20_001)), None).is_err());
    }

    #[test]
    fn a_report_has_at_most_a_thousand_periods() {
        let range = |days: i64| Range { from: day(20_000), to: day(20_000 + days - 1) };
        assert_eq!(range(1_000).periods(Interval::Day).unwrap().len(), 1_000);
        assert!(range(1_001).periods(Interval::Day).is_err());
        assert_eq!(range(365).periods(Interval::Month).unwrap().len(), 13);
        assert_eq!(range(1).periods(Interval::Week).unwrap(), [day(20_000).monday()]);
    }
}
