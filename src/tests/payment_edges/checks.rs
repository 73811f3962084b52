//! The scheduled checks of payments, and the comparison with the providers' records.

use std::time::Duration;

use payment_simulator::Provider;
use serde_json::json;

use crate::{
    providers::{
        amounts_refunded, check_pending_payments, deliver_webhooks, pays, reconcile_payments, somebody_waits_to_pay,
        transaction,
    },
    support::TestShop,
};

on_both_engines! {
    async fn a_paid_payment_is_reconciled_every_six_hours_for_a_week(shop: TestShop) {
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        let mut compared = Vec::new();
        for hours in [1, 1, 4, 2, 24 * 7, 7] {
            shop.time_passes(Duration::from_hours(hours));
            reconcile_payments(&shop).await;
            compared.push(shop.counts("SELECT payments FROM payment_reconciliation").await);
        }
        assert_eq!(compared, [1, 0, 0, 1, 0, 0]);
        shop.runs_its_jobs().await;
    }

    async fn a_payment_is_checked_after_four_minutes_and_then_every_half_minute(shop: TestShop) {
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        let asked = async |after| {
            shop.time_passes(Duration::from_secs(after));
            check_pending_payments(&shop).await;
            shop.counts("SELECT COUNT(*) FROM payments WHERE asked_at IS NOT NULL").await
        };
        assert_eq!((asked(239).await, asked(2).await), (0, 1));
        shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
        drop(shop.simulator().webhooks()); // all lost
        for (after, status) in [(29, "requires_action"), (2, "captured")] {
            asked(after).await;
            assert_eq!(ada.looks_at(&payment).await["status"], status);
        }
        shop.runs_its_jobs().await;
    }

    async fn a_cancelled_payment_is_checked_for_late_money_for_an_hour(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        for (minutes, status) in [(59, "refunded"), (61, "cancelled")] {
            let (mut ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
            ada.cancels(&order).await.is(200);
            shop.runs_its_jobs().await;
            shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
            drop(shop.simulator().webhooks());
            shop.time_passes(Duration::from_mins(minutes));
            check_pending_payments(&shop).await;
            deliver_webhooks(&shop).await;
            ada.signs_in().await;
            assert_eq!(ada.looks_at(&payment).await["status"], status, "after {minutes} minutes");
        }
    }

    async fn money_of_cancelled_orders_and_unknown_payments_are_reported(shop: TestShop) {
        shop.expects_in_log("the shop's and the provider's records differ");
        let admin = shop.admin().await;
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        ada.cancels(&order).await.is(200);
        shop.tampers("DELETE FROM jobs WHERE kind = 'payments.refund'").await;
        for (tamper, matter, ours, theirs) in [
            ("UPDATE refunds SET status = 'failed'", "not_given_back", json!("0.00"), json!("12.00")),
            ("UPDATE payments SET transaction_id = 'gone-' || transaction_id, compared_at = NULL", "unknown", json!("12.00"), json!(null)),
        ] {
            shop.tampers(tamper).await;
            reconcile_payments(&shop).await;
            let report = admin.get("/api/admin/payments/reconciliation").await.is(200).json();
            let found = &report["differences"][0];
            assert_eq!((&found["matter"], &found["ours"], &found["theirs"]), (&json!(matter), &ours, &theirs), "{report}");
        }
        shop.tampers("UPDATE payments SET transaction_id = REPLACE(transaction_id, 'gone-', '')").await;
        shop.tampers("UPDATE refunds SET status = 'queued'").await;
        shop.time_passes(Duration::from_mins(61));
        check_pending_payments(&shop).await; // sends what nobody sends any more
        deliver_webhooks(&shop).await;
        assert_eq!(amounts_refunded(&shop, &payment), [12_00]);
    }
}
