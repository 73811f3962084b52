//! The endpoints of the dashboard.

use platform::{
    day::Day,
    http::{
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::OptionalQuery,
        reply::{List, Reply},
    },
    money::Amount,
    validation::ValidationErrors,
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi};

use super::{Interval, Range, Sales, TopProduct};
use crate::{
    accounts::Admin,
    catalog::view::{self, ProductView},
    shop::{Shop, ids::ProductId, tags::Tag},
};

/// A total.
#[derive(Object)]
struct Total {
    /// The exact current number.
    total: i64,
}

/// The sales of one period.
#[derive(Object)]
#[oai(rename = "SalesPeriod")]
struct SalesView {
    /// The first day of the period: the day itself, the Monday of the week, or the first of the month.
    period: Day,
    /// The number of orders placed and not cancelled.
    orders: i64,
    /// The number of units in those orders.
    units: i64,
    /// The sum of the totals of those orders.
    revenue: Amount,
}

/// The sales of one product.
#[derive(Object)]
#[oai(rename = "TopProduct")]
struct TopProductView {
    /// The id of the product.
    product: ProductId,
    /// The current name of the product.
    name: String,
    /// The number of units sold.
    units: i64,
    /// The revenue, at the prices of the orders.
    revenue: Amount,
}

fn sales_view(shop: &Shop, (period, sales): (Day, Sales)) -> SalesView {
    let revenue = shop.store.currency.format(sales.revenue);
    SalesView { period, orders: sales.orders, units: sales.units, revenue }
}

fn top_product_view(shop: &Shop, sold: TopProduct) -> TopProductView {
    let revenue = shop.store.currency.format(sold.revenue);
    TopProductView { product: sold.product, name: sold.name, units: sold.units, revenue }
}

/// An integer parameter within a range.
fn number(parameter: &OptionalQuery<i64>, name: &str, default: i64, min: i64, max: i64) -> ApiResult<i64> {
    let number = parameter.get(name)?.unwrap_or(default);
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(Problem::invalid_field(name, "range", format!("must be from {min} to {max}")))
}

/// The range of a request. Errors of both parameters are collected.
fn range(shop: &Shop, from: &OptionalQuery<Day>, to: &OptionalQuery<Day>, errors: &mut ValidationErrors) -> Range {
    let today = Day::of(shop.now());
    let day = |parameter: &OptionalQuery<Day>, name: &str| {
        parameter.get(name).map_err(|_| Problem::invalid_field(name, "date", "must be a date like 2026-01-31"))
    };
    let (from, to) = (errors.note(day(from, "from")), errors.note(day(to, "to")));
    let range = Range::of(from, to, today).map(Some).map_err(Problem::from);
    errors.note(range).unwrap_or(Range { from: today, to: today })
}

pub struct DashboardApi;

#[OpenApi(prefix_path = "/api/dashboard", tag = "Tag::Dashboard")]
impl DashboardApi {
    /// Returns the number of users.
    ///
    /// Counts all accounts, including admins and inactive users, but not closed accounts.
    #[oai(path = "/total-users", method = "get", operation_id = "getTotalUsers")]
    async fn total_users(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<Total>> {
        Ok(Reply::json(&Total { total: super::total_users(&shop.db).await? }))
    }

    /// Returns the number of orders.
    ///
    /// Counts all orders ever placed, including cancelled ones.
    #[oai(path = "/total-orders", method = "get", operation_id = "getTotalOrders")]
    async fn total_orders(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<Total>> {
        Ok(Reply::json(&Total { total: super::total_orders(&shop.db).await? }))
    }

    /// Returns the number of products.
    ///
    /// Counts the active products, in stock or not.
    #[oai(path = "/total-products", method = "get", operation_id = "getTotalProducts")]
    async fn total_products(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<Total>> {
        Ok(Reply::json(&Total { total: super::total_products(&shop.db).await? }))
    }

    /// Returns the sales by day, week or month.
    ///
    /// Every period is listed in order, including those without sales, so the list can be charted directly. An order
    /// counts on the day it was placed, in UTC. Only days from `from` to `to` count, even if the first or last week or
    /// month extends beyond them. Cancelled orders do not count; unpaid orders do, and refunds of orders that were not
    /// cancelled are not deducted. Orders in another currency than the store's current one do not count. At most 1,000
    /// periods.
    #[oai(path = "/sales", method = "get", operation_id = "getSales")]
    async fn sales(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        /// The first day, inclusive. Default: 29 days before `to`.
        from: OptionalQuery<Day>,
        /// The last day, inclusive. Default: today.
        to: OptionalQuery<Day>,
        /// The length of a period. Weeks begin on Monday. Default: `day`.
        interval: OptionalQuery<Interval>,
    ) -> ApiResult<Reply<Vec<SalesView>>> {
        let mut errors = ValidationErrors::default();
        let range = range(&shop, &from, &to, &mut errors);
        let interval = errors.note(interval.get("interval")).unwrap_or(Interval::Day);
        errors.into_result()?;
        let periods = range.periods(interval)?;
        let sales = super::sales(&mut shop.db.read().await?, shop.store.currency, range, interval, periods).await?;
        Ok(Reply::json(&sales.into_iter().map(|sales| sales_view(&shop, sales)).collect::<Vec<_>>()))
    }

    /// Returns the best-selling products.
    ///
    /// Sorted by units, then by revenue, of the orders placed from `from` to `to` and not cancelled. Includes products
    /// that are no longer sold. Orders in another currency than the store's do not count.
    #[oai(path = "/top-products", method = "get", operation_id = "getTopProducts")]
    async fn top_products(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        /// The maximum number of products, 1 to 100. Default: 10.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: OptionalQuery<i64>,
        /// The first day, inclusive. Default: 29 days before `to`.
        from: OptionalQuery<Day>,
        /// The last day, inclusive. Default: today.
        to: OptionalQuery<Day>,
    ) -> ApiResult<Reply<Vec<TopProductView>>> {
        let mut errors = ValidationErrors::default();
        let range = range(&shop, &from, &to, &mut errors);
        let limit = errors.note(number(&limit, "limit", 10, 1, 100));
        errors.into_result()?;
        let sold = super::top_products(&shop.db, shop.store.currency, range, limit).await?;
        Ok(Reply::json(&sold.into_iter().map(|sold| top_product_view(&shop, sold)).collect::<Vec<_>>()))
    }

    /// Lists products that are low in stock.
    ///
    /// Active products with at most `threshold` units in stock, the lowest stock first.
    #[oai(path = "/low-stock", method = "get", operation_id = "getLowStock")]
    async fn low_stock(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// The highest stock that counts as low. Default: 5.
        #[oai(validator(minimum(value = "0"), maximum(value = "2147483647")))]
        threshold: OptionalQuery<i64>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<ProductView>> {
        let mut errors = ValidationErrors::default();
        let threshold = errors.note(number(&threshold, "threshold", 5, 0, i64::from(i32::MAX)));
        let page = errors.note(Page::from_query(&page, &per_page));
        errors.into_result()?;
        let mut tx = shop.db.read().await?;
        let (products, total) = super::low_stock(&mut tx, threshold, page.size, page.offset()).await?;
        let shown = view::products(&mut tx, &shop, products).await?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }
}
