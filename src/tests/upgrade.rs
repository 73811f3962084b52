//! In the folder of the previous version's data this version starts, upgrades and goes on selling.
//!
//! `upgrade/version_3.sql` is what a shop of the previous version left behind when it was stopped in the middle of its
//! work: rows of every kind, orders and payments in each status, jobs that wait and one whose worker died. It was written
//! by that version, and no later one changes it: whatever migrations come after 0003 run over these rows.

use std::{collections::BTreeSet, fs, time::Duration};

use payment_simulator::{Provider, STRIPE_SECRET_KEY};
use serde_json::{Value, json};

use crate::{
    providers::{deliver_webhooks, refunds},
    support::{Engine, Person, Product, TestShop, people::Payment, run_story_in, smtp::Mail, sources::root},
};

/// The previous version's newest migration.
const VERSION: i64 = 3;
const ROWS: &str = include_str!("upgrade/version_3.sql");

/// Of the session in which ada was signed in when the shop was stopped.
const ACCESS: &str = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJjYXJ0d3JpZ2h0IiwiYXVkIjoiY2FydHdyaWdodC1hcGkiLCJzdWIiOiIyIiwic2lkIjoiYzE5ZmNlNGQtNmFmYi00YjgxLThiZmEtNDVmM2U4MDczMDFiIiwianRpIjoiYWQ0YjVmYTctMTk5MC00NGZiLWFhNDYtODIzZmIxNjIzNDI3IiwiaWF0IjoxNzM2OTI1NTk1LCJuYmYiOjE3MzY5MjU1OTUsImV4cCI6MTczNzAxMTk5NX0.y04FMB5bzmiWRhECV1DxwvCRHY5pTeOTZo1gXs3Jb3M";
const REFRESH: &str = "71e559dbaf2fde7b4927174dd7dc10c04322db656895cd230dd410a8da90abb6";
/// Of the link in the e-mail that lin had not opened yet.
const VERIFICATION: &str = "4eb04f93d5c8c8d595c00a573f383be2fa43d0a663c1e516ecc9888479994238";

#[test]
fn a_shop_of_the_previous_version_goes_on_selling_on_sqlite() {
    run_story_in(TestShop::upgrade_from(Engine::Sqlite, VERSION, ROWS), goes_on_selling);
}

#[test]
fn a_shop_of_the_previous_version_goes_on_selling_on_postgres() {
    run_story_in(TestShop::upgrade_from(Engine::Postgres, VERSION, ROWS), goes_on_selling);
}

/// What is not among the rows is not upgraded by the story.
#[test]
fn the_previous_version_left_rows_in_every_table() {
    let migrations = root().join("migrations/postgres");
    let mut tables = BTreeSet::new();
    for entry in fs::read_dir(migrations).expect("the migrations").flatten() {
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        if name[..4].parse::<i64>().is_ok_and(|version| version <= VERSION) {
            let sql = fs::read_to_string(entry.path()).expect("a migration");
            tables.extend(words_behind(&sql, "CREATE TABLE "));
        }
    }
    assert!(tables.len() > 20);
    assert_eq!(words_behind(ROWS, "INSERT INTO ").into_iter().collect::<BTreeSet<_>>(), tables);
}

fn words_behind(sql: &str, what: &str) -> Vec<String> {
    let rest = sql.lines().filter_map(|line| line.strip_prefix(what));
    rest.filter_map(|rest| rest.split_whitespace().next()).map(ToOwned::to_owned).collect()
}

async fn goes_on_selling(shop: TestShop) {
    for (what, statuses) in [
        ("SELECT COUNT(DISTINCT status) FROM orders", 5),
        ("SELECT COUNT(DISTINCT status) FROM payments", 8),
        ("SELECT COUNT(DISTINCT status) FROM refunds", 3),
        ("SELECT COUNT(DISTINCT state) FROM jobs", 4),
    ] {
        assert_eq!(shop.counts(what).await, statuses, "{what}");
    }
    let before = standings(&shop).await;
    the_provider_remembers(&shop).await;

    shop.db().migrate().await.expect("the rows are upgraded");
    assert_eq!(shop.db().pending_migrations().await.expect("an answer"), 0);
    shop.time_passes(Duration::from_mins(55));

    let (ada, admin) = they_are_known(&shop).await;
    assert_eq!(standings(&shop).await, before, "what was ordered and paid stands as it did");
    everything_is_shown(&ada, &admin).await;
    what_was_under_way_ends(&shop, &ada).await;
    and_it_sells(&shop, &ada, &admin).await;
}

/// Every order as it is in the database: number, status, status of its payment, total.
async fn standings(shop: &TestShop) -> Vec<(String, String, String, i64)> {
    let orders = "SELECT order_number, status, payment_status, total_price FROM orders ORDER BY id";
    shop.db().query(orders).fetch_all().await.expect("the orders")
}

/// The provider of a story has seen nothing of what was paid in the previous version. It learns of the payments that are
/// not at their end.
async fn the_provider_remembers(shop: &TestShop) {
    let open = "SELECT id, order_id, status, amount, transaction_id FROM payments WHERE provider = 'stripe'
                AND (status IN ('processing', 'requires_action')
                     OR id IN (SELECT payment_id FROM refunds WHERE status = 'queued'))";
    let open: Vec<(uuid::Uuid, i64, String, i64, String)> =
        shop.db().query(open).fetch_all().await.expect("the payments");
    assert_eq!(open.len(), 3, "{open:?}");
    for (payment, order, status, amount, known_as) in open {
        let (payment, order, amount) = (payment.to_string(), order.to_string(), amount.to_string());
        let mut form = vec![
            ("amount", amount.as_str()),
            ("currency", "usd"),
            ("metadata[payment_id]", payment.as_str()),
            ("metadata[order_id]", order.as_str()),
        ];
        if status != "requires_action" {
            let card = if status == "captured" { "pm_card_visa" } else { "pm_card_processing" };
            form.extend([("payment_method", card), ("confirm", "true")]);
        }
        let address = format!("{}/v1/payment_intents", shop.simulator().base(Provider::Stripe));
        let made =
            shop.http().post(address).bearer_auth(STRIPE_SECRET_KEY).form(&form).send().await.expect("an answer");
        let made: Value = made.json().await.expect("an intent");
        let intent = made["id"].as_str().unwrap_or_else(|| panic!("no intent: {made}")).to_owned();
        for rename in [
            "UPDATE payments SET transaction_id = $2, capture_id = REPLACE(capture_id, REPLACE($1, 'pi_', 'ch_'), REPLACE($2, 'pi_', 'ch_'))
             WHERE transaction_id = $1",
            "UPDATE webhooks SET body = REPLACE(body, $1, $2)",
        ] {
            let mut tx = shop.db().write().await.expect("a transaction");
            tx.query(rename).bind(known_as.clone()).bind(intent.clone()).execute().await.expect("the new name");
            tx.commit().await.expect("it is kept");
        }
    }
    drop(shop.simulator().webhooks()); // what was told then was told to the previous version
}

/// Who was signed in still is, passwords and letters are still good.
async fn they_are_known(shop: &TestShop) -> (Person, Person) {
    let mut ada = shop.visitor().with_token(ACCESS);
    ada.refresh = REFRESH.to_owned();
    let profile = ada.get("/api/profile").await.is(200);
    assert_eq!((&profile["email"], &profile["city"]), (&json!("ada@example.com"), &json!("London")));
    ada.refreshes().await.is(200);
    ada.get("/api/profile").await.is(200);
    shop.visitor().post("/api/auth/email/verify").json(&json!({"token": VERIFICATION})).await.is(204);
    let mut admin = shop.visitor();
    admin.email = "boss@example.com".to_owned();
    admin.signs_in().await;
    (ada, admin)
}

/// No list and no single thing of the previous version is too odd to be shown.
async fn everything_is_shown(ada: &Person, admin: &Person) {
    let orders = ada.orders().await;
    assert!(orders.len() >= 15, "{} orders", orders.len());
    for order in &orders {
        assert_eq!(ada.get(&format!("/api/orders/{}", order["id"])).await.is(200)["total_price"], order["total_price"]);
    }
    let payments = ada.get("/api/payments?per_page=100").await.is(200).list();
    assert!(payments.len() >= 10, "{} payments", payments.len());
    for payment in &payments {
        let id = payment["id"].as_str().expect("an id");
        ada.get(&format!("/api/payments/{id}/refunds")).await.is(200);
    }
    assert_eq!(ada.cart().await["total_items"], 2);
    assert_eq!(ada.get("/api/wishlist").await.is(200).list().len(), 1);
    let products = ada.get("/api/products?search=mug").await.is(200).list();
    assert_eq!((products.len(), &products[0]["rating"]), (1, &json!(4.0)));
    let pot = admin.get("/api/products/2").await.is(200);
    assert_eq!((&pot["description"], &pot["description_html"]), (&json!("It's a pot."), &json!(null)));
    for path in [
        "/api/products/1",
        "/api/products/1/reviews",
        "/api/categories",
        "/api/brands",
        "/api/admin/users",
        "/api/admin/inventory",
        "/api/admin/inventory/movements?product=1",
        "/api/admin/inventory/reconciliation",
        "/api/admin/payments/reconciliation",
        "/api/admin/jobs?state=dead",
        "/api/admin/jobs/queues",
        "/api/admin/webhooks",
        "/api/dashboard/sales",
        "/api/dashboard/top-products",
    ] {
        admin.get(path).await.is(200);
    }
}

/// The jobs that waited run, also the one whose worker died; the payment that was queued is made, the refund goes back.
async fn what_was_under_way_ends(shop: &TestShop, ada: &Person) {
    let of = async |status: &str| {
        let payments = ada.get("/api/payments?per_page=100").await.is(200).list();
        payments.into_iter().filter(|payment| payment["status"] == status).map(Payment::from).collect::<Vec<_>>()
    };
    let (queued, waiting) = (of("queued").await.remove(0), of("requires_action").await.remove(0));
    deliver_webhooks(shop).await;
    assert_eq!(ada.looks_at(&queued).await["status"], "captured");
    assert_eq!(shop.counts("SELECT COUNT(*) FROM refunds WHERE status = 'queued'").await, 0);
    assert_eq!(shop.simulator().refunds().iter().map(|refund| refund.amount).collect::<Vec<_>>(), [2_00]);
    assert_eq!(shop.counts("SELECT COUNT(*) FROM jobs WHERE state IN ('pending', 'running')").await, 0);
    let subjects: Vec<String> = shop.mail().mails().iter().map(Mail::subject).collect();
    let confirmations =
        subjects.iter().filter(|subject| subject.starts_with("Your order") && subject.ends_with("at Cartwright"));
    assert_eq!(confirmations.count(), 2, "the two that waited, and none again: {subjects:?}");

    let intent = ada.looks_at(&waiting).await["transaction_id"].as_str().expect("the intent").to_owned();
    shop.simulator().buyer_pays(&intent).expect("the buyer can still pay");
    deliver_webhooks(shop).await;
    assert_eq!(ada.looks_at(&waiting).await["status"], "captured");
}

async fn and_it_sells(shop: &TestShop, ada: &Person, admin: &Person) {
    // What was asked before the upgrade is answered as it was then.
    let last = json!({"items": [{"product": 2, "quantity": 1}], "payment_method": "cash_on_delivery", "shipping_address": "12 St James's Square\nLondon"});
    let again = ada.post("/api/orders").json(&last).once("the-last-order").await.is(201);
    assert_eq!(again.header("idempotent-replayed"), "true");

    let mug: Product = shop.visitor().get("/api/products/1").await.is(200).json().into();
    let stock = shop.stock_of(&mug).await;
    let orders = ada.orders().await;
    let unpacked = orders.into_iter().find(|order| order["order_number"] == "20250115-63WYDZSE").expect("two mugs");
    ada.cancels(&unpacked.into()).await.is(200);
    let lin = shop.customer("lin.new@example.com").await;
    let order = lin.buys_online(&mug).await;
    let payment = lin.pays_with("pm_card_visa", &order).await;
    deliver_webhooks(shop).await;
    let paid = lin.sees(&order).await;
    assert_eq!((&paid["status"], &paid["payment_status"]), (&json!("confirmed"), &json!("paid")));
    assert_eq!(shop.stock_of(&mug).await, stock + 2 - 1);
    refunds(admin, &payment, &json!({"amount": "1.00"})).await.is(202);
    admin.sets_status(&order, "shipped").await.is(200);
    deliver_webhooks(shop).await;
    assert_eq!(lin.looks_at(&payment).await["refunded"], "1.00");

    let dead = admin.get("/api/admin/jobs?state=dead").await.is(200).list();
    admin.post(&format!("/api/admin/jobs/{}/retry", dead[0]["id"])).await.succeeds();
    deliver_webhooks(shop).await;
    assert_eq!(admin.get("/api/admin/jobs?state=dead").await.is(200).list(), Vec::<Value>::new());
}
