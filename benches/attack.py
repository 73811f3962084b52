"""What benches/attack does in its shop. Needs nothing but Python itself."""

import collections
import json
import pathlib
import random
import socket
import sys
import threading
import time
import uuid

from people import HOST, PORT, Person, Visit

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / ".ci"))
import memory

ATTACKERS = 16
LONGEST = 0.250  # seconds, at the 95th of a hundred
MOST = 200  # MB


def raw(request, patience):
    with socket.create_connection((HOST, int(PORT)), timeout=patience) as connection:
        try:
            connection.sendall(request)
            connection.recv(4096)
        except OSError:
            pass


MILLION = '{"items":[' + "{}," * 340_000 + "{}]}"
ORDERINGS = "&".join(["ordering=name"] * 1350)


def attacks(person, product):
    """Each as something to do again and again."""
    order = person.orders(product)
    letters = "%20".join("etaoinsrhl")
    head = "POST /api/cart/items HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    return [
        lambda: person.ask("POST", "/api/orders", MILLION),
        lambda: person.ask("GET", f"/api/products?search={letters}&page={random.randrange(1000)}"),
        lambda: raw(f"GET /api/products?search={letters}&page={random.randrange(1000)} HTTP/1.1\r\nHost: shop\r\n\r\n".encode(), 0.05),
        lambda: person.ask("GET", f"/api/products?{ORDERINGS}"),
        lambda: raw(f"{head}Authorization: Bearer {person.token}\r\n\r\n{{".encode(), 1),
        lambda: person.ask("POST", "/api/payments", {"order": order, "provider": "stripe", "payment_method": "pm_card_visa_chargeDeclined"}),
        lambda: person.ask("PATCH", f"/api/orders/{order}", {"shipping_address": str(uuid.uuid4()) * 20}),
        lambda: person.ask("GET", random.choice(["/docs", "/reference", "/openapi.json"]), headers=[("Accept-Encoding", "gzip")]),
        lambda: person.ask("GET", f"/api//carts/{uuid.uuid4()}"),
        lambda: person.ask("GET", f"/media/{'a' * 251}.jpg"),
        lambda: person.ask("POST", "/api/payments/webhooks/stripe", {"id": "evt_1"}, [("Stripe-Signature", "t=1,v1=00")]),
        lambda: raw(f"GET /api/orders/{order}/events HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {person.token}\r\n\r\n".encode(), 1),
        lambda: raw(b"GET /api/products HTTP/1.1\nHost: shop\r\n\r\n", 1),
        lambda: person.ask("POST", "/api/auth/login", {"email": "admin@example.com", "password": "wrong"}),
        lambda: person.ask("POST", "/api/carts"),
        lambda: person.ask("GET", f"/api/products?ordering=-rating&page={random.randrange(1, 5000)}"),
    ]


def attack(product, over, done):
    person = Person().joins()
    ways = attacks(person, product)
    while not over.is_set():
        number = random.randrange(len(ways))
        try:
            answer = ways[number]()
        except OSError:
            answer = None
        done[number, answer[0] if answer else "-"] += 1


def main(seconds, rows):
    print(f"importing {rows} products", flush=True)
    memory.import_products(rows)
    boss = Person()
    boss.token = memory.sign_in()
    product = json.loads(boss.ask("POST", "/api/products", {"name": "Mug", "price": "9.50", "stock": 1_000_000})[1])["id"]
    visit, done, over = Visit(), collections.Counter(), threading.Event()
    threads = [threading.Thread(target=attack, args=(product, over, done)) for _ in range(ATTACKERS)]
    threads.append(threading.Thread(target=visit.go_on, args=(product, over)))
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()

    print(f"attackers: {sum(done.values())} requests; by way and status: {dict(sorted(done.items(), key=str))}")
    faults = visit.faults(LONGEST, 95)
    held = memory.held("VmHWM")
    print(f"the shop held at most {held:.0f} MB; answers of the customers: {dict(visit.statuses)}")
    faults += [f"it held {held:.0f} MB"] if held > MOST else []
    if faults:
        sys.exit("; ".join(faults))


main(*map(int, sys.argv[1:]))
