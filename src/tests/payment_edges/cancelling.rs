//! Payments of orders that are cancelled, delivered or expire.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use cartwright::shop;
use payment_simulator::{Provider, STRIPE_SECRET_KEY};
use poem::{
    Request, Response, Server,
    endpoint::make,
    http::Method,
    listener::{Acceptor, Listener, TcpListener},
};
use serde_json::json;

use crate::{
    orders::expire_unpaid_orders,
    providers::{
        check_pending_payments, deliver_webhooks, pays, somebody_waits_to_pay, somebody_who_ordered, transaction,
    },
    support::{TestShop, people::Payment},
};

on_both_engines! {
    async fn an_unsent_payment_is_not_cancelled_at_the_provider(shop: TestShop) {
        let withdrawn = "SELECT COUNT(*) FROM jobs WHERE kind = 'payments.cancel'";
        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        ada.wants_to_pay(&order).await.is(202);
        ada.cancels(&order).await.is(200);
        assert_eq!(shop.counts(withdrawn).await, 0);
        shop.runs_its_jobs().await;

        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        ada.wants_to_pay(&order).await.is(202);
        // As if a first call had failed, and the key been renewed for a second.
        shop.tampers("UPDATE payments SET provider_key = REPLACE(provider_key, '-1', '-2') WHERE status = 'queued'").await;
        ada.cancels(&order).await.is(200);
        assert_eq!(shop.counts(withdrawn).await, 1, "the first call may have left something behind");
        shop.runs_its_jobs().await;
    }

    async fn a_cash_order_that_switches_to_online_payment_expires(shop: TestShop) {
        let (mug, ada) = (shop.sells("Mug").at(12_00).await, shop.customer("ada@example.com").await);
        let order = ada.buys(&mug).await; // for cash: it would wait for ever
        ada.post("/api/payments").json(&json!({"order": order.id, "provider": "razorpay"})).await.is(202);
        for (wait, status) in [(29, "pending"), (2, "cancelled")] {
            shop.time_passes(Duration::from_mins(wait));
            expire_unpaid_orders(&shop).await;
            deliver_webhooks(&shop).await;
            assert_eq!(shop.statuses_of(&order).await.0, status);
        }
    }

    async fn a_payment_unknown_to_its_provider_can_be_cancelled(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.tampers("UPDATE payments SET transaction_id = 'gone' WHERE status = 'requires_action'").await;
            ada.cancels(&order).await.is(200);
            shop.runs_its_jobs().await; // and leaves no dead letter
            assert_eq!(ada.looks_at(&payment).await["status"], "cancelled");
            shop.tampers("UPDATE payments SET transaction_id = NULL WHERE transaction_id = 'gone'").await;
        }
    }

    async fn a_payment_cancelled_at_stripe_is_cancelled(shop: TestShop) {
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        let cancel = format!("/v1/payment_intents/{}/cancel", transaction(&payment));
        let cancel = shop.http().post(format!("{}{cancel}", shop.simulator().base(Provider::Stripe)));
        assert_eq!(cancel.bearer_auth(STRIPE_SECRET_KEY).send().await.expect("an answer").status(), 200);
        deliver_webhooks(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "cancelled");
        assert_eq!(shop.statuses_of(&order).await, ("pending".into(), "failed".into()));
    }

    async fn a_waiting_payment_ends_with_its_order_or_when_its_time_is_up(shop: TestShop) {
        let (_, pending, _) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        let (_, wanted, _) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        shop.admin().await.sets_status(&wanted, "confirmed").await.is(200);
        for (minutes, wait) in [(29, 2), (2, 1)] {
            shop.time_passes(Duration::from_mins(minutes));
            check_pending_payments(&shop).await;
            let waiting = shop.counts("SELECT COUNT(*) FROM payments WHERE status = 'requires_action'").await;
            assert_eq!(waiting, wait, "after {minutes} minutes more");
        }
        expire_unpaid_orders(&shop).await;
        assert_eq!(shop.statuses_of(&pending).await.0, "cancelled");
        shop.runs_its_jobs().await;
    }

    async fn an_open_duplicate_payment_is_cancelled(shop: TestShop) {
        shop.expects_in_log("the provider has a duplicate of a payment; ending it");
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        // As if we had lost sight of this one, and made another.
        shop.tampers("UPDATE payments SET transaction_id = 'pi_lost'").await;
        let event = shop.simulator().webhook("payment_intent.payment_failed", transaction(&payment));
        shop.receives_webhook(&event).await.is(200);
        deliver_webhooks(&shop).await;
        assert!(shop.simulator().buyer_pays(transaction(&payment)).is_err(), "it cannot be paid any more");
    }

    async fn delivering_an_unpaid_order_captures_no_online_payment(shop: TestShop) {
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        for status in ["confirmed", "shipped", "delivered"] {
            shop.admin().await.sets_status(&order, status).await.is(200);
        }
        assert_eq!(ada.looks_at(&payment).await["status"], "requires_action");
        assert_eq!(shop.statuses_of(&order).await, ("delivered".into(), "processing".into()));
        pays(&shop, &payment).await;
        assert_eq!(shop.statuses_of(&order).await, ("delivered".into(), "paid".into()));
    }

    async fn a_cancelled_order_keeps_the_status_of_its_failed_payment(shop: TestShop) {
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        shop.simulator().buyer_is_declined(transaction(&payment)).expect("a decline");
        deliver_webhooks(&shop).await;
        ada.cancels(&order).await.is(200);
        deliver_webhooks(&shop).await;
        assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "failed".into()));
    }

    async fn an_order_cancelled_while_stripe_is_being_asked_cannot_be_paid(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
        let meanwhile = {
            let (shop, ada) = (shop.clone(), ada.clone());
            move || {
                let (shop, ada, order) = (shop.clone(), ada.clone(), order.id);
                async move {
                    ada.post(&format!("/api/orders/{order}/cancel")).await.is(200);
                    shop.runs_its_jobs().await; // asks Stripe, which knows of nothing yet
                }
            }
        };
        let slow = stands_between(&shop, meanwhile).await;
        let waits = shop.opens_again(|settings| {
            settings.payments.providers.get_mut(&shop::Provider::Stripe).expect("keys").api_base = slow;
        }).await;
        waits.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "cancelled");
        let transaction = ada.looks_at(&payment).await["transaction_id"].as_str().expect("Stripe's name").to_owned();
        assert!(shop.simulator().buyer_pays(&transaction).is_err(), "it was withdrawn");
    }
}

/// Stands between the shop and Stripe: lets something happen before it passes the first creation on. Its address.
async fn stands_between<F>(shop: &TestShop, meanwhile: impl Fn() -> F + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a port");
    let address = format!("http://{}", acceptor.local_addr()[0].as_socket_addr().expect("an address"));
    let (http, stripe) = (shop.http().clone(), shop.simulator().base(Provider::Stripe));
    let first = AtomicBool::new(true);
    let app = make(move |mut call: Request| {
        let (http, url) = (http.clone(), format!("{stripe}{}", call.uri()));
        let creates = call.method() == Method::POST && call.uri().path() == "/v1/payment_intents";
        let happens = (creates && first.swap(false, Ordering::Relaxed)).then(&meanwhile);
        async move {
            if let Some(happens) = happens {
                happens.await;
            }
            let (headers, body) = (call.headers().clone(), call.take_body().into_bytes().await.expect("a body"));
            let answer =
                http.request(call.method().clone(), url).headers(headers).body(body).send().await.expect("one");
            let status = answer.status();
            Response::builder().status(status).body(answer.bytes().await.expect("a body"))
        }
    });
    tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
    address
}
