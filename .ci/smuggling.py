"""Sends requests that two servers may read differently through real proxies. Run by .ci/smuggling.

Each request hides another one, for /hidden-N. The shop may answer that one only if the proxy sent it as a request of its
own, which the proxy's log tells. After each, other clients ask for what they want over the proxy's kept connections and
must get their own answers.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

SHOP = os.environ["SHOP"].removeprefix("http://")
SHOP_LOG = pathlib.Path(os.environ["SHOP_DATA"]).parent / "log"

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log; worker_processes 1;
events {{}}
http {{
    log_format asked '$request_uri'; access_log {folder}/nginx.log asked;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream shop {{ server {shop}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
        }}
    }}
}}
"""

HAPROXY = """
global
    log stdout format raw local0
defaults
    mode http
    log global
    log-format "%HU"
    timeout connect 2s
    timeout client 5s
    timeout server 5s
    option http-keep-alive
    http-reuse always
frontend shop
    bind 127.0.0.1:{port}
    default_backend shop
backend shop
    server shop {shop}
"""


def hiding(number: int) -> list[tuple[str, bytes]]:
    """Every request to try, with what it is called. {hidden} stands for the request that it hides."""
    hidden = f"GET /hidden-{number} HTTP/1.1\r\nHost: shop\r\n\r\n"
    length = len(hidden)
    post = "POST /api/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
    get = "GET /api/products HTTP/1.1\r\nHost: shop\r\n"
    chunked = f"0\r\n\r\n{hidden}"
    tried = {
        "length and chunks": f"{post}Content-Length: {len(chunked)}\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}",
        "chunks and length": f"{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n",
        "two lengths": f"{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}",
        "two lengths in one line": f"{post}Content-Length: 0, {length}\r\n\r\n{hidden}",
        "a length with a sign": f"{post}Content-Length: +{length}\r\n\r\n{hidden}",
        "a negative length": f"{post}Content-Length: -{length}\r\n\r\n{hidden}",
        "a length in hexadecimal": f"{post}Content-Length: 0x{length:x}\r\n\r\n{hidden}",
        "a length with a space before the colon": f"{post}Content-Length : {length}\r\n\r\n{hidden}",
        "a length behind a bare LF": f"{post}X: y\nContent-Length: {length}\r\n\r\n{hidden}",
        "a length behind a bare CR": f"{post}X: y\rContent-Length: {length}\r\n\r\n{hidden}",
        "a length on a folded line": f"{post}X: y\r\n Content-Length: {length}\r\n\r\n{hidden}",
        "a length behind NUL": f"{post}X: y\0\r\nContent-Length: {length}\r\n\r\n{hidden}",
        "a head that ends with LF LF": f"{post}Content-Length: {length}\n\n{hidden}",
        "a get with a length": f"{get}Content-Length: {length}\r\n\r\n{hidden}",
        "chunks after chunks": f"{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{chunked}",
        "chunks under another name": f"{post}Transfer-Encoding: xchunked\r\n\r\n{chunked}",
        "chunks with a tab": f"{post}Transfer-Encoding:\tchunked\r\n\r\n{chunked}",
        "chunks with a vertical tab": f"{post}Transfer-Encoding: \x0bchunked\r\n\r\n{chunked}",
        "chunks with a space before the colon": f"{post}Transfer-Encoding : chunked\r\n\r\n{chunked}",
        "chunks and identity": f"{post}Transfer-Encoding: identity, chunked\r\nContent-Length: 5\r\n\r\n{chunked}",
        "chunks in HTTP/1.0": f"{post.replace('1.1', '1.0')}Transfer-Encoding: chunked\r\nContent-Length: {len(chunked)}\r\n\r\n{chunked}",
        "a size with a sign": f"{post}Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n{hidden}",
        "a size with 0x": f"{post}Transfer-Encoding: chunked\r\n\r\n0x{length:x}\r\n{hidden}\r\n0\r\n\r\n",
        "a size beyond 64 bits": f"{post}Transfer-Encoding: chunked\r\n\r\n1{'0' * 16}\r\n{hidden}",
        "a size that ends with LF": f"{post}Transfer-Encoding: chunked\r\n\r\n0\n\n{hidden}",
        "a size with a torn extension": f"{post}Transfer-Encoding: chunked\r\n\r\n2;x\nxx\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n",
        "a chunk longer than its size": f"{post}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}{hidden}\r\n0\r\n\r\n",
        "a trailer that is a request": f"{post}Transfer-Encoding: chunked\r\n\r\n0\r\n{hidden}",
        "a trailer with a length": f"{post}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: {length}\r\n\r\n{hidden}",
        "no host": f"GET /api/products HTTP/1.1\r\n\r\n{hidden}",
        "two hosts": f"{get}Host: other\r\nContent-Length: {length}\r\n\r\n{hidden}",
        "another host in the address": f"GET http://other/api/products HTTP/1.1\r\nHost: shop\r\nContent-Length: {length}\r\n\r\n{hidden}",
        "a request in the address": f"GET /api/products?x=%0d%0a%0d%0aGET%20/hidden-{number} HTTP/1.1\r\nHost: shop\r\n\r\n",
        "an upgrade": f"{get}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: {length}\r\n\r\n{hidden}",
        "a length that the connection forgets": f"{post}Connection: Content-Length\r\nContent-Length: {length}\r\n\r\n{hidden}",
        "a body that is announced": f"{post}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n{hidden}",
        "two requests at once": f"{get}\r\n{hidden}",
    }
    return [(name, request.encode("latin-1")) for name, request in tried.items()]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def say(port: int, request: bytes, patience: float) -> bytes:
    """Everything that comes back until the proxy closes, or says nothing for so many seconds."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        try:
            connection.sendall(request)
            while part := connection.recv(65536):
                answer += part
        except (TimeoutError, ConnectionError):
            pass
    return answer


def bystander(port: int, number: int) -> str | None:
    """Somebody else's request, and what is wrong with its answer."""
    request = f"GET /api/products/{number} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode()
    answer = say(port, request, 5)
    if not answer.startswith(b"HTTP/1.1 200 "):
        return f"got {answer[:60]!r}"
    body = answer.split(b"\r\n\r\n", 1)[1]
    return None if json.loads(body)["id"] == number else f"got another product: {body[:60]!r}"


def asked_for(log: pathlib.Path, marker: str) -> int:
    return len(re.findall(marker + r'(?![0-9])', log.read_text(errors="replace")))


def shop_was_asked_for(marker: str) -> int:
    lines = (json.loads(line) for line in SHOP_LOG.read_text().splitlines() if line.startswith("{"))
    return sum(line.get("path", line.get("fields", {}).get("path")) == marker for line in lines)


def through(name: str, port: int, log: pathlib.Path, first: int) -> list[str]:
    faults = []
    count = len(hiding(0))
    for index in range(count):
        number = first + index
        what, request = hiding(number)[index]
        say(port, request, 0.3)
        faults += [f"{name}, {what}: a bystander {fault}" for turn in range(4) if (fault := bystander(port, turn + 1))]
    time.sleep(0.2)  # until both have written their logs
    for index in range(count):
        marker = f"/hidden-{first + index}"
        shop, proxy = shop_was_asked_for(marker), asked_for(log, marker)
        if shop > proxy:
            faults.append(f"{name}, {hiding(0)[index][0]}: the shop read {shop} hidden requests, the proxy sent {proxy}")
        if hiding(0)[index][0] == "two requests at once" and shop != 1:
            faults.append(f"{name}: a request that nobody hid was read {shop} times; so the logs show nothing")
    print(f"{name}: {count} tried, {count * 4} bystanders, {len(faults)} faults")
    return faults


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # nginx writes there as another user
        nginx_port, haproxy_port = free_port(), free_port()
        nginx, haproxy = pathlib.Path(folder, "nginx.conf"), pathlib.Path(folder, "haproxy.cfg")
        nginx.write_text(NGINX.format(folder=folder, shop=SHOP, port=nginx_port))
        haproxy.write_text(HAPROXY.format(shop=SHOP, port=haproxy_port))
        nginx_log, haproxy_log = pathlib.Path(folder, "nginx.log"), pathlib.Path(folder, "haproxy.log")
        with haproxy_log.open("w") as log:
            proxies = [
                subprocess.Popen(["/usr/sbin/nginx", "-c", nginx, "-p", folder]),
                subprocess.Popen(["/usr/sbin/haproxy", "-f", haproxy, "-db"], stdout=log),
            ]
            try:
                for port in (nginx_port, haproxy_port):
                    until = time.monotonic() + 10
                    while bystander_fault := bystander_or_down(port):
                        if time.monotonic() > until:
                            sys.exit(f"the proxy on port {port} does not work: {bystander_fault}")
                        time.sleep(0.1)
                faults = through("nginx", nginx_port, nginx_log, 1000)
                faults += through("haproxy", haproxy_port, haproxy_log, 2000)
            finally:
                for proxy in proxies:
                    proxy.terminate()
                    proxy.wait()
    if faults:
        sys.exit("\n".join(faults))


def bystander_or_down(port: int) -> str | None:
    try:
        return bystander(port, 1)
    except OSError as error:
        return str(error)


if __name__ == "__main__":
    main()
