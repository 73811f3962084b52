//! The comparison of payments with the providers' records.

use std::time::Duration;

use cartwright::shop;
use payment_simulator::Provider;
use serde_json::json;

use super::{amounts_captured, amounts_refunded, pays, reconcile_payments, somebody_waits_to_pay, transaction};
use crate::support::TestShop;

on_both_engines! {
    async fn late_money_without_webhooks_is_found_by_the_reconciliation(shop: TestShop) {
        shop.expects_in_log("found money that moved without a report");
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (mut ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        ada.cancels(&order).await.is(200);
        shop.runs_its_jobs().await;
        shop.time_passes(Duration::from_hours(2));
        shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
        drop(shop.simulator().webhooks());
        shop.time_passes(Duration::from_hours(7));
        reconcile_payments(&shop).await;
        shop.runs_its_jobs().await;
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        assert_eq!((amounts_captured(&shop, &payment), amounts_refunded(&shop, &payment)), (vec![12_00], vec![12_00]));
    }

    async fn a_provider_without_keys_does_not_stop_the_reconciliation_of_others(shop: TestShop) {
        shop.expects_in_log("cannot compare a payment: its provider is not configured");
        for provider in Provider::ALL {
            let (_, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
        }
        shop.time_passes(Duration::from_secs(1));
        let without = shop.opens_again(|settings| drop(settings.payments.providers.remove(&shop::Provider::Paypal))).await;
        reconcile_payments(&without).await;
        let compared = "SELECT COUNT(*) FROM payments WHERE compared_at IS NOT NULL";
        assert_eq!(shop.counts(compared).await, 2);
    }

    async fn differences_are_reported_and_not_repaired(shop: TestShop) {
        shop.expects_in_log("the shop's and the provider's records differ");
        let admin = shop.admin().await;
        let report = async || admin.get("/api/admin/payments/reconciliation").await.is(200).json();
        assert_eq!(report().await, json!({"checked_at": null, "payments": 0, "differences": []}));
        let mut payments = Vec::new();
        for provider in Provider::ALL {
            let (_, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            payments.push(payment);
        }
        shop.time_passes(Duration::from_secs(1));
        reconcile_payments(&shop).await;
        let fine = report().await;
        assert_eq!((&fine["payments"], &fine["differences"]), (&json!(3), &json!([])));

        // Somebody changed our books behind the shop's back.
        shop.tampers("UPDATE payments SET refunded = 300, status = 'partially_refunded', compared_at = NULL").await;
        reconcile_payments(&shop).await;
        let found = report().await;
        let differences = found["differences"].as_array().expect("a list");
        assert_eq!(differences.len(), 3, "{found}");
        for difference in differences {
            assert_eq!(
                (&difference["matter"], &difference["ours"], &difference["theirs"]),
                (&json!("refunded"), &json!("3.00"), &json!("0.00"))
            );
        }

        shop.tampers("UPDATE payments SET refunded = 0, status = 'captured'").await;
        reconcile_payments(&shop).await;
        assert_eq!(report().await["differences"], json!([]));
    }
}
