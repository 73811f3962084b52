//! The SQL of orders.

use platform::{
    clock::Timestamp,
    db::{Db, Result, Tx},
    money::{Currency, Money},
};

use super::{Line, Order, OrderStatus, PaymentStatus};
use crate::shop::{
    Provider,
    ids::{OrderId, UserId},
};

/// The columns of an [`Order`].
macro_rules! order_columns {
    () => {
        "id, order_number, user_id, status, payment_status, payment_method, shipping_address, currency, total_price,
         created_at, updated_at"
    };
}
pub(super) use order_columns;

pub struct NewOrder {
    pub number: String,
    pub buyer: UserId,
    pub payment_method: Provider,
    pub address: String,
    pub currency: Currency,
    pub total: Money,
    pub held_until: Option<Timestamp>,
}

/// Inserts an order, which is `pending` and `unpaid`, without its lines.
///
/// # Errors
/// When another order has its number, or the database is unavailable.
pub async fn insert(tx: &mut Tx, new: NewOrder, now: Timestamp) -> Result<Order> {
    tx.query(concat!(
        "INSERT INTO orders (order_number, user_id, status, payment_status, payment_method, shipping_address, currency,
                             total_price, held_until, created_at, updated_at)
         VALUES ($1, $2, 'pending', 'unpaid', $3, $4, $5, $6, $7, $8, $8)
         RETURNING ",
        order_columns!()
    ))
    .bind(new.number)
    .bind(new.buyer)
    .bind(new.payment_method)
    .bind(new.address)
    .bind(new.currency.to_string())
    .bind(new.total)
    .bind(new.held_until)
    .bind(now)
    .fetch_one()
    .await
}

/// Inserts the lines of an order, and returns them with their ids.
pub async fn insert_lines(tx: &mut Tx, order: OrderId, lines: &[Line]) -> Result<Vec<Line>> {
    tx.query("INSERT INTO order_lines (order_id, product_id, name, price, quantity) VALUES")
        .push_rows(lines, |row, line| {
            row.bind(order).bind(line.product_id).bind(line.name.clone()).bind(line.price).bind(line.quantity)
        })
        .push(" RETURNING id, product_id, name, price, quantity")
        .fetch_all()
        .await
}

/// An order by id; `None` when there is no such order.
///
/// # Errors
/// When the database is unavailable.
pub async fn find(tx: &mut Tx, id: OrderId) -> Result<Option<Order>> {
    tx.query(concat!("SELECT ", order_columns!(), " FROM orders WHERE id = $1")).bind(id).fetch_optional().await
}

/// The same, locked until the transaction ends, so that changes of one order follow one another.
///
/// # Errors
/// When the database is unavailable.
pub async fn lock(tx: &mut Tx, id: OrderId) -> Result<Option<Order>> {
    tx.query(concat!("SELECT ", order_columns!(), " FROM orders WHERE id = $1 /* FOR UPDATE */"))
        .bind(id)
        .fetch_optional()
        .await
}

/// In the order of product ids, which is the order in which stock is changed.
///
/// # Errors
/// When the database is unavailable.
pub async fn lines(tx: &mut Tx, order: OrderId) -> Result<Vec<Line>> {
    tx.query("SELECT id, product_id, name, price, quantity FROM order_lines WHERE order_id = $1 ORDER BY product_id")
        .bind(order)
        .fetch_all()
        .await
}

/// The lines of a page of orders.
pub async fn lines_of_all(tx: &mut Tx, orders: &[OrderId]) -> Result<Vec<(OrderId, Line)>> {
    let rows: Vec<LineOf> = tx
        .query("SELECT order_id, id, product_id, name, price, quantity FROM order_lines WHERE order_id IN")
        .push_list(orders)
        .push(" ORDER BY product_id")
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| (row.order_id, row.line)).collect())
}

#[derive(sqlx::FromRow)]
struct LineOf {
    order_id: OrderId,
    #[sqlx(flatten)]
    line: Line,
}

/// Only a pending order has an end of its reservation.
pub async fn set_status(tx: &mut Tx, id: OrderId, status: OrderStatus, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE orders SET status = $2, held_until = NULL, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(status)
        .bind(now)
        .execute()
        .await
}

pub async fn set_address(tx: &mut Tx, id: OrderId, address: String, now: Timestamp) -> Result<Order> {
    tx.query(concat!(
        "UPDATE orders SET shipping_address = $2, updated_at = $3 WHERE id = $1 RETURNING ",
        order_columns!()
    ))
    .bind(id)
    .bind(address)
    .bind(now)
    .fetch_one()
    .await
}

/// Sets when the reservation of a pending order ends, if it has no end.
///
/// # Errors
/// When the database is unavailable.
pub async fn start_reservation(tx: &mut Tx, id: OrderId, until: Timestamp) -> Result<u64> {
    tx.query("UPDATE orders SET held_until = $2 WHERE id = $1 AND status = 'pending' AND held_until IS NULL")
        .bind(id)
        .bind(until)
        .execute()
        .await
}

/// Sets when the reservation of a pending order ends.
///
/// # Errors
/// When the database is unavailable.
pub async fn set_reservation_end(tx: &mut Tx, id: OrderId, until: Timestamp) -> Result<u64> {
    tx.query("UPDATE orders SET held_until = $2 WHERE id = $1 AND status = 'pending'")
        .bind(id)
        .bind(until)
        .execute()
        .await
}

/// Sets the payment status of an order. Returns the number of changed rows, 0 or 1.
///
/// # Errors
/// When the database is unavailable.
pub async fn set_payment_status(tx: &mut Tx, id: OrderId, status: PaymentStatus, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE orders SET payment_status = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(status)
        .bind(now)
        .execute()
        .await
}

/// The unpaid orders whose reservation has ended: a hundred at most, the oldest first, after skipping `skip`.
///
/// # Errors
/// When the database is unavailable.
pub async fn expired(db: &Db, now: Timestamp, skip: i64) -> Result<Vec<OrderId>> {
    let rows: Vec<(OrderId,)> = db
        .query(
            "SELECT id FROM orders WHERE held_until <= $1 AND payment_status <> 'paid'
             ORDER BY held_until, id LIMIT 100 OFFSET $2",
        )
        .bind(now)
        .bind(skip)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// An unpaid order whose reservation has ended, locked; `None` if that is no longer so.
///
/// # Errors
/// When the database is unavailable.
pub async fn lock_expired(tx: &mut Tx, id: OrderId, now: Timestamp) -> Result<Option<Order>> {
    tx.query(concat!(
        "SELECT ",
        order_columns!(),
        " FROM orders
         WHERE id = $1 AND held_until <= $2 AND status = 'pending' AND payment_status <> 'paid' /* FOR UPDATE */"
    ))
    .bind(id)
    .bind(now)
    .fetch_optional()
    .await
}

pub async fn confirmation_sent(tx: &mut Tx, id: OrderId) -> Result<bool> {
    let (sent,): (Option<Timestamp>,) =
        tx.query("SELECT confirmation_sent FROM orders WHERE id = $1").bind(id).fetch_one().await?;
    Ok(sent.is_some())
}

pub async fn mark_confirmation_sent(tx: &mut Tx, id: OrderId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE orders SET confirmation_sent = $2 WHERE id = $1 AND confirmation_sent IS NULL")
        .bind(id)
        .bind(now)
        .execute()
        .await
}

/// The number of an order of this user that is not finished: it is not delivered, or a payment or refund is under way.
///
/// # Errors
/// When the database is unavailable.
pub async fn find_unfinished(tx: &mut Tx, user: UserId) -> Result<Option<String>> {
    let found: Option<(String,)> = tx
        .query(
            "SELECT o.order_number FROM orders o
             WHERE o.user_id = $1 AND (o.status NOT IN ('delivered', 'cancelled')
                OR EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id
                             AND p.status IN ('queued', 'processing', 'requires_action'))
                OR EXISTS (SELECT 1 FROM payments p JOIN refunds r ON r.payment_id = p.id
                           WHERE p.order_id = o.id AND r.status IN ('queued', 'processing')))
             ORDER BY o.id LIMIT 1",
        )
        .bind(user)
        .fetch_optional()
        .await?;
    Ok(found.map(|(number,)| number))
}
