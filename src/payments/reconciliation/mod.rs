//! Reconciliation: what the providers captured and refunded, payment by payment, against what we recorded.
//!
//! A payment is compared when it has ended, again whenever it changed, and for a week every few hours. Differences are
//! stored, counted and logged until a later comparison finds none; nothing is repaired in silence.

pub mod api;
pub mod jobs;
mod store;

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use platform::{
    clock::Timestamp,
    db,
    jobs::{Job, JobError},
    metrics::Metric,
    money::{Amount, Money},
    text_enum,
};
use poem_openapi::{
    Object,
    types::{ParseFromJSON, ToJSON},
};

use self::jobs::Reconcile;
pub use self::store::compare_again;
use super::{
    Payment,
    jobs::save_report,
    providers::{Providers, RefundReport, Report},
    refunds::{self, Refund},
};
use crate::shop::{
    Provider, Shop,
    ids::{OrderId, PaymentId},
};

pub const PAYMENT_DIFFERENCES: Metric = Metric::gauge(
    "cartwright_payment_differences",
    "Unresolved differences between the shop's payments and the providers' records",
);

text_enum! {
    /// What differs: `captured` is the captured amount, `refunded` the refunded amount, `money` the currency or the
    /// amount of the payment, `unknown` means that the provider does not know the payment, and `not_given_back` that
    /// the shop holds money that it must refund.
    pub enum Matter {
        /// How much was captured.
        Captured = "captured",
        /// How much went back to the buyer.
        Refunded = "refunded",
        /// The currency, or the amount a payment is about.
        Money = "money",
        /// The provider does not know the payment at all.
        Unknown = "unknown",
        /// The shop still has money that it may not keep: the order was cancelled or could not accept it, or it was less or
        /// more than the requested amount.
        NotGivenBack = "not_given_back",
    }
}

/// A payment for which the shop's and the provider's records differ.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "PaymentDifference")]
pub struct Difference {
    /// The id of the payment.
    pub payment: PaymentId,
    /// The id of the order.
    pub order: OrderId,
    /// The provider of the payment.
    pub provider: Provider,
    /// What differs.
    pub matter: Matter,
    /// The amount that the shop recorded.
    pub ours: Amount,
    /// The amount that the provider reports; `null` if it does not know the payment or reports another currency.
    pub theirs: Option<Amount>,
}

/// How often a payment that ended recently is compared, though nothing was reported of it.
const STALE: Duration = Duration::from_hours(6);
/// The age of a refund in progress from which its payment is compared nevertheless.
const REFUND_MAY_TAKE: Duration = Duration::from_hours(24);
/// For how long it is compared again and again: buyers pay late, admins refund in the provider's dashboard.
const RECENT: Duration = Duration::from_hours(7 * 24);

/// How the provider's payment differs from ours in amount or currency, if it does.
fn amount_mismatch(payment: &Payment, report: &Report) -> Option<String> {
    let same = payment.amount == report.amount && payment.currency.to_string() == report.currency;
    (!same).then(|| {
        let (ours, theirs) = (payment.amount.0, report.amount.0);
        format!(
            "the provider reports {theirs} {}, the shop recorded {ours} {} (minor units)",
            report.currency, payment.currency
        )
    })
}

/// Why no part of a report is applied: the payment or one of its refunds differs from ours in amount or currency.
///
/// # Errors
/// When the database cannot be read.
pub async fn mismatch(shop: &Shop, payment: &Payment, report: &Report) -> db::Result<Option<String>> {
    if let Some(mismatch) = amount_mismatch(payment, report) {
        return Ok(Some(mismatch));
    }
    let known = refunds::of_payment(&mut shop.db.read().await?, payment.id).await?;
    Ok(report.refunds.iter().find_map(|reported| match known.iter().find(|refund| reported.is_of(refund)) {
        Some(refund) => refund_mismatch(payment, refund, reported),
        None => currency_mismatch(payment, reported),
    }))
}

fn currency_mismatch(payment: &Payment, report: &RefundReport) -> Option<String> {
    let same = payment.currency.to_string() == report.currency;
    (!same).then(|| format!("the provider refunds {}, but the payment was in {}", report.currency, payment.currency))
}

/// How the provider's refund differs from ours in amount or currency, if it does.
#[must_use]
pub fn refund_mismatch(payment: &Payment, refund: &Refund, report: &RefundReport) -> Option<String> {
    let same = refund.amount == report.amount && payment.currency.to_string() == report.currency;
    (!same).then(|| {
        let (ours, theirs) = (refund.amount.0, report.amount.0);
        format!(
            "the provider refunds {theirs} {}, the shop recorded {ours} {} (minor units)",
            report.currency, payment.currency
        )
    })
}

/// Compares the payments that were not compared since they changed, since `requested_at`, or for long. Stops after a while;
/// the next run does the rest. Whether it compared all.
///
/// # Errors
/// [`JobError::Retry`] when the database is unavailable, or when a report that is to be applied has another amount or
/// currency than the payment or one of its refunds.
pub async fn compare(shop: &Shop, limit: Duration, requested_at: Option<Timestamp>) -> Result<bool, JobError> {
    let (began, now) = (Instant::now(), shop.now());
    let stale = requested_at.unwrap_or(now - STALE);
    let (mut compared, mut last) = (0, PaymentId::NONE);
    let mut all = false;
    while began.elapsed() < limit {
        let mut tx = shop.db.read().await?;
        let batch = store::to_compare(&mut tx, last, stale, now - RECENT, now - REFUND_MAY_TAKE).await?;
        drop(tx);
        let Some(end) = batch.last() else {
            all = true;
            break;
        };
        last = end.id;
        try_join_all(batch.iter().map(|payment| compare_one(shop, payment))).await?;
        compared += batch.len();
    }
    let mut tx = shop.db.write().await?;
    store::save_run(&mut tx, i64::try_from(compared).unwrap_or(i64::MAX), shop.now()).await?;
    tx.commit().await?;
    Ok(all)
}

/// Requests a reconciliation now. Requested again before it has ended, it is the same one.
///
/// # Errors
/// When the database is unavailable.
pub async fn request(shop: &Shop) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    let last = store::last_run(&mut tx).await?.map_or(0, |(checked_at, _)| checked_at.micros());
    let now = shop.now();
    Reconcile::requested_at(now).enqueue_once(&mut tx, format!("payments.reconcile:after:{last}"), now).await?;
    tx.commit().await
}

/// One that cannot be compared now is compared by the next run.
async fn compare_one(shop: &Shop, payment: &Payment) -> Result<(), JobError> {
    let Some(provider) = shop.get::<Providers>().get(payment.provider) else {
        tracing::warn!(payment = %payment.id, provider = %payment.provider, "cannot compare a payment: its provider is not configured");
        return Ok(());
    };
    let report = match provider.retrieve_payment(payment).await {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!(payment = %payment.id, %error, "cannot compare a payment with the provider's records");
            return Ok(());
        }
    };
    if let Some(report) = &report
        && money_moved(shop, payment, report).await?
    {
        tracing::warn!(payment = %payment.id, "found money that moved without a report");
        return save_report(shop, payment, report.clone()).await.map(drop);
    }
    let found = difference(shop, payment, report.as_ref()).await?;
    if let Some(found) = &found {
        tracing::error!(
            payment = %found.payment, order = %found.order, matter = %found.matter, ours = %found.ours,
            theirs = found.theirs.as_ref().map(tracing::field::display), "the shop's and the provider's records differ"
        );
    }
    let mut tx = shop.db.write().await?;
    store::mark_compared(&mut tx, payment, found.map(|found| found.to_json_string()), shop.now()).await?;
    Ok(tx.commit().await?)
}

/// Whether money was received for a payment that had ended without it, or refunded in the provider's dashboard. That is no
/// difference: the report is applied as if a webhook had announced it.
async fn money_moved(shop: &Shop, payment: &Payment, report: &Report) -> db::Result<bool> {
    if mismatch(shop, payment, report).await?.is_some() {
        return Ok(false);
    }
    let came_late =
        payment.captured == Money(0) && report.outcome.received().is_some_and(|received| received > Money(0));
    let known = refunds::of_payment(&mut shop.db.read().await?, payment.id).await?;
    Ok(came_late || report.refunds.iter().any(|refund| refund.is_new_to(&known)))
}

async fn difference(shop: &Shop, payment: &Payment, report: Option<&Report>) -> db::Result<Option<Difference>> {
    let amount = |money| payment.currency.format(money);
    let found = |matter, ours, theirs: Option<Money>| Difference {
        payment: payment.id,
        order: payment.order_id,
        provider: payment.provider,
        matter,
        ours: amount(ours),
        theirs: theirs.map(amount),
    };
    let ours = payment.captured;
    let Some(report) = report else {
        // What was never sent, or captured nothing, need not be known.
        return Ok((ours > Money(0)).then(|| found(Matter::Unknown, ours, None)));
    };
    let theirs = report.outcome.received().unwrap_or(Money(0));
    if payment.currency.to_string() != report.currency {
        return Ok(Some(found(Matter::Money, payment.amount, None)));
    }
    if payment.amount != report.amount {
        return Ok(Some(found(Matter::Money, payment.amount, Some(report.amount))));
    }
    if ours != theirs {
        return Ok(Some(found(Matter::Captured, ours, Some(theirs))));
    }
    if payment.refunded != report.refunded() {
        return Ok(Some(found(Matter::Refunded, payment.refunded, Some(report.refunded()))));
    }
    let held = store::held_without_reason(&mut shop.db.read().await?, payment.id).await?;
    Ok((held > Money(0)).then(|| found(Matter::NotGivenBack, Money(0), Some(held))))
}

/// When the last run ended and how many payments it compared, and every difference that stands, oldest first.
///
/// # Errors
/// When the database is unavailable.
pub async fn latest(shop: &Shop) -> db::Result<(Option<(Timestamp, i64)>, Vec<Difference>)> {
    let mut tx = shop.db.read().await?;
    let run = store::last_run(&mut tx).await?;
    let texts = store::differences(&mut tx).await?;
    let differences = texts.iter().filter_map(|text| Difference::parse_from_json_string(text).ok()).collect();
    Ok((run, differences))
}

/// Keeps the gauge of `/metrics` fresh.
///
/// # Errors
/// When the database is unavailable.
pub async fn measure(shop: &Shop) -> db::Result<()> {
    let differences = store::count_differences(&mut shop.db.read().await?).await?;
    #[allow(clippy::cast_precision_loss)] // a figure to look at
    metrics::gauge!(PAYMENT_DIFFERENCES.name).set(differences as f64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        payments::{
            providers::RefundOutcome,
            refunds::{Reason, RefundStatus},
        },
        shop::{Provider, ids::RefundId},
    };
    use platform::{clock::Timestamp, money::Money};

    #[test]
    fn a_payment_with_another_amount_or_currency_is_a_mismatch() {
        let payment = Payment::example(Provider::Stripe);
        let reported = Report::processing(&payment);
        assert_eq!(amount_mismatch(&payment, &reported), None);
        assert!(amount_mismatch(&payment, &Report { amount: Money(12_01), ..reported.clone() }).is_some());
        assert!(amount_mismatch(&payment, &Report { currency: "EUR".to_owned(), ..reported }).is_some());
    }

    #[test]
    fn a_refund_with_another_amount_or_currency_is_a_mismatch() {
        let payment = Payment::example(Provider::Stripe);
        let refund = Refund {
            id: RefundId::random(),
            payment_id: payment.id,
            status: RefundStatus::Queued,
            amount: Money(5_00),
            reason: Reason::Requested,
            provider_key: "a key".to_owned(),
            first_call_at: None,
            transaction_id: None,
            failure: None,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        };
        let reported = |amount, currency: &str| RefundReport {
            refund: Some(refund.id),
            transaction_id: None,
            outcome: RefundOutcome::Succeeded,
            amount: Money(amount),
            currency: currency.to_owned(),
        };
        assert_eq!(refund_mismatch(&payment, &refund, &reported(5_00, "USD")), None);
        assert!(refund_mismatch(&payment, &refund, &reported(5_01, "USD")).is_some());
        assert!(refund_mismatch(&payment, &refund, &reported(5_00, "EUR")).is_some());
    }
}
