//! Reads Razorpay's responses.

use platform::money::Money;
use serde_json::Value;

use crate::{
    payments::{
        Outcome,
        providers::{ProviderError, ProviderResult, RefundOutcome, RefundReport, Report},
    },
    shop::ids::RefundId,
};

/// A snapshot of a payment, from its order at Razorpay and the buyer's attempts to pay that.
pub fn report(order: &Value, attempts: &[Value]) -> ProviderResult<Report> {
    let unreadable = || ProviderError::Indeterminate("an answer without an amount".to_owned());
    let amount = |of: &Value| of["amount"].as_i64().ok_or_else(unreadable);
    let captured = captured(attempts);
    let outcome = match captured {
        Some(captured) if is_paid_by(order, amount(captured)?) => Outcome::Captured(Money(amount(captured)?)),
        Some(_) => return Err(ProviderError::Indeterminate("a payment that is not what its order has".to_owned())),
        None => outcome_of(order, attempts),
    };
    Ok(Report {
        transaction_id: order["id"].as_str().map(ToOwned::to_owned),
        client_secret: None,
        approval_url: None,
        capture_id: captured.and_then(|captured| captured["id"].as_str()).map(ToOwned::to_owned),
        outcome,
        amount: Money(amount(order)?),
        currency: order["currency"].as_str().ok_or_else(unreadable)?.to_owned(),
        refunds: Vec::new(),
    })
}

/// The attempt that captured the money.
pub fn captured(attempts: &[Value]) -> Option<&Value> {
    attempts.iter().find(|attempt| matches!(attempt["status"].as_str(), Some("captured" | "refunded")))
}

/// Order and attempts come in two responses. An amount that is not the order's is accepted when the order has it, too.
fn is_paid_by(order: &Value, received: i64) -> bool {
    [&order["amount"], &order["amount_paid"]].iter().any(|amount| amount.as_i64() == Some(received))
}

/// Whether the refunds, which come in a response of their own, are those that the attempt counts: the ones that succeeded,
/// with or without those that are processing.
pub fn adds_up(captured: &Value, refunds: &[RefundReport]) -> bool {
    let sum = |counts: fn(&RefundOutcome) -> bool| -> i64 {
        refunds.iter().filter(|refund| counts(&refund.outcome)).map(|refund| refund.amount.0).sum()
    };
    let succeeded = sum(|outcome| *outcome == RefundOutcome::Succeeded);
    let processing = sum(|outcome| *outcome == RefundOutcome::Processing);
    let counted = captured["amount_refunded"].as_i64().unwrap_or(0);
    (succeeded..=succeeded + processing).contains(&counted)
}

/// Of an order of which nothing was captured.
fn outcome_of(order: &Value, attempts: &[Value]) -> Outcome {
    let is = |attempt: &Value, status: &str| attempt["status"] == status;
    if attempts.iter().any(|attempt| is(attempt, "authorized")) {
        return Outcome::Authorized;
    }
    if order["status"] == "paid" {
        return Outcome::Processing;
    }
    match attempts.first() {
        Some(last) if attempts.iter().all(|attempt| is(attempt, "failed")) => Outcome::Failed {
            code: last["error_reason"]
                .as_str()
                .or_else(|| last["error_code"].as_str())
                .unwrap_or("failed")
                .to_lowercase(),
            message: last["error_description"].as_str().unwrap_or("The payment was declined.").to_owned(),
        },
        _ => Outcome::RequiresAction,
    }
}

pub fn refund_report(refund: &Value) -> ProviderResult<RefundReport> {
    let outcome = match refund["status"].as_str().unwrap_or_default() {
        "processed" => RefundOutcome::Succeeded,
        "failed" => RefundOutcome::Failed("Razorpay could not give the money back.".to_owned()),
        _ => RefundOutcome::Processing,
    };
    let (Some(amount), Some(currency)) = (refund["amount"].as_i64(), refund["currency"].as_str()) else {
        return Err(ProviderError::Indeterminate("an answer without an amount".to_owned()));
    };
    Ok(RefundReport {
        refund: refund["receipt"].as_str().and_then(|id| id.parse().ok()).map(RefundId),
        transaction_id: refund["id"].as_str().map(ToOwned::to_owned),
        outcome,
        amount: Money(amount),
        currency: currency.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(status: &str) -> Value {
        json!({"id": "order_1", "status": status, "amount": 12_00, "currency": "INR"})
    }

    fn attempt(status: &str) -> Value {
        json!({"id": "pay_1", "status": status, "amount": 11_99,
               "error_reason": "PAYMENT_CANCELLED", "error_description": "You went away."})
    }

    #[test]
    fn orders_at_razorpay_are_read_with_their_attempts() {
        let failed = Outcome::Failed { code: "payment_cancelled".into(), message: "You went away.".into() };
        for (status, attempts, outcome) in [
            ("created", vec![], Outcome::RequiresAction),
            ("attempted", vec!["created"], Outcome::RequiresAction),
            ("attempted", vec!["failed"], failed),
            ("attempted", vec!["created", "failed"], Outcome::RequiresAction),
            ("attempted", vec!["authorized", "failed"], Outcome::Authorized),
            ("paid", vec![], Outcome::Processing),
        ] {
            let attempts: Vec<Value> = attempts.into_iter().map(attempt).collect();
            let snapshot = report(&order(status), &attempts).unwrap();
            assert_eq!(snapshot.outcome, outcome, "{status} {attempts:?}");
            assert_eq!((snapshot.amount, snapshot.refunds, snapshot.capture_id), (Money(12_00), vec![], None));
            assert_eq!((snapshot.currency.as_str(), snapshot.transaction_id.as_deref()), ("INR", Some("order_1")));
        }
    }

    #[test]
    fn the_captured_attempt_says_how_much_if_the_order_says_so_too() {
        let less =
            json!({"id": "order_1", "status": "attempted", "amount": 12_00, "amount_paid": 11_99, "currency": "INR"});
        for status in ["captured", "refunded"] {
            let attempts = [attempt("failed"), attempt(status)];
            let snapshot = report(&less, &attempts).unwrap();
            assert_eq!((snapshot.outcome, snapshot.amount), (Outcome::Captured(Money(11_99)), Money(12_00)));
            assert_eq!(snapshot.capture_id.as_deref(), Some("pay_1"));
            assert!(matches!(report(&order("paid"), &attempts), Err(ProviderError::Indeterminate(_))));
        }
        assert!(matches!(report(&json!({"id": "order_1"}), &[]), Err(ProviderError::Indeterminate(_))));
    }

    #[test]
    fn refunds_are_those_that_their_attempt_counts() {
        let refund = |status: &str, amount| {
            let refund = json!({"id": "rfnd_1", "status": status, "amount": amount, "currency": "INR"});
            refund_report(&refund).unwrap()
        };
        let refunds = [refund("processed", 2_00), refund("pending", 3_00), refund("failed", 4_00)];
        for (counted, accepted) in [(1_99, false), (2_00, true), (5_00, true), (5_01, false), (9_00, false)] {
            assert_eq!(adds_up(&json!({"amount_refunded": counted}), &refunds), accepted, "{counted}");
        }
        assert!(adds_up(&json!({}), &[]));
    }

    #[test]
    fn refunds_at_razorpay_are_read() {
        let read = |status: &str| {
            refund_report(&json!({"id": "rfnd_1", "status": status, "amount": 2_50, "currency": "INR"})).unwrap()
        };
        assert_eq!(read("processed").outcome, RefundOutcome::Succeeded);
        assert_eq!(read("pending").outcome, RefundOutcome::Processing);
        assert!(matches!(read("failed").outcome, RefundOutcome::Failed(_)));
        assert_eq!((read("pending").amount, read("pending").transaction_id.as_deref()), (Money(2_50), Some("rfnd_1")));
        assert!(matches!(refund_report(&json!({"status": "processed"})), Err(ProviderError::Indeterminate(_))));
    }
}
