//! The endpoints of the dashboard.

use platform::{
    day::Day,
    http::{
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::Ask,
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

/// A number of things.
#[derive(Object)]
struct Total {
    /// Exact, at this moment.
    total: i64,
}

/// What was sold in one period.
#[derive(Object)]
#[oai(rename = "SalesPeriod")]
struct SalesView {
    /// The day it begins: the day itself, the Monday of the week, or the first of the month.
    period: Day,
    /// Orders placed and not cancelled.
    orders: i64,
    /// Pieces in them.
    units: i64,
    /// What they come to.
    revenue: Amount,
}

/// A product and what was sold of it.
#[derive(Object)]
#[oai(rename = "TopProduct")]
struct TopProductView {
    /// The id of the product.
    product: ProductId,
    /// What it is called today.
    name: String,
    /// Pieces sold.
    units: i64,
    /// What they came to, at the prices of their orders.
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
fn number(asked: &Ask<i64>, name: &str, default: i64, least: i64, most: i64) -> ApiResult<i64> {
    let number = asked.get(name)?.unwrap_or(default);
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(Problem::invalid_field(name, "range", format!("must be from {least} to {most}")))
}

/// The range of a request. Errors of both parameters are collected.
fn range(shop: &Shop, from: &Ask<Day>, to: &Ask<Day>, faults: &mut ValidationErrors) -> Range {
    let today = Day::of(shop.now());
    let day = |asked: &Ask<Day>, name: &str| {
        asked.get(name).map_err(|_| Problem::invalid_field(name, "date", "must be a date like 2026-01-31"))
    };
    let (from, to) = (faults.note(day(from, "from")), faults.note(day(to, "to")));
    let asked = Range::of(from, to, today).map(Some).map_err(Problem::from);
    faults.note(asked).unwrap_or(Range { from: today, to: today })
}

pub struct DashboardApi;

#[OpenApi(prefix_path = "/api/dashboard", tag = "Tag::Dashboard")]
impl DashboardApi {
    /// Counts the users, without those who closed their account.
    ///
    /// Everybody who has an account, admins and the inactive included.
    #[oai(path = "/total-users", method = "get", operation_id = "getTotalUsers")]
    async fn total_users(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<Total>> {
        Ok(Reply::json(&Total { total: super::total_users(&shop.db).await? }))
    }

    /// Counts the orders.
    ///
    /// Every order ever placed, the cancelled included.
    #[oai(path = "/total-orders", method = "get", operation_id = "getTotalOrders")]
    async fn total_orders(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<Total>> {
        Ok(Reply::json(&Total { total: super::total_orders(&shop.db).await? }))
    }

    /// Counts the products.
    ///
    /// Those that customers see: the active ones, in stock or not.
    #[oai(path = "/total-products", method = "get", operation_id = "getTotalProducts")]
    async fn total_products(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<Total>> {
        Ok(Reply::json(&Total { total: super::total_products(&shop.db).await? }))
    }

    /// Shows the sales by day, week or month.
    ///
    /// Every period is there, in order, also one in which nothing was sold, so that the list can be drawn as it is. An
    /// order counts on the day it was placed, in UTC; only days from `from` to `to` count, also where a week or month
    /// begins before or ends after them. Cancelled orders are no sales and leave the figures of their day; an order that
    /// is not paid yet counts, and refunds of orders that were not cancelled are not taken off. Orders in another currency
    /// than the store's, of before its prices were converted, do not count. At most 1,000 periods.
    #[oai(path = "/sales", method = "get", operation_id = "getSales")]
    async fn sales(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        /// The first day, inclusive. Left out: 29 days before `to`.
        from: Ask<Day>,
        /// The last day, inclusive. Left out: today.
        to: Ask<Day>,
        /// What one line covers; weeks begin on Monday. Default `day`.
        interval: Ask<Interval>,
    ) -> ApiResult<Reply<Vec<SalesView>>> {
        let mut faults = ValidationErrors::default();
        let range = range(&shop, &from, &to, &mut faults);
        let interval = faults.note(interval.get("interval")).unwrap_or(Interval::Day);
        faults.into_result()?;
        let periods = range.periods(interval)?;
        let sales = super::sales(&mut shop.db.read().await?, shop.store.currency, range, interval, periods).await?;
        Ok(Reply::json(&sales.into_iter().map(|sales| sales_view(&shop, sales)).collect::<Vec<_>>()))
    }

    /// Shows what sold most.
    ///
    /// By pieces, then by revenue, of the orders placed from `from` to `to` that were not cancelled. Products that have
    /// left the shop since are in it too. Orders in another currency than the store's do not count.
    #[oai(path = "/top-products", method = "get", operation_id = "getTopProducts")]
    async fn top_products(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        /// How many, 1 to 100. Default 10.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Ask<i64>,
        /// The first day, inclusive. Left out: 29 days before `to`.
        from: Ask<Day>,
        /// The last day, inclusive. Left out: today.
        to: Ask<Day>,
    ) -> ApiResult<Reply<Vec<TopProductView>>> {
        let mut faults = ValidationErrors::default();
        let range = range(&shop, &from, &to, &mut faults);
        let limit = faults.note(number(&limit, "limit", 10, 1, 100));
        faults.into_result()?;
        let sold = super::top_products(&shop.db, shop.store.currency, range, limit).await?;
        Ok(Reply::json(&sold.into_iter().map(|sold| top_product_view(&shop, sold)).collect::<Vec<_>>()))
    }

    /// Lists the products that are nearly gone.
    ///
    /// Active products with at most `threshold` in stock, the scarcest first.
    #[oai(path = "/low-stock", method = "get", operation_id = "getLowStock")]
    async fn low_stock(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// The most that counts as nearly gone. Default 5.
        #[oai(validator(minimum(value = "0"), maximum(value = "2147483647")))]
        threshold: Ask<i64>,
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<List<ProductView>> {
        let mut faults = ValidationErrors::default();
        let threshold = faults.note(number(&threshold, "threshold", 5, 0, i64::from(i32::MAX)));
        let page = faults.note(Page::asked(&page, &per_page));
        faults.into_result()?;
        let mut tx = shop.db.read().await?;
        let (products, total) = super::low_stock(&mut tx, threshold, page.size, page.offset()).await?;
        let shown = view::products(&mut tx, &shop, products).await?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }
}
