//! Paying, declines and further attempts.

use std::time::Duration;

use payment_simulator::Provider;
use serde_json::json;

use super::{
    amounts_captured, amounts_refunded, check_pending_payments, customer, deliver_webhooks, pays,
    somebody_waits_to_pay, transaction, waits_to_pay,
};
use crate::{
    orders::expire_unpaid_orders,
    support::{TestShop, people::Payment},
};

on_both_engines! {
    async fn each_provider_takes_the_money_once_and_confirms_the_order(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            let paid = ada.looks_at(&payment).await;
            assert_eq!((&paid["status"], &paid["provider"]), (&json!("captured"), &json!(provider.name())));
            assert!(paid["client_secret"].is_null() && paid["approval_url"].is_null(), "{paid}");
            assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
            assert_eq!(amounts_captured(&shop, &payment), [12_00]);
        }
    }

    async fn each_provider_returns_what_the_browser_needs(shop: TestShop) {
        let needs = |payment: &Payment| {
            ["client_secret", "approval_url", "key_id"].map(|name| payment.json[name].as_str().is_some())
        };
        for (provider, needed) in
            [(Provider::Stripe, [true, false, false]), (Provider::Paypal, [false, true, false]), (Provider::Razorpay, [false, false, true])]
        {
            let (_, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            assert_eq!(needs(&payment), needed, "{}", payment.json);
        }
    }

    async fn after_a_decline_another_payment_can_be_made(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, declined) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().buyer_is_declined(transaction(&declined)).expect("a decline");
            deliver_webhooks(&shop).await;
            let failed = ada.looks_at(&declined).await;
            assert_eq!(failed["status"], "failed", "{failed}");
            assert!(failed["failure"]["code"].is_string(), "{failed}");
            assert_eq!(shop.statuses_of(&order).await, ("pending".into(), "failed".into()));

            let again = waits_to_pay(&shop, &ada, &order).await;
            pays(&shop, &again).await;
            assert_eq!(ada.looks_at(&again).await["status"], "captured");
            assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
            assert_eq!((amounts_captured(&shop, &declined), amounts_captured(&shop, &again)), (vec![], vec![12_00]));
        }
    }

    async fn an_earlier_attempt_that_succeeds_ends_the_later_one(shop: TestShop) {
        let (ada, order, first) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        shop.simulator().buyer_is_declined(transaction(&first)).expect("a decline");
        deliver_webhooks(&shop).await;
        let second = waits_to_pay(&shop, &ada, &order).await;
        pays(&shop, &first).await; // in the tab that was still open
        assert_eq!(
            (&ada.looks_at(&first).await["status"], &ada.looks_at(&second).await["status"]),
            (&json!("captured"), &json!("cancelled"))
        );
        assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
        ada.cancels(&order).await.is(200);
        deliver_webhooks(&shop).await;
        assert_eq!(amounts_refunded(&shop, &first), [12_00]);
    }

    async fn abandoned_payments_are_cancelled(shop: TestShop) {
        let (mug, admin) = (shop.sells("Mug").at(12_00).in_stock(9).await, shop.admin().await);
        let mut ada = customer(&shop).await;
        let (to_be_paid_at_the_door, to_be_paid_online) = (ada.buys(&mug).await, ada.buys_online(&mug).await);
        let by_card = json!({"order": to_be_paid_at_the_door.id, "provider": "stripe"});
        ada.post("/api/payments").json(&by_card).await.is(202);
        let waits = waits_to_pay(&shop, &ada, &to_be_paid_online).await;
        admin.sets_status(&to_be_paid_online, "confirmed").await.is(200); // it does not expire any more
        shop.time_passes(Duration::from_mins(31));
        expire_unpaid_orders(&shop).await;
        check_pending_payments(&shop).await;
        deliver_webhooks(&shop).await;
        assert_eq!(shop.statuses_of(&to_be_paid_at_the_door).await.0, "cancelled");
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&waits).await["status"], "cancelled");
        assert_eq!(shop.statuses_of(&to_be_paid_online).await, ("confirmed".into(), "failed".into()));
        waits_to_pay(&shop, &ada, &to_be_paid_online).await;
    }

    async fn cash_that_is_asked_for_at_the_door_is_captured_there(shop: TestShop) {
        let (mug, admin) = (shop.sells("Mug").at(12_00).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        for status in ["confirmed", "shipped", "delivered"] {
            admin.sets_status(&order, status).await.is(200);
        }
        let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        assert_eq!(shop.statuses_of(&order).await, ("delivered".into(), "paid".into()));
    }

    async fn a_cancelled_order_cannot_be_paid_at_providers_that_can_cancel(shop: TestShop) {
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        ada.cancels(&order).await.is(200);
        deliver_webhooks(&shop).await;
        assert!(shop.simulator().buyer_pays(transaction(&payment)).is_err());
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        ada.cancels(&order).await.is(200);
        pays(&shop, &payment).await; // the buyer agrees, but we take nothing
        assert_eq!(ada.looks_at(&payment).await["status"], "cancelled");
        assert_eq!(amounts_captured(&shop, &payment), Vec::<i64>::new());
    }
}
