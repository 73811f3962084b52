//! Payments that the provider has accepted and is processing, because a bank takes days: they hold their order, for so long.

use std::time::Duration;

use payment_simulator::{Fault, Provider};
use serde_json::{Value, json};

use crate::{
    orders::expire_unpaid_orders,
    providers::{
        amounts_captured, amounts_refunded, check_pending_payments, deliver_webhooks, pays, somebody_waits_to_pay,
        somebody_who_ordered, transaction,
    },
    support::{Order, Person, TestShop, people::Payment},
};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

on_both_engines! {
    async fn a_payment_that_a_bank_is_processing_holds_its_order(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        let shop = where_sign_ins_last(&shop).await;
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_for_a_bank(&shop, provider).await;
            let waiting = ada.looks_at(&payment).await;
            assert!(waiting["processing_since"].is_string(), "{provider:?}: {waiting}");
            assert!(waiting["client_secret"].is_null() && waiting["approval_url"].is_null() && waiting["key_id"].is_null(), "{waiting}");
            for wait in [31 * MINUTE, 9 * DAY] {
                unpaid_orders_expire_after(&shop, wait).await;
                assert_eq!(standing(&ada, &order).await, ["pending", "processing"], "{provider:?}");
            }
            shop.simulator().bank_clears(transaction(&payment)).expect("the money");
            deliver_webhooks(&shop).await;
            let paid = ada.looks_at(&payment).await;
            assert_eq!((&paid["status"], &paid["processing_since"]), (&json!("captured"), &Value::Null), "{provider:?}");
            assert_eq!(standing(&ada, &order).await, ["confirmed", "paid"]);
            assert_eq!(amounts_captured(&shop, &payment), [12_00]);
        }
    }

    async fn a_bank_that_takes_too_long_loses_the_order_and_its_money_goes_back(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let shop = where_sign_ins_last(&shop).await;
        for (given_back, provider) in (1..).zip(Provider::ALL) {
            let (ada, order, payment) = somebody_waits_for_a_bank(&shop, provider).await;
            for (wait, stands) in [(20 * DAY, ["pending", "processing"]), (2 * DAY, ["cancelled", "unpaid"])] {
                unpaid_orders_expire_after(&shop, wait).await;
                assert_eq!(standing(&ada, &order).await, stands, "{provider:?}");
            }
            assert_eq!(pieces_in_stock(&shop).await, given_back);
            assert_eq!(ada.looks_at(&payment).await["status"], "cancelled");

            shop.simulator().bank_clears(transaction(&payment)).expect("the money");
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded", "{provider:?}");
            assert_eq!(standing(&ada, &order).await, ["cancelled", "refunded"]);
            assert_eq!((amounts_captured(&shop, &payment), amounts_refunded(&shop, &payment)), (vec![12_00], vec![12_00]));
        }
    }

    async fn a_bank_that_says_no_leaves_the_time_that_an_unpaid_order_has(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        let shop = where_sign_ins_last(&shop).await;
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_for_a_bank(&shop, provider).await;
            unpaid_orders_expire_after(&shop, 3 * DAY).await;
            shop.simulator().bank_bounces(transaction(&payment)).expect("a no");
            deliver_webhooks(&shop).await;
            let failed = ada.looks_at(&payment).await;
            assert_eq!((&failed["status"], &failed["processing_since"]), (&json!("failed"), &Value::Null), "{failed}");
            for (wait, stands) in [(29 * MINUTE, ["pending", "failed"]), (2 * MINUTE, ["cancelled", "failed"])] {
                unpaid_orders_expire_after(&shop, wait).await;
                assert_eq!(standing(&ada, &order).await, stands, "{provider:?}");
            }
        }
    }

    async fn after_the_bank_said_no_the_order_can_be_paid_otherwise(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        let shop = where_sign_ins_last(&shop).await;
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_for_a_bank(&shop, provider).await;
            unpaid_orders_expire_after(&shop, 3 * DAY).await;
            ada.wants_to_pay(&order).await.is(409).with_code("payment_in_progress");
            shop.simulator().bank_bounces(transaction(&payment)).expect("a no");
            deliver_webhooks(&shop).await;
            let again: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
            deliver_webhooks(&shop).await;
            pays(&shop, &ada.looks_at(&again).await.into()).await;
            assert_eq!(standing(&ada, &order).await, ["confirmed", "paid"], "{provider:?}");
            assert_eq!((amounts_captured(&shop, &payment), amounts_captured(&shop, &again)), (vec![], vec![12_00]));
        }
    }

    async fn a_declined_payment_that_a_bank_then_processes_blocks_others(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        let shop = where_sign_ins_last(&shop).await;
        for provider in [Provider::Stripe, Provider::Razorpay] { // whose pages let the buyer try again at once
            for clears in [true, false] {
                let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
                shop.simulator().buyer_is_declined(transaction(&payment)).expect("a decline");
                deliver_webhooks(&shop).await;
                assert_eq!(standing(&ada, &order).await, ["pending", "failed"]);
                shop.simulator().buyer_pays_later(transaction(&payment)).expect("a bank");
                deliver_webhooks(&shop).await;
                assert_eq!(standing(&ada, &order).await, ["pending", "processing"], "{provider:?}");
                let goes_on = ada.looks_at(&payment).await;
                assert_eq!(goes_on["status"], "failed", "it only moves forward");
                assert!(goes_on["processing_since"].is_string(), "{goes_on}");
                ada.wants_to_pay(&order).await.is(409).with_code("payment_in_progress");
                unpaid_orders_expire_after(&shop, 2 * DAY).await;
                let bank = shop.simulator();
                let said = if clears { bank.bank_clears(transaction(&payment)) } else { bank.bank_bounces(transaction(&payment)) };
                said.expect("the bank's answer");
                deliver_webhooks(&shop).await;
                let stands = if clears { ["confirmed", "paid"] } else { ["pending", "failed"] };
                assert_eq!(standing(&ada, &order).await, stands, "{provider:?}");
                if !clears {
                    ada.wants_to_pay(&order).await.is(202);
                    deliver_webhooks(&shop).await;
                }
            }
        }
    }

    async fn a_bank_payment_of_a_cancelled_order_is_refunded_without_webhooks(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let shop = where_sign_ins_last(&shop).await;
        for (given_back, provider) in (1..).zip(Provider::ALL) {
            let (ada, order, payment) = somebody_waits_for_a_bank(&shop, provider).await;
            ada.cancels(&order).await.is(200);
            deliver_webhooks(&shop).await;
            assert_eq!(standing(&ada, &order).await, ["cancelled", "unpaid"]);
            assert_eq!(pieces_in_stock(&shop).await, given_back);
            passes(&shop, 8 * DAY).await;
            shop.simulator().bank_clears(transaction(&payment)).expect("the money");
            drop(shop.simulator().webhooks()); // all lost
            check_pending_payments(&shop).await;
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded", "{provider:?}");
            assert_eq!(amounts_refunded(&shop, &payment), [12_00]);
        }
    }

    async fn a_failed_check_holds_no_order(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let shop = where_sign_ins_last(&shop).await;
        for provider in Provider::ALL {
            let (ada, order) = somebody_who_ordered(&shop, provider).await;
            let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
            shop.simulator().next(provider, Fault::CutBefore);
            shop.runs_its_jobs().await;
            let asked = ada.looks_at(&payment).await;
            assert_eq!((&asked["status"], &asked["processing_since"]), (&json!("queued"), &Value::Null));
            unpaid_orders_expire_after(&shop, 31 * MINUTE).await;
            assert_eq!(standing(&ada, &order).await, ["cancelled", "unpaid"], "{provider:?}");
        }
    }

    async fn a_payment_processing_for_an_hour_is_checked_every_ten_minutes(shop: TestShop) {
        let shop = where_sign_ins_last(&shop).await;
        for provider in [Provider::Stripe, Provider::Paypal] {
            for (waits, then) in [
                (58 * MINUTE, [(MINUTE / 4, "requires_action"), (MINUTE / 2, "captured")]),
                (61 * MINUTE, [(9 * MINUTE, "requires_action"), (2 * MINUTE, "captured")]),
            ] {
                let (ada, _, payment) = somebody_waits_for_a_bank(&shop, provider).await;
                shop.time_passes(waits);
                check_pending_payments(&shop).await;
                shop.simulator().bank_clears(transaction(&payment)).expect("the money");
                drop(shop.simulator().webhooks()); // all lost
                for (wait, status) in then {
                    shop.time_passes(wait);
                    check_pending_payments(&shop).await;
                    assert_eq!(ada.looks_at(&payment).await["status"], status, "{provider:?}");
                }
                shop.runs_its_jobs().await;
            }
        }
    }

    async fn the_shop_captures_what_razorpay_only_authorized(shop: TestShop) {
        let shop = where_sign_ins_last(&shop).await;
        let (ada, order, payment) = somebody_waits_for_a_bank(&shop, Provider::Razorpay).await;
        for (wait, status, cents) in [(5, "requires_action", vec![]), (11, "captured", vec![12_00])] {
            shop.time_passes(wait * MINUTE);
            check_pending_payments(&shop).await;
            assert_eq!((ada.looks_at(&payment).await["status"].as_str(), amounts_captured(&shop, &payment)), (Some(status), cents));
        }
        deliver_webhooks(&shop).await;
        assert_eq!(standing(&ada, &order).await, ["confirmed", "paid"]);
    }

    async fn an_authorization_of_a_cancelled_order_is_not_captured(shop: TestShop) {
        let shop = where_sign_ins_last(&shop).await;
        let (ada, order, payment) = somebody_waits_for_a_bank(&shop, Provider::Razorpay).await;
        ada.cancels(&order).await.is(200);
        deliver_webhooks(&shop).await;
        shop.time_passes(20 * MINUTE);
        check_pending_payments(&shop).await;
        assert_eq!((ada.looks_at(&payment).await["status"].as_str(), amounts_captured(&shop, &payment)), (Some("cancelled"), vec![]));
    }

    async fn a_bank_is_waited_for_as_long_by_an_order_that_does_not_expire(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        let shop = where_sign_ins_last(&shop).await;
        let (ada, order, payment) = somebody_waits_for_a_bank(&shop, Provider::Paypal).await;
        shop.admin().await.sets_status(&order, "confirmed").await.is(200);
        for (wait, status, stands) in [
            (20 * DAY, "requires_action", ["confirmed", "processing"]), (2 * DAY, "cancelled", ["confirmed", "failed"]),
        ] {
            passes(&shop, wait).await;
            check_pending_payments(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], status);
            assert_eq!(standing(&ada, &order).await, stands);
        }
        ada.wants_to_pay(&order).await.is(202);
        deliver_webhooks(&shop).await;
    }
}

/// The same shop beside itself, where nobody has to sign in again within a year.
async fn where_sign_ins_last(shop: &TestShop) -> TestShop {
    shop.opens_again(|settings| settings.accounts.access_token_ttl = 365 * DAY).await
}

/// Somebody who has paid by a bank that takes its time.
async fn somebody_waits_for_a_bank(shop: &TestShop, provider: Provider) -> (Person, Order, Payment) {
    let (ada, order, payment) = somebody_waits_to_pay(shop, provider).await;
    shop.simulator().buyer_pays_later(transaction(&payment)).expect("a bank");
    deliver_webhooks(shop).await;
    (ada, order, payment)
}

/// Time passes. After some hours PayPal takes the shop's token back, and who asks first hears so: here a stranger's event.
async fn passes(shop: &TestShop, time: Duration) {
    shop.time_passes(time);
    shop.receives_webhook(&shop.simulator().webhook_of(Provider::Paypal, "CHECKOUT.ORDER.APPROVED", "NOBODYS")).await;
}

async fn unpaid_orders_expire_after(shop: &TestShop, wait: Duration) {
    passes(shop, wait).await;
    expire_unpaid_orders(shop).await;
    deliver_webhooks(shop).await;
}

/// How an order stands, as its buyer sees it.
async fn standing(buyer: &Person, order: &Order) -> [String; 2] {
    let order = buyer.sees(order).await;
    ["status", "payment_status"].map(|name| order[name].as_str().expect("a status").to_owned())
}

async fn pieces_in_stock(shop: &TestShop) -> i64 {
    shop.counts("SELECT CAST(COALESCE(SUM(units), 0) AS BIGINT) FROM stock").await
}
