//! Lists of orders: filters, order and pages.

use super::{Order, OrderStatus, PaymentStatus};
use crate::{
    db::{Query, Result, Tx},
    http::{
        paging::Page,
        problem::{ApiResult, Problem},
    },
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
    pub ordering: Vec<Column>,
}

/// One column of an order.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    Created,
    CreatedDown,
    Updated,
    UpdatedDown,
    Total,
    TotalDown,
}

impl Column {
    fn sql(self) -> &'static str {
        match self {
            Self::Created => " created_at,",
            Self::CreatedDown => " created_at DESC,",
            Self::Updated => " updated_at,",
            Self::UpdatedDown => " updated_at DESC,",
            Self::Total => " total_price,",
            Self::TotalDown => " total_price DESC,",
        }
    }

    /// Reads `?ordering=total_price,-created_at`.
    ///
    /// # Errors
    /// 422 that names what can be ordered by.
    pub fn read(text: &str) -> ApiResult<Vec<Self>> {
        text.split(',').map(|field| Self::named(field.trim())).collect()
    }

    fn named(field: &str) -> ApiResult<Self> {
        Ok(match field {
            "created_at" => Self::Created,
            "-created_at" => Self::CreatedDown,
            "updated_at" => Self::Updated,
            "-updated_at" => Self::UpdatedDown,
            "total_price" => Self::Total,
            "-total_price" => Self::TotalDown,
            _ => {
                let message =
                    "takes created_at, updated_at and total_price, each with a - before it for the other way round";
                return Err(Problem::invalid_field("ordering", "invalid_ordering", message));
            }
        })
    }
}

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
    filter.ordering.iter().fold(query, |query, column| query.push(column.sql())).push(" id")
}
