//! Refunds that meet others, made in the shop or in the provider's dashboard.

use std::time::Duration;

use payment_simulator::{
    Fault, PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET, Provider, RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET, STRIPE_SECRET_KEY,
};
use serde_json::{Value, json};

use crate::{
    providers::{
        amounts_captured, amounts_refunded, check_pending_payments, deliver_webhooks, pays, refunds,
        somebody_waits_to_pay, transaction,
    },
    support::{
        TestShop,
        people::{Payment, money},
    },
};

on_both_engines! {
    async fn of_late_money_only_the_remainder_is_refunded(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        for provider in [Provider::Stripe, Provider::Razorpay] { // PayPal takes nothing that we did not capture
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
            ada.cancels(&order).await.is(200);
            refund_in_dashboard(&shop, &payment, 2_00).await;
            deliver_webhooks(&shop).await;
            let refunded = ada.looks_at(&payment).await;
            assert_eq!((&refunded["status"], &refunded["refunded"]), (&json!("refunded"), &json!("12.00")));
            assert_eq!((amounts_captured(&shop, &payment), amounts_refunded(&shop, &payment).iter().sum::<i64>()), (vec![12_00], 12_00));
        }
    }

    async fn a_refund_in_the_dashboard_is_not_made_again(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            refund_in_dashboard(&shop, &payment, 4_50).await;
            deliver_webhooks(&shop).await;
            let part = ada.looks_at(&payment).await;
            assert_eq!((&part["status"], &part["refunded"]), (&json!("partially_refunded"), &json!("4.50")), "{provider:?}");
            ada.cancels(&order).await.is(200);
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded", "{provider:?}");
            assert_eq!(amounts_refunded(&shop, &payment), [4_50, 7_50]);
        }
    }

    async fn refund_responses_add_up_without_webhooks(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            for (amount, refunded) in [("5.00", "5.00"), ("2.00", "7.00"), ("4.00", "11.00")] {
                refunds(&shop.admin().await, &payment, &json!({"amount": amount})).await.is(202);
                shop.runs_its_jobs().await;
                drop(shop.simulator().webhooks());
                assert_eq!(ada.looks_at(&payment).await["refunded"], refunded, "{provider:?}");
                shop.time_passes(Duration::from_secs(1));
            }
        }
    }

    async fn a_response_with_a_wrong_refunded_amount_is_not_believed(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
        shop.runs_its_jobs().await;
        shop.simulator().next_on(Provider::Stripe, Fault::WrongAmount, "/payment_intents/");
        refund_in_dashboard(&shop, &payment, 1_00).await;
        shop.receives_webhook(&shop.simulator().webhooks()[0]).await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(shop.simulator().faults_waiting(), 0, "Stripe was asked");
        assert_eq!(ada.looks_at(&payment).await["refunded"], "5.00");
        shop.time_passes(Duration::from_secs(2));
        deliver_webhooks(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["refunded"], "6.00");
    }

    async fn refunds_without_response_are_checked(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        for provider in Provider::ALL {
            let (mut ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            for amount in ["5.00", "2.00"] {
                refunds(&shop.admin().await, &payment, &json!({"amount": amount})).await.is(202);
                shop.simulator().next_on(provider, Fault::CutAfter, "refund");
                shop.runs_its_jobs().await;
            }
            drop(shop.simulator().webhooks());
            shop.tampers("DELETE FROM jobs WHERE kind = 'payments.refund'").await;
            // As if they had not been settled at once.
            shop.tampers("UPDATE refunds SET status = 'processing' WHERE status = 'queued'").await;
            for (after, refunded) in [(239, "0.00"), (2, "7.00")] {
                shop.time_passes(Duration::from_secs(after));
                check_pending_payments(&shop).await;
                assert_eq!(ada.looks_at(&payment).await["refunded"], refunded, "{provider:?}");
            }
            let made = ada.get(&format!("/api/payments/{}/refunds", payment.id)).await.is(200).list();
            assert!(made.iter().all(|refund| refund["status"] == "succeeded"), "{made:?}");
            assert_ne!(made[0]["transaction_id"], made[1]["transaction_id"]);
            shop.runs_its_jobs().await;
            ada.signs_in().await;
        }
    }

    async fn a_refund_whose_key_may_be_forgotten_is_looked_for_first(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (mut ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
        shop.simulator().next_on(Provider::Stripe, Fault::CutAfter, "/refunds");
        shop.runs_its_jobs().await;
        drop(shop.simulator().webhooks());
        shop.time_passes(Duration::from_hours(25));
        shop.runs_its_jobs().await;
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["refunded"], "5.00");
        assert_eq!(amounts_refunded(&shop, &payment), [5_00]);
    }

    async fn a_refund_of_money_refunded_in_the_dashboard_fails(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            refund_in_dashboard(&shop, &payment, 12_00).await;
            drop(shop.simulator().webhooks());
            refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
            deliver_webhooks(&shop).await;
            let made = ada.get(&format!("/api/payments/{}/refunds", payment.id)).await.is(200).list();
            let asked = made.iter().find(|refund| refund["reason"] == "requested").expect("the one that was asked for");
            assert_eq!((made.len(), &asked["status"]), (2, &json!("failed")), "{provider:?}");
            let why = asked["failure"].as_str().expect("why").to_lowercase();
            let code = if provider == Provider::Razorpay { "bad_request" } else { "refunded" };
            assert!(why.starts_with("the provider rejected the refund") && why.contains(code), "{why}");
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded", "which the shop learnt on this occasion");
            assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "refunded".into()));
        }
    }
}

/// The merchant gives back so many cents of a captured payment on the provider's own pages.
pub async fn refund_in_dashboard(shop: &TestShop, payment: &Payment, cents: i64) {
    let captures = shop.simulator().captures();
    let capture = captures.iter().find(|capture| capture.payment_id == payment.id).expect("a capture");
    let (id, base) = (&capture.capture, shop.simulator().base(capture.provider));
    let post = |path: String| shop.http().post(format!("{base}{path}"));
    let refund = match capture.provider {
        Provider::Stripe => post("/v1/refunds".to_owned())
            .bearer_auth(STRIPE_SECRET_KEY)
            .form(&[("charge", id), ("amount", &cents.to_string())]),
        Provider::Paypal => {
            let keys = post("/v1/oauth2/token".to_owned()).basic_auth(PAYPAL_CLIENT_ID, Some(PAYPAL_CLIENT_SECRET));
            let token = keys.form(&[("grant_type", "client_credentials")]).send().await.expect("a token");
            let token: Value = token.json().await.expect("a token");
            let amount = json!({"amount": {"currency_code": "USD", "value": money(cents)}});
            let refund = post(format!("/v2/payments/captures/{id}/refund")).json(&amount);
            refund.bearer_auth(token["access_token"].as_str().expect("a token"))
        }
        Provider::Razorpay => post(format!("/v1/payments/{id}/refund"))
            .basic_auth(RAZORPAY_KEY_ID, Some(RAZORPAY_KEY_SECRET))
            .json(&json!({"amount": cents})),
    };
    let answer = refund.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
}
