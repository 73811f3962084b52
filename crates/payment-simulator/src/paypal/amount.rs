//! Amounts as PayPal writes them: `{"currency_code": "USD", "value": "12.00"}`.

use platform::money::{Amount, Currency, Money};
use serde_json::{Value, json};

use super::errors;
use crate::{provider_api::format_amount, response::Response};

/// The currencies that PayPal supports.
const CURRENCIES: [&str; 24] = [
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "MYR", "NOK",
    "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD",
];

#[derive(Clone)]
pub(super) struct PaypalAmount {
    pub minor: i64,
    pub currency: String,
}

impl PaypalAmount {
    /// # Errors
    /// PayPal's error response.
    pub fn parse(amount: &Value) -> Result<Self, Response> {
        let (Some(code), Some(value)) = (amount["currency_code"].as_str(), amount["value"].as_str()) else {
            return Err(errors::invalid_request("MISSING_REQUIRED_PARAMETER", "amount: a required field is missing."));
        };
        let Some(currency) = code.parse::<Currency>().ok().filter(|_| CURRENCIES.contains(&code)) else {
            return Err(errors::unprocessable("CURRENCY_NOT_SUPPORTED", "Currency code is not currently supported."));
        };
        if value.contains('.') && has_no_decimals(code) {
            return Err(errors::unprocessable("DECIMALS_NOT_SUPPORTED", "Currency does not support decimals."));
        }
        match currency.parse(&Amount::new(value)) {
            Ok(Money(minor)) if minor > 0 => Ok(Self { minor, currency: code.to_owned() }),
            Ok(_) => Err(errors::unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE", "Must be greater than zero.")),
            Err(_) => {
                Err(errors::unprocessable("INVALID_CURRENCY_VALUE", "The value of a field is not a valid amount."))
            }
        }
    }

    /// Another amount in the same currency.
    pub fn with_minor(&self, minor: i64) -> Self {
        Self { minor, currency: self.currency.clone() }
    }

    pub fn to_json(&self) -> Value {
        json!({"currency_code": self.currency, "value": self.value()})
    }

    pub fn value(&self) -> String {
        let value = format_amount(self.minor, &self.currency);
        match value.split_once('.') {
            Some((whole, _)) if has_no_decimals(&self.currency) => whole.to_owned(),
            _ => value,
        }
    }
}

/// PayPal's list, which differs from ISO 4217.
fn has_no_decimals(currency: &str) -> bool {
    matches!(currency, "HUF" | "JPY" | "TWD")
}
