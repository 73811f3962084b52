//! What each error of this feature is over HTTP: status, code, what happened and what to do. The answers, the document and
//! `/problems/{code}` are made from this table.

use platform::problem_types;

problem_types! {
    CART_FULL = 409 "cart_full",
        "The cart holds as many different products as it can.",
        "Take one out first.";
    PRODUCT_UNAVAILABLE = 409 "product_unavailable",
        "A product in the cart is not sold any more.",
        "Take it out of the cart and order the rest.";
}
