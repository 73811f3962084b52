//! Our books against the providers': what they captured and gave back, payment by payment, against what we recorded.
//!
//! A payment is compared when it has ended, again whenever it changed, and for a week every few hours. Differences are kept, counted and logged until
//! a later comparison finds none; nothing is repaired in silence.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use platform::{
    clock::Timestamp,
    db,
    jobs::{Job, JobError},
    money::{Amount, Money},
    text_enum,
};
use poem_openapi::{
    Object,
    types::{ParseFromJSON, ToJSON},
};

use super::{
    Payment,
    gateway::{Gateways, RefundReport, Report},
    jobs::{self, Reconcile},
    refunds::Refund,
    store,
};
use crate::shop::{
    Provider, Shop,
    ids::{OrderId, PaymentId},
};

text_enum! {
    /// What our books and a provider's say differently.
    pub enum Matter {
        /// How much was captured.
        Captured = "captured",
        /// How much went back to the buyer.
        Refunded = "refunded",
        /// The currency, or the amount a payment is about.
        Money = "money",
        /// The provider does not know the payment at all.
        Unknown = "unknown",
        /// Money is still here that the shop may not keep: the order was cancelled or could not take it, or it was less or more
        /// than was asked for.
        NotGivenBack = "not_given_back",
    }
}

/// A payment of which our books and the provider's say different things.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "PaymentDifference")]
pub struct Difference {
    pub payment: PaymentId,
    pub order: OrderId,
    pub provider: Provider,
    /// What is different.
    pub matter: Matter,
    /// As we recorded it.
    pub ours: Amount,
    /// As the provider has it; null when it does not know the payment, or in another currency.
    pub theirs: Option<Amount>,
}

/// What a provider speaks of, if it is not the money of this payment.
#[must_use]
pub fn other_money(payment: &Payment, report: &Report) -> Option<String> {
    let same = payment.amount == report.amount && payment.currency.to_string() == report.currency;
    (!same).then(|| {
        let (ours, theirs) = (payment.amount.0, report.amount.0);
        format!("the provider speaks of {theirs} {}, we of {ours} {} (minor units)", report.currency, payment.currency)
    })
}

/// Why nothing of a report is believed: it speaks of other money than ours, of the payment or of one of its refunds.
///
/// # Errors
/// When the database cannot be read.
pub async fn disbelief(shop: &Shop, payment: &Payment, report: &Report) -> db::Result<Option<String>> {
    if let Some(difference) = other_money(payment, report) {
        return Ok(Some(difference));
    }
    let known = store::refunds_of(&mut shop.db.read().await?, payment.id).await?;
    Ok(report.refunds.iter().find_map(|told| match known.iter().find(|refund| told.is_about(refund)) {
        Some(refund) => other_refund(payment, refund, told),
        None => other_currency(payment, told),
    }))
}

fn other_currency(payment: &Payment, told: &RefundReport) -> Option<String> {
    let same = payment.currency.to_string() == told.currency;
    (!same).then(|| format!("the provider gives back {}, and the payment was in {}", told.currency, payment.currency))
}

/// The same of a refund.
#[must_use]
pub fn other_refund(payment: &Payment, refund: &Refund, report: &RefundReport) -> Option<String> {
    let same = refund.amount == report.amount && payment.currency.to_string() == report.currency;
    (!same).then(|| {
        let (ours, theirs) = (refund.amount.0, report.amount.0);
        format!("the provider gives back {theirs} {}, we {ours} {} (minor units)", report.currency, payment.currency)
    })
}

/// How often a payment that ended lately is compared, though nothing was heard of it.
const STALE: Duration = Duration::from_hours(6);
/// How long money may take to go back until its payment is compared all the same.
const ON_ITS_WAY: Duration = Duration::from_hours(24);
/// How long it is compared again and again: buyers pay late, admins refund at the provider.
const LATELY: Duration = Duration::from_hours(7 * 24);

/// Compares what has not been compared since it changed, nor since `asked_at` or for long, for so long at most; the next run
/// takes the rest. Whether it went through all.
pub async fn compare(shop: &Shop, patience: Duration, asked_at: Option<Timestamp>) -> Result<bool, JobError> {
    let (began, now) = (Instant::now(), shop.now());
    let stale = asked_at.unwrap_or(now - STALE);
    let (mut compared, mut last) = (0, PaymentId::NONE);
    let mut went_through = false;
    while began.elapsed() < patience {
        let some = store::to_compare(&mut shop.db.read().await?, last, stale, now - LATELY, now - ON_ITS_WAY).await?;
        let Some(end) = some.last() else {
            went_through = true;
            break;
        };
        last = end.id;
        try_join_all(some.iter().map(|payment| compare_one(shop, payment))).await?;
        compared += some.len();
    }
    let mut tx = shop.db.write().await?;
    store::save_reconciliation(&mut tx, i64::try_from(compared).unwrap_or(i64::MAX), shop.now()).await?;
    tx.commit().await?;
    Ok(went_through)
}

/// Has the books compared now. Asked again before a comparison has ended, it is the same one.
pub async fn ask(shop: &Shop) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    let last = store::reconciliation(&mut tx).await?.map_or(0, |(checked_at, _)| checked_at.micros());
    let now = shop.now();
    Reconcile::asked_for(now).enqueue_once(&mut tx, format!("payments.reconcile:after:{last}"), now).await?;
    tx.commit().await
}

/// One that cannot be compared now is compared by the next run.
async fn compare_one(shop: &Shop, payment: &Payment) -> Result<(), JobError> {
    let Some(gateway) = shop.part::<Gateways>().of(payment.provider) else {
        tracing::warn!(payment = %payment.id, provider = %payment.provider, "no keys to compare a payment with");
        return Ok(());
    };
    let report = match gateway.look_up(payment).await {
        Ok(report) => report,
        Err(trouble) => {
            tracing::warn!(payment = %payment.id, %trouble, "cannot compare a payment with the provider's books");
            return Ok(());
        }
    };
    if let Some(news) = &report
        && is_news(shop, payment, news).await?
    {
        tracing::warn!(payment = %payment.id, "money moved, and nobody told of it");
        return jobs::write_down(shop, payment, news.clone()).await.map(drop);
    }
    let found = difference(shop, payment, report.as_ref()).await?;
    if let Some(found) = &found {
        tracing::error!(
            payment = %found.payment, order = %found.order, matter = %found.matter, ours = %found.ours,
            theirs = found.theirs.as_ref().map(tracing::field::display), "our books and the provider's differ"
        );
    }
    let mut tx = shop.db.write().await?;
    store::mark_compared(&mut tx, payment, found.map(|found| found.to_json_string()), shop.now()).await?;
    Ok(tx.commit().await?)
}

/// Money that came for a payment which had ended without it, or went back at the provider. That is no difference but news,
/// told by a look-up: it is written down as if a webhook had told it.
async fn is_news(shop: &Shop, payment: &Payment, report: &Report) -> db::Result<bool> {
    if disbelief(shop, payment, report).await?.is_some() {
        return Ok(false);
    }
    let came_late = payment.captured == Money(0) && report.outcome.received().is_some_and(|came| came > Money(0));
    let known = store::refunds_of(&mut shop.db.read().await?, payment.id).await?;
    Ok(came_late || report.refunds.iter().any(|told| told.is_news(&known)))
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
        // What was never sent, or took no money, need not be known.
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
    let kept = store::kept_in_vain(&mut shop.db.read().await?, payment.id).await?;
    Ok((kept > Money(0)).then(|| found(Matter::NotGivenBack, Money(0), Some(kept))))
}

/// Every difference that stands, oldest first, and when the last comparison was, of how many payments.
pub async fn last(shop: &Shop) -> db::Result<(Option<(Timestamp, i64)>, Vec<Difference>)> {
    let mut tx = shop.db.read().await?;
    let run = store::reconciliation(&mut tx).await?;
    let texts = store::differences(&mut tx).await?;
    let differences = texts.iter().filter_map(|text| Difference::parse_from_json_string(text).ok()).collect();
    Ok((run, differences))
}

/// Keeps the gauge of `/metrics` fresh.
pub async fn measure(shop: &Shop) -> db::Result<()> {
    let differences = store::count_differences(&mut shop.db.read().await?).await?;
    #[allow(clippy::cast_precision_loss)] // a figure to look at
    metrics::gauge!("payment_differences").set(differences as f64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        payments::{
            gateway::RefundOutcome,
            refunds::{Reason, RefundStatus},
        },
        shop::{Provider, ids::RefundId},
    };
    use platform::{clock::Timestamp, money::Money};

    #[test]
    fn money_is_the_same_in_amount_and_currency_or_it_is_other_money() {
        let payment = Payment::example(Provider::Stripe);
        let said = Report::of(&payment);
        assert_eq!(other_money(&payment, &said), None);
        assert!(other_money(&payment, &Report { amount: Money(12_01), ..said.clone() }).is_some());
        assert!(other_money(&payment, &Report { currency: "EUR".to_owned(), ..said }).is_some());
    }

    #[test]
    fn a_refund_is_the_same_in_amount_and_currency_or_it_is_another() {
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
        let said = |amount, currency: &str| RefundReport {
            refund: Some(refund.id),
            transaction_id: None,
            outcome: RefundOutcome::Succeeded,
            amount: Money(amount),
            currency: currency.to_owned(),
        };
        assert_eq!(other_refund(&payment, &refund, &said(5_00, "USD")), None);
        assert!(other_refund(&payment, &refund, &said(5_01, "USD")).is_some());
        assert!(other_refund(&payment, &refund, &said(5_00, "EUR")).is_some());
    }
}
