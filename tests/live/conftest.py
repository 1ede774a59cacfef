"""A server that answers ``query_range`` as Prometheus documents it, for the tests of live pulls."""

import gzip
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

MOST_POINTS = 11_000
Value = Callable[[float], str | None]
Answer = tuple[int, dict[str, str], bytes]


class FakePrometheus:
    """Holds series as functions of time and applies the limits of the real server."""

    def __init__(self) -> None:
        self.series: list[tuple[dict[str, str], Value]] = []
        self.before: list[Answer] = []
        """Given out first, one per request."""
        self.warnings: list[str] = []
        self.most_samples = 50_000_000
        self.credentials: str | None = None
        """What the header ``Authorization`` must be."""
        self.asked: list[dict[str, str]] = []
        self.url = ""

    def answer(self, path: str, authorization: str | None) -> Answer:
        parts = urlsplit(path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append(asked)
        if self.before:
            return self.before.pop(0)
        if self.credentials is not None and authorization != self.credentials:
            return 401, {}, b"Unauthorized"
        if not parts.path.endswith("/api/v1/query_range"):
            return 404, {}, b"404 page not found"
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        if (end - start) / step > MOST_POINTS:
            limit = "exceeded maximum resolution of 11,000 points per timeseries"
            return error(400, "bad_data", f"{limit}. Try decreasing the query resolution (?step=XX)")
        found = [(labels, value) for labels, value in self.series if _matches(asked["query"], labels)]
        moments = [start + at * step for at in range(int((end - start) // step) + 1)]
        if len(found) * len(moments) > self.most_samples:
            return error(
                422, "execution",
                "query processing would load too many samples into memory in query execution",
            )  # fmt: skip
        result = []
        for labels, value in found:
            points = [[at, text] for at in moments if (text := value(at)) is not None]
            if points:
                result.append({"metric": labels, "values": points})
        body: dict[str, Any] = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        if self.warnings:
            body["warnings"] = self.warnings
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return 200, headers, gzip.compress(json.dumps(body).encode())


def error(status: int, kind: str, text: str) -> Answer:
    """Return an error as Prometheus words it."""
    body = {"status": "error", "errorType": kind, "error": text}
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


def _matches(query: str, labels: dict[str, str]) -> bool:
    pairs = re.findall(r'(\w+)(=~|=)"([^"]*)"', query)
    return bool(pairs) and all(re.fullmatch(text, labels.get(name, "")) for name, _, text in pairs)


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[FakePrometheus]:
    """Run a server, behind TLS with a ``context``."""
    fake = FakePrometheus()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = fake.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that breaks off is no failure of the server."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    fake.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def prometheus() -> Iterator[FakePrometheus]:
    with serving() as fake:
        yield fake


@pytest.fixture
def serve() -> Callable[[ssl.SSLContext], Any]:
    """Return what runs a server behind TLS."""
    return serving
