//! Payments that a bank is still processing.

use std::time::Duration;

use payment_simulator::Provider;
use serde_json::Value;

use crate::{
    providers::{check_pending_payments, deliver_webhooks, somebody_waits_to_pay, somebody_who_ordered, transaction},
    support::TestShop,
};

on_both_engines! {
    async fn a_bank_that_takes_its_time_keeps_the_order_waiting(shop: TestShop) {
        for provider in Provider::ALL {
            for (clears, ends) in [(true, ["captured", "confirmed", "paid"]), (false, ["failed", "pending", "failed"])] {
                let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
                shop.simulator().buyer_pays_later(transaction(&payment)).expect("a bank");
                deliver_webhooks(&shop).await;
                assert_eq!(shop.statuses_of(&order).await, ("pending".into(), "processing".into()));
                let bank = shop.simulator();
                let said = if clears { bank.bank_clears(transaction(&payment)) } else { bank.bank_bounces(transaction(&payment)) };
                said.expect("the bank's answer");
                deliver_webhooks(&shop).await;
                let (status, of_money) = shop.statuses_of(&order).await;
                let came = [ada.looks_at(&payment).await["status"].clone(), status.into(), of_money.into()];
                assert_eq!(came, ends.map(Value::from), "{provider:?}");
            }
        }
    }

    async fn a_card_that_is_still_being_checked_confirms_nothing(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment = ada.pays_with("pm_card_processing", &order).await;
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "processing");
        assert_eq!(shop.statuses_of(&order).await, ("pending".into(), "processing".into()));
        shop.time_passes(Duration::from_secs(241));
        check_pending_payments(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        deliver_webhooks(&shop).await;
    }
}
