//! Reads Stripe's responses.

use platform::money::{Currency, Money};
use stripe::{ApiErrors, ApiErrorsType, StripeError};
use stripe_shared::{PaymentIntent, PaymentIntentStatus};

use crate::{
    payments::{
        Outcome,
        providers::{ProviderError, ProviderResult, RefundOutcome, RefundReport, Report, http::error_of_status},
    },
    shop::ids::RefundId,
};

/// Stripe writes most amounts in the minor unit of ISO 4217, as we do; two currencies without decimals as if they had two,
/// and one with two as if it had none. <https://docs.stripe.com/currencies#special-cases>
const WITH_TWO_DECIMALS: [&str; 2] = ["ISK", "UGX"];
const WITHOUT_DECIMALS: &str = "MGA";

/// An amount as Stripe writes it.
///
/// # Errors
/// When Stripe cannot write it.
pub fn to_stripe(currency: Currency, money: Money) -> ProviderResult<i64> {
    let code = currency.to_string();
    match code.as_str() {
        WITHOUT_DECIMALS if money.0 % 100 != 0 => {
            Err(ProviderError::Rejected(format!("{code} has no decimals at Stripe")))
        }
        WITHOUT_DECIMALS => Ok(money.0 / 100),
        code if WITH_TWO_DECIMALS.contains(&code) => Ok(money.0 * 100),
        _ => Ok(money.0),
    }
}

fn from_stripe(code: &str, amount: i64) -> Money {
    match code {
        WITHOUT_DECIMALS => Money(amount * 100),
        code if WITH_TWO_DECIMALS.contains(&code) => Money(amount / 100),
        _ => Money(amount),
    }
}

pub fn report(intent: &PaymentIntent) -> Report {
    let currency = intent.currency.to_string().to_uppercase();
    let outcome = match &intent.status {
        PaymentIntentStatus::Succeeded => Outcome::Captured(from_stripe(&currency, intent.amount_received)),
        PaymentIntentStatus::Processing | PaymentIntentStatus::RequiresCapture => Outcome::Processing,
        PaymentIntentStatus::Canceled => Outcome::Cancelled,
        PaymentIntentStatus::RequiresPaymentMethod if intent.last_payment_error.is_some() => {
            failure(intent.last_payment_error.as_deref())
        }
        _ => Outcome::RequiresAction,
    };
    Report {
        transaction_id: Some(intent.id.to_string()),
        client_secret: intent.client_secret.clone(),
        approval_url: None,
        capture_id: None,
        outcome,
        amount: from_stripe(&currency, intent.amount),
        currency,
        refunds: Vec::new(),
    }
}

/// A declined card is an outcome, not an error to try again.
pub fn declined(error: &ApiErrors) -> ProviderResult<Report> {
    if error.type_ != ApiErrorsType::CardError {
        return Err(ProviderError::Rejected("402".to_owned()));
    }
    let Some(intent) = &error.payment_intent else {
        return Err(ProviderError::Indeterminate("a decline without its payment".to_owned()));
    };
    Ok(Report { outcome: failure(Some(error)), ..report(intent) })
}

fn failure(error: Option<&ApiErrors>) -> Outcome {
    let code =
        error.and_then(|error| error.decline_code.clone().or_else(|| error.code.as_ref().map(ToString::to_string)));
    let message = error.and_then(|error| error.message.clone());
    Outcome::Failed {
        code: code.unwrap_or_else(|| "declined".to_owned()),
        message: message.unwrap_or_else(|| "The payment was declined.".to_owned()),
    }
}

pub fn refund_report(refund: &stripe_shared::Refund) -> RefundReport {
    let outcome = match refund.status.as_deref() {
        Some("succeeded") => RefundOutcome::Succeeded,
        Some("failed" | "canceled") => {
            let reason = refund.failure_reason.as_deref().unwrap_or("no reason given");
            RefundOutcome::Failed(format!("Stripe could not give the money back ({reason})."))
        }
        _ => RefundOutcome::Processing, // pending, or the buyer has to do something for it
    };
    let metadata = refund.metadata.as_ref();
    let ours = metadata.and_then(|metadata| metadata.get("refund_id")).and_then(|id| id.parse().ok());
    let currency = refund.currency.to_string().to_uppercase();
    RefundReport {
        refund: ours.map(RefundId),
        transaction_id: Some(refund.id.to_string()),
        outcome,
        amount: from_stripe(&currency, refund.amount),
        currency,
    }
}

pub fn provider_error(error: StripeError) -> ProviderError {
    match error {
        StripeError::Stripe(error, status) => {
            let code = error.code.as_ref().map(ToString::to_string).unwrap_or_default();
            let status = poem::http::StatusCode::from_u16(status).unwrap_or_default();
            error_of_status(status, &format!("{} {code}", error.type_))
        }
        StripeError::Timeout => ProviderError::Indeterminate("timeout".to_owned()),
        StripeError::ClientError(what) => ProviderError::Indeterminate(what),
        _ => ProviderError::Indeterminate("an answer that cannot be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripe_writes_three_currencies_otherwise() {
        let written = |code: &str, minor| to_stripe(code.parse().unwrap(), Money(minor)).ok();
        for (code, minor, written_as) in
            [("USD", 1999, 1999), ("JPY", 500, 500), ("ISK", 500, 50_000), ("UGX", 7, 700), ("MGA", 5000, 50)]
        {
            assert_eq!(written(code, minor), Some(written_as), "{code}");
            assert_eq!(from_stripe(code, written_as), Money(minor), "{code}");
        }
        assert_eq!(written("MGA", 5050), None);
    }
}
