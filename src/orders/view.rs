//! An order in JSON: in responses and in events.

use std::collections::HashMap;

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    money::{Amount, Currency},
};
use poem_openapi::Object;

use super::{Line, Order, OrderStatus, PaymentStatus, store};
use crate::shop::{
    Provider,
    ids::{OrderId, OrderLineId, ProductId, UserId},
};

/// An order.
#[derive(Object)]
#[oai(rename = "Order")]
pub struct OrderView {
    /// The id of the order.
    pub id: OrderId,
    /// The order number that customers see, for example in e-mails.
    order_number: String,
    /// The id of the user who placed the order.
    user: UserId,
    /// The status of the delivery.
    status: OrderStatus,
    /// The status of the payment.
    payment_status: PaymentStatus,
    /// How the customer chose to pay. The default provider of its payments.
    payment_method: Provider,
    /// The shipping address, in one or more lines. Empty if the order was placed without an address and the profile had
    /// none.
    shipping_address: String,
    /// The sum of all subtotals.
    total_price: Amount,
    /// The ordered products, one entry per product.
    pub items: Vec<LineView>,
    /// When the order was placed.
    created_at: Timestamp,
    /// When the status, the payment status or the address last changed.
    updated_at: Timestamp,
}

/// A line of an order: a product as it was at the time of purchase.
#[derive(Object)]
#[oai(rename = "OrderLine")]
pub struct LineView {
    /// The id of the order line.
    id: OrderLineId,
    /// The id of the product. The product may no longer be sold.
    pub product: ProductId,
    /// The name of the product at the time of purchase.
    name: String,
    /// The number of units.
    quantity: i64,
    /// The price of one unit at the time of purchase.
    price: Amount,
    /// `price` times `quantity`.
    subtotal: Amount,
}

/// One order with its lines.
///
/// # Errors
/// When the database is unavailable.
pub async fn order(tx: &mut Tx, order: Order) -> Result<OrderView> {
    let lines = store::lines(tx, order.id).await?;
    Ok(with_lines(order, lines))
}

/// A page of orders with their lines.
///
/// # Errors
/// When the database is unavailable.
pub async fn orders(tx: &mut Tx, orders: Vec<Order>) -> Result<Vec<OrderView>> {
    let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
    let mut lines: HashMap<OrderId, Vec<Line>> = HashMap::new();
    for (order, line) in store::lines_of_all(tx, &ids).await? {
        lines.entry(order).or_default().push(line);
    }
    let with_lines = |order: Order| {
        let lines = lines.remove(&order.id).unwrap_or_default();
        self::with_lines(order, lines)
    };
    Ok(orders.into_iter().map(with_lines).collect())
}

/// One order with these lines, which are in the order of their products.
#[must_use]
pub fn with_lines(order: Order, lines: Vec<Line>) -> OrderView {
    let currency = order.currency;
    OrderView {
        id: order.id,
        order_number: order.order_number,
        user: order.user_id,
        status: order.status,
        payment_status: order.payment_status,
        payment_method: order.payment_method,
        shipping_address: order.shipping_address,
        total_price: currency.format(order.total_price),
        items: lines.into_iter().map(|line| line_view(currency, line)).collect(),
        created_at: order.created_at,
        updated_at: order.updated_at,
    }
}

fn line_view(currency: Currency, line: Line) -> LineView {
    LineView {
        id: line.id,
        product: line.product_id,
        name: line.name,
        quantity: line.quantity,
        price: currency.format(line.price),
        subtotal: currency.format(line.price.times(line.quantity).unwrap_or_default()),
    }
}
