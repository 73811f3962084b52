"""Gives the demo shop what the fuzzer cannot easily come by: orders, payments, a full cart, a second customer."""

import json
import os
import urllib.request

PRODUCTS = range(1, 9)  # the ids that schemathesis.toml prefers


def post(path, body, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(os.environ["SHOP"] + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def sign_in(email, password):
    return post("/api/auth/login", {"email": email, "password": password})["access"]


post("/api/auth/register", {"email": "stranger@example.com", "password": "stranger-password-1"})
admin = sign_in("admin@example.com", "demo-admin-1")
customer = sign_in("customer@example.com", "demo-customer-1")
stranger = sign_in("stranger@example.com", "stranger-password-1")
for product in PRODUCTS:
    for user in (admin, customer, stranger):
        post("/api/cart/items", {"product": product}, user)
    checkout = {"items": [{"product": product, "quantity": 1}], "shipping_address": "12 Mill Lane"}
    order = post("/api/orders", checkout, customer if product % 4 else stranger)
    if product % 2:
        post("/api/payments", {"order": order["id"]}, customer)
