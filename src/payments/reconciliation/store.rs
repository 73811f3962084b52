//! The SQL of reconciliation.

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    money::Money,
};

use crate::{
    payments::{Payment, store::payment_columns},
    shop::ids::PaymentId,
};

/// The next payments, by id, that ended and were not compared since they changed, or not since `stale` though they changed
/// after `recent`, or that have a difference. One with a refund under way is compared when that has ended, or was created
/// before `refunds_since`.
pub async fn to_compare(
    tx: &mut Tx,
    after: PaymentId,
    stale: Timestamp,
    recent: Timestamp,
    refunds_since: Timestamp,
) -> Result<Vec<Payment>> {
    tx.query(concat!(
        "SELECT ",
        payment_columns!(),
        " FROM payments
         WHERE id > $1 AND status NOT IN ('queued', 'processing', 'requires_action') AND transaction_id IS NOT NULL
           AND (compared_at IS NULL OR compared_at <= updated_at OR difference IS NOT NULL
                OR (compared_at < $2 AND updated_at > $3))
           AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = payments.id AND r.created_at > $4
                                                    AND r.status IN ('queued', 'processing'))
         ORDER BY id LIMIT 40"
    ))
    .bind(after)
    .bind(stale)
    .bind(recent)
    .bind(refunds_since)
    .fetch_all()
    .await
}

/// Stores what a comparison found, unless the payment has changed meanwhile.
pub async fn mark_compared(tx: &mut Tx, payment: &Payment, difference: Option<String>, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET compared_at = $3, difference = $4 WHERE id = $1 AND updated_at = $2")
        .bind(payment.id)
        .bind(payment.updated_at)
        .bind(now)
        .bind(difference)
        .execute()
        .await
}

/// How much of a payment the shop holds though it may not, and is not being refunded: all of it when its order was
/// cancelled or could not take it, and what is more than the order's total in any case.
pub async fn held_without_reason(tx: &mut Tx, id: PaymentId) -> Result<Money> {
    let held: Option<(i64,)> = tx
        .query(
            "SELECT p.captured - p.refunded - CASE
                 WHEN o.status = 'cancelled' OR p.status NOT IN ('captured', 'partially_refunded') OR EXISTS (
                     SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.reason = 'late_money') THEN 0
                 ELSE p.amount END
             FROM payments p JOIN orders o ON o.id = p.order_id
             WHERE p.id = $1
               AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.status IN ('queued', 'processing'))",
        )
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(Money(held.map_or(0, |(held,)| held.max(0))))
}

/// Has a payment compared by the next run.
///
/// # Errors
/// When the database is unavailable.
pub async fn compare_again(tx: &mut Tx, id: PaymentId) -> Result<u64> {
    tx.query("UPDATE payments SET compared_at = NULL WHERE id = $1").bind(id).execute().await
}

pub async fn save_run(tx: &mut Tx, payments: i64, now: Timestamp) -> Result<u64> {
    tx.query(
        "INSERT INTO payment_reconciliation (id, checked_at, payments) VALUES (1, $1, $2)
         ON CONFLICT (id) DO UPDATE SET checked_at = excluded.checked_at, payments = excluded.payments",
    )
    .bind(now)
    .bind(payments)
    .execute()
    .await
}

/// When the last run ended, and how many payments it compared.
pub async fn last_run(tx: &mut Tx) -> Result<Option<(Timestamp, i64)>> {
    tx.query("SELECT checked_at, payments FROM payment_reconciliation WHERE id = 1").fetch_optional().await
}

/// As JSON, oldest first.
pub async fn differences(tx: &mut Tx) -> Result<Vec<String>> {
    let found: Vec<(String,)> = tx
        .query("SELECT difference FROM payments WHERE difference IS NOT NULL ORDER BY updated_at, id")
        .fetch_all()
        .await?;
    Ok(found.into_iter().map(|(difference,)| difference).collect())
}

pub async fn count_differences(tx: &mut Tx) -> Result<i64> {
    let (count,) = tx.query("SELECT COUNT(*) FROM payments WHERE difference IS NOT NULL").fetch_one().await?;
    Ok(count)
}
