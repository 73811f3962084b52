"""The people who visit a shop that is measured. Needs nothing but Python itself."""

import collections
import http.client
import itertools
import json
import os
import time
import uuid

HOST, PORT = os.environ["SHOP"].removeprefix("http://").split(":")
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


class Visit:
    """What customers noticed: how long each thing took, and how it was answered."""

    def __init__(self):
        self.took, self.statuses = collections.defaultdict(list), collections.Counter()

    def faults(self, longest, share):
        """Tells the times; what took more than `longest` seconds at this share of a hundred is a fault, as is what failed."""
        faults = [f"{count} answers of {status}" for status, count in self.statuses.items() if status >= 400]
        for what in ("cart", "order", "payment"):
            times = sorted(self.took[what])
            if len(times) < 20:
                faults.append(f"{what} was tried {len(times)} times only")
                continue
            median, slow = times[len(times) // 2], times[min(len(times) * share // 100, len(times) - 1)]
            tail = times[len(times) * 95 // 100]
            print(f"{what:<8} {len(times):5} times, median {median * 1000:4.0f} ms, p95 {tail * 1000:4.0f} ms, at most {times[-1] * 1000:4.0f} ms")
            if slow > longest:
                faults.append(f"{what} took {slow * 1000:.0f} ms")
        return faults

    def go_on(self, product, over):
        """Customers, one after another, until it is over: into the cart, look at it, order, pay."""
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
                self.took[what].append(seconds)
                self.statuses[status] += 1
                if status >= 400:
                    print(f"{what}: {status} {content[:200]!r}", flush=True)
                    break
