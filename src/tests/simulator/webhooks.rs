//! Webhooks, as a shop gets them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use payment_simulator::{Fault, Provider};
use poem::{
    Server,
    endpoint::make,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
};
use serde_json::json;

use super::{Client, ok};
use crate::support::{eventually, run};

/// A shop's webhook endpoint. It refuses the first webhooks, then accepts all.
struct WebhookEndpoint {
    url: String,
    signatures: Arc<Mutex<Vec<String>>>,
}

impl WebhookEndpoint {
    async fn start(refusals: usize) -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let url = format!("http://{}", acceptor.local_addr()[0].as_socket_addr().unwrap());
        let signatures: Arc<Mutex<Vec<String>>> = Arc::default();
        let received = Arc::clone(&signatures);
        let app = make(move |request: poem::Request| {
            assert_eq!(request.uri().path(), "/api/payments/webhooks/stripe");
            let mut received = received.lock().unwrap();
            received.push(request.header("stripe-signature").unwrap().to_owned());
            let status = if received.len() > refusals { StatusCode::OK } else { StatusCode::BAD_REQUEST };
            async move { status }
        });
        tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
        Self { url, signatures }
    }

    /// Of all webhooks that were sent, also of those that were refused.
    fn signatures(&self) -> Vec<String> {
        self.signatures.lock().unwrap().clone()
    }
}

/// Charges a card with this fault in its webhook, and waits until the shop got `expected` webhooks.
async fn charge_and_count(fault: Option<Fault>, refusals: usize, expected: usize) -> (Client, WebhookEndpoint) {
    let shop = WebhookEndpoint::start(refusals).await;
    let (url, short) = (shop.url.clone(), Duration::from_millis(1));
    let client = Client::start_with(|options| {
        options.webhooks_to = Some(url);
        (options.retry_after, options.webhook_delay) = (short, short);
    })
    .await;
    if let Some(fault) = fault {
        client.simulator.next(Provider::Stripe, fault);
    }
    ok(client.charge("k").await);
    eventually("the webhooks are sent", async || {
        shop.signatures().len() >= expected && client.simulator.webhooks_under_way() == 0
    })
    .await;
    assert_eq!(shop.signatures().len(), expected);
    (client, shop)
}

#[test]
fn a_webhook_is_sent_until_the_shop_accepts_it() {
    run(async {
        charge_and_count(None, 0, 1).await;
        let (client, _) = charge_and_count(None, 3, 4).await;
        assert_eq!(
            (&client.ledger().await["webhooks"]["accepted"], &client.ledger().await["webhooks"]["refused"]),
            (&json!(1), &json!(3))
        );
    });
}

#[test]
fn webhooks_are_duplicated_late_badly_signed_or_lost() {
    run(async {
        charge_and_count(Some(Fault::WebhookDuplicated), 0, 2).await;
        charge_and_count(Some(Fault::WebhookLate), 0, 1).await;
        charge_and_count(Some(Fault::WebhookEarly), 0, 1).await;
        charge_and_count(Some(Fault::WebhookLost), 0, 0).await;
        let (_, shop) = charge_and_count(Some(Fault::WebhookBadlySigned), 1, 2).await;
        let [bad, good] = shop.signatures().try_into().expect("two");
        assert_ne!(bad, good);
    });
}

#[test]
fn a_shuffled_webhook_is_sent_after_the_next() {
    run(async {
        let client = Client::start().await;
        client.simulator.next(Provider::Razorpay, Fault::WebhookShuffled);
        client.create_paid_razorpay_order().await;
        let kinds: Vec<String> = client.simulator.webhooks().into_iter().map(|webhook| webhook.kind).collect();
        assert_eq!(kinds, ["payment.captured", "payment.authorized", "order.paid"]);
    });
}
