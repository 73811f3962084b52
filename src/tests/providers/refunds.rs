//! Refunds of each provider's payments.

use std::time::Duration;

use futures_util::future::join_all;
use payment_simulator::Provider;
use serde_json::{Value, json};

use super::{
    amounts_refunded, check_pending_payments, customer, deliver_webhooks, orders, pays, refund, refunds,
    somebody_waits_to_pay, waits_to_pay,
};
use crate::support::{TestShop, people::Payment};

on_both_engines! {
    async fn partial_refunds_never_exceed_the_captured_amount(shop: TestShop) {
        for provider in Provider::ALL {
            let admin = shop.admin().await;
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            refunds(&admin, &payment, &json!({})).await.is(409).with_code("not_captured");
            pays(&shop, &payment).await;
            admin.sets_status(&order, "shipped").await.is(200);

            let refund = refunds(&admin, &payment, &json!({"amount": "5.00"})).await.is(202);
            assert_eq!(
                (&refund["status"], &refund["amount"], &refund["payment"], &refund["reason"]),
                (&json!("queued"), &json!("5.00"), &json!(payment.id), &json!("requested"))
            );
            // What is on its way counts as gone.
            refunds(&admin, &payment, &json!({"amount": "7.01"})).await.is(422).with_code("refund_exceeds_payment");
            deliver_webhooks(&shop).await;
            let part = ada.looks_at(&payment).await;
            assert_eq!((&part["status"], &part["refunded"]), (&json!("partially_refunded"), &json!("5.00")));
            assert_eq!(shop.statuses_of(&order).await, ("shipped".into(), "paid".into()));

            shop.time_passes(Duration::from_secs(1));
            refunds(&admin, &payment, &json!({})).await.is(202);
            refunds(&admin, &payment, &json!({})).await.is(409).with_code("already_refunded");
            deliver_webhooks(&shop).await;
            let all = ada.looks_at(&payment).await;
            assert_eq!((&all["status"], &all["refunded"]), (&json!("refunded"), &json!("12.00")));
            assert_eq!(shop.statuses_of(&order).await, ("shipped".into(), "refunded".into()), "it has left");
            assert_eq!(amounts_refunded(&shop, &payment), [5_00, 7_00]);
            let made = ada.get(&format!("/api/payments/{}/refunds", payment.id)).await.is(200).list();
            let made: Vec<_> = made.iter().map(|refund| (refund["amount"].clone(), refund["status"].clone())).collect();
            assert_eq!(made, [(json!("5.00"), json!("succeeded")), (json!("7.00"), json!("succeeded"))]);
        }
    }

    async fn a_full_refund_of_what_has_not_shipped_cancels_the_order_and_returns_the_stock(shop: TestShop) {
        for provider in Provider::ALL {
            let (mug, ada) = (shop.sells("Mug").at(12_00).in_stock(3).await, customer(&shop).await);
            let order = orders(&ada, &mug, provider).await;
            let payment = waits_to_pay(&shop, &ada, &order).await;
            pays(&shop, &payment).await;
            refunds(&shop.admin().await, &payment, &json!({"amount": "12.00"})).await.is(202);
            deliver_webhooks(&shop).await;
            assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "refunded".into()));
            assert_eq!((shop.stock_of(&mug).await, amounts_refunded(&shop, &payment)), (3, vec![12_00]));
        }
    }

    async fn cancelling_refunds_what_was_paid(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            refunds(&shop.admin().await, &payment, &json!({"amount": "2.00"})).await.is(202);
            ada.cancels(&order).await.is(200);
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
            assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "refunded".into()));
            assert_eq!(amounts_refunded(&shop, &payment), [2_00, 10_00]);
        }
    }

    async fn cash_can_be_refunded(shop: TestShop) {
        let (mug, admin) = (shop.sells("Mug").at(12_00).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
        shop.runs_its_jobs().await;
        refunds(&admin, &payment, &json!({})).await.is(409).with_code("not_captured");
        admin.sets_status(&order, "shipped").await.is(200);
        admin.sets_status(&order, "delivered").await.is(200);
        refunds(&admin, &payment, &json!({"amount": "1.50"})).await.is(202);
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["refunded"], "1.50");
    }

    async fn a_refund_whose_job_is_gone_is_sent_again(shop: TestShop) {
        let (mut ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        refunds(&shop.admin().await, &payment, &json!({})).await.is(202);
        shop.tampers("DELETE FROM jobs WHERE kind = 'payments.refund'").await;
        for (wait, gone) in [(Duration::from_mins(59), vec![]), (Duration::from_mins(2), vec![12_00])] {
            shop.time_passes(wait);
            for _ in 0..2 {
                check_pending_payments(&shop).await;
            }
            let sent = shop.counts("SELECT COUNT(*) FROM jobs WHERE kind = 'payments.refund'").await;
            assert_eq!(sent, i64::try_from(gone.len()).unwrap(), "once an hour");
            deliver_webhooks(&shop).await;
            assert_eq!(amounts_refunded(&shop, &payment), gone);
        }
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
    }

    async fn a_refund_is_made_once_for_one_key(shop: TestShop) {
        let admin = shop.admin().await;
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        let asks = (0..4).map(|_| refund(&admin, &payment, &json!({"amount": "3.00"})).once("back").into_future());
        let answers = join_all(asks).await;
        let first = answers[0].bytes().to_vec();
        for answer in answers {
            assert_eq!(answer.is(202).bytes(), first);
        }
        refund(&admin, &payment, &json!({"amount": "4.00"})).once("back").await.is(422).with_code("idempotency_key_reused");
        deliver_webhooks(&shop).await;
        assert_eq!(amounts_refunded(&shop, &payment), [3_00]);
        assert_eq!(ada.looks_at(&payment).await["refunded"], "3.00");
    }

    async fn a_refund_of_nothing_or_of_nobodys_payment_is_refused(shop: TestShop) {
        let admin = shop.admin().await;
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        refunds(&admin, &payment, &json!({"amount": "12.01"})).await.is(422).with_code("refund_exceeds_payment");
        for amount in [json!("0.00"), json!("-1.00"), json!("1.001"), json!("99999999999.00")] {
            refunds(&admin, &payment, &json!({"amount": amount})).await.is(422).about(&["amount"]);
        }
        refunds(&ada, &payment, &json!({})).await.is(403);
        let nobodys = Payment { id: "0d9c6f0e-6a3b-4f57-9f0e-3b1f6f1f2a77".to_owned(), json: Value::Null };
        refunds(&admin, &nobodys, &json!({})).await.is(404);
    }
}
