//! What each error of this feature is over HTTP: status, code, what happened and what to do. The answers, the document and
//! `/problems/{code}` are made from this table.

use platform::problem_types;

problem_types! {
    CART_EMPTY = 409 "cart_empty",
        "There is nothing in the cart to order.",
        "Add a product first, or send `items`. After a lost answer the order may exist: repeat with the same \
         `Idempotency-Key`.";
    INVALID_TRANSITION = 409 "invalid_transition",
        "An order in this status cannot become that.",
        "Load the order again. `pending → confirmed → shipped → delivered`, also over steps, never back; `cancelled` \
         from the first two.";
    TOTAL_CHANGED = 409 "total_changed",
        "The total is not the `expected_total`: a price changed.",
        "Show the customer the new `total_price` and order again with it.";
}
