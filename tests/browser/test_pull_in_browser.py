"""Pulling from a monitoring server in a real browser: asked, shown, confirmed, imported."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Visit

UTILIZATION = {"__name__": "DCGM_FI_DEV_GPU_UTIL", "UUID": "GPU-1", "gpu": "0", "Hostname": "n1"}


class Prometheus(BaseHTTPRequestHandler):
    """Knows one GPU, a third busy."""

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        moments = range(int(start), int(end) + 1, int(step))
        known = "DCGM_FI_DEV_GPU_UTIL(" in asked["query"]
        series = {"metric": UTILIZATION, "values": [[at, "33"] for at in moments]}
        data = {"resultType": "matrix", "result": [series] if known else []}
        body = json.dumps({"status": "success", "data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def prometheus() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Prometheus)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_usage_is_pulled_shown_and_imported(visit: Visit, prometheus: str) -> None:
    page = visit.open("inferplan-rightsizing").page
    page.get_by_text("Pull from Prometheus or CloudWatch", exact=True).click()
    page.get_by_label("Address", exact=True).fill(prometheus)
    page.get_by_role("button", name="Pull", exact=True).click()
    expect(page.get_by_text("10,081 values kept")).to_be_visible()  # a week of minutes and its first moment
    page.get_by_role("button", name="Import 1 file", exact=True).click()
    expect(page.get_by_text("Imported Prometheus 127.0.0.1")).to_be_visible()
    expect(page.get_by_test_id("stMetric").filter(has_text="GPUs measured")).to_contain_text("1")
