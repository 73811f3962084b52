//! What each error of this feature is over HTTP: status, code, what happened and what to do. The answers, the document and
//! `/problems/{code}` are made from this table.

use platform::problem_types;

problem_types! {
    ORDER_ALREADY_SHIPPED = 409 "order_already_shipped",
        "The order has left, so its address cannot change any more.",
        "Load the order again, and offer this only while it is `pending` or `confirmed`.";
    ORDER_CANCELLED = 409 "order_cancelled",
        "The order was cancelled.",
        "Place a new order.";
    TOO_MANY_STREAMS = 429 "too_many_streams",
        "This user has 20 event streams open already.",
        "Close those that nobody reads, share one among the parts of a page, and try again after `Retry-After` \
         seconds.";
}
