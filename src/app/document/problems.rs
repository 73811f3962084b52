//! Every kind of problem the shop answers with: what happened and what to do. Shown in the document and at
//! `/problems/{code}`, where a problem's `type` leads.

use platform::http::problem::title;
use serde_json::{Value, json};

/// One kind of problem. Its code never changes: clients switch on it.
pub struct ProblemType {
    pub code: &'static str,
    pub status: u16,
    /// In one sentence.
    pub happened: &'static str,
    pub to_do: &'static str,
}

impl ProblemType {
    #[must_use]
    pub fn title(&self) -> String {
        title(self.code)
    }

    /// What a client gets, for the document.
    #[must_use]
    pub fn example(&self) -> Value {
        let mut example = json!({
            "type": format!("https://shop.example/problems/{}", self.code),
            "title": self.title(),
            "status": self.status,
            "detail": self.happened,
            "instance": "/api/orders",
            "code": self.code,
            "request_id": "01936f1e-8c5b-7a41-9d1e-2f4c5b6a7d8e",
        });
        if self.status == 422 && self.code != "idempotency_key_reused" {
            let (field, code, message) = match self.code {
                "invalid_ordering" => ("ordering", "invalid_ordering", "takes price, name, created_at and rating"),
                "weak_password" => ("password", "weak_password", "is one of the most common passwords"),
                _ => ("items[0].quantity", "minimum", "must be at least 1"),
            };
            example["errors"] = json!([{"field": field, "code": code, "message": message}]);
        }
        example
    }
}

#[must_use]
pub fn find(code: &str) -> Option<&'static ProblemType> {
    PROBLEMS.iter().find(|problem| problem.code == code)
}

const fn problem(code: &'static str, status: u16, happened: &'static str, to_do: &'static str) -> ProblemType {
    ProblemType { code, status, happened, to_do }
}

/// By status, then by name.
pub const PROBLEMS: &[ProblemType] = &[
    problem(
        "bad_request",
        400,
        "The request could not be understood.",
        "Compare it with the API document and send it again.",
    ),
    problem(
        "idempotency_key_invalid",
        400,
        "The `Idempotency-Key` is empty, too long or not printable.",
        "Send 1 to 255 printable ASCII characters; a UUID is a good key.",
    ),
    problem(
        "invalid_signature",
        400,
        "A webhook's signature does not fit its body, our secret or the time.",
        "Check that the provider signs with the secret this shop was given, and that both clocks are right. Nothing was kept.",
    ),
    problem(
        "invalid_token",
        400,
        "The token of a link in an e-mail is wrong, was used already or has expired.",
        "Ask for a new e-mail and use the link in it once.",
    ),
    problem(
        "malformed_body",
        400,
        "The body broke off before its end, or is no well-formed form.",
        "Send it again. Let the browser write a form's `Content-Type`: it knows the boundary.",
    ),
    problem(
        "malformed_json",
        400,
        "The body is not well-formed JSON.",
        "Mend what `detail` names. A key given twice, nesting beyond 64 levels and NUL in text are refused too.",
    ),
    problem(
        "malformed_request",
        400,
        "The head of the request is not in order, e.g. it names no host or two.",
        "Send exactly one `Host` header. Every HTTP client does; look at what stands between it and the shop.",
    ),
    problem(
        "too_many_parameters",
        400,
        "The query has more than 100 parameters, or more than 10 of one name.",
        "Give each parameter once.",
    ),
    problem(
        "invalid_credentials",
        401,
        "There is no active account with this name and password.",
        "Let the person check both, or reset the password. Which of the two is wrong is never told.",
    ),
    problem(
        "refresh_reused",
        401,
        "A newer refresh token than this one was used already, so its whole session was ended: somebody else may have it.",
        "Sign in again. Keep the newest refresh token, in one place for all tabs and processes.",
    ),
    problem("session_revoked", 401, "The session of this token was ended.", "Sign in again."),
    problem(
        "token_expired",
        401,
        "The access token has expired.",
        "Exchange the refresh token at `POST /api/auth/token/refresh` and repeat the request.",
    ),
    problem(
        "unauthenticated",
        401,
        "There is no token, or one that this shop did not make.",
        "Sign in at `POST /api/auth/login` and send `Authorization: Bearer <access>`.",
    ),
    problem(
        "forbidden",
        403,
        "You are signed in, but only an admin may do this; or, with a review, only who wrote it.",
        "Sign in as an admin, or as the review's author.",
    ),
    problem(
        "not_purchased",
        403,
        "Only who bought a product may review it.",
        "Offer the review form for products of the customer's own orders that were not cancelled.",
    ),
    problem(
        "not_found",
        404,
        "There is nothing at this address that you may see.",
        "Check the address and the id in it. What belongs to somebody else looks the same as what does not exist.",
    ),
    problem(
        "method_not_allowed",
        405,
        "The address exists and takes other methods.",
        "Use one that the `Allow` header names.",
    ),
    problem(
        "not_acceptable",
        406,
        "`Accept` names only types that this shop does not answer with.",
        "Accept `application/json`.",
    ),
    problem(
        "request_timeout",
        408,
        "The body stopped arriving, or the client closed its half of the connection and the answer took more than a second.",
        "Send the request again.",
    ),
    problem(
        "account_closed",
        409,
        "The user has closed this account, so nothing of it can be changed.",
        "Leave it as it is; the person may register again.",
    ),
    problem(
        "already_refunded",
        409,
        "All of the payment has gone back, or is on its way.",
        "Show the payment; there is nothing left to refund.",
    ),
    problem("not_captured", 409, "The payment has taken no money.", "Cancel the order instead of refunding it."),
    problem("already_paid", 409, "The order is paid.", "Show the customer the order; there is nothing to do."),
    problem(
        "already_reviewed",
        409,
        "This customer has reviewed this product.",
        "Change the review with `PATCH /api/reviews/{id}`.",
    ),
    problem(
        "already_verified",
        409,
        "This e-mail is verified.",
        "Hide the button that asks for the letter; there is nothing to do.",
    ),
    problem(
        "cart_empty",
        409,
        "There is nothing in the cart to order.",
        "Add a product first, or send `items`. After a lost answer the order may exist: repeat with the same `Idempotency-Key`.",
    ),
    problem("cart_full", 409, "The cart holds as many different products as it can.", "Take one out first."),
    problem(
        "count_below_reserved",
        409,
        "Fewer were counted than open orders hold.",
        "Count again with what is packed for those orders, or cancel orders that cannot be sent. `reserved` says how many they hold.",
    ),
    problem("email_taken", 409, "There is an account with this e-mail.", "Offer to sign in or to reset the password."),
    problem(
        "idempotency_in_progress",
        409,
        "The first request with this `Idempotency-Key` is still under way.",
        "Repeat the same request after `Retry-After` seconds; you will get the first one's answer.",
    ),
    problem(
        "in_use",
        409,
        "There are still products in this category or of this brand.",
        "Move or delete the products first.",
    ),
    problem(
        "invalid_transition",
        409,
        "An order in this status cannot become that.",
        "Load the order again. `pending → confirmed → shipped → delivered`, also over steps, never back; `cancelled` from the first two.",
    ),
    problem(
        "last_admin",
        409,
        "The only admin of the shop cannot close their account.",
        "Make somebody else an admin first.",
    ),
    problem(
        "order_already_shipped",
        409,
        "The order has left, so its address cannot change any more.",
        "Load the order again, and offer this only while it is `pending` or `confirmed`.",
    ),
    problem(
        "order_open",
        409,
        "An order of this account is neither delivered nor cancelled, or its money is under way.",
        "Cancel the order that `detail` names, or wait until it was delivered.",
    ),
    problem("order_cancelled", 409, "The order was cancelled.", "Place a new order."),
    problem(
        "out_of_stock",
        409,
        "There is less in stock than was asked for.",
        "Show what is `available`, and let the customer take that or nothing.",
    ),
    problem(
        "own_account",
        409,
        "Admins do not change their own role, nor make themselves inactive.",
        "Ask another admin.",
    ),
    problem(
        "payment_in_progress",
        409,
        "A payment of this order is open.",
        "Finish that one: `GET /api/payments?order=` shows it.",
    ),
    problem(
        "product_unavailable",
        409,
        "A product in the cart is not sold any more.",
        "Take it out of the cart and order the rest.",
    ),
    problem(
        "sku_taken",
        409,
        "Another product has this SKU.",
        "Find it with `GET /api/products?sku=`, and give one of them another SKU.",
    ),
    problem(
        "slug_taken",
        409,
        "Another product has this slug.",
        "Choose another, or leave it out and one is made from the name.",
    ),
    problem(
        "stock_out_of_range",
        409,
        "Stock would be more than 2,147,483,647 or less than nothing.",
        "Adjust it by less, or set it to what was counted.",
    ),
    problem(
        "too_many_images",
        409,
        "The product has as many images as a product may have: 20.",
        "Delete one of them first.",
    ),
    problem(
        "total_changed",
        409,
        "The total is not the `expected_total`: a price changed.",
        "Show the customer the new `total_price` and order again with it.",
    ),
    problem(
        "username_taken",
        409,
        "There is an account with this username.",
        "Let the person choose another, or leave it out.",
    ),
    problem(
        "precondition_failed",
        412,
        "It was changed since it was loaded: the `If-Match` is not its `ETag`. Nothing was done.",
        "Load it again, show what is different now, and send the change with the new `ETag`.",
    ),
    problem(
        "payload_too_large",
        413,
        "The body is larger than this shop accepts: 1 MiB, 8 MiB for an image.",
        "Send less.",
    ),
    problem("uri_too_long", 414, "The address is longer than 8 KiB.", "Shorten the query."),
    problem(
        "unsupported_media_type",
        415,
        "The body is of another type than this address takes.",
        "Send `Content-Type: application/json`, or `multipart/form-data` for an image.",
    ),
    problem(
        "amount_out_of_range",
        422,
        "The total is more than an amount can be: 9,999,999,999.99 in a currency with two decimals.",
        "Order less at a time.",
    ),
    problem(
        "idempotency_key_reused",
        422,
        "This `Idempotency-Key` was used for another request.",
        "Make a new key for each thing you want done.",
    ),
    problem(
        "invalid_image",
        422,
        "The file is no JPEG, PNG or WebP picture that this shop can take: it is damaged, animated, larger than \
         8,000 x 8,000 pixels, or something else than it claims to be.",
        "`detail` says what is wrong with it. Save it as a still picture of a smaller size and send that.",
    ),
    problem(
        "invalid_ordering",
        422,
        "The list cannot be ordered by that.",
        "Use a field that `errors` names, with a `-` before it for the other way round.",
    ),
    problem(
        "provider_not_configured",
        422,
        "This shop does not take payments through that provider.",
        "Offer another payment method.",
    ),
    problem(
        "refund_exceeds_payment",
        422,
        "More is to go back than is left of what was captured.",
        "Ask for less: the payment shows what was `captured` and what of that is `refunded`; a refund that is on its way counts \
         as gone.",
    ),
    problem(
        "validation_failed",
        422,
        "Some fields cannot be what they are.",
        "`errors` names every one of them and what is wrong with it: show each beside its field.",
    ),
    problem(
        "weak_password",
        422,
        "The password is too short, too long, too common or the e-mail itself.",
        "Ask for another of 8 to 128 characters.",
    ),
    problem(
        "rate_limited",
        429,
        "That was tried too often.",
        "Wait for `Retry-After` seconds. Until then even the right password is refused.",
    ),
    problem(
        "too_many_streams",
        429,
        "This user has 20 event streams open already.",
        "Close those that nobody reads, share one among the parts of a page, and try again after `Retry-After` seconds.",
    ),
    problem(
        "headers_too_large",
        431,
        "The headers are larger than 16 KiB.",
        "Send fewer or shorter headers; often it is cookies.",
    ),
    problem(
        "internal_error",
        500,
        "Something went wrong on our side.",
        "Try again, with the same `Idempotency-Key` if you sent one. If it stays, tell the shop the `request_id`.",
    ),
    problem(
        "media_unavailable",
        503,
        "The place where the shop keeps its pictures does not answer; nothing was done.",
        "Try again after `Retry-After` seconds.",
    ),
    problem(
        "not_ready",
        503,
        "The database does not answer.",
        "Send requests to another process until this one is ready.",
    ),
    problem(
        "outcome_unknown",
        503,
        "The shop's database went away before it said whether the request was done: it may be, or not.",
        "After `Retry-After` seconds, send the same request with the same `Idempotency-Key`: an order, a payment or a refund \
         is made once, and this is safe as often as you like. Without a key, look first whether it was done: the newest of \
         `GET /api/orders`, `GET /api/payments?order=` or the list of what you made. PUT and DELETE can simply be repeated.",
    ),
    problem(
        "overloaded",
        503,
        "The shop's database is away or busy for a moment; nothing was done.",
        "Try again after `Retry-After` seconds.",
    ),
    problem(
        "too_slow",
        503,
        "The list took longer than two seconds to find and was given up.",
        "Search for fewer or rarer words, or filter by category or brand; or try again after `Retry-After` seconds.",
    ),
    problem(
        "provider_unavailable",
        503,
        "The payment provider, which must be asked whether an event is its own, does not answer; nothing was kept.",
        "Send the event again, as providers do by themselves.",
    ),
    problem(
        "currency_changed",
        503,
        "The prices were converted to another currency while the shop was running; nothing was ordered.",
        "Try again when the shop was started again, and show the new prices.",
    ),
];

#[cfg(test)]
mod tests {
    use super::PROBLEMS;

    #[test]
    fn every_code_is_explained_once() {
        let mut codes: Vec<_> = PROBLEMS.iter().map(|problem| problem.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), PROBLEMS.len());
        assert!(PROBLEMS.is_sorted_by_key(|problem| problem.status));
    }
}
