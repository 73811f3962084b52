"""What benches/import does in its shop. Needs nothing but Python itself."""

import json
import pathlib
import sys
import threading
import time

from people import Person, Visit

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / ".ci"))
import memory

CUSTOMERS = 4
LONGEST = 1.0  # second


def main(rows):
    boss = Person()
    boss.token = memory.sign_in()
    product = json.loads(boss.ask("POST", "/api/products", {"name": "Mug", "price": "9.50", "stock": 1_000_000})[1])["id"]
    visit, over = Visit(), threading.Event()
    customers = [threading.Thread(target=visit.go_on, args=(product, over)) for _ in range(CUSTOMERS)]
    for customer in customers:
        customer.start()
    started = time.monotonic()
    held = memory.import_products(rows)
    print(f"imported {rows} rows in {time.monotonic() - started:.0f} s; the import held at most {held:.0f} MB", flush=True)
    over.set()
    for customer in customers:
        customer.join()
    if faults := visit.faults(LONGEST, 100):
        sys.exit("; ".join(faults))


main(*map(int, sys.argv[1:]))
