"""Whether the dashboard starts as fast without AWS credentials and without a network as with both.

Run ``python tests/benchmarks/start_without_network.py``; a browser is needed. Without means: no credentials,
a metadata service that takes connections and never answers, and a proxy that refuses everything.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
from conftest import OWN_DASHBOARD, WIDE, Visit, running_browser, running_server
from playwright.sync_api import Browser

from inferplan.datasets.warehouse import Warehouse

NOWHERE = "/nonexistent"
ANSWERED = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "test-only"}
REPEATS = 3


def unanswered(silent: socket.socket) -> dict[str, str]:
    """Return the environment of a machine that reaches nobody."""
    proxy = "http://127.0.0.1:9"
    return {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}/",
        "HTTP_PROXY": proxy,
        "HTTPS_PROXY": proxy,
        "NO_PROXY": "localhost",
    }


def measure(browser: Browser, given: dict[str, str]) -> tuple[float, float, str]:
    """Return seconds to the first page and to the tab Sources, and what that says of AWS."""
    pairs = [f"{name}={value}" for name, value in given.items()]
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "warehouse.duckdb"
        Warehouse.open(database).close()
        began = time.perf_counter()
        with running_server(
            ["env", "-u", "AWS_EC2_METADATA_DISABLED", *pairs, *OWN_DASHBOARD], database
        ) as address:
            visit = Visit(browser.new_context(viewport=WIDE), address).open()
            first_s = time.perf_counter() - began
            visit.open("inferplan-prices")
            began = time.perf_counter()
            visit.page.get_by_role("tab", name="Sources", exact=True).click()
            visit.page.get_by_test_id("stFileUploader").wait_for()
            sources_s = time.perf_counter() - began
            skipped = [line for line in visit.text().splitlines() if "Skipped" in line]
            visit.page.context.close()
    return first_s, sources_s, skipped[0].strip() if skipped else "all sources ready"


def main() -> None:
    """Print the figures."""
    for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
        del os.environ[name]
    os.environ |= {"AWS_CONFIG_FILE": NOWHERE, "AWS_SHARED_CREDENTIALS_FILE": NOWHERE}
    with running_browser() as browser, socket.create_server(("127.0.0.1", 0)) as silent:
        for name, given in (("with", ANSWERED), ("without", unanswered(silent))):
            found = [measure(browser, given) for _ in range(REPEATS)]
            first_s, sources_s = (min(one[at] for one in found) for at in (0, 1))
            print(f"{name} credentials and network: first page {first_s:.2f} s, Sources {sources_s:.2f} s")
            print(f"  {found[0][2]}")


if __name__ == "__main__":
    main()
