"""What .ci/memory does in its shop: signs in, uploads photos and imports products, four at a time, and reads from the
kernel how much memory that took. Needs nothing but Python itself."""

import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

SHOP, PID, PROGRAM, DATA = (os.environ[name] for name in ("SHOP", "SHOP_PID", "SHOP_PROGRAM", "SHOP_DATA"))
PEAK, AT_REST, IMPORT = 200, 120, 200  # MB
# Of a program that was not built for speed, the code alone is 60 MB that no shop in earnest has: it does not count.
DEBUG = "/debug/" in PROGRAM
AT_A_TIME = 4
IMAGES = 19  # a product has at most 20, and the demo's have one


def ask(method, path, body=None, content_type="application/json", token=None):
    request = urllib.request.Request(SHOP + path, data=body, method=method)
    if body is not None:
        request.add_header("Content-Type", content_type)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def sign_in():
    login = {"email": "admin@example.com", "password": "demo-admin-1"}
    return ask("POST", "/api/auth/login", json.dumps(login).encode())["access"]


def upload(product, photo, token):
    wrapped = b'--photo\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + photo + b"\r\n--photo--\r\n"
    ask("POST", f"/api/products/{product}/images", wrapped, "multipart/form-data; boundary=photo", token)


def products(count):
    """So many of the demo's."""
    found = []
    while len(found) < count:
        page = ask("GET", f"/api/products?per_page=100&page={1 + len(found) // 100}")
        found += [product["id"] for product in page]
    return found[:count]


def photo(width, height, detail):
    """A JPEG in the proportions and with the halved colours of a phone's; at 4032 x 3024 and a detail of 14, of 2.6 MB.
    It shows noise: each block of 8 x 8 pixels is one of a few hundred made beforehand."""
    dice = random.Random(7)
    # Codes as simple as the format allows: of 5 bits for how large a block's first value is, of 8 bits for the others.
    sizes = {size: f"{size:05b}" for size in range(12)}
    runs = [0] + [zeros << 4 | size for zeros in range(6) for size in range(1, 9)]
    runs = {run: f"{number:08b}" for number, run in enumerate(runs)}

    def value(size):
        return "".join(dice.choice("01") for _ in range(size))

    def block(most):
        size = dice.randrange(4)
        bits = sizes[size] + value(size)
        for _ in range(dice.randrange(2, most)):
            size = dice.randrange(1, 4)
            bits += runs[dice.randrange(2) << 4 | size] + value(size)
        return bits + runs[0]

    light, colour = [block(detail) for _ in range(300)], [block(4) for _ in range(300)]
    scan = []
    for _ in range((width // 16) * (height // 16)):
        scan += dice.choices(light, k=4) + dice.choices(colour, k=2)
    bits = "".join(scan)
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")

    def segment(marker, content):
        return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + bytes(content)

    def codes(table, length, symbols):
        return segment(0xC4, [table, *(len(symbols) if bits == length else 0 for bits in range(1, 17)), *symbols])

    frame = [8, *height.to_bytes(2, "big"), *width.to_bytes(2, "big"), 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]
    return b"".join([
        b"\xff\xd8",
        segment(0xDB, [0] + [6] * 64),
        segment(0xC0, frame),
        codes(0x00, 5, sizes),
        codes(0x10, 8, runs),
        segment(0xDA, [3, 1, 0x00, 2, 0x00, 3, 0x00, 0, 63, 0]),
        scan,
        b"\xff\xd9",
    ])


def write_export(file, rows):
    """A Shopify export: products of three variants each."""
    columns = [
        "Handle", "Title", "Body (HTML)", "Vendor", "Type", "Published", "Option1 Name", "Option1 Value", "Variant SKU",
        "Variant Inventory Qty", "Variant Price", "Image Src", "Status",
    ]
    out = csv.DictWriter(file, columns)
    out.writeheader()
    for row in range(rows):
        number, variant = divmod(row, 3)
        line = {
            "Handle": f"thing-{number}",
            "Option1 Value": ("Small", "Medium", "Large")[variant],
            "Variant SKU": f"SKU-{row}",
            "Variant Inventory Qty": row % 50,
            "Variant Price": f"{5 + row % 90}.90",
        }
        if variant == 0:
            line |= {
                "Title": f"Thing No. {number}",
                "Body (HTML)": f"<p>The <b>thing</b> that everybody wants. {'It is good. ' * 20}</p>",
                "Vendor": f"Vendor {number % 200}",
                "Type": f"Type {number % 40}",
                "Published": "true",
                "Option1 Name": "Size",
                "Image Src": f"https://cdn.example.com/things/{number}.jpg",
                "Status": "active",
            }
        out.writerow(line)


def import_products(rows):
    """The program's peak, in MB."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as file:
        write_export(file, rows)
        file.flush()
        settings = {"PATH": os.environ["PATH"], "RUST_LOG": "warn", "DATA_DIR": DATA}
        settings |= {name: os.environ[name] for name in ("DATABASE_URL", "JWT_SECRET") if name in os.environ}
        subprocess.run([PROGRAM, "import", "products", file.name], check=True, env=settings, cwd=DATA)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6


def held(line):
    """MB of the shop, as the kernel counts them: VmRSS at this moment, VmHWM at most."""
    with open(f"/proc/{PID}/status") as status:
        return next(int(text.split()[1]) for text in status if text.startswith(line)) * 1024 / 1e6


def tell(what, started):
    print(f"{what:<28} {held('VmRSS'):5.0f} MB, at most {held('VmHWM'):5.0f} MB, {time.time() - started:4.0f} s", flush=True)


def main(sign_ins, uploads, rows, quiet):
    # A program that was not built for speed takes seconds for 12 megapixels; a quarter of them with more in each will do.
    picture = photo(2016, 1512, 44) if DEBUG else photo(4032, 3024, 14)
    tell("the demo shop is open", time.time())
    with ThreadPoolExecutor(AT_A_TIME) as people:
        started = time.time()
        token = list(people.map(lambda _: sign_in(), range(sign_ins)))[-1]
        tell(f"{sign_ins} sign-ins", started)

        started = time.time()
        targets = products(1 + uploads // IMAGES)
        list(people.map(lambda number: upload(targets[number // IMAGES], picture, token), range(uploads)))
        tell(f"{uploads} photos of {len(picture) / 1e6:.1f} MB", started)

    started = time.time()
    imported = import_products(rows)
    tell(f"{rows} rows imported", started)
    print(f"{'the import itself':<28}           at most {imported:5.0f} MB")

    started = time.time()
    time.sleep(quiet)
    tell("at rest", started)
    code = held("RssFile") if DEBUG else 0
    if code:
        print(f"{'of which are code':<28} {code:5.0f} MB, which do not count: this is a debug build")
    limits = [
        ("ever", held("VmHWM") - code, PEAK),
        ("at rest", held("VmRSS") - code, AT_REST),
        ("while importing", imported, IMPORT),
    ]
    over = [f"{when} it held {taken:.0f} MB, and may hold {limit}" for when, taken, limit in limits if taken > limit]
    if over:
        sys.exit(f"Too much memory: {'; '.join(over)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
