//! Faults, as scripts and tests set them.

use std::time::Duration;

use payment_simulator::Fault;
use reqwest::Method;
use serde_json::json;

use super::{Client, ok, send};
use crate::support::run;

#[test]
fn each_fault_is_injected_before_or_after_the_money_moves() {
    run(async {
        for (fault, status, captures) in [
            (Fault::CutBefore, None, 0),
            (Fault::CutAfter, None, 1),
            (Fault::TimeoutBefore, None, 0),
            (Fault::TimeoutAfter, Some(200), 1),
            (Fault::ErrorBefore, Some(500), 0),
            (Fault::ErrorAfter, Some(500), 1),
            (Fault::RateLimited, Some(429), 0),
            (Fault::Declined, Some(402), 0),
            (Fault::WrongAmount, Some(200), 1),
        ] {
            let client = Client::start_with(|options| options.stall = Duration::from_millis(1)).await;
            ok(client.set_faults(&json!({"provider": "stripe", "fault": fault})).await);
            let reply = client.charge("k").await;
            assert_eq!(reply.as_ref().map(|(status, _)| *status), status, "{fault:?}");
            assert_eq!(client.simulator.captures().len(), captures, "{fault:?}");
            if fault == Fault::WrongAmount {
                assert_eq!(reply.unwrap().1["amount"], 1201);
                assert_eq!(client.charge("k").await.unwrap().1["amount"], 1200);
            }
            assert_eq!(client.ledger().await["faults"][fault.name()], 1);
        }
    });
}

#[test]
fn faults_can_be_limited_to_an_endpoint_and_removed() {
    run(async {
        let client = Client::start().await;
        let capture = json!({"provider": "paypal", "fault": "error_before", "on": "/capture"});
        ok(client.set_faults(&capture).await);
        let order = client.create_paypal_order().await;
        client.simulator.buyer_pays(&order).unwrap();
        let path = format!("/v2/checkout/orders/{order}/capture");
        assert_eq!(client.paypal_post(&path, &json!({}), "c").await.unwrap().0, 500);
        assert_eq!(client.paypal_post(&path, &json!({}), "c").await.unwrap().0, 201);

        ok(client.set_faults(&json!({"fault": "cut_before", "times": 3})).await);
        ok(send(client.request(Method::DELETE, "/simulator/faults")).await);
        assert_eq!(client.charge("k").await.unwrap().0, 200);
        for invalid in [json!({"fault": "flood"}), json!({"rate": 2.0}), json!({}), json!({"speed": 1})] {
            assert_eq!(client.set_faults(&invalid).await.unwrap().0, 400, "{invalid}");
        }
    });
}

#[test]
fn scripted_faults_are_limited() {
    run(async {
        let client = Client::start().await;
        for invalid in [
            json!({"fault": "declined", "times": u64::MAX}),
            json!({"fault": "declined", "times": 101}),
            json!({"fault": "declined", "on": "/".repeat(201)}),
            json!({"rate": 0.5, "only": vec!["declined"; 20]}),
            json!({"stall_ms": u64::MAX}),
            json!({"stall_ms": 600_001}),
        ] {
            assert_eq!(client.set_faults(&invalid).await.unwrap().0, 400, "{invalid:.100}");
        }
        for valid in [json!({"fault": "declined", "times": 100}), json!({"stall_ms": 600_000})] {
            ok(client.set_faults(&valid).await);
        }
        assert_eq!(client.simulator.faults_waiting(), 100);
    });
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    run(async {
        let responses = async |seed: u64| {
            let client = Client::start_with(|options| options.stall = Duration::ZERO).await;
            ok(client.set_faults(&json!({"rate": 0.5, "seed": seed})).await);
            let mut statuses = Vec::new();
            for number in 0..40 {
                statuses.push(client.charge(&format!("k{number}")).await.map(|(status, _)| status));
            }
            statuses
        };
        let first = responses(7).await;
        assert_eq!(first, responses(7).await);
        assert_ne!(first, responses(8).await);
        assert!(first.contains(&None) && first.contains(&Some(200)), "{first:?}");
    });
}
