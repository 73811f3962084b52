//! The aliases of endpoints that existing frontends use, each with its canonical address.

use platform::http::aliases::Alias;

pub const ALIASES: &[Alias] = &[
    (&["POST"], "/auth/register", "/api/auth/register"),
    (&["POST"], "/auth/login", "/api/auth/login"),
    (&["POST"], "/auth/logout", "/api/auth/logout"),
    (&["POST"], "/auth/token/refresh", "/api/auth/token/refresh"),
    (&["POST"], "/api/token", "/api/auth/login"),
    (&["POST"], "/api/token/refresh", "/api/auth/token/refresh"),
    (&["POST"], "/api/users/register", "/api/auth/register"),
    (&["GET", "PUT", "PATCH"], "/api/auth/profile", "/api/profile"),
    (&["POST"], "/api/cart/add", "/api/cart/items"),
    (&["GET", "PUT", "PATCH", "DELETE"], "/api/cart/{item_id}", "/api/cart/items/{item_id}"),
    (&["DELETE"], "/api/cart/clear", "/api/cart"),
    (&["POST"], "/api/orders/create", "/api/orders"),
    (&["POST"], "/orders/create", "/api/orders"),
    (&["POST"], "/api/checkout", "/api/orders"),
    (&["POST"], "/api/orders/checkout", "/api/orders"),
    (&["POST"], "/orders/checkout", "/api/orders"),
    (&["GET"], "/api/orders/my-orders", "/api/orders?mine=true"),
    (&["GET"], "/orders/my-orders", "/api/orders?mine=true"),
    (&["POST"], "/api/payment", "/api/payments"),
];

#[cfg(test)]
mod tests {
    use platform::http::aliases::table;

    use super::ALIASES;
    use crate::app::api;

    #[test]
    fn every_alias_stands_for_an_operation() {
        let document = api::document("USD".parse().expect("a currency"));
        for (method, alias, canonical) in table(ALIASES) {
            let path = canonical.split('?').next().unwrap_or_default();
            let operation = &document["paths"][path][method.to_lowercase()];
            assert!(operation["operationId"].is_string() && operation["deprecated"] != true, "{method} {alias}");
        }
    }
}
