"""How long the page Rightsizing of a large fleet takes to draw anew: from the press to the whole new drawing.

Run: python tests/benchmarks/fleet_redraw.py [GPUs] [days of five-minute samples]; a browser is needed. Beside
it stands what a bare Streamlit page of a number and a line takes for a new number in the same minute.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
from conftest import WIDE, Visit, running_browser, running_dashboard
from dashboard_speed import bare, opened, redraw_ms
from fleet_percentiles import METRICS, fill

from inferplan.dashboard.navigation import PAGES
from inferplan.datasets.uploads.metrics import METRICS as KNOWN
from inferplan.datasets.warehouse import Warehouse

SAMPLES_PER_DAY = 288
REPEATS = 6
PATIENCE_MS = 120_000
FINDING = '[data-testid="stMain"] [data-testid="stExpander"]'
CHART = '[data-testid="stVegaLiteChart"]'
PROFILES = {"Production": "production", "Development": "development"}


def press_ms(visit: Visit, press: Callable[[], None], shown: str) -> float:
    """Return the milliseconds from ``press`` until ``shown`` stands there and nothing else is to come."""
    began = time.perf_counter()
    press()
    visit.page.locator(shown).first.wait_for()
    visit.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    took = time.perf_counter() - began
    visit.settle()
    visit.page.wait_for_timeout(200)
    return took * 1000


def tab_ms(visit: Visit, name: str, shown: str) -> float:
    """Return how long it takes to change to a tab."""
    return press_ms(
        visit, visit.page.get_by_role("tab", name=name, exact=True).click, f"{shown} >> visible=true"
    )


def option_ms(visit: Visit, label: str, option: str, shown: str) -> float:
    """Return how long it takes to draw what follows from another option of a select box."""
    box = visit.page.get_by_test_id("stSelectbox").filter(has=visit.page.get_by_text(label, exact=True))
    box.locator("input").click()
    return press_ms(visit, visit.page.get_by_role("option", name=option, exact=True).click, shown)


def finding_ms(visit: Visit, number: int) -> float:
    """Return how long it takes to open a finding, until its chart stands there."""
    finding = visit.page.locator(FINDING).nth(number)
    took = press_ms(
        visit, finding.locator("summary").click, f"{FINDING} >> nth={number} >> {CHART} >> canvas, svg"
    )
    finding.locator("summary").click()
    finding.locator(CHART).wait_for(state="detached")
    visit.settle()
    return took


def measured(visit: Visit) -> dict[str, list[float]]:
    """Return what each kind of change took, the first time of each left out."""
    took: dict[str, list[float]] = {}
    titles = cycle([KNOWN["dram_active_ratio"].title, KNOWN["sm_active_ratio"].title])
    profiles = cycle(["Development", "Production"])
    for turn in range(REPEATS + 1):
        profile, title = next(profiles), next(titles)
        caption = f"text=the profile {PROFILES[profile]}; >> visible=true"
        found = {
            "another profile": option_ms(visit, "Profile", profile, caption),
            "a finding opened": finding_ms(visit, turn),
            "tab Usage": tab_ms(visit, "Usage", CHART),
            "another metric": option_ms(visit, "Metric", title, f'[aria-label^="{title}: "]'),
            "tab Findings": tab_ms(visit, "Findings", FINDING),
        }
        for label, ms in found.items():
            took.setdefault(label, []).extend([ms] if turn > 1 else [])
    return took


def main() -> None:
    """Print the figures."""
    gpus = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    days = float(sys.argv[2]) if len(sys.argv) > 2 else 7.2
    path = next(entry for entry in PAGES if entry.stem == "rightsizing").url_path
    with tempfile.TemporaryDirectory() as folder, running_browser() as browser:
        database = Path(folder) / "warehouse.duckdb"
        with Warehouse.open(database) as warehouse:
            fill(warehouse, round(gpus * days * SAMPLES_PER_DAY * len(METRICS)), gpus)
        with opened(browser, bare, "") as (visit, _):
            _, bare_ms = redraw_ms(visit, "{:,} in all")
        with running_dashboard(database) as address:
            visit = Visit(browser.new_context(viewport=WIDE), address)
            visit.page.set_default_timeout(PATIENCE_MS)
            visit.page.goto(f"{address}/{path}")
            visit.page.locator(FINDING).first.wait_for()
            for label, took in measured(visit.settle()).items():
                middle = statistics.median(took)
                print(f"{label}: {middle:.0f} ms ({middle / bare_ms:.1f} x a bare page's {bare_ms:.0f} ms)")


if __name__ == "__main__":
    main()
