//! The e-mails to buyers about their orders.

use platform::{jobs::JobError, mail::Email, money::Money};

use super::{Line, Order, OrderStatus};
use crate::{
    accounts::{self, User},
    shop::{Shop, emails::Template},
};

/// The e-mail that confirms an order.
pub fn confirmation(shop: &Shop, order: &Order, lines: &[Line], buyer: &User) -> Result<Email, JobError> {
    let line = |line: &Line| {
        let subtotal = line.price.times(line.quantity).unwrap_or_default();
        serde_json::json!({
            "name": line.name,
            "quantity": line.quantity,
            "price": order.currency.format(line.price).to_string(),
            "subtotal": order.currency.format(subtotal).to_string(),
        })
    };
    let context = serde_json::json!({
        "order_number": order.order_number,
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
        "total": total(order),
        "shipping_address": buyer.text_for_email(&order.shipping_address),
        "address_left_out": address_left_out(order, buyer),
        "payment_method": order.payment_method.display_name(),
        "placed_at": order.created_at.in_words(),
    });
    let about = format!("order-{}.confirmation", order.id);
    accounts::render_email(shop, buyer, Template::OrderConfirmation, &about, context)
}

/// The e-mail for an order that becomes `status`. `None` for a pending one, which gets the confirmation.
pub fn status(shop: &Shop, order: &Order, status: OrderStatus, buyer: &User) -> Result<Option<Email>, JobError> {
    let template = match status {
        OrderStatus::Pending => return Ok(None),
        OrderStatus::Confirmed => Template::OrderConfirmed,
        OrderStatus::Shipped => Template::OrderShipped,
        OrderStatus::Delivered => Template::OrderDelivered,
        OrderStatus::Cancelled => Template::OrderCancelled,
    };
    let context = serde_json::json!({
        "order_number": order.order_number,
        "total": total(order),
        "shipping_address": buyer.text_for_email(&order.shipping_address),
        "address_left_out": address_left_out(order, buyer),
        "money_goes_back": order.payment_status.is_settled() && order.total_price > Money(0),
    });
    let about = format!("order-{}.{status}", order.id);
    accounts::render_email(shop, buyer, template, &about, context).map(Some)
}

/// Whether the order has an address that the e-mail must not contain.
fn address_left_out(order: &Order, buyer: &User) -> bool {
    !order.shipping_address.is_empty() && buyer.text_for_email(&order.shipping_address).is_empty()
}

fn total(order: &Order) -> String {
    format!("{} {}", order.currency.format(order.total_price), order.currency)
}
