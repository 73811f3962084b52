//! The comparison with the providers' books, when an admin asks for it.

use std::time::Duration;

use payment_simulator::Provider;
use serde_json::json;

use crate::{
    providers::{pays, reconcile_payments, somebody_waits_to_pay},
    support::TestShop,
};

const NOW: &str = "/api/admin/payments/reconciliation";

on_both_engines! {
    async fn an_admin_has_the_books_compared_now(shop: TestShop) {
        shop.expects_in_log("the shop's and the provider's records differ");
        let admin = shop.admin().await;
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        shop.time_passes(Duration::from_secs(1));
        reconcile_payments(&shop).await;
        let before = admin.get(NOW).await.is(200).json();
        assert_eq!((&before["payments"], &before["differences"]), (&json!(1), &json!([])));

        // Somebody changed our books behind the shop's back, and it would be compared in six hours.
        shop.tampers("UPDATE payments SET refunded = 300, status = 'partially_refunded'").await;
        shop.time_passes(Duration::from_mins(1));
        for _ in 0..3 {
            assert_eq!(admin.post(NOW).await.is(202).json(), before, "what the last one found");
        }
        assert_eq!(shop.counts("SELECT COUNT(*) FROM jobs WHERE kind = 'payments.reconcile'").await, 1);
        shop.runs_its_jobs().await;
        let found = admin.get(NOW).await.is(200).json();
        assert_eq!((&found["payments"], &found["differences"][0]["matter"]), (&json!(1), &json!("refunded")), "{found}");

        shop.tampers("UPDATE payments SET refunded = 0, status = 'captured'").await;
        shop.time_passes(Duration::from_mins(1));
        admin.post(NOW).await.is(202);
        shop.runs_its_jobs().await;
        assert_eq!(admin.get(NOW).await.is(200)["differences"], json!([]));
    }
}
