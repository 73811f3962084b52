//! Lists of orders: filters, order and pages.

use platform::{
    clock::Timestamp,
    day::Day,
    db::{Query, Result, Tx},
    http::{paging::Page, query::Column},
};

use super::{Order, OrderStatus, PaymentStatus, store::order_columns};
use crate::shop::ids::UserId;

/// Which orders to list, and in which order.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// The user whose orders the caller may see; `None`: all.
    pub visible_to: Option<UserId>,
    pub user: Option<UserId>,
    /// An [`accounts::lookup_key`](crate::accounts::lookup_key).
    pub email: Option<String>,
    /// In upper case.
    pub number: Option<String>,
    /// From the first time, and before the second.
    pub placed: (Option<Timestamp>, Option<Timestamp>),
    pub status: Option<OrderStatus>,
    pub payment_status: Option<PaymentStatus>,
    /// Some of [`COLUMNS`]; empty: the newest first.
    pub ordering: Vec<&'static str>,
}

/// The times from the beginning of one day to the end of another, in UTC.
pub fn placed_between(from: Option<Day>, to: Option<Day>) -> (Option<Timestamp>, Option<Timestamp>) {
    (from.map(Day::start), to.and_then(|last| last.days_after(1)).map(Day::start))
}

/// What orders can be ordered by.
pub const COLUMNS: &[Column] = &[
    ("created_at", " created_at,", " created_at DESC,"),
    ("updated_at", " updated_at,", " updated_at DESC,"),
    ("total_price", " total_price,", " total_price DESC,"),
];

/// A page of orders, and how many there are in all.
pub async fn orders(tx: &mut Tx, filter: &OrderFilter, page: Page) -> Result<(Vec<Order>, i64)> {
    let (total,) = filtered(tx.query("SELECT COUNT(*) FROM orders WHERE TRUE"), filter).fetch_one().await?;
    let columns = tx.query(concat!("SELECT ", order_columns!(), " FROM orders WHERE TRUE"));
    let query = ordered(filtered(columns, filter), filter);
    let rows = query.push_bind(" LIMIT $?", page.size).push_bind(" OFFSET $?", page.offset()).fetch_all().await?;
    Ok((rows, total))
}

fn filtered<'a>(mut query: Query<'a>, filter: &OrderFilter) -> Query<'a> {
    if let Some(user) = filter.visible_to {
        query = query.push_bind(" AND user_id = $?", user);
    }
    if let Some(user) = filter.user {
        query = query.push_bind(" AND user_id = $?", user);
    }
    if let Some(email) = &filter.email {
        query = query.push_bind(" AND user_id = (SELECT id FROM users WHERE email_key = $?)", email.clone());
    }
    if let Some(number) = &filter.number {
        query = query.push_bind(" AND order_number = $?", number.clone());
    }
    if let Some(first) = filter.placed.0 {
        query = query.push_bind(" AND created_at >= $?", first);
    }
    if let Some(end) = filter.placed.1 {
        query = query.push_bind(" AND created_at < $?", end);
    }
    if let Some(status) = filter.status {
        query = query.push_bind(" AND status = $?", status);
    }
    match filter.payment_status {
        Some(status) => query.push_bind(" AND payment_status = $?", status),
        None => query,
    }
}

fn ordered<'a>(query: Query<'a>, filter: &OrderFilter) -> Query<'a> {
    let query = query.push(" ORDER BY");
    if filter.ordering.is_empty() {
        return query.push(" created_at DESC, id DESC");
    }
    filter.ordering.iter().fold(query, |query, column| query.push(column)).push(" id")
}
