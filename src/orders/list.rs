//! Lists of orders: filters, order and pages.

use super::{Order, OrderStatus, PaymentStatus};
use crate::{
    db::{Query, Result, Tx},
    http::{paging::Page, query::Column},
    ids::UserId,
};

/// What a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Whose orders may be seen; `None`: everybody's.
    pub visible_to: Option<UserId>,
    pub user: Option<UserId>,
    pub status: Option<OrderStatus>,
    pub payment_status: Option<PaymentStatus>,
    /// Some of [`COLUMNS`]; empty: the newest first.
    pub ordering: Vec<&'static str>,
}

/// What orders can be ordered by.
pub const COLUMNS: &[Column] = &[
    ("created_at", " created_at,", " created_at DESC,"),
    ("updated_at", " updated_at,", " updated_at DESC,"),
    ("total_price", " total_price,", " total_price DESC,"),
];

/// A page of orders, and how many there are in all.
pub async fn orders(tx: &mut Tx, filter: &Filter, page: Page) -> Result<(Vec<Order>, i64)> {
    let (total,) = narrowed(tx.query("SELECT COUNT(*) FROM orders WHERE TRUE"), filter).fetch_one().await?;
    let columns = tx.query(
        "SELECT id, order_number, user_id, status, payment_status, payment_method, shipping_address, currency, total_price,
                created_at, updated_at
         FROM orders WHERE TRUE",
    );
    let query = ordered(narrowed(columns, filter), filter);
    let rows = query.push_bind(" LIMIT $?", page.size).push_bind(" OFFSET $?", page.offset()).fetch_all().await?;
    Ok((rows, total))
}

fn narrowed<'a>(mut query: Query<'a>, filter: &Filter) -> Query<'a> {
    if let Some(user) = filter.visible_to {
        query = query.push_bind(" AND user_id = $?", user);
    }
    if let Some(user) = filter.user {
        query = query.push_bind(" AND user_id = $?", user);
    }
    if let Some(status) = filter.status {
        query = query.push_bind(" AND status = $?", status);
    }
    match filter.payment_status {
        Some(status) => query.push_bind(" AND payment_status = $?", status),
        None => query,
    }
}

fn ordered<'a>(query: Query<'a>, filter: &Filter) -> Query<'a> {
    let query = query.push(" ORDER BY");
    if filter.ordering.is_empty() {
        return query.push(" created_at DESC, id DESC");
    }
    filter.ordering.iter().fold(query, |query, column| query.push(column)).push(" id")
}
