//! Writes PayPal's amounts and reads its responses.

use platform::money::{Amount, Currency, Money};
use serde_json::{Value, json};

use crate::{
    payments::{
        Outcome, Payment,
        providers::{ProviderError, ProviderResult, RefundOutcome, RefundReport, Report},
    },
    shop::ids::RefundId,
};

/// PayPal takes no decimals of these, though ISO 4217 gives them two.
const WITHOUT_DECIMALS: [&str; 2] = ["HUF", "TWD"];

/// An amount as PayPal writes it.
///
/// # Errors
/// When PayPal cannot write it.
pub fn to_paypal(currency: Currency, money: Money) -> ProviderResult<Value> {
    let code = currency.to_string();
    let mut value = currency.format(money).to_string();
    if WITHOUT_DECIMALS.contains(&code.as_str()) {
        let whole = value.strip_suffix(".00").map(ToOwned::to_owned);
        value = whole.ok_or_else(|| ProviderError::Rejected(format!("{code} has no decimals at PayPal")))?;
    }
    Ok(json!({"currency_code": code, "value": value}))
}

/// An amount from PayPal, and the code of its currency.
fn from_paypal(amount: &Value) -> ProviderResult<(Money, String)> {
    let unreadable = || ProviderError::Indeterminate("an answer without an amount".to_owned());
    let (Some(code), Some(value)) = (amount["currency_code"].as_str(), amount["value"].as_str()) else {
        return Err(unreadable());
    };
    let currency: Currency = code.parse().map_err(|_| unreadable())?;
    let money = currency.parse(&Amount::new(value)).map_err(|_| unreadable())?;
    Ok((money, code.to_owned()))
}

/// A snapshot of a payment, from its order at PayPal.
pub fn report(payment: &Payment, order: &Value) -> ProviderResult<Report> {
    let unit = &order["purchase_units"][0];
    let capture = unit["payments"]["captures"].as_array().and_then(|captures| captures.last());
    let (amount, currency) = match capture {
        // The response to a capture may leave out the amount of the order.
        Some(capture) if unit["amount"].is_null() => (payment.amount, from_paypal(&capture["amount"])?.1),
        _ => from_paypal(&unit["amount"])?,
    };
    let outcome = match capture {
        Some(capture) => outcome_of_capture(capture, &currency)?,
        None => match order["status"].as_str() {
            Some("APPROVED") => Outcome::Approved,
            Some("VOIDED") => Outcome::Cancelled,
            _ => Outcome::RequiresAction,
        },
    };
    let refunds = unit["payments"]["refunds"].as_array().into_iter().flatten();
    Ok(Report {
        transaction_id: order["id"].as_str().map(ToOwned::to_owned),
        approval_url: approval_url(order),
        capture_id: capture.and_then(|capture| capture["id"].as_str()).map(ToOwned::to_owned),
        outcome,
        amount,
        currency,
        refunds: refunds.map(refund_report).collect::<ProviderResult<_>>()?,
        ..Report::processing(payment)
    })
}

/// A capture has an amount of its own, which may differ from its order's.
fn outcome_of_capture(capture: &Value, order_currency: &str) -> ProviderResult<Outcome> {
    Ok(match capture["status"].as_str().unwrap_or_default() {
        "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED" => match from_paypal(&capture["amount"])? {
            (received, currency) if currency == order_currency => Outcome::Captured(received),
            _ => return Err(ProviderError::Indeterminate("a capture in another currency than its order".to_owned())),
        },
        "DECLINED" | "FAILED" => failed(capture["status_details"]["reason"].as_str().unwrap_or("DECLINED")),
        _ => Outcome::Processing,
    })
}

pub fn failed(issue: &str) -> Outcome {
    Outcome::Failed { code: issue.to_lowercase(), message: "PayPal could not take the money.".to_owned() }
}

pub fn refund_report(refund: &Value) -> ProviderResult<RefundReport> {
    let outcome = match refund["status"].as_str().unwrap_or_default() {
        "COMPLETED" => RefundOutcome::Succeeded,
        "FAILED" | "CANCELLED" => {
            let reason = refund["status_details"]["reason"].as_str().unwrap_or("no reason given").to_lowercase();
            RefundOutcome::Failed(format!("PayPal could not give the money back ({reason})."))
        }
        _ => RefundOutcome::Processing,
    };
    let (amount, currency) = from_paypal(&refund["amount"])?;
    Ok(RefundReport {
        refund: refund["invoice_id"].as_str().and_then(|id| id.parse().ok()).map(RefundId),
        transaction_id: refund["id"].as_str().map(ToOwned::to_owned),
        outcome,
        amount,
        currency,
    })
}

fn approval_url(order: &Value) -> Option<String> {
    let links = order["links"].as_array()?;
    let link = links.iter().find(|link| link["rel"] == "payer-action" || link["rel"] == "approve")?;
    link["href"].as_str().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Provider;

    fn dollars(value: &str) -> Value {
        json!({"currency_code": "USD", "value": value})
    }

    fn snapshot(order: &Value) -> Report {
        report(&Payment::example(Provider::Paypal), order).unwrap()
    }

    #[test]
    fn orders_at_paypal_are_read() {
        let order = |status: &str| {
            json!({
                "id": "5O1", "status": status, "purchase_units": [{"amount": dollars("11.99")}],
                "links": [{"rel": "self", "href": "https://x"}, {"rel": "payer-action", "href": "https://y"}],
            })
        };
        for (status, outcome) in [
            ("CREATED", Outcome::RequiresAction),
            ("PAYER_ACTION_REQUIRED", Outcome::RequiresAction),
            ("APPROVED", Outcome::Approved),
            ("VOIDED", Outcome::Cancelled),
        ] {
            let snapshot = snapshot(&order(status));
            assert_eq!((snapshot.outcome, snapshot.amount, snapshot.currency.as_str()), (outcome, Money(11_99), "USD"));
            assert_eq!(snapshot.transaction_id.as_deref(), Some("5O1"));
            assert_eq!((snapshot.approval_url.as_deref(), snapshot.capture_id), (Some("https://y"), None));
        }
    }

    #[test]
    fn a_capture_at_paypal_outweighs_its_order_and_only_refunds_that_succeeded_count() {
        let order = |capture: &str| {
            json!({"id": "5O1", "status": "COMPLETED", "purchase_units": [{
                "amount": dollars("12.00"),
                "payments": {
                    "captures": [{"id": "2GG", "status": capture, "amount": dollars("11.99")}],
                    "refunds": [
                        {"status": "COMPLETED", "amount": dollars("2.00")}, {"status": "PENDING", "amount": dollars("4.00")},
                        {"status": "COMPLETED", "amount": dollars("1.00")}, {"status": "FAILED", "amount": dollars("3.00")},
                    ],
                },
            }]})
        };
        let declined = Outcome::Failed { code: "declined".into(), message: "PayPal could not take the money.".into() };
        for (status, outcome) in [
            ("COMPLETED", Outcome::Captured(Money(11_99))),
            ("PARTIALLY_REFUNDED", Outcome::Captured(Money(11_99))),
            ("REFUNDED", Outcome::Captured(Money(11_99))),
            ("DECLINED", declined.clone()),
            ("FAILED", declined),
            ("PENDING", Outcome::Processing),
        ] {
            let snapshot = snapshot(&order(status));
            assert_eq!(snapshot.refunded(), Money(3_00), "{status}");
            assert_eq!(snapshot.outcome, outcome, "what was captured");
            assert_eq!((snapshot.amount, snapshot.currency.as_str()), (Money(12_00), "USD"), "what was requested");
            assert_eq!(snapshot.refunds.len(), 4);
            assert_eq!(snapshot.capture_id.as_deref(), Some("2GG"));
        }
    }

    #[test]
    fn some_currencies_have_no_decimals_at_paypal() {
        let written = |code: &str, minor| to_paypal(code.parse().unwrap(), Money(minor));
        for (code, minor, value) in [("USD", 19_90, "19.90"), ("JPY", 500, "500"), ("HUF", 50_000, "500")] {
            let expected = json!({"currency_code": code, "value": value});
            assert_eq!(written(code, minor).unwrap(), expected);
            assert_eq!(from_paypal(&expected).unwrap(), (Money(minor), code.to_owned()));
        }
        assert!(matches!(written("HUF", 50_050), Err(ProviderError::Rejected(_))));
        for unreadable in [json!({}), json!({"currency_code": "USD"}), json!({"currency_code": "?", "value": "1"})] {
            assert!(matches!(from_paypal(&unreadable), Err(ProviderError::Indeterminate(_))), "{unreadable}");
        }
    }

    #[test]
    fn refunds_at_paypal_are_read() {
        for (status, outcome) in [
            ("COMPLETED", RefundOutcome::Succeeded),
            ("PENDING", RefundOutcome::Processing),
            ("FAILED", RefundOutcome::Failed("?".into())),
            ("CANCELLED", RefundOutcome::Failed("?".into())),
        ] {
            let snapshot = refund_report(&json!({"id": "1JU", "status": status, "amount": dollars("2.50")})).unwrap();
            assert_eq!(std::mem::discriminant(&snapshot.outcome), std::mem::discriminant(&outcome), "{status}");
            assert_eq!((snapshot.amount, snapshot.currency.as_str()), (Money(2_50), "USD"));
            assert_eq!(snapshot.transaction_id.as_deref(), Some("1JU"));
        }
    }
}
