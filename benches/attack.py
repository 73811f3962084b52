"""What benches/attack does in its shop. Needs nothing but Python itself."""

import collections
import http.client
import itertools
import json
import os
import pathlib
import random
import socket
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / ".ci"))
import memory

HOST, PORT = os.environ["SHOP"].removeprefix("http://").split(":")
ATTACKERS = 16
LONGEST = 0.250  # seconds, at the 95th of a hundred
MOST = 200  # MB
PASSWORD = "a long walk by the sea"
addresses = itertools.count(1)


class Person:
    """Somebody with an address and a connection of their own."""

    def __init__(self):
        number = next(addresses)
        self.address = f"198.{51 + number // 65536}.{number // 256 % 256}.{number % 256}"
        self.connection = None
        self.token = None

    def ask(self, method, path, body=None, headers=()):
        """Status, body and seconds."""
        given = {"X-Forwarded-For": self.address, **dict(headers)}
        if self.token:
            given["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            given.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        started = time.monotonic()
        for last in (False, True):
            self.connection = self.connection or http.client.HTTPConnection(HOST, int(PORT), timeout=60)
            try:
                self.connection.request(method, path, body, given)
                answer = self.connection.getresponse()
                content = answer.read()
                return answer.status, content, time.monotonic() - started
            except (http.client.HTTPException, OSError):
                self.connection = None  # it was kept for too long
                if last:
                    raise

    def joins(self):
        email = f"{uuid.uuid4()}@example.com"
        for _ in range(50):
            status, _, _ = self.ask("POST", "/api/auth/register", {"email": email, "password": PASSWORD})
            if status != 503:
                break
            time.sleep(0.1)
        _, content, _ = self.ask("POST", "/api/auth/login", {"email": email, "password": PASSWORD})
        self.token = json.loads(content)["access"]
        return self

    def orders(self, product):
        status, content, _ = self.ask("POST", "/api/orders", {"items": [{"product": product, "quantity": 1}], "payment_method": "stripe"})
        return json.loads(content)["id"] if status == 201 else None


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


def shop(product, over, took, statuses):
    """Other customers, one after another."""
    while not over.is_set():
        customer = Person().joins()
        for what, method, path, body in [
            ("cart", "POST", "/api/cart/items", {"product": product, "quantity": 1}),
            ("cart", "GET", "/api/cart", None),
            ("order", "POST", "/api/orders", {"payment_method": "stripe"}),
            ("payment", "POST", "/api/payments", lambda made: {"order": made["id"]}),
        ]:
            body = body(json.loads(content)) if callable(body) else body
            status, content, seconds = customer.ask(method, path, body)
            took[what].append(seconds)
            statuses[status] += 1
            if status >= 400:
                print(f"{what}: {status} {content[:200]!r}", flush=True)
                break


def main(seconds, rows):
    print(f"importing {rows} products", flush=True)
    memory.import_products(rows)
    boss = Person()
    boss.token = memory.sign_in()
    product = json.loads(boss.ask("POST", "/api/products", {"name": "Mug", "price": "9.50", "stock": 1_000_000})[1])["id"]
    took, statuses, done, over = collections.defaultdict(list), collections.Counter(), collections.Counter(), threading.Event()
    threads = [threading.Thread(target=attack, args=(product, over, done)) for _ in range(ATTACKERS)]
    threads.append(threading.Thread(target=shop, args=(product, over, took, statuses)))
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()

    print(f"attackers: {sum(done.values())} requests; by way and status: {dict(sorted(done.items(), key=str))}")
    faults = []
    for what in ("cart", "order", "payment"):
        times = sorted(took[what])
        if len(times) < 20:
            faults.append(f"{what} was tried {len(times)} times only")
            continue
        median, slow = times[len(times) // 2], times[len(times) * 95 // 100]
        print(f"{what:<8} {len(times):5} times, median {median * 1000:4.0f} ms, p95 {slow * 1000:4.0f} ms, at most {times[-1] * 1000:4.0f} ms")
        if slow > LONGEST:
            faults.append(f"p95 of {what} is {slow * 1000:.0f} ms")
    held = memory.held("VmHWM")
    print(f"the shop held at most {held:.0f} MB; answers of the customers: {dict(statuses)}")
    faults += [f"{count} answers of {status}" for status, count in statuses.items() if status >= 400]
    faults += [f"it held {held:.0f} MB"] if held > MOST else []
    if faults:
        sys.exit("; ".join(faults))


main(*map(int, sys.argv[1:]))
