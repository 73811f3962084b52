"""A whole visit to the shop: browse, fill a cart, register, order, and look at the order."""

import os
import time
import uuid

from cartwright.api.accounts import register
from cartwright.api.cart import add_anonymous_cart_item, create_cart, get_cart
from cartwright.api.catalog import list_products
from cartwright.api.orders import get_order, place_order
from cartwright.api.payments import create_payment, list_payments
from cartwright.models import Checkout, Login, NewItem, OrderStatus, PaymentInput, PaymentProgress, Registration
from shop import ShopError, answer, sign_in, visit

shop = os.environ.get("SHOP", "http://127.0.0.1:8000")
visitor = visit(shop)

# Browse. A list is a plain array; how many there are in all is in a header.
listed = list_products.sync_detailed(
    client=visitor, search="coffee", in_stock=True, max_price="50", ordering="price", per_page=3
)
products = answer(listed.parsed)
print(f"{listed.headers['X-Total-Count']} products for coffee lovers, the cheapest first:")
for product in products:
    print(f"  {product.price}  {product.name}")
product = products[0]

# Fill a cart before anybody has signed in. Keep its id: it is the key to the cart.
cart = answer(create_cart.sync(client=visitor))
cart = answer(add_anonymous_cart_item.sync(cart.id, client=visitor, body=NewItem(product=product.id, quantity=2)))
print(f"In the cart: {cart.total_items} pieces for {cart.total_price}")

# What goes wrong has a code to switch on, and words to show.
try:
    answer(add_anonymous_cart_item.sync(cart.id, client=visitor, body=NewItem(product.id, quantity=product.stock)))
except ShopError as error:
    if error.code != "out_of_stock":
        raise
    print(f"Too many: {error}")

# Register. A form hears of all its faults at once, each with its field.
email, password = f"ada.{uuid.uuid4()}@example.com", str(uuid.uuid4())
try:
    answer(register.sync(client=visitor, body=Registration(email="ada", password="short")))
except ShopError as error:
    for field, message in error.fields.items():
        print(f"  {field} {message}")
answer(register.sync(client=visitor, body=Registration(email, password, address="12 Mill Lane, Falmouth")))

# Sign in. The cart comes along.
customer = sign_in(shop, Login(email=email, password=password, cart_id=cart.id))
total = answer(get_cart.sync(client=customer)).total_price
print(f"Signed in as {email}, with a cart of {total}")

# Order. One key for one click on "Buy": when the answer is lost, the same request again gives the same order.
key = str(uuid.uuid4())
order = answer(place_order.sync(client=customer, body=Checkout(expected_total=total), idempotency_key=key))
again = answer(place_order.sync(client=customer, body=Checkout(expected_total=total), idempotency_key=key))
assert again.id == order.id, "the same Idempotency-Key made a second order"
print(f"Ordered: {order.order_number}, {order.total_price}, {order.status}")

# Pay: in cash, when it is delivered. A worker confirms the order.
answer(create_payment.sync(client=customer, body=PaymentInput(order=order.id), idempotency_key=str(uuid.uuid4())))
deadline = time.monotonic() + 30
while (order := answer(get_order.sync(order.id, client=customer))).status is OrderStatus.PENDING:
    assert time.monotonic() < deadline, "the order was not confirmed"
    time.sleep(1)

# Look at the order.
[payment] = answer(list_payments.sync(client=customer, order=order.id))
assert payment.status is PaymentProgress.PROCESSING and payment.failure is None, payment
print(f"The order is {order.status}; {payment.amount} {payment.currency} will be paid by {payment.provider}")
for line in order.items:
    print(f"  {line.quantity} x {line.name} at {line.price}")
