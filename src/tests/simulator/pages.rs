//! The checkout page, and which pages may use the simulator.

use reqwest::Method;
use serde_json::json;

use super::{Client, ok, send, with_form};
use crate::support::run;

#[test]
fn the_checkout_page_pays_and_redirects_to_the_shop() {
    run(async {
        let client = Client::start().await;
        let order = client.create_paypal_order().await;
        let shown = ok(client.paypal_get(&format!("/v2/checkout/orders/{order}")).await);
        let approve = shown["links"].as_array().unwrap().iter().find(|link| link["rel"] == "approve").unwrap();
        let page = client.http.get(approve["href"].as_str().unwrap()).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("SIMULATOR: no money moves") && page.contains("12.00 USD"), "{page}");
        let act = async |action: &str| {
            let response = client.request(Method::POST, &format!("/pay/paypal/{order}/{action}")).send().await.unwrap();
            (response.status().as_u16(), response.headers()["location"].to_str().unwrap().to_owned())
        };
        assert_eq!(act("cancel").await, (303, format!("https://shop.test/cart?token={order}")));
        let returned = format!("https://shop.test/paid?order=1&token={order}&PayerID=SIMULATEDBUYER");
        assert_eq!(act("pay").await, (303, returned));
        assert_eq!(ok(client.paypal_get(&format!("/v2/checkout/orders/{order}")).await)["status"], "APPROVED");

        let intent = client.create_payment_intent().await["id"].as_str().unwrap().to_owned();
        let form = [("card", "pm_card_visa"), ("return_url", "javascript:alert(1)")];
        let response =
            with_form(client.request(Method::POST, &format!("/pay/stripe/{intent}/pay")), &form).send().await.unwrap();
        assert_eq!(response.headers()["location"], format!("/pay/stripe/{intent}").as_str());
        assert_eq!(client.stripe_get(&format!("payment_intents/{intent}")).await["status"], "succeeded");
        let index = client.request(Method::GET, "/").send().await.unwrap().text().await.unwrap();
        assert!(index.contains(&order) && !index.contains(&intent) && index.contains("pm_card_stall"), "{index}");
    });
}

#[test]
fn pages_of_other_origins_cannot_set_faults() {
    run(async {
        let client = Client::start().await;
        let body = json!({"fault": "declined"}).to_string();
        let set_faults = |kind: &str, origin: Option<&str>| {
            let request =
                client.request(Method::POST, "/simulator/faults").header("content-type", kind).body(body.clone());
            let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
            async move { send(request).await.expect("a response").0 }
        };
        let (own, json) = (client.simulator.url(), "application/json");
        assert_eq!(set_faults("text/plain", None).await, 415);
        for foreign in ["https://evil.example", "http://localhost:8000", "null", "https://127.0.0.1"] {
            assert_eq!(set_faults(json, Some(foreign)).await, 403, "{foreign}");
            assert_eq!(set_faults("text/plain", Some(foreign)).await, 403, "{foreign}");
        }
        // A foreign name that resolves to this machine, as with DNS rebinding.
        let rebound = client.request(Method::DELETE, "/simulator/faults");
        let rebound = rebound.header("host", "evil.example:12111").header("origin", "http://evil.example:12111");
        assert_eq!(send(rebound).await.expect("a response").0, 403);
        assert_eq!(client.simulator.faults_waiting(), 0);

        let order = client.create_paypal_order().await;
        let pay =
            client.request(Method::POST, &format!("/pay/paypal/{order}/pay")).header("origin", "https://evil.example");
        assert_eq!(send(pay).await.expect("a response").0, 403);

        assert_eq!(set_faults(json, Some(own)).await, 200);
        assert_eq!(set_faults("application/json; charset=utf-8", None).await, 200);
        assert_eq!(client.simulator.faults_waiting(), 2);
    });
}
