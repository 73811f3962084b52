//! Who may call what: one row for every operation of the API document, proven for nobody, a stranger, the owner and an
//! admin. An operation without a row fails, so does a row without an operation.

use std::collections::BTreeMap;

use cartwright::{
    app::{api, document::operations},
    payments::providers::ONLINE,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Person, TestShop};

/// Who may call an operation. Who may not gets 401 without a sign-in, 403 with one; what is not theirs is 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// Everybody.
    All,
    /// Everybody who is signed in; about themselves only.
    Users,
    /// Whose it is; to others it is not there, admins excepted.
    OwnersAndAdmins,
    /// Whose it is; to others, admins too, it is not there.
    OwnersAlone,
    /// Whose it is: who wrote it, or bought what it is about. Everybody sees it, so others hear that they may not.
    Authors,
    /// The same, and admins.
    AuthorsAndAdmins,
    Admins,
}

use For::{Admins, All, Authors, AuthorsAndAdmins, OwnersAlone, OwnersAndAdmins, Users};

/// Without the webhooks of the payment providers: everybody may call them, see [`declared`].
#[rustfmt::skip]
const ROWS: &[(For, &[&str])] = &[
    (All, &[
        "register", "login", "refreshToken", "forgotPassword", "resetPassword", "verifyEmail",
        "listCategories", "getCategory", "listBrands", "getBrand", "listProducts", "getProduct", "getProductBySlug",
        "listReviews",
        "createCart", "getAnonymousCart", "deleteAnonymousCart", "addAnonymousCartItem", "changeAnonymousCartItem",
        "removeAnonymousCartItem", "getLiveness", "getReadiness", "getMetrics",
    ]),
    (Users, &[
        "logout", "changePassword", "resendVerification", "getProfile", "replaceProfile", "changeProfile",
        "getEmail", "changeEmail", "cancelEmailChange", "closeAccount",
        "getCart", "addToCart", "addCartItem", "clearCart", "getCartSummary", "placeOrder", "listOrders",
        "createPayment", "listPayments", "getWishlist", "addToWishlist",
    ]),
    (OwnersAlone, &[
        "getCartItem", "changeCartItem", "replaceCartItem", "removeCartItem", "removeFromWishlist",
    ]),
    (OwnersAndAdmins, &[
        "getOrder", "replaceOrder", "changeOrder", "cancelOrder", "deleteOrder", "followOrder", "getPayment",
        "listRefunds",
    ]),
    (Authors, &["createReview", "replaceReview", "changeReview"]),
    (AuthorsAndAdmins, &["deleteReview"]),
    (Admins, &[
        "createCategory", "replaceCategory", "changeCategory", "deleteCategory",
        "createBrand", "replaceBrand", "changeBrand", "deleteBrand", "setBrandLogo", "deleteBrandLogo",
        "createProduct", "replaceProduct", "changeProduct", "deleteProduct", "addProductImage",
        "changeProductImage", "deleteProductImage",
        "setOrderStatus", "getTotalUsers", "getTotalOrders", "getTotalProducts", "getSales", "getTopProducts", "getLowStock",
        "listAllReviews", "listUsers", "getUser", "changeUser", "listInventory", "adjustInventory", "countInventory", "listMovements",
        "getReconciliation",
        "listQueues", "listJobs", "retryJob", "discardJob", "refundPayment", "listWebhooks", "replayWebhook",
        "getPaymentReconciliation", "startPaymentReconciliation",
    ]),
];

/// What one who bought something owns, by the names that addresses have for it.
struct Belongings {
    ids: BTreeMap<&'static str, String>,
}

impl Belongings {
    async fn of(owner: &Person, shop: &TestShop) -> Self {
        let mug = shop.sells("Mug").at(12_00).in_stock(1000).await;
        let order = owner.buys_online(&mug).await;
        let payment = owner.pays_with("pm_card_visa", &order).await;
        let cart = owner.puts_in_cart(&mug, 1).await.is(201);
        owner.post("/api/wishlist").json(&json!({"product": mug.id})).await.is(201);
        let review = owner.post(&format!("/api/products/{}/reviews", mug.id)).json(&json!({"rating": 5})).await.is(201);
        let item = cart["items"].as_array().and_then(|items| items.last()).expect("the mug")["id"].to_string();
        let ids = [
            ("order", order.id.to_string()),
            ("payment", payment.id),
            ("product", mug.id.to_string()),
            ("review", review["id"].to_string()),
            ("item_id", item),
        ];
        Self { ids: ids.into() }
    }

    /// The address of an operation, with the ids of what is owned; of what nobody owns, an id that does not exist.
    fn address(&self, path: &str) -> String {
        let own = |name: &str| self.ids.get(name).cloned();
        let id_of = |part: &str, before: &str| match (part, before) {
            ("{id}", "orders") => own("order"),
            ("{id}", "payments") => own("payment"),
            ("{id}", "reviews") => own("review"),
            ("{id}", "products") | ("{product}", _) => own("product"),
            ("{item_id}", "items" | "cart") => own("item_id"),
            _ => None,
        };
        let parts: Vec<&str> = path.split('/').collect();
        let fill = |(index, part): (usize, &&str)| {
            if !part.starts_with('{') {
                return (*part).to_owned();
            }
            id_of(part, parts[index - 1]).unwrap_or_else(|| "999999".to_owned())
        };
        let filled = parts.iter().enumerate().map(fill);
        filled.collect::<Vec<_>>().join("/")
    }
}

/// An operation of the document with the row that was declared for it.
struct Operation {
    name: String,
    method: Method,
    path: String,
    may: For,
}

/// Every operation with who may call it.
fn declared() -> BTreeMap<&'static str, For> {
    let webhooks = ONLINE.iter().map(|online| (online.webhook.operation_id, All));
    ROWS.iter().flat_map(|(may, names)| names.iter().map(move |name| (*name, *may))).chain(webhooks).collect()
}

/// All of them; what takes something away comes last, the inner before the outer.
fn all() -> Vec<Operation> {
    let declared = declared();
    let document = api::document("USD".parse().expect("a currency"));
    let read = |(path, method, operation): (&str, &str, &Value)| {
        let name = operation["operationId"].as_str().unwrap_or_default();
        // An alias is its canonical operation at another address.
        let name = if operation["deprecated"] == true { name.split("At").next().unwrap_or(name) } else { name };
        let may = declared.get(name).unwrap_or_else(|| panic!("nobody declared who may call {name}: {method} {path}"));
        let method: Method = method.to_uppercase().parse().expect("a method");
        Operation { name: name.to_owned(), method, path: path.to_owned(), may: *may }
    };
    let mut found: Vec<Operation> = operations(&document).map(read).collect();
    for name in declared.keys() {
        assert!(found.iter().any(|operation| operation.name == *name), "there is no operation {name}");
    }
    found.sort_by_key(|operation| (ends_session(operation), operation.method == Method::DELETE));
    found
}

/// After these the same token would be refused everywhere.
fn ends_session(operation: &Operation) -> bool {
    ["logout", "changePassword"].contains(&operation.name.as_str())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    Stranger,
    Owner,
    Boss,
}

/// What is refused to whom, and how; `None` is what is let through, to be judged by what it says.
fn refusal(may: For, who: Who) -> Option<u16> {
    match (may, who) {
        (All, _)
        | (Users, Who::Stranger | Who::Owner | Who::Boss)
        | (Admins, Who::Boss)
        | (OwnersAndAdmins | AuthorsAndAdmins, Who::Owner | Who::Boss)
        | (OwnersAlone | Authors, Who::Owner) => None,
        (_, Who::Nobody) => Some(401),
        (Admins | Authors | AuthorsAndAdmins, _) => Some(403),
        (OwnersAlone | OwnersAndAdmins, _) => Some(404),
    }
}

/// The status alone: an answer may be a stream that never ends.
async fn status_of(shop: &TestShop, person: &Person, operation: &Operation, address: &str) -> u16 {
    let mut request = shop.http().request(operation.method.clone(), format!("{}{address}", shop.address()));
    if operation.method != Method::GET && operation.method != Method::DELETE {
        request = request.header("content-type", "application/json").body("{}");
    }
    if let Some(access) = &person.access {
        request = request.bearer_auth(access);
    }
    request.send().await.expect("an answer").status().as_u16()
}

async fn walks_the_matrix(shop: &TestShop, who: Who) {
    shop.expects_waiting_jobs();
    let owner = shop.customer("ada@example.com").await;
    let mut person = match who {
        Who::Nobody => shop.visitor(),
        Who::Stranger => shop.customer("eve@example.com").await,
        Who::Owner => owner.clone(),
        Who::Boss => shop.admin().await,
    };
    let mut owned = Belongings::of(&owner, shop).await;
    let mut wrong = Vec::new();
    for operation in all() {
        if operation.method == Method::DELETE && refusal(operation.may, who).is_none() {
            owned = Belongings::of(&owner, shop).await;
        }
        if ends_session(&operation) && who != Who::Nobody {
            person.signs_in().await;
        }
        let status = status_of(shop, &person, &operation, &owned.address(&operation.path)).await;
        let as_declared = match refusal(operation.may, who) {
            Some(refused) => status == refused,
            // What is nobody's was asked for by an id that does not exist.
            None if matches!(operation.may, All | Users | Admins) => ![401, 403, 405].contains(&status),
            None => ![401, 403, 404, 405].contains(&status),
        };
        if operation.name == "cancelOrder" && refusal(operation.may, who).is_none() {
            owned = Belongings::of(&owner, shop).await; // the review went with the order
        }
        if !as_declared {
            wrong.push(format!("{} {} ({:?}) is {status}", operation.method, operation.path, operation.may));
        }
    }
    assert!(wrong.is_empty(), "{who:?}:\n{}", wrong.join("\n"));
}

on_both_engines! {
    async fn nobody_reaches_what_needs_a_sign_in(shop: TestShop) {
        walks_the_matrix(&shop, Who::Nobody).await;
    }

    async fn a_stranger_reaches_nothing_of_others(shop: TestShop) {
        walks_the_matrix(&shop, Who::Stranger).await;
    }

    async fn owners_reach_what_is_theirs(shop: TestShop) {
        walks_the_matrix(&shop, Who::Owner).await;
    }

    async fn an_admin_reaches_the_whole_shop(shop: TestShop) {
        walks_the_matrix(&shop, Who::Boss).await;
    }
}
